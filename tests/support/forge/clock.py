"""A clock for what happens on the tests' forge by itself."""

from dataclasses import dataclass


@dataclass
class Clock:
    """Stands still until a test moves it: `site.clock = clock`, `clock.now += 5`."""

    now: float = 100.0

    def __call__(self) -> float:
        """Return the time, in seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let that much time pass at once."""
        self.now += seconds

"""What one server still allows: calls until its count begins again, and what may be made in so much time."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

_EVER_S = 1e12
_HOUR_S = 3600.0
_MINUTE_S = 60.0


@dataclass
class Budget:
    """The calls of one kind, by the headers of the last answer; times are seconds since the epoch.

    remaining: calls until `reset`; None: not said. asked: when the last answer came. full: calls from one reset to the
    next; 0: not said. window_s: the time between two resets.
    """

    remaining: int | None = None
    reset: float = 0.0
    asked: float = 0.0
    full: int = 0
    window_s: float = _HOUR_S

    def take(self, headers: Mapping[str, str], now: float) -> None:
        """Take note of what an answer says; nothing where it says nothing."""
        for prefix, window_s in (("x-ratelimit-", _HOUR_S), ("ratelimit-", _MINUTE_S)):
            remaining, reset = (number_in(headers.get(f"{prefix}{name}", "")) for name in ("remaining", "reset"))
            if remaining is not None and reset is not None:
                self.remaining, self.reset, self.asked, self.window_s = int(remaining), reset, now, window_s
                self.full = int(number_in(headers.get(f"{prefix}limit", "")) or 0)
                return

    def left(self, now: float) -> int | None:
        """Return how many calls are allowed until the reset; None: no number is known, or its time is over."""
        return self.remaining if now < self.reset else None

    def free_at(self, wanted: int, now: float) -> float:
        """Return when the next call may be made. wanted: how many are still to do, as far as that is known.

        Where fewer are allowed until the reset, these are spread evenly over the time: all others with the same token
        are left some, and the last ones wait for the reset in any case.
        """
        left = self.left(now)
        if left is None or (left >= wanted and left > 0):
            return 0.0
        return self.asked + (self.reset - self.asked) / (left + 1)

    def done_at(self, wanted: int, now: float, call_s: float) -> float:
        """Return when so many calls will be done, about. call_s: what one takes where it need not wait."""
        left = self.left(now)
        if left is None or left >= wanted:
            return now + wanted * call_s
        over = wanted - left
        windows = (over - 1) // self.full if self.full else 0
        return max(self.reset, now + left * call_s) + windows * self.window_s + (over - windows * self.full) * call_s


@dataclass
class Made:
    """What was made on a server in the last while, for limits that no header tells: so many in so many seconds.

    A limit is kept for any stretch of that length, wherever the server lets its own begin.
    """

    limits: Mapping[float, int] = field(default_factory=dict)
    _times: deque[float] = field(default_factory=deque)

    def add(self, now: float) -> None:
        """Take note of one."""
        if self.limits:
            self._times.append(now)
            while len(self._times) > max(self.limits.values()):
                self._times.popleft()

    def free_at(self) -> float:
        """Return when the next one may be made."""
        return max((at for at, _ in self._free()), default=0.0)

    def words(self, now: float) -> str:
        """Return the limit that keeps the next one waiting, as `500 an hour`."""
        _, seconds = max(self._free(), default=(now, _HOUR_S))
        return f"{self.limits.get(seconds, 0):,} {'an hour' if seconds >= _HOUR_S else 'a minute'}"

    def _free(self) -> list[tuple[float, float]]:
        """Return when each limit that is reached lets the next one be made, and its seconds."""
        count = len(self._times)
        return [
            (self._times[count - most] + seconds, seconds) for seconds, most in self.limits.items() if count >= most
        ]

    def done_at(self, wanted: int, now: float) -> float:
        """Return when so many more will be made, about: those that are allowed at once take no time."""
        ends = [now]
        for seconds, most in self.limits.items():
            recent = [each for each in self._times if each + seconds > now]
            over = wanted - max(most - len(recent), 0)
            if over > 0:
                first = recent[0] if recent else now
                ends.append(first + seconds * (1 + (over - 1) // most))
        return max(ends)


def number_in(text: str) -> float | None:
    """Return whole seconds or a count, capped; None: it is no number."""
    return min(float(text), _EVER_S) if text.isascii() and text.isdigit() else None

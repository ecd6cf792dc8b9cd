"""A server's rate limits: how long it wants to be left alone, and how long that is worth waiting for.

Where a run has said how many calls are to come, and fewer are allowed until the server's count begins again, they are
spread over that time, and a note says when all will be done.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from flakesync.forge.limits.budget import Budget, Made, number_in
from flakesync.forge.model import ForgeError

SECONDARY_PAUSE_S = 60.0
"""The first pause after a limit without a time: GitHub asks for a minute at least, and more each time."""
NOTE_FROM_S = 30.0
"""How long a wait has to be for a note."""
NOTE_EVERY_S = 1800.0

_LIMITED = re.compile(rb"rate limit|abuse detection", re.IGNORECASE)
"""GitHub's words; the second are those of older Enterprise servers."""
_SHORTEST_S = 0.2
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Waits:
    """How a run waits for limits. patience_s: how long one call may, in all, from now on. tell: takes notes."""

    patience_s: Callable[[], float]
    tell: Callable[[str], object] = lambda _: None


@dataclass
class Limits:
    """One host's limits. Its times are seconds since the epoch, as the servers give them.

    stopped: whether nobody waits any more. calls, made: how many of them the run has still to do, as far as it is
    known; what is made counts in `calls` too.
    """

    host: str
    sleep: Callable[[float], object]
    clock: Callable[[], float]
    waits: Waits
    stopped: Callable[[], bool]
    made: Made = field(default_factory=Made)
    calls_left: int = 0
    made_left: int = 0
    _budgets: dict[str, Budget] = field(default_factory=dict)
    _free_at: float = 0.0
    _waited_s: float = 0.0
    _hits: int = 0
    _told_at: float | None = None
    _calls: int = 0
    _calls_s: float = 0.0

    def begin(self) -> None:
        """Start a call: it may wait again."""
        self._waited_s = 0.0
        self._hits = 0

    def wait(self, resource: str, *, makes: bool = False) -> None:
        """Sleep until the server may be called. Raises ForgeError (`forge-rate-limit`) if that takes too long.

        resource: what the server counts the call as. makes: it makes something, of which only so many are allowed.
        """
        pause = self._pause(resource, makes=makes)
        if pause <= 0:
            return
        if self._waited_s + pause > self.waits.patience_s():
            raise self._refused(pause)
        self._waited_s += pause
        self._note(self._budget(resource), pause)
        # In pieces, so that a long wait says again how long it takes.
        while pause > 0 and not self.stopped():
            piece = min(pause, NOTE_EVERY_S)
            self.sleep(piece)
            pause -= piece
            if pause > 0:
                self._note(self._budget(resource), pause)

    def require_free(self, resource: str) -> None:
        """Raise ForgeError (`forge-rate-limit`) where a call would have to wait."""
        pause = self._pause(resource, makes=False)
        if pause > 0:
            raise self._refused(pause)

    def count(self, began: float, *, makes: bool) -> None:
        """Take note of a call that was answered. began: when it was sent."""
        now = self.clock()
        self._calls, self._calls_s = self._calls + 1, self._calls_s + max(now - began, 0.0)
        self.calls_left = max(self.calls_left - 1, 0)
        if makes:
            self.made.add(now)
            self.made_left = max(self.made_left - 1, 0)

    def hit(self, resource: str, status: int, headers: Mapping[str, str], content: bytes) -> bool:
        """Take note of what an answer says about limits; tell whether the call was turned away because of one."""
        now = self.clock()
        budget = self._budget(resource)
        budget.take(headers, now)
        asked = self._asked(headers)
        spent = budget.asked == now and budget.remaining == 0
        if not (status == 429 or (status == 403 and (spent or asked is not None or _LIMITED.search(content)))):
            return False
        self._hits += 1
        shortest = _SHORTEST_S * 2 ** (self._hits - 1)
        if asked is None and spent:
            budget.reset = max(budget.reset, now + shortest)  # of this kind of calls alone
            return True
        pause = SECONDARY_PAUSE_S * 2 ** (self._hits - 1) if asked is None else asked
        self._free_at = now + max(pause, shortest)
        return True

    def _budget(self, resource: str) -> Budget:
        return self._budgets.setdefault(resource, Budget())

    def _pause(self, resource: str, *, makes: bool) -> float:
        now = self.clock()
        until = max(self._free_at, self._budget(resource).free_at(self.calls_left, now))
        return max(until, self.made.free_at() if makes else 0.0) - now

    def _refused(self, pause: float) -> ForgeError:
        return ForgeError(
            "forge-rate-limit",
            f"{self.host}: its rate limit lets nothing through for another {round(pause)} s",
            hint="what is done is done: run the command again later",
        )

    # ---- notes -----------------------------------------------------------------------------------------------------

    def _note(self, budget: Budget, pause: float) -> None:
        """Say how long it takes, at the beginning of a long wait, and from then on rarely."""
        now = self.clock()
        if self._told_at is not None and now - self._told_at < NOTE_EVERY_S:
            return
        call_s = self._calls_s / self._calls if self._calls else 0.0
        unlimited_s = self.calls_left * call_s
        end = max(budget.done_at(self.calls_left, now, call_s), now + pause + unlimited_s)
        end = max(end, self.made.done_at(self.made_left, now))
        if end - (now + unlimited_s) < NOTE_FROM_S:
            return
        self._told_at = now
        self.waits.tell(f"{self.host}: {self._words(budget, now, pause)}{_about(self.calls_left, end, now)}")

    def _words(self, budget: Budget, now: float, pause: float) -> str:
        allowed = budget.left(now)
        if self.made_left and self.made.free_at() > max(self._free_at, now):
            return f"{_many(self.made_left, 'pull request')} left to open or merge, {self.made.words(now)} allowed"
        calls = f"{_many(self.calls_left, 'call')} left to do, " if self.calls_left else ""
        if allowed and self._free_at <= now:
            return f"{calls}{allowed:,} allowed until {_clock_time(budget.reset, now)}"
        return f"{calls}none allowed until {_clock_time(now + pause, now)}"

    def _asked(self, headers: Mapping[str, str]) -> float | None:
        """Return the seconds that Retry-After asks for; None: it is not there, or cannot be read."""
        text = headers.get("retry-after", "").strip()
        if (seconds := number_in(text)) is not None:
            return seconds
        try:
            return parsedate_to_datetime(text).timestamp() - self.clock()
        except (TypeError, ValueError, OverflowError):
            return None


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _about(wanted: int, end: float, now: float) -> str:
    return f": this will be done at about {_clock_time(end, now)}" if wanted else ""


def _clock_time(at: float, now: float) -> str:
    """Return a time of day where people are; with the day, where that is another one."""
    try:
        place = time.localtime(at)
    except (OverflowError, ValueError, OSError):
        return "a time beyond all calendars"
    return time.strftime("%H:%M" if at - now < _DAY_S else "%Y-%m-%d %H:%M", place)

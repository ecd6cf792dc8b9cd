"""A server's rate limits: how long it wants to be left alone, and how long that is worth waiting for."""

import re
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

from flakesync.forge.model import ForgeError

SECONDARY_PAUSE_S = 60.0
"""The first pause after a limit without a time: GitHub asks for a minute at least, and more each time."""

_LIMITED = re.compile(rb"rate limit|abuse detection", re.IGNORECASE)
"""GitHub's words; the second are those of older Enterprise servers."""
_SHORTEST_S = 0.2
_EVER_S = 1e12


class Limits:
    """Keeps one host's limits. Its times are seconds since the epoch, as the servers give them."""

    def __init__(
        self, host: str, sleep: Callable[[float], object], clock: Callable[[], float], patience_s: float
    ) -> None:
        """patience_s: how long one call may wait in all."""
        self._host = host
        self._sleep = sleep
        self._clock = clock
        self._patience_s = patience_s
        self._free_at = 0.0
        self._waited_s = 0.0
        self._hits = 0

    def begin(self) -> None:
        """Start a call: it may wait again."""
        self._waited_s = 0.0
        self._hits = 0

    def wait(self) -> None:
        """Sleep until the server may be called. Raises ForgeError (`forge-rate-limit`) if that takes too long."""
        pause = self._free_at - self._clock()
        if pause <= 0:
            return
        if self._waited_s + pause > self._patience_s:
            raise ForgeError(
                "forge-rate-limit",
                f"{self._host}: its rate limit lets nothing through for another {round(pause)} s",
                hint="what is done is done: run the command again later",
            )
        self._sleep(pause)
        self._waited_s += pause

    def hit(self, status: int, headers: Mapping[str, str], content: bytes) -> bool:
        """Take note of what an answer says about limits; tell whether the call was turned away because of one."""
        spent = _spent(headers)
        asked = self._asked(headers)
        limited = status == 429 or (status == 403 and (spent or asked is not None or _LIMITED.search(content)))
        if not limited:
            if spent and (reset := _reset(headers)) is not None:
                self._free_at = reset
            return False
        self._hits += 1
        if asked is None and spent and (reset := _reset(headers)) is not None:
            asked = reset - self._clock()
        pause = SECONDARY_PAUSE_S * 2 ** (self._hits - 1) if asked is None else asked
        self._free_at = self._clock() + max(pause, _SHORTEST_S * 2 ** (self._hits - 1))
        return True

    def _asked(self, headers: Mapping[str, str]) -> float | None:
        """Return the seconds that Retry-After asks for; None: it is not there, or cannot be read."""
        text = headers.get("retry-after", "").strip()
        if (seconds := _number(text)) is not None:
            return seconds
        try:
            return parsedate_to_datetime(text).timestamp() - self._clock()
        except (TypeError, ValueError, OverflowError):
            return None


def _spent(headers: Mapping[str, str]) -> bool:
    return headers.get("x-ratelimit-remaining", headers.get("ratelimit-remaining")) == "0"


def _reset(headers: Mapping[str, str]) -> float | None:
    """Return when the count of requests starts again (GitHub and GitLab both give seconds since the epoch)."""
    return _number(headers.get("x-ratelimit-reset", headers.get("ratelimit-reset", "")))


def _number(text: str) -> float | None:
    """Parse whole seconds, capped; None if not a number."""
    return min(float(text), _EVER_S) if text.isascii() and text.isdigit() else None

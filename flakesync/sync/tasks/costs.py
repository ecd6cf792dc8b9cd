"""How long the checks of each repo took when they last ran, so that the longest path is begun first."""

import contextlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from flakesync.cache.keep import keep
from flakesync.sync.outcome import Failed, RepoOutcome, Updated
from flakesync.terms import RepoName

UNKNOWN_S = 1.0
"""What a repo counts whose checks have never run."""

_LONGEST_S = 86400.0
_MOST = 100_000
_MOST_BYTES = 16 << 20


class CheckCosts:
    """Seconds by repo, kept between runs of a manifest; none where the file cannot be read.

    They decide in which order repos are done and nothing else.
    """

    def __init__(self, place: Path | None) -> None:
        """place: the file it is kept in, which need not exist; None: nothing is kept."""
        self._place = place
        self._known: dict[str, float] = {}
        self._new: dict[str, float] = {}
        with contextlib.suppress(OSError, ValueError):
            if place is not None and place.stat().st_size <= _MOST_BYTES:
                self._known = msgspec.msgpack.decode(place.read_bytes(), type=dict[str, float])

    def of(self, repos: Iterable[RepoName]) -> dict[RepoName, float]:
        """Return how long each of these takes, in seconds, as far as known."""
        return {name: self._one(name) for name in repos}

    def add(self, outcome: RepoOutcome) -> None:
        """Note how long the checks of a repo took, and its commands; those that failed took that long at least."""
        match outcome:
            case Updated(repo=repo, checks=checks, after=after) | Failed(repo=repo, checks=checks, after=after):
                seconds = sum(each.duration_s for each in (*checks, *after))
                if isinstance(outcome, Failed):
                    seconds = max(seconds, self._known.get(repo, 0.0))
                if checks or after:
                    self._new[repo] = round(seconds, 3)
            case _:
                pass

    def write(self) -> None:
        """Keep what this run has found out for the next one, and what was known before, up to a number of repos."""
        if self._place is None or not self._new:
            return
        every = {**self._new, **{name: cost for name, cost in self._known.items() if name not in self._new}}
        keep(self._place, msgspec.msgpack.encode(dict(list(every.items())[:_MOST])))

    def _one(self, name: RepoName) -> float:
        seconds = self._known.get(name, UNKNOWN_S)
        return min(seconds, _LONGEST_S) if seconds >= 0 else UNKNOWN_S  # NaN is not, either

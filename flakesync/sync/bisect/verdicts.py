"""How the checks of a repo ended on a tree, and what that says: kept for 30 days, as a tree names its files."""

import contextlib
import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from flakesync.cache.keep import keep
from flakesync.cache.layout import verdict_file
from flakesync.sync.bisect.halving import Verdict
from flakesync.sync.outcome import CheckOutcome
from flakesync.system import cause_in

KEPT_S = 30 * 86400.0
"""How long a result is used again: what a check asks of the network is not part of the tree."""

_DAY_S = 86400.0
_SWEPT = "swept"

_NOT_RUN = 126
"""From here on a status of a shell tells that there is no such program, or which signal ended it."""

ResultSource = Literal["ran", "sync", "cache", "same-drv"]
"""Who has run the checks: this bisection, a sync, or another bisection; or nobody, as what they build has failed."""


class ProbeResult(msgspec.Struct, frozen=True, kw_only=True):
    """How the checks of a repo ended. failed: the check that did not pass; None: all passed, or none was run.

    exit_status: of that check; negative for the signal that ended it, None: it took too long. output: the end of what
    it wrote. error: why no check could be run, or what the machine refused it: a full disk says nothing of a move.
    duration_s: wall-clock seconds.
    """

    failed: str | None = None
    exit_status: int | None = 0
    output: str = ""
    error: str | None = None
    duration_s: float = 0.0
    source: ResultSource = "ran"

    @property
    def is_decided(self) -> bool:
        """Whether the check itself said so, and not a signal, a missing program or a lock that could not be made."""
        ended = self.failed is None or (self.exit_status is not None and 0 < self.exit_status < _NOT_RUN)
        return self.error is None and ended


def result_of(checks: Sequence[CheckOutcome], source: ResultSource = "ran") -> ProbeResult:
    """Return the result of checks that ran; the last one is the one that failed, if any did."""
    duration_s = round(sum(check.duration_s for check in checks), 3)
    if not checks or checks[-1].exit_status == 0:
        return ProbeResult(duration_s=duration_s, source=source)
    last = checks[-1]
    refused = cause_in(last.output)
    return ProbeResult(
        failed=last.command,
        exit_status=last.exit_status,
        output=last.output,
        error=refused.message if refused is not None else None,
        duration_s=duration_s,
        source=source,
    )


def judge(result: ProbeResult, looked_for: ProbeResult, match: re.Pattern[str] | None = None) -> Verdict:
    """Return the verdict on a result. looked_for: of all moves together: it fails by the check that is looked for.

    match: what the output of a failure has to have, to be the one that is looked for.
    """
    if not result.is_decided:
        return "unknown"
    if result.failed is None:
        return "pass"
    same = result.failed == looked_for.failed and (match is None or match.search(result.output) is not None)
    return "fail" if same else "unknown"


class VerdictCache:
    """Results by tree; what cannot be read is not known, what cannot be written is not kept.

    What is too old goes when something is kept, once a day.
    """

    def __init__(self, cache: Path, nix_version: Callable[[], str]) -> None:
        """nix_version: gives what else a result depends on; it is asked where one is looked for or kept."""
        self._cache = cache
        self._nix_version = nix_version

    def get(self, tree: str, checks: Sequence[Sequence[str]]) -> ProbeResult | None:
        """Return how these checks have ended on a tree; None where nobody knows, or it was long ago."""
        place = self._place(tree, checks)
        with contextlib.suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
            if time.time() - place.stat().st_mtime <= KEPT_S:
                known = msgspec.json.decode(place.read_bytes(), type=ProbeResult)
                return known if known.source == "sync" else msgspec.structs.replace(known, source="cache")
            place.unlink()
        return None

    def put(self, tree: str, checks: Sequence[Sequence[str]], result: ProbeResult) -> None:
        """Keep how these checks have ended on a tree, if they have said so themselves."""
        if result.is_decided:
            place = self._place(tree, checks)
            keep(place, msgspec.json.encode(result))
            _sweep(place.parent)

    def _place(self, tree: str, checks: Sequence[Sequence[str]]) -> Path:
        machine = os.uname()
        system = f"{machine.machine}-{machine.sysname} nix {self._nix_version()}"
        return verdict_file(self._cache, tree, system, msgspec.json.encode(checks).decode())


def _sweep(folder: Path) -> None:
    """Take what is too old out of a folder, if that was not done today."""
    marker, now = folder / _SWEPT, time.time()
    with contextlib.suppress(OSError):
        if marker.exists() and now - marker.stat().st_mtime < _DAY_S:
            return
        keep(marker, b"")
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name != _SWEPT and now - entry.stat().st_mtime > KEPT_S:
                    Path(entry.path).unlink(missing_ok=True)

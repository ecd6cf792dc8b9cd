"""What Nix checks build: a build that has failed fails again, whatever else has moved, so it is not begun once more.

A build that has passed needs nothing of the kind: Nix's own store has its result.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock

from flakesync.nix.program.command import CheckRun
from flakesync.sync.bisect.verdicts import result_of
from flakesync.sync.outcome import CheckOutcome

Run = Callable[[Sequence[str], Path], CheckRun]
"""Runs a command in a folder."""

_BUILD, _FLAKE_CHECK = ["nix", "build"], ["nix", "flake", "check"]
_SYSTEM = ("nix", "eval", "--impure", "--raw", "--expr", "builtins.currentSystem")
_DRV_PATHS = "checks: builtins.mapAttrs (_: check: check.drvPath) checks"
_PLAIN = frozenset(
    {"-L", "--print-build-logs", "--show-trace", "--keep-going", "-v", "--verbose", "--quiet", "--no-link"}
    | {"--no-update-lock-file", "--no-write-lock-file"}
)
"""Options with which what is built is decided by the flake alone."""


def are_builds(checks: Sequence[Sequence[str]]) -> bool:
    """Tell whether all of some checks do nothing but build derivations of the repo's own flake with Nix."""
    return bool(checks) and all(map(_is_build, checks))


def _is_build(argv: Sequence[str]) -> bool:
    words = [*argv]
    own: Callable[[str], bool]
    if words[:3] == _FLAKE_CHECK:
        rest, own = words[3:], lambda word: word == "."
    elif words[:2] == _BUILD:
        rest, own = words[2:], lambda word: word == "." or word.startswith(".#")
    else:
        return False
    return all(word in _PLAIN or own(word) for word in rest)


class FailedBuilds:
    """The builds that have failed, by the derivations that they were of. Threads may share it."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._failed: dict[tuple[str, ...], CheckRun] = {}
        self._system: str | None = None

    def known(self, argv: Sequence[str], folder: Path, run: Run) -> CheckRun | None:
        """Return how a check has failed that builds the same; None: nothing is known, or it does not evaluate.

        run: evaluates; nothing is built.
        """
        if not self._failed:
            return None
        key = self._key(argv, folder, run)
        with self._guard:
            found = self._failed.get(key) if key is not None else None
        return found if found is not None and _evaluates(argv, folder, run) else None

    def note(self, argv: Sequence[str], folder: Path, ran: CheckRun, run: Run) -> None:
        """Keep how a check has failed, if it was a build that did, and nothing before it."""
        if ran.status == 0 or not result_of([CheckOutcome("", ran.status, 0.0, ran.output)]).is_decided:
            return
        key = self._key(argv, folder, run)
        if key is not None and _evaluates(argv, folder, run):
            with self._guard:
                self._failed.setdefault(key, ran)

    def _key(self, argv: Sequence[str], folder: Path, run: Run) -> tuple[str, ...] | None:
        """Return what names a check and the derivations that it builds; None: that cannot be told."""
        if [*argv[:2]] == _BUILD:
            built = _json_of(run([*_BUILD, "--dry-run", "--json", *argv[2:]], folder))
            return _named(argv, built if isinstance(built, list) and all(map(_drv_of, built)) else None)
        if self._system is None:
            words = (told := run(_SYSTEM, folder)).output.split()
            if told.status != 0 or not words:
                return None
            self._system = words[-1]
        paths = _json_of(run(["nix", "eval", "--json", f".#checks.{self._system}", "--apply", _DRV_PATHS], folder))
        return _named(argv, paths if isinstance(paths, dict) and all(map(_is_drv, paths.values())) else None)


def _named(argv: Sequence[str], built: object) -> tuple[str, ...] | None:
    return (*argv, json.dumps(built, sort_keys=True)) if built else None


def _drv_of(built: object) -> bool:
    return isinstance(built, dict) and _is_drv(built.get("drvPath"))


def _is_drv(path: object) -> bool:
    return isinstance(path, str) and path.endswith(".drv")


def _evaluates(argv: Sequence[str], folder: Path, run: Run) -> bool:
    """Tell whether all that a check evaluates is sound; of `nix build` that is what it builds."""
    return [*argv[:2]] == _BUILD or run([*argv, "--no-build"], folder).status == 0


def _json_of(ran: CheckRun) -> object:
    """Return what a command has printed, among its warnings; None: it failed, or there is nothing of the kind."""
    if ran.status != 0:
        return None
    for line in reversed(ran.output.splitlines()):
        if line.startswith(("{", "[")):
            try:
                return json.loads(line)
            except ValueError:
                return None
    return None

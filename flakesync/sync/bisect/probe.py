"""One probe: some units of a repo's update, locked and committed as if nothing else had moved, and its checks run."""

from collections.abc import Callable, Collection, Sequence
from itertools import count
from pathlib import Path
from threading import Lock

import msgspec
from msgspec.structs import replace

from flakesync.errors import INTERRUPTED, FlakesyncError
from flakesync.git.repository import Repository
from flakesync.nix.lock.file import LockFile
from flakesync.nix.program.command import CheckRun
from flakesync.sync.bisect.compose import compose
from flakesync.sync.bisect.derivations import FailedBuilds, are_builds
from flakesync.sync.bisect.units import Unit
from flakesync.sync.bisect.verdicts import ProbeResult, result_of
from flakesync.sync.bump import bump
from flakesync.sync.checks import ChecksFailedError, run_checks
from flakesync.sync.job import BumpJob
from flakesync.sync.lockers import Locker, Request
from flakesync.sync.outcome import Updated
from flakesync.sync.tools import Tools
from flakesync.terms import FlakeDir, Rev


class ComposedLocker:
    """A Locker that notes what another one writes for all moves, and composes of that what some of them give.

    Where that is not exact, the other one writes it.
    """

    def __init__(self, real: Locker) -> None:
        self._real = real
        self._full: dict[FlakeDir, tuple[Request, LockFile]] = {}
        self._noting = True

    @property
    def name(self) -> str:
        """Who wrote what is composed."""
        return self._real.name

    def lock(self, request: Request) -> LockFile:
        """Return the new lock; see Locker."""
        if self._noting:
            self._full[request.dir] = request, (lock := self._real.lock(request))
            return lock
        full = self._full.get(request.dir)
        if full is not None and _is_part(request, full[0]):
            moved, chosen = ([move.input for move in each.moves] for each in (full[0], request))
            lock_or_none = compose(request.lock, full[1], moved, chosen)
            if lock_or_none is not None:
                return lock_or_none
        return self._real.lock(request)

    def compose_from_now_on(self) -> None:
        """Note nothing more: what comes now has some of the moves."""
        self._noting = False


def _is_part(request: Request, full: Request) -> bool:
    """Tell whether a request is for some of the moves of another one, to the same commits, and nothing else differs."""
    same = msgspec.structs.replace(request, moves=()) == msgspec.structs.replace(full, moves=())
    return same and all(move in full.moves for move in request.moves)


class Prober:
    """Runs probes of one repo; threads may share it. Commits and branches are made in the job's borrowed repository."""

    def __init__(self, job: BumpJob, tools: Tools, *, fresh: bool = False) -> None:
        """job: the whole update. fresh: whether results that are known from elsewhere are not used.

        Raises: FlakesyncError: the whole update cannot be locked.
        """
        locker = ComposedLocker(tools.locker)
        self._tools = replace(tools, locker=locker, listener=lambda _: None, verdicts=None)
        self._verdicts = tools.verdicts
        self._fresh = fresh
        self._numbers = count(1)
        self._guard = Lock()
        self._failed = FailedBuilds() if are_builds(job.checks) else None
        self._failed_trees = set[str]()
        self.passed: set[str] = set()
        """The trees on which the checks have passed."""
        # What is checked is what sync would commit, with the files of `after`.
        job = msgspec.structs.replace(job, runs_after=True)
        done = bump(job, self._tools)
        locker.compose_from_now_on()
        self.commit = done.commit
        failed = {each.dir for each in done.failed_flakes} if isinstance(done, Updated) else set()
        self.job = msgspec.structs.replace(
            job,
            moves=tuple(each for each in job.moves if each.flake not in failed),
            rewrites=tuple(each for each in job.rewrites if each.flake not in failed),
        )
        """The update without the flakes that cannot be locked, which it leaves as they are."""

    def tree(self) -> str:
        """Return the tree of the whole update."""
        with Repository.open(self.job.repository) as repository:
            return repository.reader.tree_of(self.commit)

    def run(
        self, units: Collection[Unit], *, again: bool, give_up: Callable[[], bool], job: BumpJob | None = None
    ) -> ProbeResult:
        """Return how the checks end when these units alone have moved.

        again: whether it is run although its result is known. give_up: asked now and then whether it is not needed.
        job: in place of the whole update: one in which a unit moves to another commit.

        Raises: FlakesyncError (`nix-interrupted`): everything was stopped, or `give_up` said so.
        """
        try:
            commit = self._commit(job or self.job, units)
        except FlakesyncError as error:
            if error.code in INTERRUPTED:
                raise
            return ProbeResult(error=error.message)
        # A unit that is run alone is to prove something.
        is_shared = not again and (len(units) > 1 or job is not None)
        shared: list[CheckRun] = []
        with Repository.open(self.job.repository) as repository:
            tree = repository.reader.tree_of(commit)
            if not again and (known := self._known(tree)) is not None:
                return self._noted(tree, known)

            def run(argv: Sequence[str], folder: Path) -> CheckRun:
                return self._tools.check(argv, folder, give_up=give_up)

            def check(argv: Sequence[str], folder: Path, **_: object) -> CheckRun:
                if is_shared and self._failed is not None and (failed := self._failed.known(argv, folder, run)):
                    shared.append(failed)
                    return failed
                ran = run(argv, folder)
                if self._failed is not None and ran.status != 0 and tree not in self._failed_trees:
                    self._failed_trees.add(tree)
                    self._failed.note(argv, folder, ran, run)
                return ran

            result = self._checked(replace(self._tools, check=check), repository, commit)
        if shared:
            return msgspec.structs.replace(result, source="same-drv")
        if not again and self._verdicts is not None:
            self._verdicts.put(tree, self.job.checks, result)
        return self._noted(tree, result)

    def _noted(self, tree: str, result: ProbeResult) -> ProbeResult:
        if result.is_decided and result.failed is None:
            self.passed.add(tree)
        return result

    def _known(self, tree: str) -> ProbeResult | None:
        if self._verdicts is None or self._fresh:
            return None
        return self._verdicts.get(tree, self.job.checks)

    def _checked(self, tools: Tools, repository: Repository, commit: Rev) -> ProbeResult:
        try:
            return result_of(run_checks(self.job, tools, repository, commit))
        except ChecksFailedError as error:
            return result_of(error.results)

    def _commit(self, job: BumpJob, units: Collection[Unit]) -> Rev:
        """Return the commit in which these units have moved. Raises: FlakesyncError."""
        chosen = {key for unit in units for key in unit.moves}
        moves = tuple(each for each in job.moves if each.key in chosen)
        rewrites = tuple(each for each in job.rewrites if (each.flake, each.input) in chosen)
        if not moves and not rewrites:
            return job.base_rev
        with self._guard:
            branch = f"{job.branch}-probe-{next(self._numbers)}"
        done = bump(msgspec.structs.replace(job.part(moves, rewrites), branch=branch), self._tools)
        if isinstance(done, Updated) and done.failed_flakes:
            raise done.failed_flakes[0].error
        return done.commit

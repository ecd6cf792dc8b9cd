"""What an update branch holds, read back from its commits and locks alone: any machine can publish it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from flakesync.errors import LockError
from flakesync.git.repository import Repository
from flakesync.git.values import Commit
from flakesync.nix.flakeref import Attr
from flakesync.nix.lockfile import LockFile, LockNode
from flakesync.sync.branch import PIN, RUN, trailer, trailers
from flakesync.sync.branch import own_commits as branch_commits
from flakesync.sync.difference import Difference, differences, entries
from flakesync.terms import FlakeDir, InputPath, PinName, Rev, flake_file
from flakesync.workspace.inputs import rev_of

MoveKey = tuple[FlakeDir, InputPath]


@dataclass(frozen=True, slots=True)
class Move:
    """One input that an update moves. before, after: its node, or the path that it follows; None: no such input."""

    flake: FlakeDir
    path: InputPath
    before: LockNode | InputPath | None
    after: LockNode | InputPath | None

    @property
    def key(self) -> MoveKey:
        """What tells it from the other moves of the same update."""
        return self.flake, self.path

    @property
    def old(self) -> Rev | None:
        """The commit that was locked; None: there was none."""
        return rev_of(locked_of(self.before))

    @property
    def new(self) -> Rev | None:
        """The commit that is locked now; None: there is none."""
        return rev_of(locked_of(self.after))


@dataclass(frozen=True, slots=True)
class Update:
    """The content of an update branch.

    commit: its tip. base: the commit of the base branch that it was made on. run: of the sync that made it. pins: that
    it moves, with their targets. moves: the inputs that the plan moved. below: how many inputs of theirs moved along.
    """

    commit: Rev
    base: Rev
    run: str
    pins: Mapping[PinName, Rev]
    moves: tuple[Move, ...]
    below: int


def locked_of(entry: LockNode | InputPath | None) -> Mapping[str, Attr]:
    """Return the locked attributes of an input; none for one that follows another, or is not there."""
    return entry.locked or {} if isinstance(entry, LockNode) else {}


def own_commits(repository: Repository, branch: str, tip: Rev, bases: Sequence[Rev], where: str = "") -> list[Commit]:
    """Return the commits of an update branch that no base has, newest first; see `sync.branch.own_commits`.

    bases: the base branch, as it is known here and there. where: says in a message whose branch it is.
    """
    return branch_commits(repository, f"{branch}{where}", tip, bases, hint="then sync and publish again")


def read_update(repository: Repository, commits: Sequence[Commit]) -> Update:
    """Return what an update branch holds. commits: those of `own_commits`, at least one.

    Raises:
        LockError: a lock on it cannot be used.
    """
    tip, base = commits[0], commits[-1].parents[0]
    moves: list[Move] = []
    below = 0
    for file in sorted(repository.changed_paths(base, tip.rev)):
        found = list(_differences(repository.read(base, file), repository.read(tip.rev, file), file))
        top = {each.path for each in found if not _is_below(each.path, {other.path for other in found})}
        below += len(found) - len(top)
        flake = FlakeDir(file.rpartition("/")[0] or ".")
        moves += [Move(flake, each.path, each.before, each.after) for each in found if each.path in top]
    return Update(tip.rev, base, trailer(tip, RUN) or "", dict(_pins(tip)), tuple(moves), below)


def has_content(repository: Repository, base: Rev, update: Update) -> bool:
    """Tell whether a commit of the base has every input where an update has it, however that got there."""
    locks = {move.flake: _lock_at(repository, base, move.flake) for move in update.moves}
    for move in update.moves:
        if not isinstance(move.after, LockNode):
            continue
        lock = locks[move.flake]
        here, there = locked_of(lock.node(move.path) if lock is not None else None), locked_of(move.after)
        if rev_of(here) != rev_of(there) or (rev_of(there) is None and here.get("narHash") != there.get("narHash")):
            return False
    return True


def _lock_at(repository: Repository, rev: Rev, flake: FlakeDir) -> LockFile | None:
    """Return the lock of a flake in a commit; None: there is none that can be used."""
    file = flake_file(flake)
    data = repository.read(rev, file)
    try:
        return LockFile.parse(data, file=file) if data is not None else None
    except LockError:
        return None


def has_other_locks(repository: Repository, base: Rev, update: Update) -> bool:
    """Tell whether a commit of the base has other locks than the one that an update was made on."""
    files = {flake_file(move.flake) for move in update.moves}
    return any(repository.read(base, file) != repository.read(update.base, file) for file in files)


def _differences(before: bytes | None, after: bytes | None, file: str) -> Iterator[Difference]:
    if after is None:
        return
    new = LockFile.parse(after, file=file)
    if before is None:
        yield from (Difference(path, None, entry) for path, entry in entries(new).items())
    else:
        yield from differences(LockFile.parse(before, file=file), new)


def _is_below(path: InputPath, others: set[InputPath]) -> bool:
    return any(path[:length] in others for length in range(1, len(path)))


def _pins(commit: Commit) -> Iterator[tuple[PinName, Rev]]:
    for value in trailers(commit, PIN):
        name, _, rev = value.partition(" ")
        if rev:
            yield PinName(name), Rev(rev)

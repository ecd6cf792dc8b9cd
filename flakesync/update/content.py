"""What an update branch holds, read back from its commits and locks alone: any machine can publish it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from flakesync.cooldown.waivers import pins_of, waivers_of
from flakesync.errors import LockError, plain
from flakesync.git.repository import Repository
from flakesync.git.store.trees import changed_paths
from flakesync.git.trailers import trailer
from flakesync.git.values import Commit
from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.nix.reference.flakeref import Attr, Identity, identity_of
from flakesync.survey.held.check_holds import CheckHold, holds_of
from flakesync.terms import FlakeDir, InputPath, PinName, RepoName, Rev, flake_file, is_lock_file
from flakesync.update.commit import RUN, read_lock
from flakesync.update.commit import own_commits as branch_commits
from flakesync.update.difference import Difference, differences, entries
from flakesync.update.files import has_edits, other_files, says_the_same
from flakesync.workspace.inputs import is_fixed, rev_of

THEN = "then sync and publish again"
"""What to do when somebody else's commit is no longer on an update branch."""

MoveKey = tuple[FlakeDir, InputPath]


class Move(msgspec.Struct, frozen=True):
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


class Update(msgspec.Struct, frozen=True):
    """The content of an update branch.

    commit: its tip. base: the commit of the base branch that it was made on. run: of the sync that made it. pins: that
    it moves, with their targets. moves: the inputs that the plan moved. below: how many inputs of theirs moved along.
    nodes: what these are locked to now, each commit of a repository once. waivers: the pins among those for which
    nobody waited, with the reason. files: the paths of what else it changes: edited flake.nix files, and what commands
    of `after` have written. holds: inputs that it leaves where they are, as the checks fail with them.
    """

    commit: Rev
    base: Rev
    run: str
    pins: Mapping[PinName, Rev]
    moves: tuple[Move, ...]
    below: int
    nodes: tuple[LockNode, ...] = ()
    waivers: Mapping[PinName, str] = msgspec.field(default_factory=dict)
    files: tuple[str, ...] = ()
    holds: tuple[CheckHold, ...] = ()


class Locked(msgspec.Struct, frozen=True):
    """A commit of a repo of the workspace that an update locks anew.

    ref: the branch or the tag that the input tracks; None: the default branch. move: the key of the move that locks it;
    None: an input below a move, which is as the lock of that input had it. chosen: flake.nix names the commit or a tag.
    own_branch: the lock names the update branch of that repo.
    """

    repo: RepoName
    rev: Rev
    ref: str | None
    move: MoveKey | None
    chosen: bool
    own_branch: bool


def locked_of(entry: LockNode | InputPath | None) -> Mapping[str, Attr]:
    """Return the locked attributes of an input; none for one that follows another, or is not there."""
    return entry.locked or {} if isinstance(entry, LockNode) else {}


def locked_repos(update: Update, owners: Mapping[Identity, RepoName], branch: str) -> list[Locked]:
    """Return the commits of repos of the workspace that an update locks anew, those of its moves first.

    owners: which repo each identity is. branch: the name of the update branches.
    """
    found: list[Locked] = []
    named: set[tuple[RepoName, Rev]] = set()
    nodes = [(move.after, move.key) for move in update.moves if isinstance(move.after, LockNode)]
    for node, key in [*nodes, *((node, None) for node in update.nodes)]:
        locked, original = references_of(node)
        rev, repo = rev_of(locked), owner_of((locked, original), owners)
        if rev is None or repo is None or (key is None and (repo, rev) in named):
            continue
        named.add((repo, rev))
        ref = original.get("ref")
        own_branch = is_on_branch(locked, branch)
        found.append(Locked(repo, rev, str(ref) if ref is not None else None, key, is_fixed(original), own_branch))
    return found


def references_of(node: LockNode) -> tuple[Mapping[str, Attr], Mapping[str, Attr]]:
    """Return what an input is locked to, and what it was asked for (the same, where the lock does not say)."""
    locked = locked_of(node)
    return locked, node.original if node.original is not None else locked


def is_on_branch(locked: Mapping[str, Attr], branch: str) -> bool:
    """Tell whether a lock names a branch beside the commit."""
    return str(locked.get("ref", "")).removeprefix("refs/heads/") == branch


def owner_of(references: Iterable[Mapping[str, object]], owners: Mapping[Identity, RepoName]) -> RepoName | None:
    """Return the repo of the workspace that one of these is, the first that is one; None: none is."""
    for attrs in references:
        identity = identity_of(attrs)
        owner = owners.get(identity) if identity is not None else None
        if owner is not None:
            return owner
    return None


def own_commits(repository: Repository, branch: str, tip: Rev, bases: Sequence[Rev], where: str = "") -> list[Commit]:
    """Return the commits of an update branch that no base has, newest first; see `sync.branch.own_commits`.

    bases: the base branch, as it is known here and there. where: says in a message whose branch it is.
    """
    return branch_commits(repository, f"{branch}{where}", tip, bases, hint=THEN)


def read_update(repository: Repository, commits: Sequence[Commit]) -> Update:
    """Return what an update branch holds. commits: those of `own_commits`, at least one.

    Raises:
        LockError: a lock on it cannot be used.
    """
    tip, base = commits[0], commits[-1].parents[0]
    moves: list[Move] = []
    nodes: dict[tuple[Identity | None, Rev], LockNode] = {}
    below = 0
    changed = changed_paths(repository.reader, base, tip.rev)
    for file in _locks_in(changed):
        after = repository.read(tip.rev, file)
        found = list(_differences(repository.read(base, file), after, file))
        top = {each.path for each in top_of(found)}
        below += len(found) - len(top)
        for each in found:
            rev = rev_of(locked_of(each.after)) if each.path not in top else None
            if rev is not None and isinstance(each.after, LockNode):
                nodes.setdefault((identity_of(locked_of(each.after)), rev), each.after)
        flake = _flake_of(file)
        moves += [Move(flake, each.path, each.before, each.after) for each in found if each.path in top]
    run = trailer(tip, RUN) or ""
    pins = pins_of(tip)
    waivers = {name: reason for name, reason in waivers_of(tip).items() if name in pins}
    files = tuple(other_files(changed))
    return Update(tip.rev, base, run, pins, tuple(moves), below, tuple(nodes.values()), waivers, files, holds_of(tip))


def has_content(repository: Repository, base: Rev, update: Update) -> bool:
    """Tell whether a commit of the base has every input where an update has it, however that got there.

    And what the update makes of other files: of a flake.nix the edits alone, of all others the very file.
    """
    return _has_locks(repository, base, update) and all(
        _has_file(repository, base, update, path) for path in update.files
    )


def find_left(repository: Repository, base: Rev, update: Update) -> list[str]:
    """Return the files of an update that the base has still as they were before it, although it has its locks.

    Somebody has taken the locks alone: no later update brings these files.
    """
    if not update.files or not _has_locks(repository, base, update):
        return []
    if not update.moves and not _locks_in(changed_paths(repository.reader, update.base, update.commit)):
        return []
    entry = repository.reader.entry
    return [path for path in update.files if entry(base, path) == entry(update.base, path)]


def left_on(repository: Repository, branch: str, tip: Rev, base: Rev) -> str:
    """Return what `find_left` finds of an update branch, for people; empty: nothing, or it cannot be read."""
    commits = own_commits(repository, branch, tip, [base])
    try:
        return plain(", ".join(find_left(repository, base, read_update(repository, commits)))) if commits else ""
    except LockError:
        return ""


def _has_locks(repository: Repository, base: Rev, update: Update) -> bool:
    if not update.moves:
        # It writes locks otherwise, without moving an input: those in which inputs shared a node.
        files = _locks_in(changed_paths(repository.reader, update.base, update.commit))
        return all(repository.read(base, file) == repository.read(update.commit, file) for file in files)
    locks = {move.flake: _lock_at(repository, base, move.flake) for move in update.moves}
    for move in update.moves:
        lock = locks[move.flake]
        if not isinstance(move.after, LockNode):
            if lock is None or entries(lock).get(move.path) != move.after:
                return False
            continue
        here, there = locked_of(lock.node(move.path) if lock is not None else None), locked_of(move.after)
        if rev_of(here) != rev_of(there) or (rev_of(there) is None and here.get("narHash") != there.get("narHash")):
            return False
    return True


def _has_file(repository: Repository, base: Rev, update: Update, path: str) -> bool:
    if repository.reader.entry(base, path) == repository.reader.entry(update.commit, path):
        return True
    return path.endswith(".nix") and has_edits(*_versions(repository, base, update, path))


def _locks_in(paths: Collection[str]) -> list[str]:
    return sorted(filter(is_lock_file, paths))


def changed_locks(repository: Repository, update: Update) -> Iterator[tuple[FlakeDir, LockFile | None, LockFile]]:
    """Yield the locks that an update changes: the flake, the lock before (None: there is none) and the new one.

    Raises: LockError.
    """
    for file in _locks_in(changed_paths(repository.reader, update.base, update.commit)):
        before, after = (repository.read(rev, file) for rev in (update.base, update.commit))
        if after is not None:
            old = LockFile.parse(before, file=file) if before is not None else None
            yield _flake_of(file), old, LockFile.parse(after, file=file)


def _flake_of(file: str) -> FlakeDir:
    return FlakeDir(file.rpartition("/")[0] or ".")


def _lock_at(repository: Repository, rev: Rev, flake: FlakeDir) -> LockFile | None:
    """Return the lock of a flake in a commit; None: there is none that can be used."""
    data = repository.read(rev, flake_file(flake))
    try:
        return LockFile.parse(data) if data is not None else None
    except LockError:
        return None


def has_other_locks(repository: Repository, base: Rev, update: Update) -> bool:
    """Tell whether a commit of the base has other locks than the one that an update was made on.

    Or other files that the update changes too: a flake.nix with other inputs, any other that is not the same.
    """
    files = {flake_file(move.flake) for move in update.moves}
    if any(repository.read(base, file) != repository.read(update.base, file) for file in files):
        return True
    return any(_is_other(repository, base, update, path) for path in update.files)


def _is_other(repository: Repository, base: Rev, update: Update, path: str) -> bool:
    if repository.reader.entry(base, path) == repository.reader.entry(update.base, path):
        return False
    return not (path.endswith(".nix") and says_the_same(*_versions(repository, base, update, path)))


def _versions(
    repository: Repository, base: Rev, update: Update, path: str
) -> tuple[bytes | None, bytes | None, bytes | None]:
    """Return a file before an update, after it, and as a commit of the base has it."""
    before, after, now = (repository.read(rev, path) for rev in (update.base, update.commit, base))
    return before, after, now


def _differences(before: bytes | None, after: bytes | None, file: str) -> Iterator[Difference]:
    if after is None:
        return
    new = read_lock(after, file)
    if before is None:
        yield from (Difference(path, None, entry) for path, entry in entries(new).items())
    else:
        yield from differences(read_lock(before, file), new)


def top_of(found: Iterable[Difference]) -> list[Difference]:
    """Return what differs between two locks, but for what is below an input that differs itself."""
    every = {each.path: each for each in found}
    return [each for path, each in every.items() if not any(path[:length] in every for length in range(1, len(path)))]

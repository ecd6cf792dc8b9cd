"""The update of one repo as a value: all that decides what its update commit is.

There are values only in a BumpJob, so it can be written down and carried out elsewhere, by whoever has the same
repositories; the locks are read there, from the base commit.
"""

import base64
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from flakesync.analysis.moves import Change, ToFlakeNix, ToRev, ToUpdate
from flakesync.git.repository import Repository
from flakesync.git.store.base import LOCAL_REFS, branch_ref
from flakesync.git.values import Signature
from flakesync.nix.expression.edit import Edit
from flakesync.survey.held.check_holds import CheckHold
from flakesync.sync.lockers import FromClone, FromServer, Move
from flakesync.terms import FlakeDir, InputPath, PinName, RepoName, Rev, show_path
from flakesync.update.subject import USUAL, make_subject
from flakesync.workspace.clones.edits import FlakeEdit
from flakesync.workspace.manifest import Workspace
from flakesync.workspace.settings.after import AfterCommand
from flakesync.workspace.snapshot import RepoAtCommit


class PlannedMove(msgspec.Struct, frozen=True):
    """One input that moves to a commit that is known. reason: a phrase for people. pin: the one that governs it.

    stale: its flake.nix and its lock disagree on it. edit: what is written into flake.nix with it.
    """

    flake: FlakeDir
    move: Move
    reason: str
    pin: PinName | None
    stale: bool = False
    edit: FlakeEdit | None = None

    @property
    def key(self) -> tuple[FlakeDir, InputPath]:
        """Which input it is, of all that the repo has."""
        return self.flake, self.move.input

    @property
    def rev(self) -> Rev:
        """The commit that it moves to."""
        return self.move.source.rev

    @property
    def branch(self) -> str | None:
        """The branch that the new node will name; None: it names none, or one that Nix chooses."""
        source = self.move.source
        return source.branch if isinstance(source, FromClone) and self.move.locked.get("type") == "git" else None


class PlannedRewrite(msgspec.Struct, frozen=True):
    """One input of a stale lock that is locked as flake.nix says by now, wherever that leads; see `ToFlakeNix`.

    from_rev: what the lock has so far; None: nothing. edit: what is written into flake.nix with it.
    """

    flake: FlakeDir
    input: InputPath
    wanted: str
    reason: str
    from_rev: Rev | None
    edit: FlakeEdit | None = None

    @property
    def key(self) -> tuple[FlakeDir, InputPath]:
        """Which input it is, of all that the repo has."""
        return self.flake, self.input

    @property
    def rev(self) -> None:
        """The commit is not known before it is locked."""
        return


class BumpJob(msgspec.Struct, frozen=True, kw_only=True):
    """One repo whose update branch is to be brought to what the plan says.

    run: names the decisions. branch: the update branch. author: None for git's own identity. subject: the first line of
    the commit's message. sign_off: whether the author signs it off. clone: the repo's clone or
    mirror. borrowed: a throw-away repository that the commit goes to in a dry run; None: it goes to the clone.
    base_rev: what the commit is made on. checks: argv of each. tracking: how the refs begin that follow the server's
    branches. reuse_checks: whether checks that the update branch, or the base, has passed count for a commit that holds
    the same trees. rewrites: what else of stale locks is locked anew. trailers: further lines of the commit's message.
    edits: of flake.nix files, each with its folder, in the order in which they are made. after: commands that run on
    the new locks, and whose files enter the commit; runs_after: whether they do, which they do not in a dry run.
    tested: trees on which the checks have passed already. holds: inputs that stay, which `trailers` say too.
    """

    run: str
    repo: RepoName
    branch: str
    author: Signature | None
    clone: Path
    base_rev: Rev
    moves: tuple[PlannedMove, ...]
    subject: str = USUAL
    sign_off: bool = False
    checks: tuple[tuple[str, ...], ...] = ()
    borrowed: Path | None = None
    tracking: str = LOCAL_REFS[-1]
    reuse_checks: bool = False
    rewrites: tuple[PlannedRewrite, ...] = ()
    trailers: tuple[str, ...] = ()
    edits: tuple[tuple[FlakeDir, Edit], ...] = ()
    after: tuple[AfterCommand, ...] = ()
    runs_after: bool = True
    tested: frozenset[str] = frozenset()
    holds: tuple[CheckHold, ...] = ()

    @property
    def repository(self) -> Path:
        """Where the commit is written."""
        return self.borrowed or self.clone

    @property
    def wanted(self) -> dict[tuple[FlakeDir, InputPath], Rev]:
        """The planned inputs and their commits."""
        return {each.key: each.rev for each in self.moves}

    @property
    def decisions(self) -> tuple[object, ...]:
        """All that decides what the update branch should be."""
        moves = [(*each.key, each.rev, each.branch) for each in self.moves]
        rewrites = [(each.flake, each.input) for each in self.rewrites]
        message = self.subject, self.sign_off, self.trailers
        return self.branch, self.base_rev, message, moves, rewrites, self.edits, self.after

    @property
    def flakes(self) -> tuple[FlakeDir, ...]:
        """The flakes whose locks are written anew."""
        moved = [each.flake for each in self.moves]
        return tuple(dict.fromkeys([*moved, *(each.flake for each in self.rewrites)]))

    def stale_in(self, dir: FlakeDir) -> frozenset[InputPath]:
        """Return the inputs of a flake on which its flake.nix, once it is edited, and its lock disagree."""
        edited = {edit.input for folder, edit in self.edits if folder == dir}
        moved = {each.move.input for each in self.moves if each.stale and each.flake == dir}
        return frozenset(edited | moved | {each.input for each in self.rewrites if each.flake == dir})

    def part(self, moves: Iterable[PlannedMove], rewrites: Iterable[PlannedRewrite]) -> "BumpJob":
        """Return the job of some of its moves and rewrites alone, with the edits that belong to them."""
        some, others = tuple(moves), tuple(rewrites)
        edits = _edits_of([*some, *others])
        kept = tuple(each for each in self.edits if each in edits)
        return msgspec.structs.replace(self, moves=some, rewrites=others, edits=kept)

    def encode(self) -> bytes:
        """Return the job as JSON."""
        return msgspec.json.encode(self, enc_hook=encode_path)

    @classmethod
    def decode(cls, data: bytes) -> "BumpJob":
        """Return the job that `encode` has written. Raises msgspec.ValidationError."""
        return msgspec.json.decode(data, type=cls, dec_hook=decode_path)


def make_job(
    workspace: Workspace, run: str, state: RepoAtCommit, planned: Iterable[PlannedMove | PlannedRewrite]
) -> BumpJob:
    """Return the job of one repo, whose commit goes to its clone. run: names the decisions."""
    every = tuple(planned)
    moves = tuple(each for each in every if isinstance(each, PlannedMove))
    rewrites = tuple(each for each in every if isinstance(each, PlannedRewrite))
    named = _named(moves) or [(show_path(each.input), Rev("")) for each in rewrites]
    return BumpJob(
        run=run,
        repo=state.name,
        branch=workspace.branch,
        author=_author_of(workspace.author),
        clone=state.clone,
        base_rev=state.base_rev,
        moves=moves,
        subject=make_subject(workspace.message, state.name, named),
        sign_off=workspace.sign_off,
        checks=state.repo.checks,
        after=state.repo.after,
        tracking=state.branches.tracking,
        rewrites=rewrites,
        edits=_edits_of(every),
    )


def _edits_of(planned: Iterable[PlannedMove | PlannedRewrite]) -> tuple[tuple[FlakeDir, Edit], ...]:
    return tuple(dict.fromkeys((each.edit.dir, each.edit.edit) for each in planned if each.edit is not None))


def _named(moves: Sequence[PlannedMove]) -> list[tuple[str, Rev]]:
    """Return what a message names of moves, each with its new commit: the pins, or where there is none the inputs."""
    pins = sorted({(each.pin, each.rev) for each in moves if each.pin is not None})
    return [*pins] or [(show_path(each.move.input), each.rev) for each in moves]


def plan_move(
    change: Change, branch: str, repositories: Mapping[RepoName, RepoAtCommit], commits: Mapping[RepoName, Rev]
) -> PlannedMove | PlannedRewrite:
    """Return the move that a change is, now that all commits are known.

    branch: the update branch. repositories: in whose clones the commits of upstreams are; what is of another repo
    comes from its server. commits: the update commits of upstreams, or the base commit of one whose base is as
    planned already.

    Raises:
        GitError: the repository of an upstream cannot be read.
    """
    if isinstance(change.to, ToFlakeNix):
        return PlannedRewrite(change.flake, change.input, change.to.wanted, change.reason, change.from_rev, change.edit)
    source = _source(change, change.to, branch, repositories, commits)
    move = Move(change.input, change.original, change.locked, source)
    return PlannedMove(change.flake, move, change.why, change.pin, change.stale, change.edit)


def _source(
    change: Change,
    to: ToRev | ToUpdate,
    branch: str,
    repositories: Mapping[RepoName, RepoAtCommit],
    commits: Mapping[RepoName, Rev],
) -> FromServer | FromClone:
    if isinstance(to, ToUpdate):
        base, commit = repositories[to.upstream], commits[to.upstream]
        if commit != base.base_rev:
            return FromClone(commit, base.clone, f"refs/heads/{branch}", branch, pushed=False)
        to = ToRev(commit, to.upstream, base.base)  # its update would have had no content: there is none
    upstream = repositories.get(to.upstream) if to.upstream is not None else None
    if upstream is None or to.locked is not None:
        return FromServer(to.rev, to.branch, to.locked)
    tracked = to.branch or upstream.base
    with Repository.open(upstream.clone) as repository:
        # As Nix does it: a node of `?ref=HEAD` names HEAD again, not the branch that this stands for today.
        named = "HEAD" if change.original.get("ref") == "HEAD" else tracked
        return FromClone(to.rev, upstream.clone, full_ref(repository, upstream, tracked), named, pushed=True)


def full_ref(repository: Repository, state: RepoAtCommit, branch: str) -> str:
    """Return the full ref of a branch where the repo's branches are read."""
    branches = state.branches
    return branch_ref(repository.reader, branch, branches.refs) or f"{branches.tracking}{branch}"


def _author_of(text: str | None) -> Signature | None:
    if text is None:
        return None
    from email.utils import parseaddr  # 10 ms: it can read whole mails

    name, email = parseaddr(text)
    return Signature(name, email)


# A path is any bytes, which are not always text that JSON can hold.


def encode_path(value: object) -> bytes:
    """Return a path as what msgspec can write: the `enc_hook` of values with paths in them."""
    if isinstance(value, Path):
        return os.fsencode(value)
    raise NotImplementedError(type(value))


def decode_path(kind: type, value: object) -> Path:
    """Return the path that `encode_path` has written: the `dec_hook`."""
    if kind is Path and isinstance(value, str):
        return Path(os.fsdecode(base64.b64decode(value)))
    raise NotImplementedError(kind)

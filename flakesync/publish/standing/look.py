"""Looks at one repo in three steps: where its branches are, what is on them, and what its forge knows.

The steps are apart as the first and the last wait for servers, many at once, and the second needs nothing but the
processor: Python runs one thread at a time, and threads that all want to run only take it from each other.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from flakesync.documents.pulls.status import Stage
from flakesync.errors import FlakesyncError, as_error
from flakesync.forge.hosts import Servers
from flakesync.forge.lookup import PullLookup
from flakesync.forge.model import ForgeError, MergeStatus, OnForge, Pull, PullQuestion
from flakesync.git.repository import Repository
from flakesync.nix.lock.file import LockNode
from flakesync.publish.body import pulls_in, was_abandoned
from flakesync.publish.branches import (
    Branches,
    Taken,
    as_read,
    ask_server,
    at_commit,
    bring,
    find_current,
    has_landed,
    lacking,
    last_fetched,
    server_of,
)
from flakesync.publish.standing.known import KnownUpdate, KnownUpdates, LockedCommit, identifying
from flakesync.terms import RepoName, Rev
from flakesync.update.content import Update, is_on_branch, read_update, references_of
from flakesync.workspace.inputs import rev_of
from flakesync.workspace.model import Workspace
from flakesync.workspace.snapshot import RepoAtCommit, RepoState


@dataclass(slots=True)
class Standing:
    """What is known of one repo so far, as `RepoStatus` describes it.

    wanted: False where only the state of its pull request matters. base: its base branch. update: what is on its update
    branch; None: nothing that the base lacks, or it is not known. taken: why it is somebody else's; None: it is not.
    named: the pull requests of upstreams that its own one names. merge_status: of an open pull request, where it was
    asked. error: why no more is known. asks: whether its server has to be asked before more is known.
    """

    state: RepoState
    wanted: bool
    base: str | None
    branches: Branches | None = None
    update: KnownUpdate | None = None
    taken: FlakesyncError | None = None
    named: Mapping[RepoName, str] = field(default_factory=dict)
    commit: Rev | None = None
    on_forge: OnForge | None = None
    pull: Pull | None = None
    merge_status: MergeStatus | None = None
    stage: Stage = "none"
    error: FlakesyncError | None = None
    asks: bool = False

    @property
    def repo(self) -> RepoName:
        """The repo's name."""
        return self.state.name

    @property
    def known(self) -> frozenset[Rev]:
        """The update commits, here and on the server."""
        return self.update.known if self.update is not None else frozenset()

    @property
    def is_open(self) -> bool:
        """Whether it is of interest how its pull request stands."""
        return self.wanted and self.pull is not None and self.pull.state == "open"

    @property
    def landed(self) -> bool:
        """Whether the base has the update, or what its pull request was merged as."""
        return self.stage == "landed"


class Look:
    """Looks at one repo after the other. A step that fails leaves its error, and the later ones then do nothing.

    `ask` and `ask_forge` may be called by several threads at once, each for another repo.

    Raises, each step: GitError(`no-git`): there is no git where one is needed, which is no repo's own fault.
    """

    def __init__(self, workspace: Workspace, servers: Servers, known: KnownUpdates, *, offline: bool) -> None:
        """known: what earlier runs have found. offline: nobody is asked."""
        self._branch = workspace.branch
        self._servers = servers
        self._known = known
        self._offline = offline
        self._pulls = PullLookup()

    def begin(self, state: RepoState, *, wanted: bool) -> Standing:
        """Return where a repo's branches are, if that can be said without asking its server."""
        found = Standing(state, wanted, state.base)
        with _failing(found):
            at = at_commit(state)
            with Repository.open(at.clone) as repository:
                found.branches = self._without_asking(repository, at)
                found.asks = found.branches is None
        return found

    def ask(self, found: Standing) -> None:
        """Ask the server of a repo where its branches are, and fetch what is needed to say more."""
        with _failing(found):
            state = at_commit(found.state)
            with Repository.open(state.clone) as repository:
                try:
                    branches = ask_server(repository, state, self._branch, self._servers)
                    if branches.has_update and not self._known.has(branches):
                        bring(repository, state, branches, self._servers)
                except FlakesyncError:
                    # Others may wait for what is here, whatever has become of it there.
                    found.branches = last_fetched(repository, state, self._branch)
                    raise
                found.branches = branches

    def read(self, found: Standing) -> None:
        """Find out what is on the update branch of a repo."""
        branches = found.branches
        if branches is None:
            return
        found.base = branches.base_name
        if not branches.has_update:
            found.branches = None
        elif found.error is not None:
            with suppress(FlakesyncError):
                self._find_update(found, branches)
        else:
            with _failing(found):
                self._find_update(found, branches)
                on_forge = self._servers.for_repo(found.state.repo, branches.url) if not self._offline else None
                found.on_forge = on_forge
                if on_forge is None:
                    self._settle(found, branches, None)

    def expect_pulls(self, every: Iterable[Standing]) -> None:
        """Take note of the repos whose pull requests are asked for next: a forge is asked about many at once."""
        for found in every:
            if found.on_forge is not None and found.branches is not None:
                on_forge, branches = found.on_forge, found.branches
                question = PullQuestion(on_forge.project, branches.branch, branches.base_name)
                self._pulls.expect([(on_forge.forge, question)])

    def ask_forge(self, found: Standing) -> None:
        """Ask the forge of a repo for its pull request, and how that stands."""
        on_forge, branches = found.on_forge, found.branches
        if on_forge is None or branches is None:
            return
        with _failing(found):
            pull = self._pulls.find(on_forge, head=branches.branch, base=branches.base_name)
            found.named = pulls_in(pull.body) if pull is not None else {}
            self._settle(found, branches, pull)

    def ask_many(self, every: Iterable[Standing]) -> None:
        """Ask each forge how the open pull requests stand, as far as it tells of many at once."""
        forges: dict[int, list[tuple[OnForge, Standing]]] = {}
        for found in every:
            if found.is_open and found.on_forge is not None:
                forges.setdefault(id(found.on_forge.forge), []).append((found.on_forge, found))
        for each in forges.values():
            pulls = [(on_forge.project, found.pull) for on_forge, found in each if found.pull is not None]
            with suppress(ForgeError):  # whatever it is, it is said of each repo
                told = each[0][0].forge.find_statuses(pulls)
                for on_forge, found in each:
                    if found.pull is not None and (on_forge.project, found.pull.number) in told:
                        found.pull, found.merge_status = told[on_forge.project, found.pull.number]

    def ask_merge_status(self, found: Standing) -> None:
        """Ask the forge of a repo how its open pull request stands, unless that is known."""
        if found.on_forge is not None and found.pull is not None and found.merge_status is None:
            with _failing(found):
                found.pull, found.merge_status = _ask(found.on_forge, found.pull)

    def _without_asking(self, repository: Repository, state: RepoAtCommit) -> Branches | None:
        """Return where the branches of a repo are; None: its server has to be asked, or something has to be fetched."""
        if self._offline:
            return last_fetched(repository, state, self._branch)
        branches = as_read(repository, state, self._branch)
        if branches is None and server_of(repository, state.repo) is None:
            return last_fetched(repository, state, self._branch)
        if branches is None or not branches.has_update or self._known.has(branches):
            return branches
        return branches if not lacking(repository, branches) else None

    def _find_update(self, found: Standing, branches: Branches) -> None:
        """Note what the update branch holds. Raises FlakesyncError."""
        update = self._known.get(branches)
        if update is None:
            with Repository.open(branches.clone) as repository:
                update, found.taken = _read_update(repository, branches)
                # How far back a shallow clone goes can change.
                if found.taken is None and not (repository.common_dir / "shallow").exists():
                    self._known.add(branches, update)
        found.update, found.commit = update, update.commit

    def _settle(self, found: Standing, branches: Branches, pull: Pull | None) -> None:
        """Note what follows from branch and pull request together."""
        tip = branches.local if branches.local is not None else branches.remote
        assert tip is not None
        commit = found.commit or tip
        landed = found.taken is None and self._has_landed(found, branches, pull, commit)
        found.stage = "landed" if landed else _stage(branches, pull, commit)
        found.commit, found.pull = commit, pull
        # What lies below somebody else's commit is still an update that others may wait for.
        found.error = found.taken

    def _has_landed(self, found: Standing, branches: Branches, pull: Pull | None, commit: Rev) -> bool:
        if found.update is not None and found.update.landed:
            return True
        if pull is None or pull.state != "merged" or pull.head not in ("", commit):
            return False
        if pull.merged_rev is None:
            return True
        # The forge says so; the base may have been moved back since.
        with Repository.open(branches.clone) as repository:
            bring(repository, at_commit(found.state), branches, self._servers)
            return has_landed(repository, branches, pull.merged_rev)


@contextmanager
def _failing(found: Standing) -> Iterator[None]:
    """Let what goes wrong in the block be this repo's alone."""
    try:
        yield
    except Exception as error:  # whatever it is
        found.error = as_error(error)
        if found.error.code == "no-git":
            raise


def _read_update(repository: Repository, branches: Branches) -> tuple[KnownUpdate, FlakesyncError | None]:
    """Return what is on an update branch, and why it is somebody else's; None: it is not. Raises FlakesyncError."""
    current = find_current(repository, branches)
    if current is None:
        tip = branches.local if branches.local is not None else branches.remote
        landed = tip is not None and has_landed(repository, branches, tip)
        return KnownUpdate(None, frozenset(), (), landed), None
    error = current.error if isinstance(current, Taken) else None
    if not current.commits:
        return KnownUpdate(None, current.known, (), landed=False), error
    update = read_update(repository, current.commits)
    locked = tuple(_locked_by(update, branches.branch))
    landed = error is None and has_landed(repository, branches, update.commit, onto=update.base)
    return KnownUpdate(update.commit, current.known, locked, landed), error


def _locked_by(update: Update, branch: str) -> Iterator[LockedCommit]:
    for move in update.moves:
        if isinstance(move.after, LockNode):
            locked, original = references_of(move.after)
            rev = rev_of(locked)
            if rev is not None:
                one, other = identifying(locked), identifying(original)
                references = (one,) if one == other else (one, other)
                yield LockedCommit(rev, references, is_on_branch(locked, branch))


def _ask(on_forge: OnForge, pull: Pull) -> tuple[Pull, MergeStatus]:
    """Return an open pull request with all that its forge knows of it."""
    forge, project = on_forge.forge, on_forge.project
    if pull.mergeable is None:  # a list of pull requests does not say it
        pull = forge.get(project, pull.number)
    return pull, forge.merge_status(project, pull)


def _stage(branches: Branches, pull: Pull | None, commit: Rev) -> Stage:
    if pull is not None and pull.state == "open":
        return "open"
    if pull is not None and pull.state == "closed" and pull.head in ("", commit) and not was_abandoned(pull.body):
        return "closed"
    return "pushed" if branches.remote == commit else "local"

"""Where every update stands: its branch, its pull request, whether it has landed, and what it waits for."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from flakesync.documents.pulls.status import PullStanding, RepoStatus, Stage, StatusDocument
from flakesync.errors import FlakesyncError, as_error
from flakesync.forge.hosts import Servers
from flakesync.forge.model import MergeStatus, OnForge, Pull
from flakesync.git.repository import Repository
from flakesync.nix.reference.flakeref import Identity
from flakesync.publish.body import pulls_in, was_abandoned
from flakesync.publish.branches import Branches, Current, Taken, at_commit, find_branches, find_current, has_landed
from flakesync.publish.each_repo import in_order, map_repos
from flakesync.survey.graph import RepoGraph
from flakesync.sync.documents import error_document
from flakesync.terms import RepoName, Rev
from flakesync.update.content import Locked, locked_repos, read_update
from flakesync.workspace.model import Workspace
from flakesync.workspace.snapshot import RepoAtCommit, RepoState


def status(
    workspace: Workspace, graph: RepoGraph, selected: frozenset[RepoName], servers: Servers, *, offline: bool = False
) -> StatusDocument:
    """Return where the updates of the selected repos stand. Writes nothing and changes nothing.

    graph: as it was read at the update branches. offline: no server is asked, and nothing is known of pull requests.
    """
    near = {name for one in selected for name in graph.upstreams(one)} - selected
    states = graph.states.values()
    owners = {identity: state.name for state in states for identity in state.repo.identities}
    look = _Look(workspace, servers, owners, offline=offline)
    order = in_order(graph, selected | near)
    found = map_repos(
        order, lambda name: look.at(graph.states[name], name in selected), jobs=workspace.jobs, stop=servers.stop
    )
    names = [name for wave in graph.waves for name in wave if name in selected]
    repos = [_status(found[name], _waits_for(found[name], found), servers) for name in names]
    return StatusDocument(branch=workspace.branch, repos=repos)


@dataclass
class _Found:
    """What is known of one repo so far, as `RepoStatus` describes it.

    known: the update commits, here and on the server. locked: by its update. named: the pull requests of upstreams that
    its own one names. merge_status: of an open pull request, where it was asked. error: why no more is known.
    """

    repo: RepoName
    base: str | None
    branches: Branches | None = None
    known: frozenset[Rev] = frozenset()
    locked: Sequence[Locked] = ()
    named: Mapping[RepoName, str] = field(default_factory=dict)
    commit: Rev | None = None
    pull: Pull | None = None
    merge_status: MergeStatus | None = None
    stage: Stage = "none"
    error: FlakesyncError | None = None

    @property
    def landed(self) -> bool:
        """Whether the base has the update, or what its pull request was merged as."""
        return self.stage == "landed"


class _Look:
    """Looks at one repo after the other."""

    def __init__(
        self, workspace: Workspace, servers: Servers, owners: Mapping[Identity, RepoName], *, offline: bool
    ) -> None:
        self._workspace = workspace
        self._servers = servers
        self._owners = owners
        self._offline = offline

    def at(self, state: RepoState, wanted: bool) -> _Found:
        """Return what is known of a repo. wanted: False where only its pull request's state matters."""
        found = _Found(state.name, state.base)
        try:
            self._look(found, at_commit(state), wanted)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this repo's
            found.error = as_error(error)
        return found

    def _look(self, found: _Found, state: RepoAtCommit, wanted: bool) -> None:
        with Repository.open(state.clone) as repository:
            branches = self._find_branches(found, repository, state)
            current = self._read(found, repository, branches)
            tip = branches.local if branches.local is not None else branches.remote
            if tip is None:
                return
            on_forge = self._servers.for_repo(state.repo, branches.url) if not self._offline else None
            pull = None
            if on_forge is not None:
                pull = on_forge.find(head=branches.branch, base=branches.base_name)
            found.named = pulls_in(pull.body) if pull is not None else {}
            commit = found.commit or tip
            landed = not isinstance(current, Taken) and self._has_landed(repository, branches, pull, commit)
        found.stage = "landed" if landed else _stage(branches, pull, commit)
        found.commit, found.pull = commit, pull
        if on_forge is not None and pull is not None and wanted and pull.state == "open":
            found.pull, found.merge_status = _ask(on_forge, pull)
        if isinstance(current, Taken):
            # What lies below somebody else's commit is still an update that others may wait for.
            raise current.error

    def _find_branches(self, found: _Found, repository: Repository, state: RepoAtCommit) -> Branches:
        servers = None if self._offline else self._servers
        try:
            return find_branches(repository, state, self._workspace.branch, servers)
        except FlakesyncError:
            # Others may wait for what is here, whatever has become of it there.
            with suppress(FlakesyncError):
                self._read(found, repository, find_branches(repository, state, self._workspace.branch, None))
            raise

    def _read(self, found: _Found, repository: Repository, branches: Branches) -> Current | Taken | None:
        """Note what the update branch holds; None: nothing that the base lacks."""
        found.base = branches.base_name
        if branches.local is None and branches.remote is None:
            return None
        found.branches = branches
        current = find_current(repository, branches)
        if current is None:
            return None
        found.known = current.known
        if current.commits:
            update = read_update(repository, current.commits)
            found.locked = locked_repos(update, self._owners, branches.branch)
            found.commit = update.commit
        return current

    def _has_landed(self, repository: Repository, branches: Branches, pull: Pull | None, commit: Rev) -> bool:
        if has_landed(repository, branches, commit):
            return True
        if pull is None or pull.state != "merged" or pull.head not in ("", commit):
            return False
        # The forge says so; the base may have been moved back since.
        return pull.merged_rev is None or has_landed(repository, branches, pull.merged_rev)


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


def _waits_for(found: _Found, every: Mapping[RepoName, _Found]) -> list[str]:
    """Return the repos that have to land before a repo, by name."""
    if found.landed:
        return []
    locked = [each for each in found.locked if each.move is not None and each.repo != found.repo]
    return sorted({each.repo for each in locked if _waits(found, each, every)})


def _waits(found: _Found, locked: Locked, every: Mapping[RepoName, _Found]) -> bool:
    """Tell whether a commit is an update of another repo that has not landed."""
    other = every.get(locked.repo)
    if other is None or other.landed:
        return False
    if locked.rev in other.known:
        return True
    # Its branch has moved on, or it could not be looked at.
    if other.error is not None:
        return locked.own_branch or locked.repo in found.named
    return locked.own_branch and bool(other.known)


def _status(found: _Found, waits_for: list[str], servers: Servers) -> RepoStatus:
    """Return the JSON form of what is known of a repo."""
    branches, error = found.branches, found.error
    return RepoStatus(
        repo=found.repo,
        stage="failed" if error is not None else found.stage,
        base=found.base,
        branch=branches.branch if branches is not None else None,
        local=branches.local if branches is not None else None,
        remote=branches.remote if branches is not None else None,
        commit=found.commit,
        pull=_pull_standing(found.pull, found.merge_status) if found.pull is not None else None,
        landed=found.landed,
        waits_for=waits_for,
        error=error_document(servers.clean_error(error)) if error is not None else None,
    )


def _pull_standing(pull: Pull, merge_status: MergeStatus | None) -> PullStanding:
    return PullStanding(
        url=pull.url,
        number=pull.number,
        state=pull.state,
        draft=pull.draft,
        checks=merge_status.checks if merge_status is not None else None,
        reviews=merge_status.reviews if merge_status is not None else None,
        mergeable=pull.mergeable if pull.state == "open" else None,
    )

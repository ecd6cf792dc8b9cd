"""Where every update stands: its branch, its pull request, whether it has landed, and what it waits for."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from msgspec import structs

from flakesync.documents.status import PullStanding, RepoStatus, Stage, StatusDocument
from flakesync.errors import FlakesyncError, as_error
from flakesync.forge.hosts import Servers
from flakesync.forge.model import Pull
from flakesync.git.repository import Repository
from flakesync.nix.reference.flakeref import Identity
from flakesync.publish.body import pulls_in, was_abandoned
from flakesync.publish.branches import Branches, Current, clone_of, find_branches, find_current, has_landed
from flakesync.publish.documents import error_document
from flakesync.publish.each_repo import in_order, map_repos
from flakesync.survey.graph import RepoGraph
from flakesync.terms import RepoName, Rev
from flakesync.update.content import Locked, locked_repos, read_update
from flakesync.workspace.model import Workspace
from flakesync.workspace.snapshot import RepoState


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
    return StatusDocument(branch=workspace.branch, repos=[_waiting(found[name], found) for name in names])


@dataclass
class _Found:
    """What is known of one repo so far. known: the update commits, here and on the server. locked: by its update.

    named: the pull requests of upstreams that its own one names.
    """

    status: RepoStatus
    known: frozenset[Rev] = frozenset()
    locked: list[Locked] = field(default_factory=list)
    named: Mapping[RepoName, str] = field(default_factory=dict)


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
        found = _Found(RepoStatus(repo=state.name, stage="none", base=state.base))
        try:
            self._look(found, state, wanted)
        except (FlakesyncError, OSError) as error:
            document = error_document(as_error(error), self._servers)
            found.status = structs.replace(found.status, stage="failed", error=document)
        return found

    def _look(self, found: _Found, state: RepoState, wanted: bool) -> None:
        with clone_of(state) as repository:
            branches = self._find_branches(found, repository, state)
            current = self._read(found, repository, branches)
            tip = branches.local if branches.local is not None else branches.remote
            if tip is None:
                return
            pull = self._find_pull(state, branches)
            found.named = pulls_in(pull.body) if pull is not None else {}
            commit = Rev(found.status.commit or tip)
            taken = current is not None and current.taken is not None
            landed = not taken and self._has_landed(repository, branches, pull, commit)
        stage = "landed" if landed else _stage(branches, pull, commit)
        found.status = structs.replace(found.status, stage=stage, commit=commit, landed=landed)
        if pull is not None:
            found.status = structs.replace(found.status, pull=_pull_standing(pull))
            if wanted and pull.state == "open":
                found.status = structs.replace(found.status, pull=self._standing(state, branches, pull))
        if current is not None and current.taken is not None:
            # What lies below somebody else's commit is still an update that others may wait for.
            raise current.taken

    def _find_branches(self, found: _Found, repository: Repository, state: RepoState) -> Branches:
        servers = None if self._offline else self._servers
        try:
            return find_branches(repository, state, self._workspace.branch, servers)
        except FlakesyncError:
            # Others may wait for what is here, whatever has become of it there.
            with suppress(FlakesyncError):
                self._read(found, repository, find_branches(repository, state, self._workspace.branch, None))
            raise

    def _read(self, found: _Found, repository: Repository, branches: Branches) -> Current | None:
        """Note what the update branch holds; None: nothing that the base lacks."""
        found.status = structs.replace(found.status, base=branches.base_name)
        if branches.local is None and branches.remote is None:
            return None
        found.status = structs.replace(
            found.status, branch=branches.branch, local=branches.local, remote=branches.remote
        )
        current = find_current(repository, branches)
        if current is None:
            return None
        found.known = current.known
        if current.commits:
            update = read_update(repository, current.commits)
            found.locked = locked_repos(update, self._owners, branches.branch)
            found.status = structs.replace(found.status, commit=update.commit)
        return current

    def _find_pull(self, state: RepoState, branches: Branches) -> Pull | None:
        if self._offline:
            return None
        forge, project = self._servers.for_repo(state.repo, branches.url)
        return forge.find(project, head=branches.branch, base=branches.base_name) if forge is not None else None

    def _has_landed(self, repository: Repository, branches: Branches, pull: Pull | None, commit: Rev) -> bool:
        if has_landed(repository, branches, commit):
            return True
        if pull is None or pull.state != "merged" or pull.head not in ("", commit):
            return False
        # The forge says so; the base may have been moved back since.
        return pull.merged_rev is None or has_landed(repository, branches, pull.merged_rev)

    def _standing(self, state: RepoState, branches: Branches, pull: Pull) -> PullStanding:
        forge, project = self._servers.for_repo(state.repo, branches.url)
        assert forge is not None
        if pull.mergeable is None:  # a list of pull requests does not say it
            pull = forge.get(project, pull.number)
        told = forge.standing(project, pull)
        return structs.replace(_pull_standing(pull), checks=told.checks, reviews=told.reviews)


def _pull_standing(pull: Pull) -> PullStanding:
    return PullStanding(
        url=pull.url,
        number=pull.number,
        state=pull.state,
        draft=pull.draft,
        mergeable=pull.mergeable if pull.state == "open" else None,
    )


def _stage(branches: Branches, pull: Pull | None, commit: Rev) -> Stage:
    if pull is not None and pull.state == "open":
        return "open"
    if pull is not None and pull.state == "closed" and pull.head in ("", commit) and not was_abandoned(pull.body):
        return "closed"
    return "pushed" if branches.remote == commit else "local"


def _waiting(found: _Found, every: Mapping[RepoName, _Found]) -> RepoStatus:
    """Return the status of a repo with the repos that have to land before it."""
    if found.status.landed:
        return found.status
    names = {
        locked.repo
        for locked in found.locked
        if locked.move is not None and locked.repo != found.status.repo and _waits(found, locked, every)
    }
    return structs.replace(found.status, waits_for=sorted(names))


def _waits(found: _Found, locked: Locked, every: Mapping[RepoName, _Found]) -> bool:
    """Tell whether a commit is an update of another repo that has not landed."""
    other = every.get(locked.repo)
    if other is None or other.status.landed:
        return False
    if locked.rev in other.known:
        return True
    # Its branch has moved on, or it could not be looked at.
    if other.status.stage == "failed":
        return locked.own_branch or locked.repo in found.named
    return locked.own_branch and bool(other.known)

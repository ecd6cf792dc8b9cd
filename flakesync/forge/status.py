"""Where every update stands: its branch, its pull request, whether it has landed, and what it waits for."""

from msgspec import structs

from flakesync.analysis.graph import RepoGraph
from flakesync.errors import FlakesyncError, as_error
from flakesync.forge.body import was_abandoned
from flakesync.forge.branches import Branches, clone_of, find_branches, find_current, has_landed
from flakesync.forge.choose import Servers
from flakesync.forge.model import Pull
from flakesync.forge.outcome import PullStanding, RepoStatus, Stage, StatusDocument, error_document
from flakesync.forge.turns import in_order, work_on
from flakesync.forge.update import Update, read_update
from flakesync.git.repository import Repository
from flakesync.terms import RepoName, Rev
from flakesync.workspace.model import Workspace
from flakesync.workspace.snapshot import RepoState


def status(
    workspace: Workspace, graph: RepoGraph, selected: frozenset[RepoName], servers: Servers, *, offline: bool = False
) -> StatusDocument:
    """Return where the updates of the selected repos stand. Writes nothing and changes nothing.

    graph: as it was read at the update branches. offline: no server is asked, and nothing is known of pull requests.
    """
    near = {name for one in selected for name in graph.upstreams(one)} - selected
    look = _Look(workspace, servers, offline=offline)
    order = in_order(graph, selected | near)
    found = work_on(
        order, lambda name: look.at(graph.states[name], name in selected), jobs=workspace.jobs, stop=servers.stop
    )
    names = [name for wave in graph.waves for name in wave if name in selected]
    return StatusDocument(branch=workspace.branch, repos=[_waiting(found[name], found) for name in names])


class _Found:
    """What is known of one repo. update: None where there is none, or it is not known."""

    def __init__(self, status: RepoStatus, update: Update | None = None) -> None:
        self.status = status
        self.update = update


class _Look:
    """Looks at one repo after the other."""

    def __init__(self, workspace: Workspace, servers: Servers, *, offline: bool) -> None:
        self._workspace = workspace
        self._servers = servers
        self._offline = offline

    def at(self, state: RepoState, wanted: bool) -> _Found:
        """Return what is known of a repo. wanted: False where only its pull request's state matters."""
        try:
            return self._look(state, wanted)
        except (FlakesyncError, OSError) as error:
            document = error_document(as_error(error), self._servers)
            return _Found(RepoStatus(repo=state.name, stage="failed", base=state.base, error=document))

    def _look(self, state: RepoState, wanted: bool) -> _Found:
        with clone_of(state) as repository:
            servers = None if self._offline else self._servers
            branches = find_branches(repository, state, self._workspace.branch, servers)
            tip = branches.local if branches.local is not None else branches.remote
            if tip is None:
                return _Found(RepoStatus(repo=state.name, stage="none", base=state.base))
            current = find_current(repository, branches)
            update = read_update(repository, current.commits) if current is not None else None
            commit = update.commit if update is not None else tip
            pull = self._find_pull(state, branches)
            landed = update is None or self._has_landed(repository, state, branches, pull, commit)
        standing = self._standing(state, branches, pull, wanted) if pull is not None else None
        return _Found(
            RepoStatus(
                repo=state.name,
                stage="landed" if landed else _stage(branches, pull, commit),
                base=state.base,
                branch=branches.branch,
                local=branches.local,
                remote=branches.remote,
                commit=commit,
                pull=standing,
                landed=landed,
            ),
            update,
        )

    def _find_pull(self, state: RepoState, branches: Branches) -> Pull | None:
        if self._offline:
            return None
        forge, project = self._servers.for_repo(state.repo, branches.url)
        assert state.base is not None
        return forge.find(project, head=branches.branch, base=state.base) if forge is not None else None

    def _has_landed(
        self, repository: Repository, state: RepoState, branches: Branches, pull: Pull | None, commit: Rev
    ) -> bool:
        if has_landed(repository, branches, commit):
            return True
        if pull is None or pull.state != "merged" or pull.head not in ("", commit):
            return False
        # The forge says so; the base may have been moved back since.
        return pull.merged_rev is None or has_landed(repository, branches, pull.merged_rev)

    def _standing(self, state: RepoState, branches: Branches, pull: Pull, wanted: bool) -> PullStanding:
        checks = reviews = None
        if wanted and pull.state == "open":
            forge, project = self._servers.for_repo(state.repo, branches.url)
            assert forge is not None
            if pull.mergeable is None:  # a list of pull requests does not say it
                pull = forge.get(project, pull.number)
            told = forge.standing(project, pull)
            checks, reviews = told.checks, told.reviews
        return PullStanding(
            url=pull.url,
            number=pull.number,
            state=pull.state,
            draft=pull.draft,
            checks=checks,
            reviews=reviews,
            mergeable=pull.mergeable if pull.state == "open" else None,
        )


def _stage(branches: Branches, pull: Pull | None, commit: Rev) -> Stage:
    if pull is not None and pull.state == "open":
        return "open"
    if pull is not None and pull.state == "closed" and pull.head in ("", commit) and not was_abandoned(pull.body):
        return "closed"
    return "pushed" if branches.remote == commit else "local"


def _waiting(found: _Found, every: dict[RepoName, _Found]) -> RepoStatus:
    """Return the status of a repo with the repos that have to land before it."""
    if found.update is None or found.status.landed:
        return found.status
    moved = {move.new for move in found.update.moves}
    names = [
        name
        for name, other in every.items()
        if other is not found and other.update is not None and other.update.commit in moved and not other.status.landed
    ]
    return structs.replace(found.status, waits_for=sorted(names))

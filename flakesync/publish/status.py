"""Where every update stands: its branch, its pull request, whether it has landed, and what it waits for."""

from collections.abc import Callable, Iterable, Mapping

from flakesync.cache.layout import cache_dir, updates_file
from flakesync.documents.pulls.status import PullStanding, RepoStatus, StatusDocument
from flakesync.forge.hosts import Servers
from flakesync.forge.model import MergeStatus, Pull
from flakesync.nix.reference.flakeref import Identity
from flakesync.publish.each_repo import in_order, map_repos
from flakesync.publish.standing.known import KnownUpdates, LockedCommit
from flakesync.publish.standing.look import Look, Standing
from flakesync.survey.graph import RepoGraph
from flakesync.terms import RepoName
from flakesync.update.content import owner_of
from flakesync.workspace.model import Workspace


def status(
    workspace: Workspace, graph: RepoGraph, selected: frozenset[RepoName], servers: Servers, *, offline: bool = False
) -> StatusDocument:
    """Return where the updates of the selected repos stand. Writes nothing and changes nothing.

    graph: as it has just been read at the update branches: what servers have said then is not asked again. offline: no
    server is asked, and nothing is known of pull requests.
    """
    near = {name for one in selected for name in graph.upstreams(one)} - selected
    known = KnownUpdates(updates_file(cache_dir(), workspace.file), workspace.branch)
    look = Look(workspace, servers, known, offline=offline)
    found = {name: look.begin(graph.states[name], wanted=name in selected) for name in in_order(graph, selected | near)}

    def at_once(step: Callable[[Standing], None], names: Iterable[RepoName]) -> None:
        map_repos(names, lambda name: step(found[name]), jobs=workspace.jobs, stop=servers.stop)

    at_once(look.ask, [name for name, each in found.items() if each.asks])
    for each in found.values():
        look.read(each)
    known.write()
    look.expect_pulls(found.values())
    at_once(look.ask_forge, [name for name, each in found.items() if each.on_forge is not None])
    look.ask_many(found.values())
    at_once(look.ask_merge_status, [name for name, each in found.items() if each.is_open])
    owners = {identity: state.name for state in graph.states.values() for identity in state.repo.identities}
    names = [name for wave in graph.waves for name in wave if name in selected]
    repos = [_status(found[name], _waits_for(found[name], found, owners), servers) for name in names]
    return StatusDocument(branch=workspace.branch, repos=repos)


def _waits_for(found: Standing, every: Mapping[RepoName, Standing], owners: Mapping[Identity, RepoName]) -> list[str]:
    """Return the repos that have to land before a repo, by name."""
    if found.landed or found.update is None:
        return []
    locked = [(owner_of(each.references, owners), each) for each in found.update.locked]
    return sorted({name for name, each in locked if name is not None and _waits(found, every.get(name), each)})


def _waits(found: Standing, other: Standing | None, locked: LockedCommit) -> bool:
    """Tell whether a commit is an update of another repo that has not landed."""
    if other is None or other is found or other.landed:
        return False
    if locked.rev in other.known:
        return True
    # Its branch has moved on, or it could not be looked at.
    if other.error is not None:
        return locked.on_branch or other.repo in found.named
    return locked.on_branch and bool(other.known)


def _status(found: Standing, waits_for: list[str], servers: Servers) -> RepoStatus:
    """Return the JSON form of what is known of a repo."""
    branches, error = found.branches, found.error
    told = None
    if error is not None:
        from flakesync.sync.documents import error_document  # 15 ms

        told = error_document(servers.clean_error(error))
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
        error=told,
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

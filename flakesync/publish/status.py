"""Where every update stands: its branch, its pull request, whether it has landed, and what it waits for."""

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from flakesync.cache.layout import cache_dir, made_file, updates_file
from flakesync.documents.pulls.status import PullStanding, RepoStatus, StatusDocument
from flakesync.errors import FlakesyncError
from flakesync.git.repository import Repository
from flakesync.nix.reference.flakeref import Identity
from flakesync.publish.branches import server_of
from flakesync.publish.each_repo import in_order, map_repos
from flakesync.publish.standing.found import Standing
from flakesync.publish.standing.known import KnownUpdates
from flakesync.publish.standing.look import Look
from flakesync.survey.graph import RepoGraph
from flakesync.terms import RepoName
from flakesync.update.content import owner_of
from flakesync.update.made import LockedCommit, MadeUpdates
from flakesync.workspace.model import Workspace
from flakesync.workspace.snapshot import RepoAtCommit

if TYPE_CHECKING:
    from flakesync.forge.hosts import Servers
    from flakesync.forge.model import MergeStatus, Pull


def status(
    workspace: Workspace,
    graph: RepoGraph,
    selected: frozenset[RepoName],
    servers: "Servers | None",
    *,
    offline: bool = False,
) -> StatusDocument:
    """Return where the updates of the selected repos stand. Writes nothing and changes nothing.

    graph: as it has just been read at the update branches: what servers have said then is not asked again. servers:
    None, or `offline`: no server is asked, and nothing is known of pull requests.
    """
    asked = servers if not offline else None
    near = {name for one in selected for name in graph.upstreams(one)} - selected
    cache, branch = cache_dir(), workspace.branch
    made = MadeUpdates(made_file(cache, workspace.file), branch)
    known = KnownUpdates(updates_file(cache, workspace.file), branch, made)
    look = Look(workspace, asked, known)
    found = {name: look.begin(graph.states[name], wanted=name in selected) for name in in_order(graph, selected | near)}
    if asked is not None:
        _at_once(workspace, asked, (each for each in found.values() if each.asks), lambda each: look.ask(each, asked))
    for each in found.values():
        look.read(each)
    known.write()
    if asked is not None and any(each.on_forge is not None for each in found.values()):
        _ask_forges(workspace, asked, found.values())
    owners = {identity: state.name for state in graph.states.values() for identity in state.repo.identities}
    names = [name for wave in graph.waves for name in wave if name in selected]
    repos = [_status(found[name], _waits_for(found[name], found, owners), workspace, servers) for name in names]
    return StatusDocument(branch=workspace.branch, repos=repos)


def asks_servers(graph: RepoGraph) -> bool:
    """Tell whether any repo has a server that would have to be asked."""
    for state in graph.states.values():
        if state.repo.url is not None:
            return True
        if isinstance(state, RepoAtCommit):
            with suppress(FlakesyncError), Repository.open(state.clone) as repository:
                if server_of(repository, state.repo) is not None:
                    return True
    return False


def _at_once(
    workspace: Workspace, servers: "Servers", every: Iterable[Standing], step: Callable[[Standing], None]
) -> None:
    """Do a step that waits for servers for many repos at once."""
    standings = {each.repo: each for each in every}
    map_repos(standings, lambda name: step(standings[name]), jobs=workspace.jobs, stop=servers.stop)


def _ask_forges(workspace: Workspace, servers: "Servers", every: Collection[Standing]) -> None:
    """Ask for the pull requests of repos on forges, and how those stand that are open."""
    from flakesync.publish.standing.pulls import PullLook

    pulls = PullLook(servers)
    pulls.expect(every)
    _at_once(workspace, servers, (each for each in every if each.on_forge is not None), pulls.ask)
    pulls.ask_many(every)
    _at_once(workspace, servers, (each for each in every if each.is_open), pulls.ask_merge_status)


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


def _status(found: Standing, waits_for: list[str], workspace: Workspace, servers: "Servers | None") -> RepoStatus:
    """Return the JSON form of what is known of a repo."""
    branches, error = found.branches, found.error
    told = None
    if error is not None:  # 50 ms that most runs do not need
        from flakesync.forge.hosts import Servers
        from flakesync.sync.documents import error_document

        told = error_document((servers or Servers(workspace, os.environ)).clean_error(error))
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


def _pull_standing(pull: "Pull", merge_status: "MergeStatus | None") -> PullStanding:
    return PullStanding(
        url=pull.url,
        number=pull.number,
        state=pull.state,
        draft=pull.draft,
        checks=merge_status.checks if merge_status is not None else None,
        reviews=merge_status.reviews if merge_status is not None else None,
        mergeable=pull.mergeable if pull.state == "open" else None,
    )

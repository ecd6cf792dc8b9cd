"""Whether the servers have what an update locks: until they have, nobody else could fetch it."""

from collections.abc import Mapping

from flakesync.documents.pulls.publish import SkipReason
from flakesync.errors import FlakesyncError
from flakesync.forge.hosts import Servers
from flakesync.git.remotes.transfer import fetch
from flakesync.git.repository import Repository
from flakesync.publish.branches import Branches, full_names
from flakesync.publish.work import Skip, Work
from flakesync.terms import RepoName, Rev
from flakesync.update.commit import is_ours
from flakesync.update.content import Locked
from flakesync.workspace.snapshot import RepoAtCommit

_GONE: frozenset[SkipReason | None] = frozenset({"merged", "stale"})
_SYNC = "`flakesync sync` makes it anew"


def find_lacking(work: Work, works: Mapping[RepoName, Work], servers: Servers) -> Skip | None:
    """Return why an update cannot be published now: it locks a commit that nobody can fetch; None: all can be fetched.

    works: the repos of the workspace that have been looked at; what others have is not asked.
    """
    for locked in work.locked:
        upstream = works.get(locked.repo)
        if upstream is None:
            continue
        if _is_gone(upstream, locked.rev):
            note = f"it locks an update of {upstream.name} that has not landed as such: {_SYNC}"
            return Skip("stale", note)
        if _is_on_update_branch(upstream, locked.rev) or is_on_line(upstream, locked, servers):
            continue
        if _is_exact(locked) or _is_only_here(upstream, locked):
            if upstream.result is not None and upstream.result.reason == "limit":
                return Skip("limit", f"it locks the update of {upstream.name}, which is left for a later run")
            return Skip("upstream", _why(upstream, locked, servers))
    return None


def find_unpushed(repository: Repository, branches: Branches, base: Rev) -> Skip | None:
    """Return why an update cannot be published that is made on a commit which its own server does not have.

    base: that commit. None: the base branch on the server has it.
    """
    there = branches.remote_base
    if there is None or repository.history.is_ancestor(base, there):
        return None
    if repository.history.is_ancestor(base, branches.base):
        note = f"it is made on commits that are only in the local base branch {branches.base_name}: push it first"
        return Skip("unpushed-base", note)
    return Skip("unpushed-base", f"it is made on commits that {branches.base_name} of the server lacks: {_SYNC}")


def is_on_line(upstream: Work, locked: Locked, servers: Servers) -> bool:
    """Tell whether the base branch of a repo's server has a commit, or the branch or tag that the input tracks."""
    branches = upstream.branches
    if branches is None or branches.url is None:
        return False
    tracked = [name for name in full_names(locked.ref or "") if name in branches.others]
    tips = {branches.remote_base, *(branches.others[name] for name in tracked)}
    if locked.rev in tips:
        return True
    with Repository.open(branches.clone) as repository:
        lacking = [name for name in tracked if not repository.has(branches.others[name])]
        if lacking:
            try:
                fetch(repository.path, servers.remote(branches.url), lacking)
            except FlakesyncError:
                return False
        return _is_below(repository, locked.rev, tips)


def _is_gone(upstream: Work, rev: Rev) -> bool:
    """Tell whether a commit is an update that its base has in another form, or has gone on without."""
    update, result = upstream.update, upstream.result
    return update is not None and rev == update.commit and result is not None and result.reason in _GONE


def _is_on_update_branch(upstream: Work, rev: Rev) -> bool:
    """Tell whether a commit is on the update branch of its server, as this run leaves it."""
    update, branches = upstream.update, upstream.branches
    if update is not None and rev == update.commit and upstream.pushed:
        return True
    if branches is None or branches.url is None or upstream.moves_on:
        return False
    if rev == branches.remote:
        return True
    with Repository.open(branches.clone) as repository:
        return _is_below(repository, rev, {branches.remote})


def _is_below(repository: Repository, rev: Rev, tips: set[Rev | None]) -> bool:
    if not repository.has(rev):
        return False
    return any(tip is not None and repository.has(tip) and repository.history.is_ancestor(rev, tip) for tip in tips)


def _is_exact(locked: Locked) -> bool:
    """Tell whether a commit must be on the branches that were looked at: flakesync itself took it from one of them."""
    return locked.move is not None and not locked.chosen


def _is_only_here(upstream: Work, locked: Locked) -> bool:
    """Tell whether a commit that people may have taken from anywhere is for all that is known only in a clone here."""
    rev, state = locked.rev, upstream.state
    if not isinstance(state, RepoAtCommit):
        return False
    try:
        with Repository.open(state.clone) as repository:
            if not repository.has(rev):
                return False
            on_base = repository.history.is_ancestor(rev, state.base_rev)
            return on_base or is_ours(repository, repository.commit(rev))
    except FlakesyncError:
        return False


def _why(upstream: Work, locked: Locked, servers: Servers) -> str:
    name, branches, result = upstream.name, upstream.branches, upstream.result
    error = result.error if result is not None else None
    if branches is None:
        return f"{name}: {servers.clean(error.message)}" if error is not None else f"{name} has not been looked at"
    if branches.url is None:
        return f"{name} has no server"
    if locked.rev not in upstream.known:
        return _why_not_on_base(upstream, branches, locked.rev)
    if error is not None and error.code == "branch-taken":
        return f"{name}: somebody else's commit is on its update branch"
    if upstream.update is not None and locked.rev != upstream.update.commit:
        return f"{name}: its update branch has moved on since: {_SYNC}"
    if upstream.wanted and error is not None:
        return f"{name}: its update branch could not be pushed (error[{error.code}])"
    if result is not None and result.reason == "closed":
        return f"{name}: a person has closed its pull request, and its server does not have the update"
    if result is not None and result.status == "skipped":
        return f"{name} is not published: {'; '.join(upstream.notes) or result.reason}"
    if not upstream.wanted:
        return f"{name} was not selected and its update is not on its server: publish it too"
    return f"{name}: its update is not on its server"


def _why_not_on_base(upstream: Work, branches: Branches, rev: Rev) -> str:
    with Repository.open(branches.clone) as repository:
        if _is_below(repository, rev, {branches.base}):
            return (
                f"the commit is only in the local base branch {upstream.state.base} of {upstream.name}: push it first"
            )
    return f"{upstream.name}: its server does not have the commit {rev[:12]}: {_SYNC}"

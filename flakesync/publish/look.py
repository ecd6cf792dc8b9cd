"""What there is to publish of one repo, and what speaks against it: git and its forge are asked, nothing is changed."""

from collections.abc import Mapping

from flakesync.forge.hosts import Servers
from flakesync.forge.model import ForgeError, Pull
from flakesync.git.repository import Repository
from flakesync.publish.body import run_of, was_abandoned
from flakesync.publish.branches import Branches, clone_of, find_branches, find_current, find_overtaken
from flakesync.publish.fetchable import find_unpushed
from flakesync.publish.work import Skip, Work
from flakesync.survey.graph import RepoGraph
from flakesync.terms import RepoName
from flakesync.update.content import Update, locked_repos, read_update
from flakesync.workspace.model import Workspace
from flakesync.workspace.snapshot import RepoState


class Look:
    """Looks at one repo after the other; threads may share it.

    reopen: what a person has closed is to be opened again. alone: nothing but the repos themselves is of interest.
    known: the newest pull requests of these repos, None where there is none; those of the others are looked up.
    """

    def __init__(
        self,
        workspace: Workspace,
        graph: RepoGraph,
        servers: Servers,
        *,
        reopen: bool,
        alone: bool,
        known: Mapping[RepoName, Pull | None],
    ) -> None:
        self._known = known
        self._workspace = workspace
        self._servers = servers
        self._reopen = reopen
        self._tracked: dict[RepoName, set[str]] = {}
        for edge in graph.edges if not alone else ():
            if edge.branch is not None:
                self._tracked.setdefault(edge.upstream, set()).add(edge.branch)
        states = graph.states.values()
        self._owners = {identity: state.name for state in states for identity in state.repo.identities}

    def at(self, work: Work) -> Skip | None:
        """Note what is known of a repo; return why it is not published, None: nothing speaks against it.

        Raises:
            FlakesyncError: it cannot be said; what is known is noted nevertheless.
        """
        with clone_of(work.state) as repository:
            also = sorted(self._tracked.get(work.name, ()))
            branches = find_branches(repository, work.state, self._workspace.branch, self._servers, also=also)
            work.branches = branches
            work.current = find_current(repository, branches)
            if work.current is None:
                return _landed(repository, branches)
            if work.current.commits:
                work.update = read_update(repository, work.current.commits)
                work.locked = locked_repos(work.update, self._owners, branches.branch)
            self._find_pull(work, branches)
            if work.current.taken is not None:
                self._keep_own_pull(work)
                raise work.current.taken
            assert work.update is not None
            return self._judge(work, repository, branches, work.update)

    def _find_pull(self, work: Work, branches: Branches) -> None:
        """Find its pull request: also of a branch that somebody else works on, as others may depend on it."""
        if branches.url is None:
            return
        try:
            work.forge, work.project = self._servers.for_repo(work.state.repo, branches.url)
            if work.name in self._known:
                work.pull = self._known[work.name]
            elif work.forge is not None:
                work.pull = work.forge.find(work.project, head=branches.branch, base=branches.base_name)
            work.asked = True
        except ForgeError:
            if work.current is None or work.current.taken is None:
                raise

    def _keep_own_pull(self, work: Work) -> None:
        """Forget the pull request of a branch that somebody else works on, if it is of an earlier update."""
        if work.pull is not None and work.pull.state != "open":
            if work.update is not None:
                self._respect(work, work.update)
            work.asked = work.pull is not None

    def _judge(self, work: Work, repository: Repository, branches: Branches, update: Update) -> Skip | None:
        if branches.url is None:
            return Skip("no-server", "it has no `url` in the manifest, and its clone no remote called origin")
        if branches.local is not None and branches.local != update.commit:
            work.notes.append("the server's update branch is on a newer base than the one here, and was taken")
        skip = self._respect(work, update)
        if skip is not None or work.is_out:
            return skip
        overtaken = find_overtaken(repository, branches, update)
        if overtaken is not None:
            return Skip(overtaken, _how_to_renew(work.state, branches) if overtaken == "stale" else None)
        return find_unpushed(repository, branches, update.base)

    def _respect(self, work: Work, update: Update) -> Skip | None:
        """Leave alone what has been merged, and what a person has closed."""
        pull = work.pull
        if pull is None or pull.state == "open":
            return None
        # Where the branch is gone, some servers do not know any more what its tip was.
        same = pull.head == update.commit
        if not pull.head or pull.state == "closed":
            same = same or run_of(pull.body) == update.run
        if pull.state == "merged" and same:
            return Skip("merged")
        if not same or was_abandoned(pull.body):
            work.pull = None
        elif pull.state == "closed" and not self._reopen:
            return Skip("closed")
        return None


def _landed(repository: Repository, branches: Branches) -> Skip:
    """Return why there is nothing on the update branch that the base lacks."""
    tips = [tip for tip in (branches.local, branches.remote) if tip is not None]
    if not tips:
        return Skip("no-update")
    unpushed = [find_unpushed(repository, branches, tip) for tip in tips]
    return unpushed[0] if unpushed[0] is not None and None not in unpushed else Skip("merged")


def _how_to_renew(state: RepoState, branches: Branches) -> str:
    base = branches.base_name
    first = "" if branches.base == branches.remote_base else f"bring {base} up to date in {state.clone}, and "
    return f"the locks of {base} have changed since it was made: {first}`flakesync sync` makes it anew"

"""Takes an update back: closes the pull requests that flakesync opened and deletes the update branches that it made."""

from dataclasses import dataclass

from flakesync.documents.pulls.abandon import AbandonDocument, AbandonOutcome
from flakesync.errors import FlakesyncError, as_error
from flakesync.forge.hosts import Servers
from flakesync.forge.model import Pull
from flakesync.git.repository import Repository
from flakesync.publish.body import is_ours, mark_abandoned
from flakesync.publish.branches import Branches, at_commit, find_branches, push
from flakesync.publish.documents import pull_document
from flakesync.publish.each_repo import in_order, map_repos
from flakesync.survey.graph import RepoGraph
from flakesync.sync.documents import error_document
from flakesync.terms import RepoName, Rev
from flakesync.update.content import own_commits
from flakesync.workspace.model import Workspace
from flakesync.workspace.snapshot import PlainFolder, RepoAtCommit, RepoState


def abandon(
    workspace: Workspace,
    graph: RepoGraph,
    selected: frozenset[RepoName],
    servers: Servers,
    *,
    dry_run: bool = False,
) -> AbandonDocument:
    """Close the pull requests and delete the update branches of the selected repos, here and on their servers.

    What flakesync did not make stays: a branch with somebody else's commit and its pull request, and a pull request
    without flakesync's part in its body. dry_run: only say what would be done.
    """

    def work(name: RepoName) -> AbandonOutcome:
        return _Abandoning(workspace, graph.states[name], servers, dry_run).carry_out()

    found = map_repos(in_order(graph, selected), work, jobs=workspace.jobs, stop=servers.stop)
    return AbandonDocument(branch=workspace.branch, dry_run=dry_run, repos=[found[name] for name in sorted(selected)])


@dataclass
class _Abandoning:
    """One repo, and what has been taken away of it so far."""

    workspace: Workspace
    state: RepoState
    servers: Servers
    dry_run: bool
    pull: Pull | None = None
    local: Rev | None = None
    remote: Rev | None = None

    def carry_out(self) -> AbandonOutcome:
        """Return what became of it."""
        try:
            # In a plain folder there is nothing of flakesync's.
            if not isinstance(self.state, PlainFolder):
                state = at_commit(self.state)
                with Repository.open(state.clone) as repository:
                    self._take_away(repository, state)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this repo's
            return self._outcome(as_error(error))
        return self._outcome(None)

    def _outcome(self, error: FlakesyncError | None) -> AbandonOutcome:
        done = self.pull is not None or self.local is not None or self.remote is not None
        return AbandonOutcome(
            repo=self.state.name,
            status="failed" if error is not None else "abandoned" if done else "unchanged",
            pull=pull_document(self.pull) if self.pull is not None else None,
            local=self.local,
            remote=self.remote,
            error=error_document(self.servers.clean_error(error)) if error is not None else None,
        )

    def _take_away(self, repository: Repository, state: RepoAtCommit) -> None:
        branches = find_branches(repository, state, self.workspace.branch, self.servers)
        # All is looked at before anything is done: a branch that somebody works on is left as it is, in both places.
        for tip, where in ((branches.local, ""), (branches.remote, " of the server")):
            if tip is not None:
                own_commits(repository, branches.branch, tip, branches.bases, where)
        if branches.local is not None:
            repository.require_not_checked_out(branches.ref)
        if not self.dry_run:
            repository.clear_dead_locks(branches.ref)  # of one that was killed here: its branch may be gone already
        # First the pull request: forges close one themselves when its branch goes, and then nobody knows why.
        if branches.url is not None:
            self._close(branches)
        if branches.remote is not None and branches.url is not None:
            self._delete_remote(repository, branches, branches.url, branches.remote)
        if branches.local is not None:
            if not self.dry_run:
                repository.delete_ref(branches.ref, old=branches.local)
            self.local = branches.local

    def _close(self, branches: Branches) -> None:
        on_forge = self.servers.for_repo(self.state.repo, branches.url)
        pull = on_forge.find(head=branches.branch, base=branches.base_name) if on_forge is not None else None
        if on_forge is None or pull is None or pull.state != "open" or not is_ours(pull.body):
            return
        if not self.dry_run:
            pull = on_forge.forge.close(on_forge.project, pull, body=mark_abandoned(pull.body))
        self.pull = pull

    def _delete_remote(self, repository: Repository, branches: Branches, url: str, tip: Rev) -> None:
        if not self.dry_run:
            push(repository, url, branches.branch, None, tip, self.servers)
            # What the clone remembers of the server's branch, as `git push --delete` would do it.
            tracked = f"{at_commit(self.state).branches.tracking}{branches.branch}"
            if repository.ref(tracked) == tip:
                repository.delete_ref(tracked, old=tip)
        self.remote = tip

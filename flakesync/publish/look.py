"""What there is to publish of one repo, and what speaks against it: git and its forge are asked, nothing is changed."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import assert_never

from flakesync.audit.gate import NewLock, make_gate
from flakesync.audit.subject import Subject, count_sources, subjects
from flakesync.errors import FlakesyncError
from flakesync.forge.hosts import Servers
from flakesync.forge.lookup import PullLookup
from flakesync.forge.model import Forge, ForgeError, Pull, PullQuestion
from flakesync.git.repository import Repository
from flakesync.publish.body import Audited, run_of, was_abandoned
from flakesync.publish.branches import (
    Branches,
    Current,
    Taken,
    as_read,
    at_commit,
    bring,
    find_branches,
    find_current,
    find_overtaken,
    server_of,
)
from flakesync.publish.fetchable import find_unpushed
from flakesync.publish.work import Ready, Skip, Work
from flakesync.survey.graph import RepoGraph
from flakesync.terms import RepoName
from flakesync.update.content import Update, changed_locks, locked_repos, read_update
from flakesync.workspace.model import Workspace
from flakesync.workspace.snapshot import RepoAtCommit


class Look:
    """Looks at one repo after the other; threads may share it.

    reopen: what a person has closed is to be opened again. known: the newest pull requests of the repos that alone are
    of interest, None for one that has none; None: all repos are, and their pull requests are looked up.
    """

    def __init__(
        self,
        workspace: Workspace,
        graph: RepoGraph,
        servers: Servers,
        *,
        reopen: bool = False,
        known: Mapping[RepoName, Pull | None] | None = None,
    ) -> None:
        self._known = known or {}
        self._first = known is None
        self._workspace = workspace
        self._servers = servers
        self._reopen = reopen
        self._lookup = PullLookup()
        self._tracked: dict[RepoName, set[str]] = {}
        for edge in graph.edges if known is None else ():
            if edge.branch is not None:
                self._tracked.setdefault(edge.upstream, set()).add(edge.branch)
        states = graph.states.values()
        self._owners = {identity: state.name for state in states for identity in state.repo.identities}
        here = [state for state in states if isinstance(state, RepoAtCommit)]
        clones = {identity: state.clone for state in here for identity in state.repo.identities}
        self._gate = make_gate(workspace, clones)

    def expect(self, works: Iterable[Work]) -> None:
        """Take note of the repos that are looked at next, in order, so that a forge can be asked about many at once."""
        # Those that are known to have an update go first: of the others hardly any pull request is looked up.
        ordered = sorted(works, key=lambda work: not (isinstance(work.state, RepoAtCommit) and work.state.updated))
        expected = [each for work in ordered if work.name not in self._known for each in self._questions(work)]
        self._lookup.expect(expected)
        count = Counter(id(forge) for forge, _ in expected)
        for forge in {id(forge): forge for forge, _ in expected}.values():
            forge.expect_calls(-(-count[id(forge)] // max(forge.at_once, 1)))

    def _questions(self, work: Work) -> Iterator[tuple[Forge, PullQuestion]]:
        """Give the question for the pull request of a repo, as far as it is known before its server is asked."""
        state = work.state
        if isinstance(state, RepoAtCommit):
            with suppress(FlakesyncError), Repository.open(state.clone) as repository:
                on_forge = self._servers.for_repo(state.repo, server_of(repository, state.repo))
                if on_forge is not None:
                    yield on_forge.forge, PullQuestion(on_forge.project, self._workspace.branch, state.base)

    def at(self, work: Work) -> Skip | Ready:
        """Note what is known of a repo; return why it is not published, or the update that can be.

        Raises:
            FlakesyncError: it cannot be said; what is known is noted nevertheless.
        """
        state = at_commit(work.state)
        with Repository.open(state.clone) as repository:
            also = sorted(self._tracked.get(work.name, ()))
            branches = work.branches = self._find_branches(repository, state, also)
            current = find_current(repository, branches)
            match current:
                case None:
                    return _landed(repository, branches)
                case Taken():
                    if current.commits:
                        self._read(work, repository, branches, current)
                    self._find_pull_of_taken(work, branches)
                    raise current.error
                case Current():
                    update = self._read(work, repository, branches, current)
                    self._find_pull(work, branches)
                    return self._judge(work, repository, state, branches, update)
                case _:
                    assert_never(current)

    def _find_branches(self, repository: Repository, state: RepoAtCommit, also: Sequence[str]) -> Branches:
        """Return where the branches of a repo are, its server asked once a run.

        While a set is published all is looked at before anything is pushed, so what a server has said while the
        workspace was read still counts; a push is refused where it has moved since. A landing pushes in between.
        """
        name, servers = self._workspace.branch, self._servers
        read = as_read(repository, state, name, also=also) if self._first else None
        if read is not None:
            return bring(repository, state, read, servers)
        return find_branches(repository, state, name, servers, also=also)

    def _read(self, work: Work, repository: Repository, branches: Branches, current: Current | Taken) -> Update:
        """Note what its update branch holds, and return it."""
        work.known = current.known
        work.update = update = read_update(repository, current.commits)
        work.locked = locked_repos(update, self._owners, branches.branch)
        return update

    def _find_pull(self, work: Work, branches: Branches) -> None:
        if branches.url is None:
            return
        work.on_forge = on_forge = self._servers.for_repo(work.state.repo, branches.url)
        if work.name in self._known:
            work.pull = self._known[work.name]
        elif on_forge is not None:
            work.pull = self._lookup.find(on_forge, head=branches.branch, base=branches.base_name)
        work.asked = True
        work.looked_at = time.monotonic()

    def _find_pull_of_taken(self, work: Work, branches: Branches) -> None:
        """Find the pull request of a branch that somebody else works on: others may depend on it.

        That of an earlier update is forgotten.
        """
        with suppress(ForgeError):
            self._find_pull(work, branches)
        if work.pull is not None and work.pull.state != "open":
            if work.update is not None:
                self._respect(work, work.update)
            work.asked = work.pull is not None

    def _judge(
        self, work: Work, repository: Repository, state: RepoAtCommit, branches: Branches, update: Update
    ) -> Skip | Ready:
        if branches.url is None:
            return Skip("no-server", "it has no `url` in the manifest, and its clone no remote called origin")
        if branches.local is not None and branches.local != update.commit:
            work.notes.append("the server's update branch is on a newer base than the one here, and was taken")
        skip = self._respect(work, update)
        if skip is not None:
            return skip
        audited = self._pass_gate(work.name, repository, update)
        ready = Ready(state, branches, branches.url, update, work.on_forge, audited)
        if ready.is_out(work.pull):
            return ready
        overtaken = find_overtaken(repository, branches, update)
        if overtaken is not None:
            return Skip(overtaken, _how_to_renew(state, branches) if overtaken == "stale" else None)
        return find_unpushed(repository, branches, update.base) or ready

    def _pass_gate(self, name: RepoName, repository: Repository, update: Update) -> Audited | None:
        """Return what the gate has let pass; None: it is open. Raises: SyncError(`audit-gate`), LockError, GitError."""
        if self._gate.is_open:
            return None
        nodes: list[Subject] = []
        for dir, before, after in changed_locks(repository, update):
            self._gate.require_none_added(NewLock(name, dir, before, after), repository.reader, update.base)
            nodes += subjects(name, dir, after)
        return Audited(count_sources(nodes), self._gate.threshold)

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


def _how_to_renew(state: RepoAtCommit, branches: Branches) -> str:
    base = branches.base_name
    by_hand = branches.base != branches.remote_base and state.repo.path is not None and not state.branches.of_server
    first = f"bring {base} up to date in {branches.clone}, and " if by_hand else ""
    return f"the locks of {base} have changed since it was made: {first}`flakesync sync` makes it anew"

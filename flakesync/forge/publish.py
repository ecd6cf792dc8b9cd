"""Pushes the update branches and opens a pull request for each, upstream first; a repo that fails fails alone.

Two passes over the repos: look (git and forge, changes nothing), then push and open. All that a pass needs is read back
from branches, commits, locks and pull requests, so a run that was killed is finished by the next one, on any machine.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import structs

from flakesync.analysis.graph import RepoGraph
from flakesync.errors import FlakesyncError, as_error
from flakesync.forge.body import Around, Content, Link, make_block, make_title, put_into, run_of, was_abandoned
from flakesync.forge.branches import Branches, Current, clone_of, find_branches, find_current, find_overtaken, push
from flakesync.forge.choose import Servers
from flakesync.forge.compare import compare_link
from flakesync.forge.model import Forge, ForgeError, NewPull, Project, Pull
from flakesync.forge.outcome import (
    PublishDocument,
    PublishOutcome,
    PublishStatus,
    SkipReason,
    error_document,
    pull_document,
)
from flakesync.forge.turns import in_order, work_on
from flakesync.forge.update import MoveKey, Update, read_update
from flakesync.terms import RepoName, Rev
from flakesync.workspace.model import Workspace
from flakesync.workspace.snapshot import RepoState

_GONE: frozenset[SkipReason | None] = frozenset({"merged", "stale"})

Tell = Callable[[PublishOutcome, int, int], None]
"""Is told an outcome as soon as it is known, how many are known now, and of how many."""


def publish(
    workspace: Workspace,
    graph: RepoGraph,
    selected: frozenset[RepoName],
    servers: Servers,
    *,
    reopen: bool = False,
    tell: Tell = lambda *_: None,
    around: Around | None = None,
) -> PublishDocument:
    """Push the update branches of the selected repos and open or update their pull requests.

    graph: as it was read at the update branches. reopen: open also those again that a person has closed. around: what
    a landing knows of the rest of the set.
    """
    return _Publishing(workspace, graph, selected, servers, reopen, tell, around or Around()).carry_out()


@dataclass
class _Work:
    """One repo, and what is known of it so far. wanted: False where only its pull request is looked up.

    current, update: None where there is nothing to publish. pull: the newest, in any state. outcome: None until it is
    settled.
    """

    state: RepoState
    wanted: bool
    current: Current | None = None
    update: Update | None = None
    url: str = ""
    forge: Forge | None = None
    project: Project | None = None
    pull: Pull | None = None
    pushed: bool = False
    notes: list[str] = field(default_factory=list)
    outcome: PublishOutcome | None = None

    @property
    def name(self) -> RepoName:
        """The repo's name."""
        return self.state.name

    @property
    def is_out(self) -> bool:
        """Whether the server has this very update, with an open pull request where there is a forge."""
        there = self.current is not None and self.update is not None and self.current.old == self.update.commit
        return there and (self.forge is None or (self.pull is not None and self.pull.state == "open"))


class _Publishing:
    """One run."""

    def __init__(
        self,
        workspace: Workspace,
        graph: RepoGraph,
        selected: frozenset[RepoName],
        servers: Servers,
        reopen: bool,
        tell: Tell,
        around: Around,
    ) -> None:
        self._workspace = workspace
        self._graph = graph
        self._servers = servers
        self._reopen = reopen
        self._tell = tell
        self._around = around
        states = graph.states
        near = {name for one in selected for name in graph.upstreams(one) if states[name].updated} - selected
        self._works = {
            name: _Work(states[name], name in selected)
            for wave in graph.waves
            for name in wave
            if name in selected or name in near
        }
        self._order = in_order(graph, self._works)
        self._by_commit: dict[Rev, _Work] = {}
        self._told: set[RepoName] = set()

    def carry_out(self) -> PublishDocument:
        """Do both passes."""
        self._pass(self._look, {})
        self._by_commit = {work.update.commit: work for work in self._works.values() if work.update is not None}
        upstreams = {name: frozenset(up.name for up in self._upstreams(work)) for name, work in self._works.items()}
        # Also dependents are pushed after their upstreams: what checks them there can fetch what they lock. And while
        # one repo is pushed another is opened: calls take turns at a forge, and should never wait for git.
        self._pass(self._push_and_open, upstreams)
        outcomes = [work.outcome for work in self._works.values() if work.wanted and work.outcome is not None]
        return PublishDocument(branch=self._workspace.branch, repos=outcomes)

    def _pass(self, step: Callable[[_Work], None], upstreams: Mapping[RepoName, frozenset[RepoName]]) -> None:
        def take(name: RepoName) -> None:
            work = self._works[name]
            if work.outcome is not None:
                return
            try:
                step(work)
            except (FlakesyncError, OSError) as error:
                self._fail(work, as_error(error))

        work_on(
            self._order,
            take,
            jobs=self._workspace.jobs,
            stop=self._servers.stop,
            upstreams=upstreams,
            finished=self._finish,
        )

    def _finish(self, name: RepoName) -> None:
        work = self._works[name]
        if work.outcome is not None and work.wanted and name not in self._told:
            self._told.add(name)
            self._tell(work.outcome, len(self._told), sum(each.wanted for each in self._works.values()))

    # ---- look ----------------------------------------------------------------------------------------------------

    def _look(self, work: _Work) -> None:
        branch = self._workspace.branch
        with clone_of(work.state) as repository:
            branches = find_branches(repository, work.state, branch, self._servers)
            work.current = find_current(repository, branches)
            if work.current is None:
                there = branches.local is not None or branches.remote is not None
                return self._skip(work, "merged" if there else "no-update")
            work.update = read_update(repository, work.current.commits)
            overtaken = find_overtaken(repository, branches, work.update)
        if branches.url is None:
            work.notes.append("it has no `url` in the manifest, and its clone no remote called origin")
            return self._skip(work, "no-server")
        work.url = branches.url
        if branches.local is not None and branches.local != work.update.commit:
            work.notes.append("the server's update branch is on a newer base than the one here, and was taken")
        work.forge, work.project = self._servers.for_repo(work.state.repo, branches.url)
        if work.forge is not None:
            assert work.state.base is not None
            work.pull = work.forge.find(work.project, head=branch, base=work.state.base)
            self._respect(work, work.update)
        if overtaken is not None and work.outcome is None and not work.is_out:
            self._skip(work, overtaken, _how_to_renew(work.state, branches) if overtaken == "stale" else None)
        return None

    def _respect(self, work: _Work, update: Update) -> None:
        """Leave alone what has been merged, and what a person has closed."""
        pull = work.pull
        if pull is None or pull.state == "open":
            return
        # Where the branch is gone, some servers do not know any more what its tip was.
        same = pull.head == update.commit
        if not pull.head or pull.state == "closed":
            same = same or run_of(pull.body) == update.run
        if pull.state == "merged" and same:
            self._skip(work, "merged")
        elif not same or was_abandoned(pull.body):
            work.pull = None
        elif pull.state == "closed" and not self._reopen:
            self._skip(work, "closed")

    # ---- push and open -------------------------------------------------------------------------------------------

    def _push_and_open(self, work: _Work) -> None:
        if work.wanted:
            self._push(work)
        if work.wanted and work.outcome is None:
            self._open(work)

    def _push(self, work: _Work) -> None:
        assert work.current is not None
        assert work.update is not None
        if work.current.old == work.update.commit:
            return None
        gone = [up.name for up in self._upstreams(work) if up.outcome is not None and up.outcome.reason in _GONE]
        if gone:
            note = f"it locks an update of {gone[0]} that has not landed as such: `flakesync sync` makes it anew"
            return self._skip(work, "stale", note)
        with clone_of(work.state) as repository:
            push(repository, work.url, self._workspace.branch, work.update.commit, work.current.old, self._servers)
        work.pushed = True
        return None

    def _open(self, work: _Work) -> None:
        assert work.update is not None
        status: PublishStatus = "updated" if work.pushed else "unchanged"
        if work.forge is not None and work.project is not None:
            title = make_title(self._workspace.publish.title, work.name, work.update)
            block = make_block(self._content(work, work.update))
            done = self._bring(work, work.forge, work.project, title, block)
            status = done if done != "unchanged" else status
            if done != "unchanged" and work.pull is not None:
                self._depend(work, work.forge, work.project, work.pull)
            self._note_lacking(work)
        work.outcome = self._outcome(work, status)

    def _bring(self, work: _Work, forge: Forge, project: Project, title: str, block: str) -> PublishStatus:
        """Open the pull request, or make it what it should be; nothing is told to a forge that it knows."""
        labels = self._workspace.publish.labels
        pull = work.pull
        status: PublishStatus = "unchanged"
        if pull is not None and pull.state == "closed":
            pull, status = _reopened(forge, project, pull), "opened"
        if pull is None:
            work.pull = forge.create(project, self._new_pull(work.state, title, block))
            return "opened"
        work.pull = pull
        body = put_into(pull.body, block)
        if (pull.title, pull.body) != (title, body):
            work.pull = pull = forge.update(project, pull, title=title, body=body)
            status = "updated" if status == "unchanged" else status
        if not {*labels} <= {*pull.labels}:
            # A run was cut off between opening and labelling it.
            work.pull = forge.dress(project, pull, labels=labels, reviewers=())
            status = "updated" if status == "unchanged" else status
        return status

    def _new_pull(self, state: RepoState, title: str, block: str) -> NewPull:
        settings = self._workspace.publish
        assert state.base is not None
        return NewPull(
            head_branch=self._workspace.branch,
            base_branch=state.base,
            title=title,
            body=block,
            draft=settings.draft,
            labels=settings.labels,
            reviewers=settings.reviewers,
        )

    def _content(self, work: _Work, update: Update) -> Content:
        links: dict[MoveKey, Link] = {}
        for move in update.moves:
            upstream = self._by_commit.get(move.new) if move.new is not None else None
            if upstream is not None and upstream.pull is not None:
                links[move.key] = Link(f"pull request of {upstream.name}", upstream.pull.url)
            elif move.new is not None and move.new in self._around.landed:
                links[move.key] = self._around.landed[move.new]
            elif (link := compare_link(move, self._servers)) is not None:
                links[move.key] = link
        upstreams = [up.pull.url for up in self._upstreams(work) if up.pull is not None]
        landed = self._around.landed
        upstreams += dict.fromkeys(landed[move.new].url for move in update.moves if move.new and move.new in landed)
        checks = [shlex.join(argv) for argv in work.state.repo.checks]
        return Content(update, links, upstreams, self._dependents(work.name, update), checks)

    def _upstreams(self, work: _Work) -> list[_Work]:
        """Return the repos whose update a repo's update locks, by name."""
        if work.update is None:
            return []
        found = {move.new: self._by_commit.get(move.new) for move in work.update.moves if move.new is not None}
        return sorted((up for up in found.values() if up is not None and up is not work), key=lambda up: up.name)

    def _dependents(self, name: RepoName, update: Update) -> Sequence[RepoName]:
        """Return the repos that lock an update: those of the graph, and those whose branch is only on a server."""
        into = (edge for edge in self._graph.edges if edge.upstream == name)
        edges = (edge.dependent for edge in into if edge.locked_rev == update.commit)
        looked = (
            other.name
            for other in self._works.values()
            if other.update is not None and any(move.new == update.commit for move in other.update.moves)
        )
        return sorted({*edges, *looked, *self._around.dependents} - {name})

    def _depend(self, work: _Work, forge: Forge, project: Project, pull: Pull) -> None:
        on = [(up.project, up.pull) for up in self._upstreams(work) if up.project is not None and up.pull is not None]
        try:
            if on:
                forge.depend(project, pull, on)
        except ForgeError as error:
            work.notes.append(f"the forge did not take its dependencies: {error.message}")

    def _note_lacking(self, work: _Work) -> None:
        for upstream in self._upstreams(work):
            if upstream.pull is None and upstream.outcome is not None and upstream.outcome.status == "failed":
                work.notes.append(f"the pull request of {upstream.name} is not linked: that repo failed")

    # ---- outcomes ------------------------------------------------------------------------------------------------

    def _skip(self, work: _Work, reason: SkipReason, note: str | None = None) -> None:
        if note is not None:
            work.notes.append(note)
        work.outcome = structs.replace(self._outcome(work, "skipped"), reason=reason)

    def _fail(self, work: _Work, error: FlakesyncError) -> None:
        work.outcome = structs.replace(self._outcome(work, "failed"), error=error_document(error, self._servers))

    def _outcome(self, work: _Work, status: PublishStatus) -> PublishOutcome:
        return PublishOutcome(
            repo=work.name,
            status=status,
            branch=self._workspace.branch if work.update is not None else None,
            commit=work.update.commit if work.update is not None else None,
            pushed=work.pushed,
            pull=pull_document(work.pull) if work.pull is not None else None,
            notes=work.notes,
        )


def _how_to_renew(state: RepoState, branches: Branches) -> str:
    first = "" if branches.base == branches.remote_base else f"bring {state.base} up to date in {state.clone}, and "
    return f"the locks of {state.base} have changed since it was made: {first}`flakesync sync` makes it anew"


def _reopened(forge: Forge, project: Project, pull: Pull) -> Pull | None:
    """Open a pull request again; None: the forge does not do that any more, a new one is needed."""
    try:
        return forge.reopen(project, pull)
    except ForgeError as error:
        if error.code != "forge":
            raise
        return None

"""Pushes the update branches and opens a pull request for each, upstream first; a repo that fails fails alone.

Two passes over the repos: look (git and forge, changes nothing), then push and open. All that a pass needs is read back
from branches, commits, locks and pull requests, so a run that was killed is finished by the next one, on any machine.
"""

from collections.abc import Callable, Iterable, Mapping

from msgspec import structs

from flakesync.documents.publish import PublishDocument, PublishOutcome, PublishStatus
from flakesync.errors import FlakesyncError, as_error
from flakesync.forge.hosts import Servers
from flakesync.forge.model import Forge, ForgeError, NewPull, Project, Pull
from flakesync.publish.body import Around, make_block, make_title, put_into
from flakesync.publish.branches import clone_of, push
from flakesync.publish.documents import error_document, pull_document
from flakesync.publish.each_repo import in_order, map_repos
from flakesync.publish.fetchable import find_lacking
from flakesync.publish.look import Look
from flakesync.publish.neighbours import Neighbours
from flakesync.publish.work import Skip, Work
from flakesync.survey.graph import RepoGraph
from flakesync.terms import RepoName
from flakesync.workspace.model import Workspace

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

    A repo is left out while a server lacks what its update locks. graph: as it was read at the update branches.
    reopen: open also those again that a person has closed. around: what a landing knows of the rest of the set, all of
    which has landed; None: the others are looked at.
    """
    return _Publishing(workspace, graph, selected, servers, reopen, tell, around).carry_out()


def publish_again(
    workspace: Workspace, graph: RepoGraph, name: RepoName, servers: Servers, around: Around, pull: Pull | None
) -> tuple[PublishOutcome, Pull | None]:
    """Push the update branch of one repo that lands, and bring its pull request up to date.

    graph, around: as for `publish`. pull: its newest pull request, as it was found; None: there was none. Return what
    became of it, and the pull request as it is now; None: it has none.
    """
    publishing = _Publishing(workspace, graph, frozenset({name}), servers, False, lambda *_: None, around)
    publishing.known[name] = pull
    document = publishing.carry_out()
    return document.repos[0], publishing.works[name].pull


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
        around: Around | None,
    ) -> None:
        self._workspace = workspace
        self._graph = graph
        self._selected = selected
        self._servers = servers
        self._reopen = reopen
        self._tell = tell
        self._around = around
        self.works: dict[RepoName, Work] = {}
        # Pull requests that need not be looked up.
        self.known: dict[RepoName, Pull | None] = {}
        self._told: set[RepoName] = set()

    def carry_out(self) -> PublishDocument:
        """Do both passes."""
        alone = self._around is not None
        look = Look(self._workspace, self._graph, self._servers, reopen=self._reopen, alone=alone, known=self.known)
        self._pass(look.at, self._add(self._selected))
        if self._around is None:
            locked = {each.repo for work in self.works.values() for each in work.locked}
            self._pass(look.at, self._add(locked - self._selected))
        works = self.works
        for work in works.values():
            work.moves_on = work.wanted and work.outcome is None and not work.is_there
        neighbours = Neighbours(self._graph, works, self._servers, self._around)
        upstreams = {name: frozenset(up.name for up in neighbours.upstreams(work)) for name, work in works.items()}
        # Also dependents are pushed after their upstreams: what checks them there can fetch what they lock. And while
        # one repo is pushed another is opened: calls take turns at a forge, and should never wait for git.
        order = in_order(self._graph, works)
        self._pass(lambda work: self._push_and_open(work, neighbours), order, upstreams)
        outcomes = [works[name].outcome for name in order if works[name].wanted]
        repos = [outcome for outcome in outcomes if outcome is not None]
        return PublishDocument(branch=self._workspace.branch, repos=repos)

    def _add(self, names: Iterable[RepoName]) -> list[RepoName]:
        """Take these repos in, and return them in the order in which they are worked on."""
        order = in_order(self._graph, names)
        self.works.update((name, Work(self._graph.states[name], name in self._selected)) for name in order)
        return order

    def _pass(
        self,
        step: Callable[[Work], Skip | None],
        names: Iterable[RepoName],
        upstreams: Mapping[RepoName, frozenset[RepoName]] | None = None,
    ) -> None:
        def take(name: RepoName) -> None:
            work = self.works[name]
            if work.outcome is not None:
                return
            try:
                skip = step(work)
            except (FlakesyncError, OSError) as error:
                self._fail(work, as_error(error))
            else:
                if skip is not None:
                    self._skip(work, skip)

        map_repos(
            names,
            take,
            jobs=self._workspace.jobs,
            stop=self._servers.stop,
            upstreams=upstreams,
            finished=self._finish,
        )

    def _finish(self, name: RepoName) -> None:
        work = self.works[name]
        if work.outcome is not None and work.wanted and name not in self._told:
            self._told.add(name)
            self._tell(work.outcome, len(self._told), len(self._selected))

    # ---- push and open -------------------------------------------------------------------------------------------

    def _push_and_open(self, work: Work, neighbours: Neighbours) -> Skip | None:
        if not work.wanted:
            return None
        lacking = find_lacking(work, self.works, self._servers)
        if lacking is not None and not work.is_out:
            return lacking
        if lacking is not None and lacking.reason == "upstream" and lacking.note is not None:
            work.notes.append(lacking.note)
        self._push(work)
        self._open(work, neighbours)
        return None

    def _push(self, work: Work) -> None:
        assert work.branches is not None
        assert work.branches.url is not None
        assert work.current is not None
        assert work.update is not None
        if work.is_there:
            return
        with clone_of(work.state) as repository:
            branch, url = self._workspace.branch, work.branches.url
            push(repository, url, branch, work.update.commit, work.current.old, self._servers)
        work.pushed = True

    def _open(self, work: Work, neighbours: Neighbours) -> None:
        assert work.update is not None
        status: PublishStatus = "updated" if work.pushed else "unchanged"
        if work.forge is not None and work.project is not None:
            title = make_title(self._workspace.publish.title, work.name, work.update)
            block = make_block(neighbours.content(work, work.update))
            done = self._bring(work, work.forge, work.project, title, block)
            status = done if done != "unchanged" else status
            if done != "unchanged" and work.pull is not None:
                self._depend(work, work.forge, work.project, work.pull, neighbours)
            work.notes += _not_linked(work, neighbours)
        work.outcome = self._outcome(work, status)

    def _bring(self, work: Work, forge: Forge, project: Project, title: str, block: str) -> PublishStatus:
        """Open the pull request, or make it what it should be; nothing is told to a forge that it knows."""
        labels = self._workspace.publish.labels
        pull = work.pull
        status: PublishStatus = "unchanged"
        if pull is not None and pull.state == "closed":
            pull, status = _reopened(forge, project, pull), "opened"
        if pull is None:
            work.pull = forge.create(project, self._new_pull(work, title, block))
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

    def _new_pull(self, work: Work, title: str, block: str) -> NewPull:
        settings = self._workspace.publish
        assert work.branches is not None
        return NewPull(
            head_branch=self._workspace.branch,
            base_branch=work.branches.base_name,
            title=title,
            body=block,
            draft=settings.draft,
            labels=settings.labels,
            reviewers=settings.reviewers,
        )

    def _depend(self, work: Work, forge: Forge, project: Project, pull: Pull, neighbours: Neighbours) -> None:
        ups = [self.works[name] for name in neighbours.linked(work)]
        on = [(up.project, up.pull) for up in ups if up.project is not None and up.pull is not None]
        try:
            if on:
                forge.depend(project, pull, on)
        except ForgeError as error:
            work.notes.append(f"the forge did not take its dependencies: {error.message}")

    # ---- outcomes ------------------------------------------------------------------------------------------------

    def _skip(self, work: Work, skip: Skip) -> None:
        if skip.note is not None:
            work.notes.append(skip.note)
        work.outcome = structs.replace(self._outcome(work, "skipped"), reason=skip.reason)

    def _fail(self, work: Work, error: FlakesyncError) -> None:
        work.outcome = structs.replace(self._outcome(work, "failed"), error=error_document(error, self._servers))

    def _outcome(self, work: Work, status: PublishStatus) -> PublishOutcome:
        return PublishOutcome(
            repo=work.name,
            status=status,
            branch=self._workspace.branch if work.update is not None else None,
            commit=work.update.commit if work.update is not None else None,
            pushed=work.pushed,
            pull=pull_document(work.pull) if work.pull is not None else None,
            notes=work.notes,
        )


def _not_linked(work: Work, neighbours: Neighbours) -> list[str]:
    """Return a note for each upstream that failed before its pull request was there."""
    ups = neighbours.upstreams(work)
    failed = [up.name for up in ups if up.outcome is not None and up.outcome.status == "failed"]
    linked = neighbours.linked(work) if failed else ()
    return [f"the pull request of {name} is not linked: that repo failed" for name in failed if name not in linked]


def _reopened(forge: Forge, project: Project, pull: Pull) -> Pull | None:
    """Open a pull request again; None: the forge does not do that any more, a new one is needed."""
    try:
        return forge.reopen(project, pull)
    except ForgeError as error:
        if error.code != "forge":
            raise
        return None

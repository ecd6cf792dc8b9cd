"""Pushes the update branches and opens a pull request for each, upstream first; a repo that fails fails alone.

Two passes over the repos: look (git and forge, changes nothing), then push and open. All that a pass needs is read back
from branches, commits, locks and pull requests, so a run that was killed is finished by the next one, on any machine.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from flakesync.documents.pulls.publish import PublishStatus
from flakesync.errors import as_error
from flakesync.forge.hosts import Servers
from flakesync.forge.limits.limits import Waits
from flakesync.forge.model import ForgeError, NewPull, OnForge, Pull
from flakesync.git.repository import Repository
from flakesync.publish.body import Around, make_block, make_title, put_into
from flakesync.publish.branches import push
from flakesync.publish.each_repo import in_order, map_repos
from flakesync.publish.fetchable import find_lacking
from flakesync.publish.look import Look
from flakesync.publish.neighbours import Neighbours
from flakesync.publish.work import Published, Ready, Skip, Work
from flakesync.survey.graph import RepoGraph
from flakesync.sync.events import Finished, Listener, Note
from flakesync.terms import RepoName
from flakesync.workspace.model import Workspace

STALE_S = 600.0
"""How old may be what a run knows of a pull request whose text it changes; spread calls can take hours."""
PATIENCE_S = 7200.0
"""How long one call may wait for a forge's limit: none counts longer than an hour."""


def publish(
    workspace: Workspace,
    graph: RepoGraph,
    selected: frozenset[RepoName],
    servers: Servers,
    *,
    reopen: bool = False,
    limit: int | None = None,
    listener: Listener[Published] = lambda _: None,
) -> list[Published]:
    """Push the update branches of the selected repos, open or update their pull requests, and return the results.

    They are in the order of the waves. A repo is left out while a server lacks what its update locks. graph: as it was
    read at the update branches. reopen: open also those again that a person has closed. limit: how many pull requests
    are opened at most; None: as many as the manifest says, or all. Where a forge allows fewer calls for now than there
    are to do, they are spread, and a note says so.

    Raises: ForgeError(`forge-token`): there is no token for any of their forges.
    """

    def finished(result: Published, done: int) -> None:
        listener(Finished(result.repo, result, done, len(selected)))

    servers.require_tokens(graph.states[name].repo for name in selected if graph.states[name].updated)
    servers.wait_for_limits(Waits(lambda: PATIENCE_S, lambda text: listener(Note(text))))
    look = Look(workspace, graph, servers, reopen=reopen)
    publishing = _Publishing(workspace, graph, servers, look, finished=finished)
    return publishing.carry_out(selected, limit if limit is not None else workspace.publish.limit)


def publish_again(
    workspace: Workspace, graph: RepoGraph, name: RepoName, servers: Servers, around: Around, pull: Pull | None
) -> Published:
    """Push the update branch of one repo that lands, and bring its pull request up to date.

    graph: as for `publish`. around: what the landing knows of the rest of the set, which is not looked at. pull: its
    newest pull request, as it was found; None: there was none.
    """
    look = Look(workspace, graph, servers, known={name: pull})
    (result,) = _Publishing(workspace, graph, servers, look, around).carry_out(frozenset({name}))
    return result


class _Publishing:
    """One run. around: what is known of the other repos; None: they are looked at."""

    def __init__(
        self,
        workspace: Workspace,
        graph: RepoGraph,
        servers: Servers,
        look: Look,
        around: Around | None = None,
        finished: Callable[[Published, int], None] = lambda *_: None,
    ) -> None:
        self._workspace = workspace
        self._graph = graph
        self._servers = servers
        self._look = look
        self._around = around
        self._finished = finished
        self._works: dict[RepoName, Work] = {}
        self._told: set[RepoName] = set()

    def carry_out(self, selected: frozenset[RepoName], limit: int | None = None) -> list[Published]:
        """Do both passes; return the results of the selected repos in the order of the waves.

        limit: how many pull requests are opened at most; None: all.
        """
        works = self._works
        self._pass(self._look_at, self._add(selected, wanted=True))
        if self._around is None:
            locked = {each.repo for work in works.values() for each in work.locked}
            self._pass(self._look_at, self._add(locked - selected, wanted=False))
        for work in works.values():
            work.moves_on = work.wanted and work.ready is not None and not work.ready.is_there
        neighbours = Neighbours(self._graph, works, self._servers, self._around)
        upstreams = {name: frozenset(up.name for up in neighbours.upstreams(work)) for name, work in works.items()}
        # Also dependents are pushed after their upstreams: what checks them there can fetch what they lock. And while
        # one repo is pushed another is opened: calls take turns at a forge, and should never wait for git.
        order = in_order(self._graph, works)
        self._open_within(limit, order, upstreams, lambda work: self._push_and_open(work, neighbours))
        return [result for name in order if works[name].wanted and (result := works[name].result) is not None]

    def _add(self, names: Iterable[RepoName], *, wanted: bool) -> list[RepoName]:
        """Take these repos in, and return them in the order in which they are worked on."""
        order = in_order(self._graph, names)
        self._works.update((name, Work(self._graph.states[name], wanted)) for name in order)
        self._look.expect(self._works[name] for name in order)
        return order

    def _open_within(
        self,
        limit: int | None,
        order: Sequence[RepoName],
        upstreams: Mapping[RepoName, frozenset[RepoName]],
        step: Callable[[Work], Skip | None],
    ) -> None:
        """Push and open what may be, upstream first; leave the pull requests beyond the limit for a later run.

        What fails or is skipped uses up nothing: others get their turn then, so that no run stands still before what
        never succeeds.
        """
        works = self._works
        held: set[RepoName] = set()
        while limit is not None:
            room = limit - sum(works[name].is_opened for name in order)
            held = {*[name for name in order if works[name].opens][max(room, 0) :]}
            for name in order:  # what takes an update that is held comes after it
                if upstreams[name] & held:
                    held.add(name)
            todo = [name for name in order if name not in held]
            if not held or not any(works[name].opens for name in todo):
                break
            self._pass_pushing(todo, upstreams, step)
        for name in order if held else ():
            if works[name].opens:
                works[name].settle("skipped", reason="limit")
        self._pass_pushing(order, upstreams, step)

    def _pass_pushing(
        self,
        names: Sequence[RepoName],
        upstreams: Mapping[RepoName, frozenset[RepoName]],
        step: Callable[[Work], Skip | None],
    ) -> None:
        """Push and open these repos; each forge is told how many calls that takes, about."""
        works = [self._works[name] for name in names]
        forges = {id(each.forge): each.forge for each in map(_on_forge, works) if each is not None}
        if self._around is not None:  # a landing knows how much is to come
            forges = {}
        for key, forge in forges.items():
            here = [work for work in works if (each := _on_forge(work)) is not None and id(each.forge) == key]
            new = sum(work.opens for work in here)
            asks = new * bool(self._workspace.publish.reviewers)
            moves = sum(work.moves_on and not work.opens for work in here)
            labels = new * bool(self._workspace.publish.labels)
            forge.expect_calls(new + asks + labels + moves, new + asks)
        self._pass(step, names, upstreams)

    def _pass(
        self,
        step: Callable[[Work], Skip | None],
        names: Iterable[RepoName],
        upstreams: Mapping[RepoName, frozenset[RepoName]] | None = None,
    ) -> None:
        def take(name: RepoName) -> None:
            work = self._works[name]
            if work.result is not None:
                return
            try:
                skip = step(work)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this repo's
                work.settle("failed", error=self._servers.clean_error(as_error(error)))
            else:
                if skip is not None:
                    work.notes += [skip.note] if skip.note is not None else []
                    work.settle("skipped", reason=skip.reason)

        map_repos(
            names,
            take,
            jobs=self._workspace.jobs,
            stop=self._servers.stop,
            upstreams=upstreams,
            finished=self._finish,
        )

    def _finish(self, name: RepoName) -> None:
        work = self._works[name]
        if work.result is not None and work.wanted and name not in self._told:
            self._told.add(name)
            self._finished(work.result, len(self._told))

    def _look_at(self, work: Work) -> Skip | None:
        match self._look.at(work):
            case Skip() as skip:
                return skip
            case Ready() as ready:
                work.ready = ready
                return None

    # ---- push and open -------------------------------------------------------------------------------------------

    def _push_and_open(self, work: Work, neighbours: Neighbours) -> Skip | None:
        ready = work.ready
        if not work.wanted or ready is None:
            return None
        lacking = find_lacking(work, self._works, self._servers)
        if lacking is not None and not ready.is_out(work.pull):
            return lacking
        if lacking is not None and lacking.reason == "upstream" and lacking.note is not None:
            work.notes.append(lacking.note)
        if not ready.is_there:
            self._push(ready)
            work.pushed = True
        status: PublishStatus = "updated" if work.pushed else "unchanged"
        if ready.on_forge is not None:
            done = self._open(work, ready, ready.on_forge, neighbours)
            status = done if done != "unchanged" else status
        work.settle(status)
        return None

    def _push(self, ready: Ready) -> None:
        branches = ready.branches
        with Repository.open(branches.clone) as repository:
            push(repository, ready.url, branches.branch, ready.update.commit, branches.remote, self._servers)

    def _open(self, work: Work, ready: Ready, on_forge: OnForge, neighbours: Neighbours) -> PublishStatus:
        title = make_title(self._workspace.publish.title, work.name, ready.update)
        block = make_block(neighbours.content(work, ready.update))
        pull, status = self._bring(work, ready, on_forge, title, block)
        if status != "unchanged":
            self._depend(work, on_forge, pull, neighbours)
        work.notes += _not_linked(work, neighbours)
        return status

    def _bring(self, work: Work, ready: Ready, on_forge: OnForge, title: str, block: str) -> tuple[Pull, PublishStatus]:
        """Open the pull request, or make it what it should be; nothing is told to a forge that it knows."""
        forge, project = on_forge.forge, on_forge.project
        labels = self._workspace.publish.labels
        pull = work.pull
        status: PublishStatus = "unchanged"
        if pull is not None and pull.state == "closed":
            pull, status = _reopened(on_forge, pull), "opened"
        if pull is None:
            work.pull = pull = forge.create(project, self._new_pull(ready, title, block))
            return pull, "opened"
        work.pull = pull
        body = put_into(pull.body, block)
        if (pull.title, pull.body) != (title, body):
            pull = _not_stale(work, on_forge, pull)
            body = put_into(pull.body, block)
            work.pull = pull = forge.update(project, pull, title=title, body=body)
            status = "updated" if status == "unchanged" else status
        if not {*labels} <= {*pull.labels}:
            # A run was cut off between opening and labelling it.
            work.pull = pull = forge.add_labels(project, pull, labels=labels, reviewers=())
            status = "updated" if status == "unchanged" else status
        return pull, status

    def _new_pull(self, ready: Ready, title: str, block: str) -> NewPull:
        settings = self._workspace.publish
        return NewPull(
            head_branch=ready.branches.branch,
            base_branch=ready.branches.base_name,
            title=title,
            body=block,
            draft=settings.draft,
            labels=settings.labels,
            reviewers=settings.reviewers,
        )

    def _depend(self, work: Work, on_forge: OnForge, pull: Pull, neighbours: Neighbours) -> None:
        ups = [self._works[name] for name in neighbours.linked(work)]
        on = [(up.on_forge.project, up.pull) for up in ups if up.on_forge is not None and up.pull is not None]
        try:
            if on:
                on_forge.forge.depend(on_forge.project, pull, on)
        except ForgeError as error:
            work.notes.append(f"the forge did not take its dependencies: {error.message}")


def _on_forge(work: Work) -> OnForge | None:
    """Return the forge of a repo that is still to be published; None: it has none, or there is nothing to do."""
    return work.ready.on_forge if work.ready is not None and work.result is None and work.wanted else None


def _not_linked(work: Work, neighbours: Neighbours) -> list[str]:
    """Return a note for each upstream that failed before its pull request was there."""
    ups = neighbours.upstreams(work)
    failed = [up.name for up in ups if up.result is not None and up.result.status == "failed"]
    linked = neighbours.linked(work) if failed else ()
    return [f"the pull request of {name} is not linked: that repo failed" for name in failed if name not in linked]


def _not_stale(work: Work, on_forge: OnForge, pull: Pull) -> Pull:
    """Return a pull request as it is now, where it was looked up long ago: people may have written into its text.

    Raises: ForgeError(`forge`): it is not open any more.
    """
    if time.monotonic() - work.looked_at <= STALE_S:
        return pull
    now = on_forge.forge.get(on_forge.project, pull.number)
    if now.state != "open":
        message = f"{now.url} was open when this run looked at it, and is {now.state} now"
        raise ForgeError("forge", message, hint="run it again")
    return now


def _reopened(on_forge: OnForge, pull: Pull) -> Pull | None:
    """Open a pull request again; None: the forge does not do that any more, a new one is needed."""
    try:
        return on_forge.forge.reopen(on_forge.project, pull)
    except ForgeError as error:
        if error.code != "forge":
            raise
        return None

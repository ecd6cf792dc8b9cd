"""What a pull request says of the others: those that it depends on, those that depend on it. Nothing known is lost."""

import shlex
from collections.abc import Iterator, Mapping, Sequence

from flakesync.errors import FlakesyncError
from flakesync.forge.hosts import Servers
from flakesync.publish.body import Around, Content, Link, dependents_in, depends_on_in, pull_link, pulls_in
from flakesync.publish.compare import compare_link
from flakesync.publish.fetchable import is_on_line
from flakesync.publish.work import Work
from flakesync.survey.graph import RepoGraph
from flakesync.terms import RepoName, Rev
from flakesync.update.content import Locked, MoveKey, Update
from flakesync.workspace.snapshot import RepoAtCommit, RepoState


class Neighbours:
    """The repos of one run, all of them looked at; threads may share it.

    around: what a landing knows of the others; None: all that matters is among `works`.
    """

    def __init__(
        self, graph: RepoGraph, works: Mapping[RepoName, Work], servers: Servers, around: Around | None
    ) -> None:
        self._states = graph.states
        self._works = works
        self._servers = servers
        self._around = around
        self._takers: dict[RepoName, set[RepoName]] = {}
        self._lockers: dict[Rev, set[RepoName]] = {}
        for edge in graph.edges:
            self._takers.setdefault(edge.upstream, set()).add(edge.dependent)
            if edge.locked_rev is not None:
                self._lockers.setdefault(edge.locked_rev, set()).add(edge.dependent)
        for work in works.values():
            for locked in work.locked:
                if locked.move is not None:
                    self._lockers.setdefault(locked.rev, set()).add(work.name)

    def content(self, work: Work, update: Update) -> Content:
        """Return what the pull request of a repo has to say."""
        landed = self._around.landed if self._around is not None else {}
        pulls = self.pulls(work)
        links: dict[MoveKey, Link] = {}
        for move in update.moves:
            if move.key in pulls:
                links[move.key] = pull_link(*pulls[move.key])
            elif move.new is not None and move.new in landed:
                links[move.key] = landed[move.new]
            elif (link := compare_link(move, self._servers)) is not None:
                links[move.key] = link
        depends_on = [url for _, url in sorted(set(pulls.values()))]
        depends_on += dict.fromkeys(landed[move.new].url for move in update.moves if move.new and move.new in landed)
        checks = [shlex.join(argv) for argv in work.state.repo.checks]
        audited = work.ready.audited if work.ready is not None else None
        return Content(update, links, depends_on, self._dependents(work, update), checks, audited)

    def pulls(self, work: Work) -> dict[MoveKey, tuple[RepoName, str]]:
        """Return the moves that lock an update of another repo, with that repo and its pull request's address."""
        found: dict[MoveKey, tuple[RepoName, str]] = {}
        for locked in work.locked:
            url = self._pull_of(work, locked) if locked.move is not None else None
            if locked.move is not None and url is not None:
                found[locked.move] = locked.repo, url
        return found

    def linked(self, work: Work) -> list[RepoName]:
        """Return the repos whose pull requests a repo's own one depends on, by name."""
        return sorted({repo for repo, _ in self.pulls(work).values()})

    def upstreams(self, work: Work) -> list[Work]:
        """Return the repos whose update, as it is published, a repo's update locks, by name."""
        found = {
            up.name: up
            for locked in work.locked
            if (up := self._works.get(locked.repo)) is not None and up.update is not None and up is not work
            if up.update.commit == locked.rev
        }
        return [found[name] for name in sorted(found)]

    def _pull_of(self, work: Work, locked: Locked) -> str | None:
        upstream = self._works.get(locked.repo)
        if upstream is None or upstream is work:
            return None
        if locked.rev in upstream.known:
            if upstream.pull is not None:
                return upstream.pull.url
            if upstream.asked:
                return None
        elif is_on_line(upstream, locked, self._servers):
            return None
        # It could not be found out: what the body says of it stays.
        return self._kept(work, upstream)

    def _kept(self, work: Work, upstream: Work) -> str | None:
        """Return the pull request of an upstream that the body of a repo's own names; None: it names none."""
        body = work.pull.body if work.pull is not None else ""
        linked = pulls_in(body)
        if upstream.name in linked:
            return linked[upstream.name]
        others = set(linked.values())
        try:
            on_forge = self._servers.for_repo(upstream.state.repo)
        except FlakesyncError:
            return None
        if on_forge is None:
            return None
        named = (url for url in depends_on_in(body) if url not in others)
        return next((url for url in named if f"/{on_forge.project.path}/".lower() in url.lower()), None)

    def _dependents(self, work: Work, update: Update) -> Sequence[RepoName]:
        """Return the repos that lock an update: those of the graph, and those whose branch is only on a server."""
        more = self._around.dependents if self._around is not None else self._kept_dependents(work)
        return sorted({*self._lockers.get(update.commit, ()), *more} - {work.name})

    def _kept_dependents(self, work: Work) -> Iterator[RepoName]:
        """Give the dependents that a body names and of which this run knows no update."""
        taking = self._takers.get(work.name, ())
        for name in dependents_in(work.pull.body if work.pull is not None else ""):
            other = self._works.get(name)
            known = other is not None and other.branches is not None
            if name in taking and not known and not _is_updated(self._states[name]):
                yield name


def _is_updated(state: RepoState) -> bool:
    """Tell whether a repo was read at its update branch."""
    return isinstance(state, RepoAtCommit) and state.updated

"""Brings a set of update branches in, upstream first, whatever commit each of them is merged as.

Nothing is remembered between runs: what there is to land is read from bases, update branches, locks and pull requests,
so any machine can go on, and a run that was killed is finished by the next one.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock

from flakesync.audit.gate import make_gate
from flakesync.errors import FlakesyncError, as_error
from flakesync.forge.hosts import Servers
from flakesync.forge.limits.limits import Waits
from flakesync.forge.lookup import PullLookup
from flakesync.forge.model import Waiting
from flakesync.git import process as git_process
from flakesync.git.repository import Repository
from flakesync.land.outcome import LandOutcome, LandResult, failed, left_waiting
from flakesync.land.repo import RepoLanding
from flakesync.land.run import LandRun
from flakesync.land.server_state import RepoOnServer, ServerState, movable_edges
from flakesync.land.waits import Pending, pending, waited_for
from flakesync.publish.each_repo import map_repos
from flakesync.publish.publish import PATIENCE_S
from flakesync.survey.graph import Edge, RepoGraph
from flakesync.sync.checks import ChecksFailedError
from flakesync.sync.engine import only_run
from flakesync.sync.events import Finished, Listener, Note, Started
from flakesync.sync.files.after import AfterError
from flakesync.sync.options import Options
from flakesync.sync.outcome import FailedUpstream
from flakesync.sync.preflight import require_identity
from flakesync.sync.schedule import run_ready
from flakesync.sync.tools import make_tools, one_at_a_time
from flakesync.sync.up_to_date import UpToDateBranches
from flakesync.terms import RepoName, Rev
from flakesync.update.commit import is_ours
from flakesync.workspace.manifest import Workspace
from flakesync.workspace.snapshot import UnreadableRepo

_FIRST_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 60.0


def land(
    workspace: Workspace,
    selected: frozenset[RepoName],
    servers: Servers,
    options: Options,
    listener: Listener[LandOutcome] = lambda _: None,
) -> LandResult:
    """Land the update branches of the selected repos as far as they can be, and return the result of each.

    Raises:
        FlakesyncError: nothing could be begun (no git, no Nix where it is needed for all, no token, nobody to make the
            commits), or another run is going on (`busy`).
    """
    git_process.git(["--version"])
    state = ServerState(workspace, options.cache, servers)
    listener = one_at_a_time(listener)
    gate = make_gate(workspace, state.repositories)
    tools = make_tools(options, gate, state.sources, servers.hosts, listener, UpToDateBranches(None))
    patience = options.patience
    landing = _Landing(selected, LandRun(state, servers, tools, options, lookup=PullLookup(patience.clock)), listener)
    deadline = patience.clock() + patience.timeout_s
    left_s = lambda: min(max(deadline - patience.clock(), 0.0), PATIENCE_S)  # noqa: E731 - the name says what it gives
    servers.wait_for_limits(Waits(left_s, lambda text: listener(Note(text))))
    pause = _FIRST_PAUSE_S
    while True:
        progress = False
        try:
            with only_run(workspace.file, options.cache):
                progress = landing.round()
        except FlakesyncError as error:
            # Between two rounds another run may come in; after the first, that is no reason to give up.
            if error.code != "busy" or not landing.begun:
                raise
        pause = _FIRST_PAUSE_S if progress else min(pause * 2, _LONGEST_PAUSE_S)
        if not patience.wait or not landing.waits or patience.clock() + pause > deadline:
            return landing.result()
        patience.sleep(pause)


class _Landing:
    """One run: rounds over all that has not landed yet. begun: whether there has been one."""

    def __init__(self, selected: frozenset[RepoName], run: LandRun, listener: Listener[LandOutcome]) -> None:
        self._selected = selected
        self._run = run
        self._state = run.server_state
        self._workspace = run.workspace
        self._servers = run.servers
        self._listener = listener
        self._outcomes: dict[RepoName, LandOutcome] = {}
        self._open: set[RepoName] = set()
        self._deleted: list[RepoName] = []
        self._order: list[RepoName] = []
        self._takes: Mapping[RepoName, frozenset[RepoName]] = {}
        self._needs: Mapping[RepoName, frozenset[RepoName]] = {}
        self._unread: Mapping[RepoName, FlakesyncError] = {}
        self._guard = Lock()
        self.begun = False

    @property
    def waits(self) -> bool:
        """Whether another round may bring something."""
        return any(outcome.status in ("waiting", "repinned") for outcome in self._outcomes.values())

    def round(self) -> bool:
        """Give every repo its turn that has not landed and has not failed; return whether anything has landed."""
        before = self._landed()
        # A turn reads its own repo anew; of the others only those matter that chosen ones may wait for.
        names = [
            repo.name for repo in self._workspace.repos if not self.begun or repo.name in self._open - self._selected
        ]
        self._state.read(names)
        graph = self._state.graph()
        self._order = [name for wave in graph.waves for name in wave]
        edges = movable_edges(graph)
        # What it takes is not known then: read at its turn after all, it would land before that, and without it.
        self._unread = {name: each.error for name, each in graph.states.items() if isinstance(each, UnreadableRepo)}
        for name in names:
            something = True
            with self._alone(name):
                something = self._has_something(name, edges[name])
            (self._open.add if something else self._open.discard)(name)
        first, self.begun = not self.begun, True
        forward = {name: [edge for edge in edges[name] if not graph.is_back_edge(edge)] for name in self._open}
        self._takes = {name: frozenset(edge.upstream for edge in forward[name]) & self._open for name in self._open}
        # From whom nothing arrives, nothing is waited for.
        moving: dict[RepoName, Pending | None] = dict.fromkeys(self._open)
        for name in self._open:
            with self._alone(name):
                moving[name] = pending(self._state, name, edges[name])
        needs: dict[RepoName, frozenset[RepoName]] = dict.fromkeys(self._open, frozenset())
        for name in self._open:
            with self._alone(name):
                needs[name] = frozenset(waited_for(self._state, graph, name, forward[name], moving))
        self._needs = needs
        tasks = [name for name in self._undone() if name in self._selected]
        if first:
            self._require_what_all_need(tasks)
        turns = [each.state for each in map(self._state.look, tasks) if isinstance(each, RepoOnServer)]
        self._run.expect(turns)
        # Those that are not waited for go first all the same: whether they failed can be all that is known of a repo.
        upstreams = {name: self._takes[name] & set(tasks) for name in tasks}
        run_ready(tasks, upstreams, self._work, self._finish, jobs=self._workspace.jobs, stop=self._servers.stop)
        self._clean(graph)
        return self._landed() != before

    def result(self) -> LandResult:
        """Return the results of all repos that had something to land."""
        return LandResult(
            branch=self._workspace.branch,
            locker=self._run.tools.locker.name,
            repos=tuple(self._outcome(name) for name in self._order if name in self._outcomes),
            deleted=tuple(sorted(self._deleted)),
        )

    def _outcome(self, name: RepoName) -> LandOutcome:
        outcome = self._outcomes[name]
        if outcome.status not in ("landed", "repinned", "waiting"):
            return outcome
        return replace(outcome, failed_upstreams=self._not_taken(name))

    def _not_taken(self, name: RepoName) -> tuple[RepoName, ...]:
        """Return the upstreams of a repo that failed or were skipped, and whose update does not reach it, by name."""
        over = {each for each, other in self._outcomes.items() if other.status in ("failed", "skipped")}
        return tuple(sorted((self._takes.get(name, frozenset()) - self._needs.get(name, frozenset())) & over))

    def _has_checks(self, failed: RepoName) -> bool:
        """Tell whether a repo that failed has checks, in the manifest or on its forge; one without is nobody's test."""
        error = self._outcomes[failed].error
        on_forge = isinstance(error, FlakesyncError) and error.code == "pull-checks-failed"
        return on_forge or bool(self._workspace.repo(failed).checks)

    def _failed(self, upstream: RepoName) -> FailedUpstream:
        outcome = self._outcomes[upstream]
        because = outcome.error.because if isinstance(outcome.error, FailedUpstream) else upstream
        return FailedUpstream(upstream, skipped=outcome.status == "skipped", because=because)

    def _require_what_all_need(self, names: Iterable[RepoName]) -> None:
        """Raise FlakesyncError where these repos would all fail alike: no token, or nobody to make commits."""
        found = [each for each in map(self._state.look, names) if isinstance(each, RepoOnServer)]
        self._servers.require_tokens(each.state.repo for each in found)
        require_identity(self._workspace.author, (each.state.clone for each in found))

    def _has_something(self, name: RepoName, edges: Iterable[Edge]) -> bool:
        """Tell whether there is something to land of a repo, as it was last read."""
        match self._state.look(name):
            case UnreadableRepo():
                return True
            case RepoOnServer(update=update) if update is not None:
                return True
        return any(map(self._state.names_update, edges))

    def _undone(self) -> list[RepoName]:
        final = ("landed", "failed", "skipped")
        outcomes = self._outcomes
        return [
            name
            for name in self._order
            if name in self._open and (name not in outcomes or outcomes[name].status not in final)
        ]

    def _landed(self) -> frozenset[RepoName]:
        return frozenset(name for name, outcome in self._outcomes.items() if outcome.status == "landed")

    @contextmanager
    def _alone(self, name: RepoName) -> Iterator[None]:
        """Let what goes wrong in the block fail this repo alone."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this repo's
            if name in self._selected:
                self._finish(name, failed(name, as_error(error), self._servers))

    # ---- one repo --------------------------------------------------------------------------------------------------

    def _work(self, name: RepoName) -> LandOutcome:
        blocked = self._blocked(name)
        if blocked is not None:
            return blocked
        self._listener(Started(name))
        if name in self._unread:
            return failed(name, self._unread[name], self._servers)
        with self._guard:
            landed = self._landed()
        try:
            untested = tuple(self._failed(each) for each in self._not_taken(name) if self._has_checks(each))
            return RepoLanding(self._run, name, landed, frozenset(self._open - landed), untested).carry_out()
        except ChecksFailedError as error:
            return failed(name, error, self._servers, (*error.after, *error.results))
        except AfterError as error:
            return failed(name, error, self._servers, error.results)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this repo's
            if isinstance(error, FlakesyncError) and error.code == "forge-rate-limit":
                return left_waiting(name, Waiting("limit", self._servers.clean(error.message)))
            return failed(name, as_error(error), self._servers)

    def _blocked(self, name: RepoName) -> LandOutcome | None:
        """Return the outcome of a repo whose upstreams have not all landed; None: it is its turn."""
        waits_for: list[RepoName] = []
        for upstream in sorted(self._needs[name]):
            outcome = self._outcomes.get(upstream)
            if outcome is not None and outcome.status == "landed":
                continue
            if outcome is not None and outcome.status in ("failed", "skipped"):
                return LandOutcome(repo=name, status="skipped", error=self._failed(upstream))
            waits_for.append(upstream)
        if not waits_for:
            return None
        return LandOutcome(repo=name, status="waiting", waits_for=tuple(waits_for))

    def _finish(self, name: RepoName, outcome: LandOutcome) -> None:
        with self._guard:
            self._outcomes[name] = outcome
        self._listener(Finished(name, outcome))

    # ---- what is left over -----------------------------------------------------------------------------------------

    def _clean(self, graph: RepoGraph) -> None:
        """Delete the update branches that have landed, once nothing that is still to land can lock a commit of them."""
        undone = self._open - self._landed()
        keep = set(_with_upstreams(graph, undone))
        names = [name for name in self._order if name in self._selected and name not in keep]
        map_repos(names, self._clean_one, jobs=self._workspace.jobs, stop=self._servers.stop)

    def _clean_one(self, name: RepoName) -> None:
        found = self._state.look(name)
        if not isinstance(found, RepoOnServer) or found.tip is None or found.state.repo.url is None:
            return
        try:
            if self._delete(found, found.tip):
                self._deleted.append(name)
        except Exception as error:  # noqa: BLE001 - the update has landed all the same
            stays = self._servers.clean(as_error(error).message)
            self._listener(Note(f"{name}: its update branch stays: {stays}"))

    def _delete(self, found: RepoOnServer, tip: Rev) -> bool:
        """Delete an update branch on its server and in the mirror, if flakesync made it."""
        branch = self._workspace.branch
        with Repository.open(found.state.clone) as repository:
            if not is_ours(repository, repository.commit(tip)):
                return False
            # The server's last: where a run is killed in between, that one tells the next what is to be deleted.
            _forget(repository, f"refs/heads/{branch}")
            self._run.push(repository, found.state, branch, None, tip)
            # What the next fetch would find: the server is not asked again for that.
            _forget(repository, f"refs/remotes/origin/{branch}")
        return True


def _forget(repository: Repository, ref: str) -> None:
    known = repository.ref(ref)
    if known is not None:
        repository.delete_ref(ref, old=known)


def _with_upstreams(graph: RepoGraph, names: Iterable[RepoName]) -> Iterable[RepoName]:
    """Return these repos and all that they take, directly or not."""
    found: set[RepoName] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += graph.upstreams(name)
    return found

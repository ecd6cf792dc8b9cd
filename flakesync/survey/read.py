"""Reads a workspace and asks its servers: the one step from a manifest to the Survey that all is decided on."""

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import msgspec

from flakesync.cache.layout import cache_dir, difference_file, history_file
from flakesync.cache.records import KeptRecords
from flakesync.errors import FlakesyncError, within
from flakesync.git.store.objects import ObjectReader
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.survey.broken import without_broken
from flakesync.survey.compare import compare_upstreams
from flakesync.survey.external import external_sources, external_targets
from flakesync.survey.graph import RepoGraph, build_graph
from flakesync.survey.held.check_holds import read_check_holds
from flakesync.survey.holds import idle_ends, idle_holds
from flakesync.survey.lookalikes import find_lookalikes
from flakesync.survey.missing import ages
from flakesync.survey.newest import newest_locked, prover, server_prover, sources_by_locks
from flakesync.survey.pins import Target, choose_targets, pin_source, pinned_inputs, pins_to_ask
from flakesync.survey.prove import prove_targets
from flakesync.survey.survey import Survey, questions
from flakesync.survey.undecided import Unknown, without_undecided
from flakesync.terms import PinName, RepoName
from flakesync.workspace.clones.branches import fetch_more
from flakesync.workspace.differences import KeptDifferences
from flakesync.workspace.history import HISTORY_FORMAT, ask
from flakesync.workspace.inputs import Source
from flakesync.workspace.manifest import Workspace
from flakesync.workspace.snapshot import At, RepoAtCommit, Snapshot, hosts_of, read_locks, read_snapshot

if TYPE_CHECKING:
    from flakesync.workspace.hosts import Hosts

Key = TypeVar("Key", bound=Hashable)


def read_graph(workspace: Workspace, *, at: At = "base", offline: bool = False, renew: bool = False) -> RepoGraph:
    """Return the graph of a workspace. Its states say nothing of how a flake.nix and its lock compare.

    renew: clones are brought up to their servers first; without, what was fetched last counts, for those who ask the
    servers themselves.
    """
    snapshot = read_locks(workspace, at=at, cache=cache_dir(), offline=offline, renew=renew)
    return without_broken(snapshot, build_graph)


def read_survey(
    workspace: Workspace,
    *,
    at: At = "base",
    offline: bool = False,
    note: Callable[[str], None] = lambda _: None,
    waived: Mapping[PinName, str] | None = None,
) -> Survey:
    """Return all that drift and plan are decided on.

    offline: no server is asked; `latest` is then the newest commit that any lock of the workspace holds. note: is told
    what a person should know of how the answers were found. waived: pins whose cooldown does not count this once, with
    the reason.

    Raises:
        FlakesyncError: every repo needs a pin whose source cannot be reached (hint: `--offline`), or what the manifest
            names does not exist.
    """
    hosts = hosts_of(workspace) if not offline else None
    snapshot = read_snapshot(workspace, at=at, cache=cache_dir(), offline=offline, hosts=hosts)
    survey, notes = without_broken(snapshot, lambda snapshot: _survey(snapshot, hosts, waived or {}))
    for text in notes:
        note(text)
    return survey


def _survey(snapshot: Snapshot, hosts: "Hosts | None", waived: Mapping[PinName, str]) -> tuple[Survey, Sequence[str]]:
    """Return all that is decided on, and what a person should know of it. hosts: None: no server is asked.

    Raises: RepoError, and the errors of `read_survey`.
    """
    workspace, offline, notes = snapshot.workspace, hosts is None, list[str]()
    snapshot = _edited(snapshot)
    graph = build_graph(snapshot)
    if hosts is not None:
        _fetch_tracked(snapshot, graph, hosts)
    governed = tuple(pinned_inputs(snapshot))
    pins, sources = pins_to_ask(workspace, governed), external_sources(snapshot, graph, governed)
    notes += (*idle_holds(snapshot), *idle_ends(snapshot))
    notes += (*ages(snapshot, int(time.time())), *find_lookalikes(snapshot, hosts))
    if offline and pins:
        notes.append("offline: the target of a pin is the newest rev that any lock of the workspace holds")
    answers = newest = None
    if hosts is not None:
        answers, unknown_pins = ask_servers(pins, workspace.jobs, hosts)
        newest, unknown_sources = ask_servers(sources if workspace.external == "latest" else {}, workspace.jobs, hosts)
        unknown = Unknown(unknown_pins, unknown_sources)
        snapshot = without_undecided(snapshot, governed, unknown)
        if unknown:
            graph, governed = build_graph(snapshot), tuple(pinned_inputs(snapshot))
    references = {pin_source(pin): pin.source for pin in workspace.pins} | sources
    now, prove = int(time.time()), prover(snapshot, server_prover(references, hosts, cache_dir()))
    held = newest_locked(snapshot, sources_by_locks(workspace, offline=offline), now=now, prove=prove)
    counts = KeptRecords(history_file(cache_dir(), workspace.file), HISTORY_FORMAT)
    history = ask(snapshot, questions(graph), counts)
    counts.write()
    survey = Survey(
        snapshot,
        graph,
        governed,
        choose_targets(workspace, governed, answers, held),
        history,
        now,
        external_targets(snapshot, sources, newest if workspace.external == "latest" else None, now=now, prove=prove),
        check_holds=read_check_holds(snapshot, now),
    )
    survey = prove_targets(survey, sources, hosts, cache_dir(), waived, notes.append)
    return compare_upstreams(survey, KeptDifferences(difference_file(cache_dir(), workspace.file))), notes


def _edited(snapshot: Snapshot, *, into: RepoName | None = None) -> Snapshot:
    """Return a snapshot with the edits that the manifest asks for, as `with_edits` does."""
    workspace = snapshot.workspace
    asks = any(pin.replaces or pin.follow.mode == "write" for pin in workspace.pins)
    if not asks and not any(repo.follow == "write" for repo in workspace.repos):
        return snapshot
    from flakesync.survey.edits.apply import with_edits  # with what it stands on 10 ms

    return with_edits(snapshot, cache=cache_dir(), into=into)


def look_at(
    snapshot: Snapshot, repo: RepoName, targets: Mapping[PinName, Target], external: Mapping[Source, Target]
) -> Survey:
    """Return what the plan of one repo is decided on, with targets that are known already: no server is asked."""
    snapshot = _edited(snapshot, into=repo)
    graph = build_graph(snapshot)
    governed = tuple(pinned_inputs(msgspec.structs.replace(snapshot, states={repo: snapshot.states[repo]})))
    history = ask(snapshot, questions(graph, into=repo))
    survey = Survey(snapshot, graph, governed, targets, history, int(time.time()), external)
    return compare_upstreams(survey, KeptDifferences(None), into=repo)


def ask_servers(
    wanted: Mapping[Key, FlakeRef], jobs: int, hosts: "Hosts | None" = None
) -> tuple[dict[Key, Target], dict[Key, FlakesyncError]]:
    """Ask for the newest commit of each reference, every server once for one reference; return what is known.

    hosts: what git logs in with; None: only what the user has set up for git. Those that could not be asked are in the
    second answer, each with why; all have been tried.
    """
    if not wanted:
        return {}, {}
    from concurrent.futures import ThreadPoolExecutor

    unique = {reference.to_url(): reference for reference in wanted.values()}
    with ThreadPoolExecutor(max_workers=min(jobs, len(unique))) as pool:
        futures = {url: pool.submit(_newest, reference, hosts) for url, reference in unique.items()}
    found: dict[Key, Target] = {}
    errors: dict[Key, FlakesyncError] = {}
    for key, reference in wanted.items():
        try:
            found[key] = futures[reference.to_url()].result()
        except FlakesyncError as error:
            errors[key] = error
    return found, errors


def _fetch_tracked(snapshot: Snapshot, graph: RepoGraph, hosts: "Hosts") -> None:
    """Bring the branches of clones that inputs track up to their servers; the base branches are. Raises: GitError."""
    wanted: dict[RepoName, tuple[RepoAtCommit, set[str]]] = {}
    for name, branch, _ in questions(graph):
        state = snapshot.states[name]
        if isinstance(state, RepoAtCommit) and state.branches.heads is not None:
            tracked = branch if branch is not None else state.branches.default
            if tracked not in (None, state.base, snapshot.workspace.branch):
                wanted.setdefault(name, (state, set()))[1].add(tracked or "")
    if not wanted:
        return
    from concurrent.futures import ThreadPoolExecutor

    def fetch(item: tuple[RepoAtCommit, set[str]]) -> None:
        state, names = item
        with within(state.name):
            fetch_more(ObjectReader.open(state.clone), state.repo, state.branches, sorted(names), hosts)

    with ThreadPoolExecutor(max_workers=snapshot.workspace.jobs) as pool:
        list(pool.map(fetch, wanted.values()))


def _newest(reference: FlakeRef, hosts: "Hosts | None") -> Target:
    from flakesync.git.remotes.remote import ls_remote
    from flakesync.workspace.archive import newest_archive

    url = reference.git_url()
    if url is not None:
        return Target(ls_remote(hosts.remote(url) if hosts is not None else url, reference.ref))
    archive = newest_archive(reference, hosts)
    return Target(archive.rev, archive.last_modified, archive.locked)

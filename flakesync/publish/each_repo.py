"""Many repos at once: the work waits for servers, hardly for the processor, and no slow server holds up the others."""

from collections.abc import Callable, Iterable, Mapping
from itertools import zip_longest
from typing import TypeVar

from flakesync.survey.graph import RepoGraph
from flakesync.terms import RepoName
from flakesync.workspace.snapshot import RepoState

T = TypeVar("T")

_THREADS = 16


def in_order(graph: RepoGraph, names: Iterable[RepoName]) -> list[RepoName]:
    """Return names wave by wave, in each wave those of one host spread evenly."""
    wanted = frozenset(names)
    return [name for wave in graph.waves for name in _in_turns((one for one in wave if one in wanted), graph.states)]


def map_repos(
    names: Iterable[RepoName],
    work: Callable[[RepoName], T],
    *,
    jobs: int,
    stop: Callable[[], None],
    upstreams: Mapping[RepoName, frozenset[RepoName]] | None = None,
    finished: Callable[[RepoName], None] = lambda _: None,
) -> dict[RepoName, T]:
    """Return what `work` makes of each repo; it begins when those of its upstreams that are named have ended.

    jobs: 1 does one after the other in this thread; anything else is only the least number of threads.
    stop: is called when the work is broken off. finished: is called in this thread.
    """
    tasks = list(names)
    if not tasks:
        return {}
    from flakesync.sync.schedule import run_ready  # threads: not every look at repos needs them

    among = frozenset(tasks)
    needs = {name: (upstreams or {}).get(name, frozenset()) & among for name in tasks}
    found: dict[RepoName, T] = {}

    def finish(name: RepoName, result: T) -> None:
        found[name] = result
        finished(name)

    threads = 1 if jobs == 1 else max(jobs, _THREADS)
    run_ready(tasks, needs, work, finish, jobs=threads, stop=stop)
    return found


def _in_turns(names: Iterable[RepoName], states: Mapping[RepoName, RepoState]) -> Iterable[RepoName]:
    hosts: dict[str, list[RepoName]] = {}
    for name in names:
        url = states[name].repo.url
        identity = url.identity if url is not None else None
        hosts.setdefault(identity.host if identity is not None else "", []).append(name)
    return (name for turn in zip_longest(*hosts.values()) for name in turn if name is not None)

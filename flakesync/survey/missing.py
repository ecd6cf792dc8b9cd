"""Why a clone may lack a commit that a lock names, and how old what it knows is."""

from collections.abc import Iterator, Sequence
from typing import Literal

from flakesync.survey.graph import Edge
from flakesync.survey.pins import last_modified
from flakesync.survey.survey import Survey
from flakesync.terms import RepoName
from flakesync.workspace.history import Answer
from flakesync.workspace.snapshot import RepoAtCommit, Snapshot

_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"))
_MOST = 3


def why_missing(survey: Survey, edge: Edge, answer: Answer) -> str | None:
    """Return why the upstream's clone does not place an edge's commit, and what to do; None: nothing speaks for it."""
    upstream, gap = survey.snapshot.states[edge.upstream], answer.gap
    if gap is None or not isinstance(upstream, RepoAtCommit):
        return None
    if gap.shallow:
        lacks = "lacks the history of" if answer.position == "ahead" else "does not have"
        return f"{edge.upstream} is a shallow clone that {lacks} this commit: git -C {upstream.clone} fetch --unshallow"
    date = last_modified(edge.locked)
    if answer.position != "unknown" or date is None or gap.tip_time is None or date <= gap.tip_time:
        return None
    branches = upstream.branches
    if branches.heads is not None or (upstream.repo.path is None and not branches.of_server):
        return None  # it was brought up to its server just now
    fetched = f", last fetched {ago(survey.now - gap.fetched)}" if gap.fetched is not None else ""
    what = "mirror" if upstream.repo.path is None else "clone"
    return f"{edge.upstream} does not have this commit, which is newer than this {what}{fetched}: {_renew(upstream)}"


def gone_branch(survey: Survey, edge: Edge, branch: str) -> str:
    """Return what is said of an edge whose branch its upstream does not have any more, and what to do."""
    base = survey.snapshot.states[edge.upstream].base
    other = f", {base} say" if base is not None else ""
    return f"{edge.upstream} has no branch {branch} any more: name another one in flake.nix{other}"


def _renew(upstream: RepoAtCommit) -> str:
    if upstream.branches.of_server:
        return "run without --offline"
    if upstream.repo.url is not None:
        return f"git -C {upstream.clone} pull, or run without --local"
    return f"git -C {upstream.clone} pull, or give the repo a `url`"


def ago(seconds: int) -> str:
    """Return how long ago something was, in its largest whole unit: `3 days ago`."""
    for size, unit in _UNITS:
        if seconds >= size:
            number = seconds // size
            return f"{number} {unit}{'' if number == 1 else 's'} ago"
    return "just now"


def ages(snapshot: Snapshot, now: int) -> Iterator[str]:
    """Give what a person should know of how old the servers' branches are, where none was asked: a few sentences.

    now: seconds since the epoch.
    """
    dated: dict[RepoName, int] = {}
    lacking: dict[Literal["unknown", "never"], list[RepoName]] = {"unknown": [], "never": []}
    for state in snapshot.states.values():
        if isinstance(state, RepoAtCommit) and state.branches.of_server and state.branches.heads is None:
            if state.branches.fetched is not None:
                dated[state.name] = state.branches.fetched
            else:
                lacking["never" if state.branches.is_stand_in else "unknown"].append(state.name)
    oldest = min(dated, key=lambda name: dated[name], default=None)
    if len(dated) <= _MOST:
        yield from (f"{name}: last fetched {ago(now - then)}" for name, then in dated.items())
    elif oldest is not None:
        first, last = ago(now - dated[oldest]), ago(now - max(dated.values()))
        yield f"{len(dated)} repos: last fetched {first if first == last else f'between {first} ({oldest}) and {last}'}"
    if lacking["unknown"]:
        yield f"{few(lacking['unknown'])}: nobody knows when last fetched"
    if lacking["never"]:
        yield f"{few(lacking['never'])}: nothing of the server was fetched yet, the clone's own branches count"


def few(names: Sequence[RepoName]) -> str:
    """Return some names, and how many more there are."""
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more

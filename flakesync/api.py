"""flakesync for programs: open a workspace, then read its graph, its drift and its plan, or sync it.

    from flakesync import api

    workspace = api.open_workspace("workspace.toml")
    for finding in api.drift(workspace).findings:
        print(finding.repo, finding.kind, finding.detail)

Each function returns the document that its command answers with `--json`, as a frozen struct: `msgspec.json.encode`
makes the JSON of it. Each reads the repos again; no answer is kept in this process between two calls, nothing is
printed, no handler of a signal is set, and none ends the process. Functions may be called in several threads at once;
of two calls of `sync` for one workspace the later one gets `busy`. While a call with `offline` lasts, no other call in
the process asks a server.

What cannot be done raises FlakesyncError, which has a stable `code`, a sentence and mostly a `hint`; what went wrong
for one repo is in the document, as with the command. KeyboardInterrupt ends what is running, and leaves nothing half
written.
"""

from collections.abc import Callable, Collection
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from flakesync.documents.drift import DriftReport
from flakesync.documents.graph import GraphDocument
from flakesync.documents.plan import PlanDocument
from flakesync.documents.sync import SyncDocument
from flakesync.errors import FlakesyncError
from flakesync.net.wall import offline as _wall
from flakesync.terms import RepoName
from flakesync.workspace.model import Workspace

if TYPE_CHECKING:
    from flakesync.survey.survey import Survey
    from flakesync.sync.events import Event
    from flakesync.sync.lockers.auto import LockerChoice
    from flakesync.sync.outcome import RepoOutcome
    from flakesync.workspace.snapshot import At

__all__ = [
    "DriftReport",
    "FlakesyncError",
    "GraphDocument",
    "PlanDocument",
    "SyncDocument",
    "Workspace",
    "choose",
    "drift",
    "graph",
    "open_workspace",
    "plan",
    "sync",
]


def open_workspace(
    manifest: str | PathLike[str] | None = None, *, jobs: int | None = None, local: bool = False
) -> Workspace:
    """Return the workspace that a manifest describes; no repo is read yet.

    manifest: the workspace.toml. None: the nearest one in the current folder or above it. jobs: how many repos at once;
    None: as the manifest says. local: clones are read at their own branches and not at their servers'.

    Raises:
        FlakesyncError: there is no manifest (`no-manifest`), or something is wrong in it, with file and place.
    """
    from msgspec.structs import replace

    from flakesync.workspace.manifest import find_manifest, load_workspace

    workspace = load_workspace(Path(manifest) if manifest is not None else find_manifest(Path.cwd()))
    if jobs is not None and jobs < 1:
        raise FlakesyncError("bad-jobs", f"jobs is {jobs}: at least one repo is worked on at once")
    return replace(workspace, jobs=workspace.jobs if jobs is None else jobs, read="local" if local else workspace.read)


def choose(
    workspace: Workspace,
    *,
    repos: Collection[str] = (),
    groups: Collection[str] = (),
    exclude: Collection[str] = (),
) -> frozenset[RepoName]:
    """Return the repos that `--repo`, `--group` and `--exclude` choose; without repos and groups all but `exclude`.

    Raises:
        FlakesyncError: nothing has that name (`unknown-repo`, `unknown-group`), or no repo is left
            (`nothing-selected`).
    """
    from flakesync.workspace.model import select

    return select(workspace, tuple(repos), tuple(groups), tuple(exclude))


def graph(
    workspace: Workspace,
    repos: Collection[str] | None = None,
    *,
    at: "At" = "base",
    offline: bool = False,
) -> GraphDocument:
    """Return who depends on whom, and in which order repos are bumped, as `flakesync graph --json` does.

    repos: these and their neighbours; None: all. at: base branches, or update branches (`update`) where there are.

    Raises:
        FlakesyncError: nothing could be read at all. A repo that cannot be read alone has `rev` None.
    """
    from flakesync.report.graph.document import graph_document
    from flakesync.report.graph.tree import part_of
    from flakesync.survey.read import read_graph

    chosen = _chosen(workspace, repos)
    with _wall(offline):
        whole = read_graph(workspace, at=at, offline=offline, renew=True)
    return graph_document(part_of(whole, chosen), chosen)


def drift(
    workspace: Workspace,
    repos: Collection[str] | None = None,
    *,
    at: "At" = "base",
    offline: bool = False,
    note: Callable[[str], None] | None = None,
) -> DriftReport:
    """Return what is not as the workspace wants it, as `flakesync drift --json` does; its `counted` are what counts.

    repos: findings of these only; None: of all. at: base branches, or update branches (`update`) where there are. note:
    is told what a person should know of how the answer was found, a sentence each.

    Raises:
        FlakesyncError: every repo needs a pin whose source cannot be reached, or what the manifest names does not
            exist.
    """
    from flakesync.analysis.drift import find_drift

    chosen = _chosen(workspace, repos)
    return find_drift(_look(workspace, at=at, offline=offline, note=note), chosen)


def plan(
    workspace: Workspace,
    repos: Collection[str] | None = None,
    *,
    offline: bool = False,
    note: Callable[[str], None] | None = None,
) -> PlanDocument:
    """Return what a sync would do, wave by wave, as `flakesync plan --json` does; nothing is written.

    repos: only these change; None: all. note: as in `drift`.

    Raises:
        FlakesyncError: as `drift`. A repo that cannot be planned alone is one of the document's `problems`.
    """
    from flakesync.analysis.documents.plan import plan_document
    from flakesync.analysis.plan import make_plan

    chosen = _chosen(workspace, repos)
    return plan_document(make_plan(_look(workspace, offline=offline, note=note), chosen))


def sync(
    workspace: Workspace,
    repos: Collection[str] | None = None,
    *,
    dry_run: bool = False,
    locker: "LockerChoice" = "auto",
    offline: bool = False,
    executor: str | None = None,
    listen: "Callable[[Event[RepoOutcome]], None] | None" = None,
) -> SyncDocument:
    """Bump the repos in order, commit on their update branches, and return the result of each, as `flakesync sync`.

    repos: only these change; None: all. dry_run: no commit is made, and `diff` of each has the difference. locker: who
    writes the locks (`nix`, `native`, or `auto`: flakesync where that is exact, else Nix). executor: who does the work,
    as `--executor` names it; None: threads, as many as the workspace has jobs. `processes:N` forks this process, which
    has to have no other threads meanwhile. listen: is told of each step
    (`flakesync.sync.events`), by one thread at a time. A repo that fails has its `error`, and those that depend on it
    are `skipped`.

    Raises:
        FlakesyncError: nothing could be begun: as `drift`, no git or Nix, nobody to make commits as (`no-identity`), no
            such executor (`bad-executor`), or another run of this workspace is at work (`busy`).
    """
    from flakesync.analysis.left import find_left
    from flakesync.analysis.plan import make_plan
    from flakesync.cache.layout import cache_dir
    from flakesync.pipeline.executors import executor_of
    from flakesync.sync.documents import sync_document
    from flakesync.sync.engine import sync as carry_out
    from flakesync.sync.options import Options

    chosen = _chosen(workspace, repos)
    made = executor_of(executor, workspace) if executor is not None else None
    survey = _look(workspace, offline=offline, note=None)
    decided = make_plan(survey, chosen)
    options = Options(cache=cache_dir(), locker=locker, dry_run=dry_run, offline=offline)
    result = carry_out(survey, decided, options, listen or (lambda _: None), executor=made)
    return sync_document(result, find_left(survey, decided, chosen), decided)


def _chosen(workspace: Workspace, repos: Collection[str] | None) -> frozenset[RepoName]:
    """Return repos by name; all of them for None. Raises FlakesyncError (`unknown-repo`, `nothing-selected`)."""
    if repos is None:
        return choose(workspace)
    if isinstance(repos, str):  # a collection of its letters, and never meant as one
        repos = [repos]
    if not repos:
        raise FlakesyncError("nothing-selected", "no repo is chosen", hint="None stands for all of them")
    return choose(workspace, repos=repos)


def _look(
    workspace: Workspace,
    *,
    at: "At" = "base",
    offline: bool,
    note: Callable[[str], None] | None,
) -> "Survey":
    from flakesync.survey.read import read_survey

    with _wall(offline):
        return read_survey(workspace, at=at, offline=offline, note=note or (lambda _: None))

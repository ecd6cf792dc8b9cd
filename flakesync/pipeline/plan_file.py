"""The file that a plan is handed on in: all that other machines need, so that none of them decides anything again.

Equal plans of one version of flakesync give equal bytes. What is read is somebody else's: nothing of it names a repo, a
branch or a commit before it has been looked at. Addresses stand in it as locks have them.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

import msgspec

from flakesync import __version__
from flakesync.analysis.left import find_left
from flakesync.analysis.moves import Change, Plan, ToRev, ToUpdate
from flakesync.documents.cooldown.choice import PinChoice
from flakesync.documents.sync import ErrorDocument, LeftDocument
from flakesync.errors import FlakesyncError, GitError
from flakesync.git.values import check_ref_name
from flakesync.nix.reference.flakeref import is_full_rev
from flakesync.pipeline.manifest import digest_of
from flakesync.survey.survey import Survey
from flakesync.sync.documents import error_document
from flakesync.sync.tasks.task import RepoTask, make_tasks
from flakesync.terms import RepoName
from flakesync.workspace.manifest import Workspace
from flakesync.workspace.values import did_you_mean

FORMAT = "flakesync/plan-file/1"
MOST_BYTES = 256 << 20
_NAMES_A_RUN = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HOW = "`flakesync plan --out FILE` writes one"
_MOST_NAMED = 5


class PlanFile(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A plan as other machines carry it out.

    flakesync: the version that made it. manifest: see `digest_of`. run: names the decisions. branch: the update branch.
    tasks: of the repos that change, upstreams first. beside: for some of them, the repos of this plan that they take,
    and whose update does not reach them. failing: repos that change, and of which it is known that they fail. problems:
    repos that cannot be planned. untouched: those that the plan leaves alone. left, pins, undecided: as of the document
    of `sync`.
    """

    format: str = FORMAT
    flakesync: str
    manifest: str
    run: str
    branch: str
    tasks: tuple[RepoTask, ...]
    beside: Mapping[RepoName, tuple[RepoName, ...]] = {}
    failing: Mapping[RepoName, ErrorDocument] = {}
    problems: Mapping[RepoName, ErrorDocument] = {}
    untouched: tuple[RepoName, ...] = ()
    left: tuple[LeftDocument, ...] = ()
    pins: tuple[PinChoice, ...] = ()
    undecided: tuple[ErrorDocument, ...] = ()

    @cached_property
    def by_repo(self) -> Mapping[RepoName, RepoTask]:
        """The tasks by the names of their repos, in their order."""
        return {task.repo: task for task in self.tasks}

    def encode(self) -> bytes:
        """Return the file: one line of JSON, the same bytes for equal plans."""
        return msgspec.json.encode(self, order="deterministic") + b"\n"

    def require_repo(self, workspace: Workspace, name: str) -> RepoName:
        """Return the name of a repo of the plan.

        Raises:
            ManifestError: `unknown-repo`. FlakesyncError: `not-planned`: the plan was made without that repo.
        """
        repo = workspace.repo(name).name
        known = [*self.by_repo, *self.problems, *self.untouched]
        if repo not in known:
            hint = did_you_mean(name, known) or "make a plan with it: `flakesync plan --out FILE`"
            raise FlakesyncError("not-planned", f"the plan was made without {repo}", hint=hint)
        return repo


class _Head(msgspec.Struct):
    """What tells whose file it is, before anything else of it is believed."""

    format: str = ""
    flakesync: str = ""
    manifest: str = ""


def make_plan_file(survey: Survey, plan: Plan, selected: frozenset[RepoName]) -> PlanFile:
    """Return a plan as it is handed on. selected: the repos that it is about."""
    workspace = survey.snapshot.workspace
    tasks = make_tasks(survey, plan)
    return PlanFile(
        flakesync=__version__,
        manifest=digest_of(workspace),
        run=plan.run,
        branch=workspace.branch,
        tasks=tuple(tasks.values()),
        beside=_beside(plan, tasks),
        failing={name: error_document(error) for name, error in plan.failing.items() if name in tasks},
        problems={name: error_document(error) for name, error in plan.problems.items()},
        untouched=plan.unchanged,
        left=tuple(find_left(survey, plan, selected)),
        pins=plan.pins,
        undecided=tuple(error_document(error) for error in plan.undecided),
    )


def _beside(plan: Plan, tasks: Mapping[RepoName, RepoTask]) -> dict[RepoName, tuple[RepoName, ...]]:
    not_taken = plan.not_taken()
    found: dict[RepoName, tuple[RepoName, ...]] = {}
    for name, task in tasks.items():
        tips = {change.to.upstream for change in task.changes if isinstance(change.to, ToRev)}
        beside = {each for each in tips if each is not None and each in tasks} | not_taken.get(name, frozenset())
        if beside:
            found[name] = tuple(sorted(beside))
    return found


def read_plan_file(file: Path, workspace: Workspace) -> PlanFile:
    """Return the plan in a file, which was made by this version of flakesync for this manifest.

    Raises:
        FlakesyncError: `no-plan` (it cannot be read), `bad-plan` (it is torn, too large, or none), `other-version`,
            `other-manifest`.
    """
    try:
        with file.open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise FlakesyncError("no-plan", f"{file}: cannot be read: {error.strerror or error}", hint=_HOW) from None
    if len(data) > MOST_BYTES:
        raise _bad(file, f"more than {MOST_BYTES >> 20} MB is no plan")
    try:
        head = msgspec.json.decode(data, type=_Head)
    except (ValueError, RecursionError) as error:
        raise _bad(file, f"is no plan, or only a part of one: {error}") from None
    if head.format != FORMAT:
        said = f"`{head.format}`" if head.format else "nothing"
        raise _bad(file, f"is no plan: its `format` is {said}, not `{FORMAT}`")
    if head.flakesync != __version__:
        raise FlakesyncError(
            "other-version",
            f"{file}: flakesync {head.flakesync or '(unknown)'} has made this plan, and this is {__version__}",
            hint="use one version for the plan and all that carries it out",
        )
    if head.manifest != digest_of(workspace):
        raise FlakesyncError(
            "other-manifest",
            f"{file}: this plan was made with another manifest than {workspace.file}",
            hint="check out the commit that the plan was made in, or make a new plan: `flakesync plan --out FILE`",
        )
    try:
        plan = msgspec.json.decode(data, type=PlanFile)
    except (ValueError, RecursionError) as error:
        raise _bad(file, f"is no plan: {error}") from None
    wrong = list(_wrong(plan, workspace))
    if wrong:
        more = f" (and {len(wrong) - _MOST_NAMED} more)" if len(wrong) > _MOST_NAMED else ""
        raise _bad(file, f"{'; '.join(wrong[:_MOST_NAMED])}{more}")
    return plan


def _bad(file: Path, reason: str) -> FlakesyncError:
    return FlakesyncError("bad-plan", f"{file}: {reason}", hint=f"{_HOW}; nobody edits it")


def _wrong(plan: PlanFile, workspace: Workspace) -> Iterator[str]:
    """Yield what no plan of this manifest can say."""
    if _NAMES_A_RUN.fullmatch(plan.run) is None:
        yield "`run` is no name of a run"
    if plan.branch != workspace.branch:
        yield "`branch` is not the update branch of the manifest"
    named = [*plan.by_repo, *plan.problems, *plan.untouched]
    known = {*workspace.names}
    beside = {each for names in plan.beside.values() for each in names}
    strange = {*named, *plan.failing, *plan.beside, *beside} - known
    if strange:
        yield f"it names repos that the manifest does not: {', '.join(sorted(strange)[:_MOST_NAMED])}"
        return
    if len({*named}) != len(plan.tasks) + len(plan.problems) + len(plan.untouched):
        yield "it names a repo twice"
    done: set[RepoName] = set()
    for task in plan.tasks:
        for each in _wrong_in(task, plan, workspace, done):
            yield f"task {task.repo}: {each}"
        done.add(task.repo)


def _wrong_in(task: RepoTask, plan: PlanFile, workspace: Workspace, done: set[RepoName]) -> Iterator[str]:
    """Yield what is wrong in one task. done: the repos of the tasks before."""
    repo, pins = workspace.repo(task.repo), {pin.name for pin in workspace.pins}
    if task.run != plan.run:
        yield "`run` is not that of the plan"
    if task.day and _DAY.fullmatch(task.day) is None:
        yield "`day` is no day"
    if not task.upstreams <= done or not task.upstreams <= task.bases.keys() or task.commits:
        yield "its upstreams do not come before it"
    holds = [each.rev for each in task.holds] + [each.first_bad for each in task.holds]
    revs = [task.base_rev, *task.bases.values(), *filter(None, holds)]
    if not all(map(is_full_rev, revs)):
        yield "a commit is no full id"
    if not all(_DAY.fullmatch(each.since) for each in task.holds):
        yield "`since` is no day"
    for change in task.changes:
        if change.repo != task.repo or change.flake not in repo.flakes:
            yield "a change is of another flake"
        elif change.pin is not None and change.pin not in pins:
            yield f"there is no pin `{change.pin}`"
        elif not _is_sound(change, task, workspace):
            yield f"a change of {'/'.join(change.input)} goes to what is no commit, branch or upstream"


def _is_sound(change: Change, task: RepoTask, workspace: Workspace) -> bool:
    """Tell whether what a change goes to can be a commit, on what can be a branch, of a repo of the manifest."""
    if not change.input or not all(change.input) or (change.waived is not None and not change.waived.isprintable()):
        return False
    match change.to:
        case ToUpdate(upstream=upstream):
            return upstream in task.upstreams
        case ToRev(rev=rev, upstream=up, branch=branch):
            return is_full_rev(rev) and (up is None or up in workspace.names) and (branch is None or _is_ref(branch))
        case _:
            return True


def _is_ref(name: str) -> bool:
    try:
        check_ref_name(name)
    except GitError:
        return False
    return True

"""`flakesync bisect`."""

import re
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from flakesync.cli import screen
from flakesync.cli.complete import inputs, repos
from flakesync.cli.opening import look, open_workspace
from flakesync.cli.options import Common, DialectOption, LockerOption, with_common
from flakesync.errors import EXIT_FINDINGS, EXIT_OK, FlakesyncError

if TYPE_CHECKING:
    from flakesync.sync.bisect.run import ProbeRun
    from flakesync.sync.bisect.units import Unit


@with_common("workspace", "jobs", "json", "offline", "local", "quiet", "verbose")
def bisect(
    common: Common,
    name: Annotated[str, typer.Argument(metavar="REPO", help="A repo of the workspace.", autocompletion=repos)],
    run: Annotated[
        list[str] | None,
        typer.Option("--run", metavar="CMD", help="Run this in place of the repo's checks (repeatable)."),
    ] = None,
    input: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="GLOB",
            help="Move only these inputs (input paths, repeatable).",
            autocompletion=inputs,
        ),
    ] = None,
    match: Annotated[
        str | None,
        typer.Option("--match", metavar="REGEX", help="A failure is the one looked for only if its output has this."),
    ] = None,
    commits: Annotated[
        bool,
        typer.Option("--commits", help="Find the commit too; of pins and other sources, between known tips."),
    ] = False,
    all_commits: Annotated[
        bool, typer.Option("--all-commits", help="As --commits, among all that a branch has had.")
    ] = False,
    max_checks: Annotated[
        int | None, typer.Option("--max-checks", min=1, metavar="N", help="End after so many checks.")
    ] = None,
    limit: Annotated[
        str | None, typer.Option("--limit", metavar="TIME", help="End after so long: 30m, 2h.  [default: no limit]")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh/--resume", help="Use nothing that is known of before.  [default: go on]")
    ] = False,
    locker: LockerOption = "auto",
    dialect: DialectOption = None,
) -> int:
    """Find which moved input breaks a repo's checks, and which rest passes.

    Locks as sync would, with some of the moves, and runs the checks in a worktree
    of its own each time; with --jobs several at once. All moves are halved until
    one is found that the rest passes without. Each result is written down at once:
    interrupted, run it again to go on. Repos and branches stay as they are.
    Exits with 1 when nothing to hold was found.

    \b
    Examples:
      flakesync bisect api
      flakesync bisect api --run "nix build .#default" --jobs 4
      flakesync bisect api --input crane --input fenix --json
    """
    from flakesync.analysis.plan import make_plan
    from flakesync.cache.layout import cache_dir
    from flakesync.report.bisect.text import render_bisect
    from flakesync.sync.bisect.bisect import bisect as carry_out
    from flakesync.sync.bisect.documents import bisect_document
    from flakesync.sync.bisect.run import BisectOptions
    from flakesync.sync.options import Options

    workspace, selected = open_workspace(common)
    repo = workspace.repo(name).name
    pattern, checks = _pattern(match), _checks(run or ())
    limit_s = _seconds(limit) if limit is not None else None
    survey = look(common, workspace)
    plan = make_plan(survey, selected)
    progress = _Progress(repo, quiet=common.quiet)
    try:
        found = carry_out(
            survey,
            plan,
            repo,
            Options(cache=cache_dir(), locker=locker, dialect=dialect, offline=common.offline),
            BisectOptions(
                jobs=common.jobs or 1,
                max_checks=max_checks,
                limit_s=limit_s,
                match=pattern,
                fresh=fresh,
                commits=commits or all_commits,
                every_commit=all_commits,
            ),
            checks=checks,
            inputs=input or (),
            planned=progress.planned,
            listener=progress.show,
        )
    except KeyboardInterrupt:
        progress.interrupted()
        raise
    document = bisect_document(found, dict(plan.changes())[repo])
    if common.json:
        screen.answer_json(document)
    else:
        screen.answer(render_bisect(document, width=screen.width(), full=common.verbose))
    return EXIT_OK if document.outcome == "found" and document.complete else EXIT_FINDINGS


def _pattern(match: str | None) -> "re.Pattern[str] | None":
    try:
        return re.compile(match) if match is not None else None
    except re.error as error:
        raise typer.BadParameter(f"--match: {error}") from None


def _seconds(limit: str) -> float:
    from flakesync.workspace.values import duration

    try:
        return duration(limit)
    except FlakesyncError as error:
        raise typer.BadParameter(f"--limit: {error.message}") from None


def _checks(commands: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    try:
        found = tuple(tuple(shlex.split(each)) for each in commands)
    except ValueError as error:
        raise typer.BadParameter(f"--run: {error}") from None
    if not all(found):
        raise typer.BadParameter("--run: a command is empty")
    return found


class _Progress:
    """Tells of each probe on stderr as it ends."""

    def __init__(self, repo: str, *, quiet: bool) -> None:
        self._repo = repo
        self._quiet = quiet
        self._units: Sequence[Unit] = ()
        self._done = 0

    def planned(self, units: "Sequence[Unit]") -> None:
        from flakesync.report.text import count, line

        self._units = units
        if not self._quiet:
            screen.tell(line(f"{self._repo}: {count(len(units), 'unit')}; about {self._about} checks"))

    @property
    def _about(self) -> int:
        from flakesync.sync.bisect.search import checks_about

        return checks_about(len(self._units)) + 4  # nothing, and all three times

    def show(self, probe: "ProbeRun") -> None:
        from flakesync.report.bisect.text import probe_lines
        from flakesync.sync.bisect.documents import probe_document

        self._done += 1
        if not self._quiet:
            ids = [unit.id for unit in self._units]
            screen.tell(*probe_lines(probe_document(probe, self._units), ids, screen.width()))

    def interrupted(self) -> None:
        if self._units:
            about = max(self._about, self._done + 1)
            screen.note(f"{self._done} of about {about} checks done; run it again to go on")

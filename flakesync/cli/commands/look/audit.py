"""`flakesync audit`."""

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flakesync.cli import screen
from flakesync.cli.complete import rules
from flakesync.cli.opening import open_workspace, reading
from flakesync.cli.options import Common, with_common
from flakesync.errors import EXIT_FINDINGS, EXIT_OK, FlakesyncError

if TYPE_CHECKING:
    from flakesync.audit.audit import AuditResult
    from flakesync.documents.audit import AuditFinding, AuditReport
    from flakesync.workspace.audit import RuleId, Threshold
    from flakesync.workspace.manifest import Workspace


@with_common()
def audit(
    common: Common,
    rule: Annotated[
        list[str] | None, typer.Argument(metavar="[RULE]...", help="Only these rules.", autocompletion=rules)
    ] = None,
    level: Annotated[
        Literal["offline", "mirror", "forge"],
        typer.Option(
            "--level",
            help="What is asked: offline: the locks alone; mirror: servers too, for histories and files; forge: forges "
            "too, for what has moved or is archived.",
        ),
    ] = "offline",
    at: Annotated[
        str,
        typer.Option("--at", metavar="base|update|REV", help="Read base branches, update branches, or any revision."),
    ] = "base",
    new_since: Annotated[
        str | None,
        typer.Option("--new-since", metavar="REV", help="Only what is not at this revision of the repo already."),
    ] = None,
    fail_on: Annotated[
        Literal["high", "medium", "low", "never"] | None,
        typer.Option("--fail-on", help="From which severity on to exit with 1.  [default: see workspace.toml]"),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 too where something could not be read or checked.")
    ] = False,
    baseline: Annotated[
        bool,
        typer.Option(
            "--write-baseline", help="Append an [[audit.ignore]] to the manifest for all that is found, for 90 days."
        ),
    ] = False,
    format: Annotated[  # noqa: A002
        Literal["text", "json", "sarif"] | None,
        typer.Option("--format", "-f", help="How to show it; sarif: for code scanning.  [default: text]"),
    ] = None,
    sarif_dir: Annotated[
        Path | None,
        typer.Option(
            "--sarif-dir",
            metavar="DIR",
            help="Write a SARIF file for each repo too, DIR/REPO.sarif; none for a repo that could not be read.",
        ),
    ] = None,
    sarif_ignored: Annotated[
        Literal["keep", "drop"] | None,
        typer.Option(
            "--sarif-ignored",
            help="Ignored findings in SARIF: keep: as suppressed ones; drop: none, as GitHub takes these for open "
            "alerts.  [default: keep]",
        ),
    ] = None,
) -> int:
    """Show what is wrong or poisoned in the locks.

    Nix builds a swapped repository, a commit that is on no branch, or other
    content under the right commit without a word. Exits with 1 when a finding
    is as grave as --fail-on says. Starts no Nix, and writes to no repo; with
    --level offline, the default, it asks no server: clones and mirrors are read
    as they were fetched last.

    \b
    Examples:
      flakesync audit
      flakesync audit --level mirror
      flakesync audit foreign local-path --repo app
      flakesync audit --repo app --at HEAD --new-since origin/main
      flakesync audit --level mirror --fail-on never \\
        --sarif-dir sarif --sarif-ignored drop
    """
    from flakesync.audit.audit import Options
    from flakesync.audit.audit import audit as run
    from flakesync.cache.layout import cache_dir

    if common.json and format not in (None, "json"):
        raise typer.BadParameter(f"only one of --json and --format {format} can be given")
    if sarif_ignored is not None and sarif_dir is None and format != "sarif":
        raise typer.BadParameter("--sarif-ignored goes with --sarif-dir or --format sarif")
    only = _require_rules(rule or ())
    workspace, selected = open_workspace(common)
    options = Options(level=level, at=at, new_since=new_since, only=only, offline=common.offline)
    if level == "offline":
        # No server is asked, so what is made is what is read, and is kept to the end: there are no cycles to look for.
        gc.set_threshold(10_000_000, 20, 20)
    with screen.busy(reading(workspace), quiet=common.quiet):
        answer = run(workspace, selected, options, cache_dir())
    report = answer.report
    keep_ignored = sarif_ignored != "drop"
    if sarif_dir is not None:
        _write_sarif(sarif_dir, report, keep_ignored)
    match "json" if common.json else format or "text":
        case "json":
            screen.answer_json(report)
        case "sarif":
            from flakesync.report.audit.sarif import render_sarif

            screen.answer_bytes(render_sarif(report, keep_ignored=keep_ignored))
        case "text":
            from flakesync.report.audit.text import render_audit

            screen.answer(render_audit(report, width=screen.width(), full=common.verbose))
    for note in answer.notes:
        screen.note(note)
    for hint in answer.hints:
        screen.hint(hint)
    findings = _write_baseline(workspace, answer) if baseline else report.findings
    failed = _are_grave(findings, fail_on or workspace.audit.fail_on)
    return EXIT_FINDINGS if failed or (strict and (report.unchecked or report.unread)) else EXIT_OK


def _are_grave(findings: "Sequence[AuditFinding]", fail_on: "Threshold") -> bool:
    from flakesync.audit.severity import reaches

    return any(each.ignored is None and reaches(each.severity, fail_on) for each in findings)


def _write_sarif(folder: Path, report: "AuditReport", keep_ignored: bool) -> None:
    """Write a file for each repo that was read, and say which were not. Raises FlakesyncError (`no-answer`)."""
    from flakesync.cli.files import write_files
    from flakesync.report.audit.sarif import sarif_file, sarif_files

    # An empty file would close the alerts of a repo, and one of an earlier run would be taken for this one's.
    unread = [sarif_file(name) for name in report.unread]
    write_files(folder, sarif_files(report, keep_ignored=keep_ignored), gone=unread)
    if unread:
        screen.note(f"not in {folder}: {', '.join(unread)}, of what could not be read; its alerts stay as they are")


def _write_baseline(workspace: "Workspace", answer: "AuditResult") -> "Sequence[AuditFinding]":
    """Write a baseline, say so, and return the findings that are not ignored by it. Raises ManifestError."""
    from flakesync.audit.baseline import DAYS, write_baseline

    written = write_baseline(workspace.file, answer.report.findings, answer.today)
    ignores = "ignore" if written.tables == 1 else "ignores"
    screen.note(f"{written.tables} {ignores} added to {workspace.file}, for {DAYS} days")
    return written.left


def _require_rules(given: Sequence[str]) -> "frozenset[RuleId]":
    """Return ids of rules. Raises FlakesyncError (`unknown-rule`)."""
    from flakesync.audit.rules import ALL
    from flakesync.workspace.values import nearest

    known: dict[str, RuleId] = {each.id: each.id for each in ALL}
    for each in given:
        if each not in known:
            hint = nearest(each, known) or f"there are: {', '.join(known)}"
            raise FlakesyncError("unknown-rule", f"there is no rule called `{each}`", hint=hint)
    return frozenset(known[each] for each in given)

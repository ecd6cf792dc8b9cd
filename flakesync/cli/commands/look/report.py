"""`flakesync report`."""

import os
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer
from msgspec.structs import replace

from flakesync.cli import screen
from flakesync.cli.opening import look, note_unread, open_workspace, reading, require_git, show_hints, show_undecided
from flakesync.cli.options import Common, with_common
from flakesync.errors import EXIT_OK, FlakesyncError, plain
from flakesync.secrets import hide_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flakesync.cli.stored import Stored
    from flakesync.documents.audit import AuditReport
    from flakesync.documents.history import HistoryLine
    from flakesync.documents.pulls.status import StatusDocument
    from flakesync.documents.sync import SyncDocument
    from flakesync.terms import RepoName
    from flakesync.workspace.manifest import Workspace

At = Literal["base", "update"]


class _Wanted(NamedTuple):
    """What is read for a page. at: None for the base. stored: a folder with the documents; None: the repos are read."""

    folder: Path
    history: str | None
    at: At | None
    stored: Path | None
    pulls: bool
    audit: bool


@with_common()
def report(
    common: Common,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write to; it is made if missing.")],
    history: Annotated[
        str | None,
        typer.Option(
            "--history",
            metavar="FILE|URL",
            help="The history.jsonl of an earlier run, for a DIR that has none: it is copied there first.",
        ),
    ] = None,
    at: Annotated[
        At | None, typer.Option("--at", help="Read base branches, or update branches where there are.  [default: base]")
    ] = None,
    no_pulls: Annotated[
        bool, typer.Option("--no-pulls", help="Without update branches and pull requests: no forge is asked.")
    ] = False,
    no_audit: Annotated[bool, typer.Option("--no-audit", help="Without what audit finds in the locks.")] = False,
    from_: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="DIR", help="Read graph.json, drift.json, … of this folder, and no repo and no server."
        ),
    ] = None,
) -> int:
    """Write one page that shows how the workspace stands.

    DIR/index.html needs nothing beside it: the graph, who is behind and since
    when, update branches and pull requests, findings of audit (level offline). It
    is replaced in one step. DIR/history.jsonl gets a line a run, and is what the
    page draws drift over time from. The documents that the page was made of lie
    beside it: graph.json, drift.json, status.json, audit.json. What a sync did is
    on it too, where `flakesync sync --json-file DIR/sync.json` has written it. With
    --offline it has no pull requests. --json answers with the new line of history.

    Exits with 0 when the page was written, whatever it shows.

    \b
    Examples:
      flakesync report out
      flakesync report public --history https://acme.example/history.jsonl
      flakesync report out --from out
    """
    from flakesync.cli.page_folder import prepare_folder

    wanted = _Wanted(directory, history, at, from_, not no_pulls, not no_audit)
    if from_ is not None and (common.repo or common.group or common.exclude or at is not None):
        raise typer.BadParameter("--from shows what is stored: no --repo, --group, --exclude or --at goes with it")
    workspace, selected = open_workspace(common)
    prepare_folder(directory, _names(wanted))
    return _write(common, workspace, selected, wanted)


def _write(common: Common, workspace: "Workspace", selected: "frozenset[RepoName]", wanted: _Wanted) -> int:
    """Read what is wanted, write the folder, and say so. Raises: FlakesyncError."""
    from flakesync.cli.page_folder import PAGE, Run, write_run
    from flakesync.cli.stored import as_written, read_stored, to_files
    from flakesync.history.line import at, make_line, run_of

    begun = time.monotonic()
    found = read_stored(wanted.stored) if wanted.stored is not None else _read(common, workspace, selected, wanted)
    found = replace(found, status=found.status if wanted.pulls else None, audit=found.audit if wanted.audit else None)
    files = to_files(found)
    found = as_written(found, files)  # the page shows what the files hold, and no login that they leave out
    asked = found.status if wanted.stored is not None or not common.offline else None
    line = make_line(
        found.graph,
        found.drift,
        at=at(_now()),
        run=run_of(files.items()),
        seconds=time.monotonic() - begun,
        more=(asked, found.sync),
    )
    groups = _groups(workspace, selected)
    run = Run(
        files,
        line,
        gone=_gone(wanted, files),
        earlier=_earlier(wanted),
        render=lambda lines: _render(workspace.name, groups, found, line, lines),
    )
    days, notes = write_run(wanted.folder, run)
    for text in notes:
        screen.note(text)
    if common.json:
        screen.answer_json(line)
    else:
        from flakesync.report.history.text import render_history_line

        page = plain(str(wanted.folder / PAGE))
        screen.answer(render_history_line(line, page=page, days=days, width=screen.width()))
    return EXIT_OK


def _render(
    name: str,
    groups: "Mapping[str, Sequence[str]]",
    found: "Stored",
    line: "HistoryLine",
    history: "Sequence[HistoryLine]",
) -> str:
    """Return the page of a run. history: a line a day, that of the run with them."""
    from flakesync.report.html.given import PageDocuments
    from flakesync.report.html.page import render_page

    return render_page(
        PageDocuments(
            workspace=name,
            at=line.at,
            run=line.run,
            graph=found.graph,
            drift=found.drift,
            status=found.status,
            sync=found.sync,
            audit=found.audit,
            groups=groups,
            history=history,
        )
    )


def _read(common: Common, workspace: "Workspace", selected: "frozenset[RepoName]", wanted: _Wanted) -> "Stored":
    """Return what the commands answer now; what could not be read goes to stderr. Raises: FlakesyncError."""
    from flakesync.analysis.drift import find_drift
    from flakesync.cli.stored import Stored
    from flakesync.report.graph.document import graph_document
    from flakesync.report.graph.tree import part_of

    at = wanted.at or "base"
    if wanted.pulls:
        require_git()
    survey = look(common, workspace, at=at)
    note_unread(survey.graph, selected)
    show_hints(survey.graph, selected)
    show_undecided(survey)
    return Stored(
        graph=graph_document(part_of(survey.graph, selected), selected),
        drift=find_drift(survey, selected),
        status=_status(common, workspace, selected) if wanted.pulls else None,
        audit=_audit(common, workspace, selected, at) if wanted.audit else None,
        sync=_sync(wanted.folder),
    )


def _status(common: Common, workspace: "Workspace", selected: "frozenset[RepoName]") -> "StatusDocument":
    """Return what `status` answers."""
    from flakesync.forge.hosts import Servers
    from flakesync.publish.status import status
    from flakesync.report.text import few
    from flakesync.survey.read import read_graph

    with closing(Servers(workspace, os.environ)) as servers, screen.busy(reading(workspace), quiet=common.quiet):
        graph = read_graph(workspace, at="update", offline=common.offline)
        document = status(workspace, graph, selected, servers, offline=common.offline)
    if common.offline and not common.quiet:
        screen.note("offline: no forge is asked: the page has update branches, and no pull requests")
    unknown = [each.repo for each in document.repos if each.stage == "failed"]
    if unknown:
        screen.note(f"where an update stands is not known of {few(unknown)}")
    return document


def _audit(common: Common, workspace: "Workspace", selected: "frozenset[RepoName]", at: At) -> "AuditReport":
    """Return what `audit` answers at level offline; which repos cannot be read has been told."""
    from flakesync.audit.audit import Options, audit
    from flakesync.cache.layout import cache_dir

    with screen.busy(reading(workspace), quiet=common.quiet):
        return audit(workspace, selected, Options(at=at), cache_dir()).report


def _sync(folder: Path) -> "SyncDocument | None":
    """Return the answer of a sync that somebody has put into the folder of the page; None: there is none, or it is cut.

    A night's sync that was killed leaves half an answer, and is no reason to have no page.
    """
    from flakesync.cli.stored import read_sync

    try:
        return read_sync(folder)
    except FlakesyncError as error:
        screen.note(f"the page goes without it: {error.message}")
        return None


def _gone(wanted: _Wanted, written: "Mapping[str, bytes]") -> list[str]:
    """Return the files of documents that an earlier run may have left and this one does not have.

    The answer of a sync, and what the page is made from, are not this run's to delete.
    """
    if wanted.stored is not None and wanted.stored.samefile(wanted.folder):
        return []
    return [name for each in _names(wanted) if (name := f"{each}.json") not in written]


def _names(wanted: _Wanted) -> list[str]:
    """Return the names of the documents that the run writes, where it has them."""
    from flakesync.cli.stored import NAMES

    return [name for name in NAMES if name != "sync" or wanted.stored is not None]


def _earlier(wanted: _Wanted) -> bytes:
    """Return the history of an earlier run for a folder that has none; empty: there is none, which is told."""
    from flakesync.cli.page_folder import HISTORY, read_own_history
    from flakesync.history.published import NoHistoryError, published

    if wanted.history is None:
        return b""
    shown = hide_secrets(wanted.history)
    if read_own_history(wanted.folder):
        screen.note(f"{wanted.folder / HISTORY} is there, so {shown} is not read")
        return b""
    try:
        return published(wanted.history)
    except NoHistoryError as error:
        screen.note(f"{shown}: {error}: the history begins with this run")
        return b""


def _groups(workspace: "Workspace", selected: "frozenset[RepoName]") -> "dict[str, list[str]]":
    """Return the chosen repos of each group, by name."""
    groups: dict[str, list[str]] = {}
    for repo in workspace.repos:
        for group in repo.groups if repo.name in selected else ():
            groups.setdefault(group, []).append(repo.name)
    return {name: sorted(groups[name]) for name in sorted(groups)}


def _now() -> datetime:
    return datetime.now(UTC)

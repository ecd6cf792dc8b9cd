"""From the common options to the workspace that a command works on."""

import gc
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from flakesync.cli import screen, signals
from flakesync.cli.options import Common
from flakesync.errors import FlakesyncError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flakesync.survey.graph import RepoGraph
    from flakesync.survey.survey import Survey
    from flakesync.terms import PinName, RepoName
    from flakesync.workspace.manifest import Workspace
    from flakesync.workspace.snapshot import At, Snapshot

_TO_THE_END: list[object] = []


def keep_to_the_end(*values: object) -> None:
    """Keep what was read or made until the program ends, which frees nothing: one by one that takes 10 ms of a plan.

    Until another workspace is opened, where a process runs several commands.
    """
    _TO_THE_END.extend(values)


@contextmanager
def all_kept() -> "Iterator[None]":
    """Spare what is read in this context the search for cycles, now and later, where it is kept to the end anyway."""
    if not signals.are_watched():  # in a process that goes on, what is garbage by now would never be freed
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def open_workspace(common: Common) -> "tuple[Workspace, frozenset[RepoName]]":
    """Return the workspace and the repos that the options choose. Raises ManifestError."""
    from flakesync.workspace.manifest import find_manifest, load_workspace, select

    _TO_THE_END.clear()
    workspace = with_options(common, load_workspace(common.workspace or find_manifest(Path.cwd())))
    return workspace, select(workspace, common.repo, common.group, common.exclude)


def with_options(common: Common, workspace: "Workspace") -> "Workspace":
    """Return a workspace as the options want it, which win over its manifest."""
    if common.jobs is not None:
        from msgspec.structs import replace

        workspace = replace(workspace, jobs=common.jobs)
    if common.local:
        from msgspec.structs import replace

        workspace = replace(workspace, read="local")
    return workspace


def look(
    common: Common, workspace: "Workspace", *, at: "At" = "base", waived: "Mapping[PinName, str] | None" = None
) -> "Survey":
    """Read the repos and ask the servers; what a person should know of it goes to stderr. Raises FlakesyncError.

    waived: pins whose cooldown does not count this once, with the reason.
    """
    from flakesync.survey.read import read_survey

    notes: list[str] = []
    with screen.busy(reading(workspace), quiet=common.quiet), all_kept():
        survey = read_survey(workspace, at=at, offline=common.offline, note=notes.append, waived=waived)
    keep_to_the_end(survey)
    if not common.quiet:
        for text in notes:
            screen.note(text)
    return survey


def show_undecided(survey: "Survey") -> bool:
    """Show which pins and sources could not be decided on, so that their inputs stay; return whether there are any."""
    from flakesync.analysis.cooldown import undecided
    from flakesync.report.alike.capped import alike, capped, likeness

    errors = undecided(survey)
    for error, *others in capped(errors, lambda each: (each.code, likeness(each.message))):
        screen.error(error.code, f"{len(others) + 1} more, {alike()}" if others else error.message)
    _show_hints(errors)
    return bool(errors)


def _show_hints(errors: "Sequence[FlakesyncError]") -> None:
    from flakesync.report.alike.capped import capped, likeness

    hints = dict.fromkeys(error.hint for error in errors if error.hint is not None)
    for hint, *others in capped(hints, likeness):
        screen.hint(f"the same of {len(others) + 1} more" if others else hint)


def show_hints(graph: "RepoGraph | Snapshot", selected: "frozenset[RepoName]") -> bool:
    """Show what to do about repos that could not be read, each advice once; return whether there are any."""
    from flakesync.workspace.snapshot import UnreadableRepo

    states = (state for name, state in graph.states.items() if name in selected)
    errors = [state.error for state in states if isinstance(state, UnreadableRepo)]
    _show_hints(errors)
    return bool(errors)


def note_unread(graph: "RepoGraph | Snapshot", selected: "frozenset[RepoName]") -> None:
    """Name the repos, and the locks of repos, that could not be read, where the answer itself does not."""
    from flakesync.report.text import by_detail
    from flakesync.workspace.snapshot import UnreadableRepo

    found: list[tuple[str, str]] = []
    for state in (state for name, state in graph.states.items() if name in selected):
        if isinstance(state, UnreadableRepo):
            found.append((state.name, state.error.message))
        found += ((state.name, flake.problem.detail) for flake in state.flakes if flake.problem is not None)
    for names, detail in by_detail(found, "`drift --json`"):
        screen.note(f"not read: {names}: {detail}")


def reading(workspace: "Workspace") -> str:
    """Return what is shown while the repos are read."""
    number = len(workspace.repos)
    return f"reading {number} repo{'' if number == 1 else 's'}"


def require_git() -> None:
    """Raise GitError (`no-git`) where there is no git: what asks servers and clones would fail for all repos alike.

    It is looked for and not started: most of what is asked of clones needs no process at all.
    """
    import shutil

    from flakesync.git.process import git

    if shutil.which("git") is None:
        git(["--version"])


def refuse_offline(common: Common, command: str) -> None:
    """Raise FlakesyncError (`offline`) where the options forbid what the command is for."""
    if common.offline:
        raise FlakesyncError("offline", f"{command} speaks to servers: it cannot be done with --offline")


def refuse_json(common: Common, command: str) -> None:
    """Raise a usage error where --json stands before a command that has no document."""
    import typer

    if common.json:
        raise typer.BadParameter(f"{command} has no --json")

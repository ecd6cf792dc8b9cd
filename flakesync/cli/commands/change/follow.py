"""`flakesync follow`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flakesync.cli import screen
from flakesync.cli.complete import pins as known_pins
from flakesync.cli.opening import note_unread, open_workspace, reading, show_hints
from flakesync.cli.options import Common, with_common
from flakesync.errors import EXIT_FINDINGS, EXIT_OK

if TYPE_CHECKING:
    from flakesync.survey.follow.model import FlakeFollows
    from flakesync.terms import RepoName
    from flakesync.workspace.snapshot import Snapshot


@with_common()
def follow(
    common: Common,
    pins: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PIN]...", help="Only what should follow these pins. Default: all.", autocompletion=known_pins
        ),
    ] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Answer with the changes of flake.nix.")] = False,
    patch: Annotated[
        Path | None,
        typer.Option(
            "--patch", metavar="DIR", help="Write a patch for each repo there, flake.nix and flake.lock, for git apply."
        ),
    ] = None,
) -> int:
    """Show which inputs of inputs should follow a pin's input.

    Reads flake.nix and flake.lock at the base branches; no Nix runs, no repo is
    written to. A copy that stays is listed with the reason, and so is an override
    of an input that is not there. Exits with 1 when there is something to write.

    \b
    Examples:
      flakesync follow
      flakesync follow nixpkgs --diff
      flakesync follow --repo app --patch patches
      git -C app apply ../patches/app.patch
    """
    from flakesync.analysis.documents.follow import follow_document, has_work, pins_called
    from flakesync.cache.layout import cache_dir
    from flakesync.survey.broken import without_broken
    from flakesync.survey.follow.idle import idle_keeps
    from flakesync.survey.follow.wanted import find_follows
    from flakesync.workspace.snapshot import read_snapshot

    if diff + common.json + (patch is not None) > 1:
        raise typer.BadParameter("only one of --diff, --json and --patch can be given")
    workspace, selected = open_workspace(common)
    asked = pins_called(workspace, pins or ())
    with screen.busy(reading(workspace), quiet=common.quiet):
        snapshot = read_snapshot(workspace, cache=cache_dir(), offline=common.offline)
        snapshot, found = without_broken(snapshot, lambda each: (each, find_follows(each, selected, asked)))
    document = follow_document(workspace, found)
    if common.json:
        screen.answer_json(document)
    elif diff:
        screen.answer_bytes(b"".join(_diff(each) for each in found))
    else:
        from flakesync.report.follow.text import render_follow

        if patch is not None:
            _write(patch, snapshot, found)
        lines = render_follow(document, repos=len(selected), width=screen.width(), full=common.verbose)
        screen.answer(lines)
    for text in () if common.quiet else idle_keeps(snapshot):
        screen.note(text)
    note_unread(snapshot, selected)
    return EXIT_FINDINGS if show_hints(snapshot, selected) or has_work(document) else EXIT_OK


def _diff(found: "FlakeFollows") -> bytes:
    from flakesync.report.follow.patch import unified_diff

    return unified_diff(f"{found.repo}/{found.file}", found.old, found.new)


def _write(folder: Path, snapshot: "Snapshot", found: "Sequence[FlakeFollows]") -> None:
    """Write a patch for each repo that gets edits. Raises: FlakesyncError (`no-answer`)."""
    from flakesync.cli.files import write_files
    from flakesync.report.follow.patch import patch
    from flakesync.workspace.clones.flake_nix import read_flake_nix
    from flakesync.workspace.snapshot import RepoAtCommit

    changed: dict[RepoName, list[tuple[str, bytes, bytes]]] = {}
    for each in found:
        if each.file:
            files = changed.setdefault(each.repo, [])
            files.append((each.file, each.old, each.new))
            lock = read_flake_nix(snapshot.states[each.repo], each.flake, "flake.lock")
            if lock is not None and any(wanted.pin is not None for wanted in each.wanted):
                files.append((lock.file, lock.data, each.lock.to_bytes()))
    patches: dict[str, bytes] = {}
    for repo, files in changed.items():
        state = snapshot.states[repo]
        at = f" at {state.base}, {state.rev}" if isinstance(state, RepoAtCommit) else ""
        patches[f"{repo}.patch"] = patch(f"flakesync follow: {repo}{at}", files)
    write_files(folder, patches)

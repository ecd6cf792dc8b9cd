"""`flakesync move`."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from flakesync.cli import complete, screen
from flakesync.cli.opening import look, open_workspace, refuse_offline, require_git, show_hints, with_options
from flakesync.cli.options import Common, with_common
from flakesync.errors import EXIT_FINDINGS, EXIT_OK

if TYPE_CHECKING:
    from flakesync.documents.move import MoveDocument
    from flakesync.survey.pins import Target
    from flakesync.terms import PinName, RepoName
    from flakesync.workspace.manifest import Workspace
    from flakesync.workspace.settings.moving import ManifestMove


@with_common()
def move(
    common: Common,
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="RELEASE|PIN", help="The release to move to, or the pin to move.", autocompletion=complete.pins
        ),
    ] = None,
    branch: Annotated[
        str | None, typer.Argument(metavar="[BRANCH]", help="After the name of a pin: its new branch.")
    ] = None,
    excepted: Annotated[
        list[str] | None,
        typer.Option(
            "--except",
            metavar="PIN",
            help="Leave this pin where it is (repeatable).",
            autocompletion=complete.pins,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only tell what is left of earlier moves.")] = False,
) -> int:
    """Move all pins to another release, or one pin to another branch.

    Looks first whether each branch is there, on its server; if one is not,
    nothing is written. Then workspace.toml gets the new release, or source, and
    notes under `replaces` what it was. `sync` does the rest: in every repo it
    edits the inputs that still name what was replaced, and locks them.

    Exits with 1 when an input has to be edited by hand, or a repo cannot be
    read; --check also when something is left to move.

    \b
    Examples:
      flakesync move 26.05
      flakesync move 26.05 --except home-manager
      flakesync move nixpkgs nixos-unstable --dry-run
      flakesync move --check
    """
    from flakesync.workspace.settings.moving import move_pin, move_release

    workspace, selected = open_workspace(common)
    if check:
        if what is not None or excepted or dry_run:
            raise typer.BadParameter("--check takes no release, no pin and no other option")
        document = _decide(common, workspace, selected)
        return EXIT_FINDINGS if document.repos or document.unread else EXIT_OK
    if what is None:
        raise typer.BadParameter("name a release, or a pin and its new branch; or take --check")
    if branch is not None and excepted:
        raise typer.BadParameter("--except is for a move to a release")
    if branch is None and any(pin.name == what for pin in workspace.pins):
        raise typer.BadParameter(f"name the new branch of pin {what} too")
    refuse_offline(common, "move")
    moving = move_pin(workspace, what, branch) if branch is not None else move_release(workspace, what, excepted or ())
    document = _move(common, workspace, selected, moving, release=branch is None, dry_run=dry_run)
    by_hand = any(left.why == "cannot-edit" for repo in document.repos for left in repo.left)
    return EXIT_FINDINGS if by_hand or document.unread else EXIT_OK


def _move(
    common: Common,
    workspace: "Workspace",
    selected: "frozenset[RepoName]",
    moving: "ManifestMove",
    *,
    release: bool,
    dry_run: bool,
) -> "MoveDocument":
    """Look for the new branches, decide what is left to do, write the manifest, and show it; in this order."""
    from flakesync.survey.edits.branches import find_branches
    from flakesync.workspace.manifest import parse_workspace
    from flakesync.workspace.settings.edit_manifest import edited, write_manifest
    from flakesync.workspace.snapshot import hosts_of
    from flakesync.workspace.table import read_file

    before = read_file(workspace.file)
    if moving.wanted:
        new = edited(workspace.file, before, moving.edit, moving.wanted)
        workspace = with_options(common, parse_workspace(workspace.file, new))
    require_git()
    with screen.busy("asking for branches", quiet=common.quiet):
        found = find_branches(moving.pins, workspace.jobs, hosts_of(workspace), release=release)

    for name in moving.fixed(workspace) if not common.quiet else ():
        screen.note(f"pins.{name}.target is a commit of the branch before: inputs go there until it is changed")

    def write() -> None:
        if moving.wanted and not dry_run:
            write_manifest(workspace.file, before, moving.edit, moving.wanted)

    return _decide(common, workspace, selected, moving, found, dry_run=dry_run, before_answer=write)


def _decide(
    common: Common,
    workspace: "Workspace",
    selected: "frozenset[RepoName]",
    moving: "ManifestMove | None" = None,
    found: "Mapping[PinName, Target] | None" = None,
    *,
    dry_run: bool = False,
    before_answer: Callable[[], None] = lambda: None,
) -> "MoveDocument":
    """Show what is left to be done by what a manifest says, and return it. before_answer: called when it is decided."""
    from flakesync.analysis.documents.move import move_document
    from flakesync.analysis.plan import make_plan

    survey = look(common, workspace)
    document = move_document(
        survey,
        make_plan(survey, selected),
        selected,
        moves=moving.pins if moving is not None else (),
        found=found or {},
        written=moving.keys if moving is not None else (),
        dry_run=dry_run,
    )
    before_answer()
    if common.json:
        screen.answer_json(document)
    else:
        from flakesync.report.move.text import render_move

        screen.answer(render_move(document, manifest=workspace.file.name, width=screen.width()))
    show_hints(survey.graph, selected)
    return document

"""The document of `follow`, and whether there is anything to write."""

from collections.abc import Iterable

from flakesync.documents.follow import (
    FlakeFollowsDocument,
    FollowDocument,
    FollowEdit,
    FollowOp,
    LeftInput,
    NodeCounts,
)
from flakesync.errors import FlakesyncError
from flakesync.nix.expression.edit_kinds import SetFollows
from flakesync.nix.expression.places import attr_path, quoted, written_path
from flakesync.survey.follow.model import FlakeFollows, FollowsEdit, LeftFollows, WantedFollows
from flakesync.survey.follow.wanted import by_sync
from flakesync.terms import PinName, flake_file, show_path
from flakesync.workspace.manifest import Workspace
from flakesync.workspace.values import did_you_mean


def pins_called(workspace: Workspace, names: Iterable[str]) -> frozenset[PinName] | None:
    """Return the pins of these names; None for none, which means all. Raises FlakesyncError (`unknown-pin`)."""
    known = {pin.name: pin.name for pin in workspace.pins}
    found = []
    for name in names:
        if name not in known:
            raise FlakesyncError(
                "unknown-pin", f"{workspace.file}: no pin is called `{name}`", hint=did_you_mean(name, known)
            )
        found.append(known[PinName(name)])
    return frozenset(found) or None


def follow_document(workspace: Workspace, found: Iterable[FlakeFollows]) -> FollowDocument:
    """Return the JSON form of the follows of some flakes."""
    return FollowDocument(
        repos=[
            FlakeFollowsDocument(
                repo=each.repo,
                flake=each.flake,
                file=each.file or flake_file(each.flake, "flake.nix"),
                nodes=NodeCounts(before=each.before, after=each.after),
                edits=[_edit(workspace, each, wanted) for wanted in each.wanted],
                left=[_left(left) for left in each.left],
            )
            for each in found
        ]
    )


def has_work(document: FollowDocument) -> bool:
    """Tell whether anything is to be written, by whomever."""
    return any(each.edits or any(left.write is not None for left in each.left) for each in document.repos)


def written_line(edit: FollowsEdit) -> str:
    """Return the line of flake.nix that an edit is about, as it may stand at the top of its set."""
    name = written_path((*attr_path(edit.input), "follows"))
    return f"{name} = {quoted(show_path(edit.follows))};" if isinstance(edit, SetFollows) else name


def _edit(workspace: Workspace, flake: FlakeFollows, wanted: WantedFollows) -> FollowEdit:
    adds = isinstance(wanted.edit, SetFollows)
    op: FollowOp = "remove" if not adds else "replace" if wanted.overrides else "add"
    return FollowEdit(
        op=op,
        input=show_path(wanted.edit.input),
        follows=show_path(wanted.edit.follows) if isinstance(wanted.edit, SetFollows) else None,
        line=wanted.line,
        column=wanted.column,
        nodes_saved=wanted.saved,
        reason=wanted.reason,
        pin=wanted.pin,
        by_sync=by_sync(workspace, flake.repo, wanted),
    )


def _left(left: LeftFollows) -> LeftInput:
    by_hand = left.edit is not None and left.why == "not-static"
    return LeftInput(
        input=show_path(left.input),
        why=left.why,
        detail=left.detail,
        pin=left.pin,
        write=written_line(left.edit) if left.edit is not None and by_hand else None,
        line=left.line,
        column=left.column,
    )

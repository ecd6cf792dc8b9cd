"""What a move of pins leaves to be done: the edits of each flake.nix, and what else it says of the old names."""

import re
from collections.abc import Iterable, Iterator, Mapping

from flakesync.analysis.moves import Plan
from flakesync.documents.move import LeftMove, Mention, MoveDocument, MovedPin, MoveEdit, RepoMove, Unread
from flakesync.errors import plain
from flakesync.nix.expression.edit import CannotEditError, SetRef, edit_inputs
from flakesync.survey.pins import Target
from flakesync.survey.survey import Survey
from flakesync.terms import FlakeDir, PinName, RepoName, show_path
from flakesync.workspace.clones.edits import FlakeEdit, Unedited
from flakesync.workspace.clones.flake_nix import read_flake_nix
from flakesync.workspace.manifest import Workspace
from flakesync.workspace.settings.moving import PinMove
from flakesync.workspace.snapshot import FlakeState, RepoState, UnreadableRepo

_LONGEST = 200


def move_document(
    survey: Survey,
    plan: Plan,
    selected: frozenset[RepoName],
    *,
    moves: Iterable[PinMove] = (),
    found: Mapping[PinName, Target] = {},
    written: Iterable[str] = (),
    dry_run: bool = False,
) -> MoveDocument:
    """Return what is left to be done in the selected repos. found: where the new branches of the pins are."""
    workspace = survey.snapshot.workspace
    states = [state for state in survey.snapshot.states.values() if state.name in selected]
    repos = [_repo(workspace, state) for state in states]
    edited = [
        any(_is_move(change.edit) for name, changes in wave if name not in plan.failing for change in changes)
        for wave in plan.waves
    ]
    return MoveDocument(
        release=workspace.release,
        dry_run=dry_run,
        written=list(written),
        pins=[_pin(survey, move, found[move.pin]) for move in moves],
        repos=[each for each in repos if each.edits or each.left],
        waves=sum(edited),
        unread=[
            Unread(repo=state.name, detail=state.error.message) for state in states if isinstance(state, UnreadableRepo)
        ],
    )


def _is_move(edit: FlakeEdit | None) -> bool:
    return edit is not None and isinstance(edit.edit, SetRef)


def _pin(survey: Survey, move: PinMove, found: Target) -> MovedPin:
    known = survey.targets.get(move.pin)
    date = found.last_modified or (known.last_modified if known is not None and known.rev == found.rev else None)
    return MovedPin(name=move.pin, from_=move.before, to=move.after, rev=found.rev, last_modified=date)


def _repo(workspace: Workspace, state: RepoState) -> RepoMove:
    edits: dict[tuple[FlakeDir, SetRef], MoveEdit] = {}
    for flake in state.flakes:
        for each in flake.edits:
            if isinstance(each.edit, SetRef):
                edits.setdefault((each.dir, each.edit), _edit(flake, each))
    return RepoMove(
        repo=state.name,
        edits=sorted(edits.values(), key=lambda each: (each.file, each.line, each.column)),
        mentions=list(_mentions(workspace, state, edits)),
        left=[_left(flake, each) for flake in state.flakes for each in flake.unedited],
    )


def _edit(flake: FlakeState, edit: FlakeEdit) -> MoveEdit:
    return MoveEdit(
        flake=flake.dir,
        input=show_path(edit.input),
        file=edit.file,
        line=edit.line,
        column=edit.column,
        from_=edit.before,
        to=edit.after,
    )


def _left(flake: FlakeState, each: Unedited) -> LeftMove:
    return LeftMove(
        flake=flake.dir,
        input=show_path(each.input),
        why=each.why,
        file=each.file,
        line=each.line,
        column=each.column,
        detail=each.detail,
    )


def _mentions(
    workspace: Workspace, state: RepoState, edits: Mapping[tuple[FlakeDir, SetRef], MoveEdit]
) -> Iterator[Mention]:
    """Yield the lines of edited files that still say an old release, or where there is none an old name."""
    for dir in dict.fromkeys(dir for dir, _ in edits):
        file = read_flake_nix(state, dir)
        own = [edit for edited, edit in edits if edited == dir]
        words = [*workspace.replaces, *(release.replace(".", "") for release in workspace.replaces)]
        words += [edit.old for edit in own if not any(word in edit.old for word in words)]
        try:
            source = edit_inputs(file.data, own).source if file is not None else b""
        except CannotEditError:  # it could be edited when the repo was read
            continue
        for number, text in enumerate(source.decode("utf-8", "replace").split("\n"), 1):
            said = next((word for word in dict.fromkeys(words) if _says(word).search(text)), None)
            if said is not None and file is not None:
                yield Mention(file=file.file, line=number, says=said, text=plain(text.strip())[:_LONGEST])


def _says(word: str) -> re.Pattern[str]:
    """Return the pattern of a word that is no part of a longer number: 25.11 is not in 125.110, nor in 25.11.2."""
    begins = r"(?<![0-9])(?<![0-9]\.)" if word[0].isdigit() else r"(?<![\w.-])"
    ends = r"(?![0-9])(?!\.[0-9])" if word[-1].isdigit() else r"(?![\w-])"
    return re.compile(begins + re.escape(word) + ends)

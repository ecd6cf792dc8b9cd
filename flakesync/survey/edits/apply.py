"""The edits that the manifest asks for, made on what was read, so that drift and plan are decided on the result."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from flakesync.cache.files import KeptFiles
from flakesync.cache.layout import edits_file
from flakesync.errors import within
from flakesync.nix.expression.edit import CannotEditError, Edit, edit_inputs
from flakesync.nix.expression.inputs import NotStatic, read_inputs
from flakesync.nix.expression.nested import Overrides, overrides_of
from flakesync.nix.expression.stale import Disagreement, disagreements, shown_reference
from flakesync.survey.edits.planned import FlakePlan, MovedInput, planned_edits
from flakesync.terms import FlakeDir, RepoName, flake_file, show_path
from flakesync.workspace.clones.edits import FlakeEdit, Unedited
from flakesync.workspace.clones.flake_nix import read_flake_nix
from flakesync.workspace.snapshot import FlakeState, PlainFolder, RepoAtCommit, RepoState, Snapshot

# Changes with the rules of editing and comparing: what an older flakesync has kept is then found anew.
_FORMAT = "edits/1"

_Found = tuple[tuple[FlakeEdit, ...], tuple[Unedited, ...], tuple[Disagreement, ...], Overrides]
"""`edits`, `unedited`, `stale` and `overrides` of a flake."""

_FIELDS = ("edits", "unedited", "stale", "overrides")
_decoder = msgspec.msgpack.Decoder(dict[FlakeDir, _Found])


def with_edits(snapshot: Snapshot, *, cache: Path | None = None, into: RepoName | None = None) -> Snapshot:
    """Return a snapshot whose flakes have the edits that the manifest asks for, and are stale by what they then say.

    One in which nothing is to be edited is returned as it is, and no flake.nix is read for it. cache: where is kept
    what edits make of a commit, which takes some milliseconds each. into: only those of this repo.

    Raises: RepoError; GitError: a flake.nix cannot be read.
    """
    asked = {into: snapshot.states[into]} if into is not None else snapshot.states
    planned = planned_edits(msgspec.structs.replace(snapshot, states=asked))
    if not planned:
        return snapshot
    states = dict(snapshot.states)
    kept = KeptFiles(edits_file(cache, snapshot.workspace.file)) if cache is not None else None
    for name, state in asked.items():
        plans = {flake.dir: plan for flake in state.flakes if (plan := planned.get((name, flake.dir))) is not None}
        if plans:
            with within(name):
                states[name] = _edited_repo(state, plans, kept)
    if kept is not None:
        kept.write()
    return msgspec.structs.replace(snapshot, states=states)


def _edited_repo(state: RepoState, plans: Mapping[FlakeDir, FlakePlan], kept: KeptFiles | None) -> RepoState:
    match state:
        case RepoAtCommit(rev=rev) if kept is not None:
            name = _name(plans)
            known = kept.files(rev, [name])
            data = known[name] if known is not None else None
            if data is None:
                data = msgspec.msgpack.encode(_make(state, plans))
                kept.add(rev, {name: data})
            found = _decoder.decode(data)
        case RepoAtCommit() | PlainFolder():
            found = _make(state, plans)
        case _:
            return state
    flakes = [
        msgspec.structs.replace(flake, **dict(zip(_FIELDS, found[flake.dir], strict=True)))
        if flake.dir in found
        else flake
        for flake in state.flakes
    ]
    return msgspec.structs.replace(state, flakes=tuple(flakes))


def _name(plans: Mapping[FlakeDir, FlakePlan]) -> str:
    """Return what the result of plans is kept under: it is the same for the same plans alone."""
    asked = {
        dir: (
            [(each.input, each.dir, each.edit, each.pin.name, each.wanted) for each in plan.moves],
            plan.follows,
            plan.unedited,
        )
        for dir, plan in plans.items()
    }
    return f"{_FORMAT}\0{hashlib.sha256(msgspec.json.encode(asked, order='sorted')).hexdigest()}"


def _make(state: RepoState, plans: Mapping[FlakeDir, FlakePlan]) -> dict[FlakeDir, _Found]:
    files = _Files(state)
    flakes = [_edited(files, flake, plans[flake.dir]) for flake in state.flakes if flake.dir in plans]
    # What another flake's edits made of a file is known when all are made.
    flakes = [_stale_by(files, flake, plans[flake.dir].moves) if flake.edits else flake for flake in flakes]
    return {flake.dir: (flake.edits, flake.unedited, flake.stale, flake.overrides) for flake in flakes}


class _Files:
    """The flake.nix files of one repo as they are edited so far."""

    def __init__(self, state: RepoState) -> None:
        self._state = state
        self._made: dict[tuple[FlakeDir, Edit], tuple[int, int, str, str] | CannotEditError] = {}
        self.sources: dict[FlakeDir, bytes | None] = {}

    def edit(self, dir: FlakeDir, edit: Edit) -> tuple[int, int, str, str] | CannotEditError | None:
        """Make an edit, once; return line, column, and the texts before and after. None: it changes nothing."""
        key = dir, edit
        if key in self._made:
            return self._made[key]
        if dir not in self.sources:
            found_file = read_flake_nix(self._state, dir)
            self.sources[dir] = found_file.data if found_file is not None else None
        source = self.sources[dir]
        if source is None:
            found: tuple[int, int, str, str] | CannotEditError = CannotEditError(1, 1, "there is no such file")
        else:
            try:
                edited = edit_inputs(source, [edit])
            except CannotEditError as error:
                found = error
            else:
                if not edited.places:
                    return None
                self.sources[dir] = edited.source
                place = edited.places[0]
                found = place.line, place.column, place.before, place.after
        self._made[key] = found
        return found


def _edited(files: _Files, flake: FlakeState, plan: FlakePlan) -> FlakeState:
    edits: list[FlakeEdit] = []
    unedited = list(plan.unedited)
    for move in plan.moves:
        file, name = flake_file(move.dir, "flake.nix"), move.pin.name
        match files.edit(move.dir, move.edit):
            case CannotEditError() as error:
                old, new, wanted = move.edit.old, move.edit.new, move.wanted
                place = error.line, error.column
                unedited.append(Unedited(move.input, "cannot-edit", error.reason, file, name, *place, old, new, wanted))
            case (line, column, _, _):
                edits.append(
                    FlakeEdit(move.dir, move.edit, move.input, file, line, column, move.edit.old, move.edit.new, name)
                )
            case None:
                pass
    for edit in plan.follows:
        match files.edit(flake.dir, edit):
            case (line, column, before, after):
                file = flake_file(flake.dir, "flake.nix")
                edits.append(FlakeEdit(flake.dir, edit, edit.input, file, line, column, before, after))
            case _:
                pass  # `follow` says why it cannot be written; nothing is wrong with the lock
    return msgspec.structs.replace(flake, edits=tuple(edits), unedited=tuple(unedited))


def _stale_by(files: _Files, flake: FlakeState, moves: Iterable[MovedInput]) -> FlakeState:
    """Return a flake with `stale` as its edited flake.nix makes it, and those of the folders that it takes."""
    stale, overrides = flake.stale, flake.overrides
    source = files.sources.get(flake.dir)
    read = read_inputs(source) if source is not None else None
    if read is not None and not isinstance(read, NotStatic) and flake.lock is not None:
        stale, overrides = disagreements(read.inputs, flake.lock), overrides_of(read.inputs)
    known = {each.input for each in stale}
    made = {each.input for each in flake.edits if len(each.input) > 1}
    below = [_of_folder(each) for each in moves if each.input in made - known]
    return msgspec.structs.replace(flake, stale=(*stale, *below), overrides=overrides)


def _of_folder(move: MovedInput) -> Disagreement:
    """Return what the flake.nix of a folder will say of an input, which the lock of the flake that takes it has not."""
    wanted = shown_reference(move.wanted)
    detail = f"{show_path(move.input)} is {wanted} in {flake_file(move.dir, 'flake.nix')}, not in the lock"
    return Disagreement(move.input, "reference", move.wanted, True, wanted, detail)

"""What becomes of the inputs on which a flake.nix and its lock disagree: where each is locked to now."""

from collections.abc import Collection, Iterator, Mapping
from typing import assert_never

import msgspec

from flakesync.analysis.cooldown import why_none
from flakesync.analysis.moves import Change, Held, ToFlakeNix, ToRev
from flakesync.errors import FlakesyncError, SyncError
from flakesync.nix.expression.edit_kinds import RemoveFollows, SetFollows, SetRef
from flakesync.nix.expression.stale import Disagreement, DisagreementKind
from flakesync.nix.reference.flakeref import Attr, identity_of
from flakesync.survey.external import MOVABLE
from flakesync.survey.pins import is_archive, pin_of
from flakesync.survey.survey import Survey
from flakesync.terms import InputPath, PinName, RepoName, show_path
from flakesync.workspace.clones.edits import FlakeEdit, Unedited
from flakesync.workspace.inputs import branch_of, is_fixed, rev_of, source_of
from flakesync.workspace.snapshot import FlakeState, RepoAtCommit, RepoState

_WHY: Mapping[DisagreementKind, str] = {
    "new": "is new",
    "gone": "is gone from flake.nix",
    "reference": "flake.nix has another reference",
    "follows": "flake.nix says so",
    "shared": "shares its node with another input",
}


def mends(survey: Survey, state: RepoState, flake: FlakeState) -> Iterator[Change | Held]:
    """Yield what becomes of each input of a flake on which its flake.nix and its lock disagree.

    An input that is new goes to its pin's target, to the base commit of its repo, or where the manifest moves what is
    neither; all else is locked as Nix would lock it. If one of them is held, or waits for a commit that is proven, so
    are all: Nix locks all of them or none.
    """
    edits = {each.input: each for each in flake.edits}
    holds = (state.repo.why_held(flake.dir, each.input) for each in flake.stale)
    held = next((why for why in holds if why is not None), None)
    # They agree in nearly all flakes, whose inputs then need not be read.
    own = {item.path for item in flake.inputs} if flake.stale or edits else set[InputPath]()
    whys = (_why_it_waits(survey, state.name, each, own) for each in flake.stale)
    waits = next((why for why in whys if why is not None), None)
    for each in flake.stale:
        original, edit = each.original or {}, edits.pop(each.input, None)
        to, pin = _target(survey, state.name, each, original, own=len(each.input) == 1 or each.input in own)
        node = flake.lock.node(each.input) if flake.lock is not None else None
        rev = rev_of(node.locked) if node is not None and node.locked is not None else None
        if held is not None:
            yield Held(state.name, flake.dir, each.input, rev, held, wished=True)
            continue
        if waits is not None:
            yield Held(state.name, flake.dir, each.input, rev, waits)
            continue
        if edit is not None and edit.pin is not None and survey.target_in(state.name, edit.pin) is None:
            yield Held(state.name, flake.dir, each.input, rev, f"no commit of pin {edit.pin} may be taken yet")
            continue
        locked: dict[str, Attr] = {"rev": rev} if rev is not None else {}
        why = _why_edited(edit) if edit is not None else _WHY[each.kind]
        reason = why + (f", pin {pin}" if pin is not None else "")
        yield Change(state.name, flake.dir, each.input, original, locked, to, reason, pin, stale=True, edit=edit)
    for edit in edits.values() if held is None and waits is None else ():
        yield _flake_nix_alone(survey, state, flake, edit)


def _flake_nix_alone(survey: Survey, state: RepoState, flake: FlakeState, edit: FlakeEdit) -> Change:
    """Return the change of an edit after which flake.nix and the lock agree: an override of nothing is in no lock.

    Or somebody has locked the new branch already: then the input goes to its pin's target as any other does.
    """
    node = flake.lock.node(edit.input) if flake.lock is not None else None
    original: Mapping[str, Attr] = {}
    locked: Mapping[str, Attr] = {}
    if isinstance(edit.edit, SetRef) and node is not None:
        original, locked = node.original or {}, node.locked or {}
    found = Disagreement(edit.input, "reference", original, True, edit.after or "gone", "")
    to, pin = _target(survey, state.name, found, original, own=bool(original))
    reason = _why_edited(edit) + (f", pin {pin}" if pin is not None else "")
    return Change(state.name, flake.dir, edit.input, original, locked, to, reason, pin, stale=True, edit=edit)


def unmended(survey: Survey, state: RepoState, flake: FlakeState) -> Iterator[tuple[Change, FlakesyncError] | Held]:
    """Yield what becomes of each input that a pin wants at another branch, and whose reference is not edited.

    One that only a person can edit fails its repo, with an error; the change is what would be made of it.
    """
    for each in flake.unedited:
        node = flake.lock.node(each.input) if flake.lock is not None else None
        rev = rev_of(node.locked) if node is not None and node.locked is not None else None
        match each.why:
            case "held":
                why = state.repo.why_held(flake.dir, each.input) or each.detail
                yield Held(state.name, flake.dir, each.input, rev, why, wished=True)
            case "cannot-edit":
                found = Disagreement(each.input, "reference", each.wanted, True, each.after or "", each.detail)
                to, pin = _target(survey, state.name, found, each.wanted, own=True)
                reason = f"{each.before} in flake.nix, pin {each.pin}"
                locked: dict[str, Attr] = {"rev": rev} if rev is not None else {}
                change = Change(state.name, flake.dir, each.input, each.wanted, locked, to, reason, pin, stale=True)
                # Those who take the repo wait for this edit, as for one that can be made.
                change = msgspec.structs.replace(change, edit=_wanted_edit(flake, each))
                yield change, cannot_edit(state.name, each)
            case "fixed" | "indirect":
                continue  # nothing says that it should move: `move` tells of it
            case _:
                assert_never(each.why)


def _wanted_edit(flake: FlakeState, found: Unedited) -> FlakeEdit:
    before, after = found.before or "", found.after or ""
    edit = SetRef(found.input[-1:], before, after)
    place = found.line or 1, found.column or 1
    return FlakeEdit(flake.dir, edit, found.input, found.file, *place, before, after, found.pin)


def cannot_edit(repo: RepoName, found: Unedited) -> FlakesyncError:
    """Return the error of a repo with an input whose reference only a person can edit."""
    where = f"{repo}/{found.file}:{found.line}:{found.column}"
    message = f"{where}: input {show_path(found.input)} cannot be edited: {found.detail}"
    hint = f"write {found.after} in place of {found.before} there yourself, and push it"
    return SyncError("cannot-edit", message, hint=hint)


def _why_edited(edit: FlakeEdit) -> str:
    match edit.edit:
        case SetRef(old=old, new=new):
            return f"{old} → {new}"
        case SetFollows(follows=to):
            return f"flake.nix is to follow {show_path(to)}"
        case RemoveFollows():
            return "its override is removed from flake.nix"
        case _:
            assert_never(edit.edit)


def _why_it_waits(survey: Survey, repo: RepoName, found: Disagreement, own: Collection[InputPath]) -> str | None:
    """Return why an input waits: no commit of its pin, or of its source, may be taken yet, and Nix would take any."""
    source = source_of(found.original) if found.original else None
    if source is None or found.kind == "shared" or is_fixed(found.original or {}):
        return None
    if len(found.input) > 1 and found.input not in own:
        return None
    pin = pin_of(survey.snapshot.workspace, found.input, source)
    if pin is not None and survey.target_in(repo, pin.name) is not None:
        return None
    return why_none(survey, pin.name if pin is not None else source)


def _target(
    survey: Survey, repo: RepoName, found: Disagreement, original: Mapping[str, Attr], *, own: bool
) -> tuple[ToRev | ToFlakeNix, PinName | None]:
    as_written = ToFlakeNix(found.wanted)
    source = source_of(original) if original else None
    # Of a nested input the flake above it decides how it is locked, unless that is a folder of the repo.
    if source is None or not own or is_fixed(original):
        return as_written, None
    pin = pin_of(survey.snapshot.workspace, found.input, source)
    if pin is not None:
        target = survey.target_in(repo, pin.name)
        archive = is_archive(original)
        if target is None or (archive and (target.locked is None or not is_archive(target.locked))):
            return as_written, None
        return ToRev(target.rev, branch=pin.source.ref, locked=target.locked if archive else None), pin.name
    if found.kind == "shared":
        return as_written, None  # which keeps its commit
    identity = identity_of(original)
    upstream = survey.owners.get(identity) if identity is not None else None
    if upstream is not None:
        return _base_of(survey, upstream, original) or as_written, None
    external = survey.external.get(source)
    if external is not None and not is_archive(original):
        return ToRev(external.rev, branch=branch_of(original)), None
    return as_written, None


def _base_of(survey: Survey, name: RepoName, original: Mapping[str, Attr]) -> ToRev | None:
    """Return the base commit of a repo; None where the input tracks another branch, or it cannot be taken from there.

    Never its update: the repos that wait for each other are known before flake.nix is looked at, and so are those that
    land one after the other. The next run takes it.
    """
    state = survey.snapshot.states[name]
    if not isinstance(state, RepoAtCommit) or original.get("type") not in MOVABLE:
        return None
    branch = branch_of(original)
    return ToRev(state.base_rev, name, branch or state.base) if branch in (None, state.base) else None

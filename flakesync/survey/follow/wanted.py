"""The follows that a whole workspace should have, and those of them that sync writes."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from flakesync.errors import within
from flakesync.nix.expression.edit import CannotEditError, Edit, Edited, edit_inputs
from flakesync.survey.follow.at_base import locks_at_base
from flakesync.survey.follow.folders import behind_folder
from flakesync.survey.follow.model import FlakeFollows, FollowsEdit, WantedFollows
from flakesync.survey.follow.suggest import Wishes, follows_of
from flakesync.survey.pins import PinnedInput, pinned_inputs
from flakesync.terms import FlakeDir, InputPath, PinName, RepoName
from flakesync.workspace.clones.flake_nix import read_flake_nix
from flakesync.workspace.manifest import Pin, Repo, Workspace
from flakesync.workspace.settings.follow import Follow
from flakesync.workspace.snapshot import FlakeState, RepoState, Snapshot

_WRITTEN_DEPTH = 2
"""How long the paths are that sync makes follow: inputs of inputs, and nothing below them."""

_SAID = "it says so already, and its lock does not"
_NO_FILE = "it is a symlink that leads to no file of the repo"

FlakeInputs = Mapping[tuple[RepoName, FlakeDir], Collection[InputPath]]


def find_follows(
    snapshot: Snapshot, selected: Collection[RepoName], pins: Collection[PinName] | None = None
) -> list[FlakeFollows]:
    """Return what the flakes of the selected repos should follow, those of which something is to be said.

    pins: those that are asked about; None: all, and overrides that have nothing to override.

    Raises: RepoError.
    """
    return _find(snapshot, selected, ("report", "write"), pins=pins)


def wanted_follows(
    snapshot: Snapshot, *, changing: FlakeInputs | None = None
) -> Mapping[tuple[RepoName, FlakeDir], tuple[Edit, ...]]:
    """Return the edits that sync makes of its own accord, those of `follow = "write"`, of each flake that gets any.

    What an input of an input of an input follows is never written, only told. changing: root inputs whose reference
    changes in the same run: what they will be is not in the lock, so that nothing is made to follow them yet.

    Raises: RepoError.
    """
    written: tuple[Follow, ...] = ("write",)
    found = _find(snapshot, snapshot.states, written, changing=changing or {}, shallow=True)
    return {(each.repo, each.flake): tuple(one.edit for one in each.wanted) for each in found if each.wanted}


def by_sync(workspace: Workspace, repo: RepoName, wanted: WantedFollows) -> bool:
    """Tell whether sync makes an edit of its own accord."""
    own = workspace.repo(repo)
    if wanted.pin is None:
        return _mode_of_removals(workspace.pins, own) == "write"
    pin = next(pin for pin in workspace.pins if pin.name == wanted.pin)
    return mode_of(pin, own) == "write" and len(wanted.edit.input) == _WRITTEN_DEPTH


def mode_of(pin: Pin, repo: Repo) -> Follow:
    """Return what becomes of a follows of a pin's input that a repo lacks."""
    return repo.follow if repo.follow is not None else pin.follow.mode


def _find(
    snapshot: Snapshot,
    selected: Collection[RepoName],
    modes: Collection[Follow],
    *,
    pins: Collection[PinName] | None = None,
    changing: FlakeInputs | None = None,
    shallow: bool = False,
) -> list[FlakeFollows]:
    changing = changing or {}
    governed: dict[tuple[RepoName, FlakeDir], list[PinnedInput]] = {}
    for item in pinned_inputs(snapshot):
        repo = snapshot.states[item.repo].repo
        key = item.repo, item.flake
        asked = (pins is None or item.pin.name in pins) and mode_of(item.pin, repo) in modes
        if asked and len(item.input) == 1 and item.input not in changing.get(key, ()):
            governed.setdefault(key, []).append(item)
    found: list[FlakeFollows] = []
    at_base = locks_at_base(snapshot)
    for state in snapshot.states.values():
        if state.name not in selected:
            continue
        removals = pins is None and _mode_of_removals(snapshot.workspace.pins, state.repo) in modes
        wishes = Wishes(snapshot.workspace.nix_min, removals, shallow, at_base=at_base)
        with within(state.name):
            for flake in state.flakes:
                own = governed.get((state.name, flake.dir), ())
                one = _on_flake_nix(state, flake, own, wishes)
                if one is not None:
                    found.append(one)
    return found


def _on_flake_nix(
    state: RepoState, flake: FlakeState, governed: Collection[PinnedInput], wishes: Wishes
) -> FlakeFollows | None:
    """Return what a flake should follow, with the edits made on its flake.nix; it is read only for these."""
    cannot: dict[FollowsEdit, CannotEditError] = {}
    found = follows_of(state.repo, flake, governed, wishes, cannot)
    if found is not None and found.wanted and flake.lock is not None:
        behind = behind_folder(state, flake, flake.lock)
        if behind is not None:
            found = follows_of(state.repo, flake, governed, msgspec.structs.replace(wishes, behind=behind), cannot)
    while found is not None and found.wanted:
        file = read_flake_nix(state, flake.dir)
        edits = [each.edit for each in found.wanted]
        made = _make(file.data, edits) if file is not None else dict.fromkeys(edits, CannotEditError(1, 1, _NO_FILE))
        if isinstance(made, Edited) and file is not None:
            places = {place.edit: place for place in made.places}
            wanted = tuple(
                msgspec.structs.replace(each, line=places[each.edit].line, column=places[each.edit].column)
                for each in found.wanted
            )
            return msgspec.structs.replace(found, wanted=wanted, file=file.file, old=file.data, new=made.source)
        # Without these others may be more, or fewer: what they would have taken out of the lock is still there.
        cannot |= made if not isinstance(made, Edited) else {}
        found = follows_of(state.repo, flake, governed, wishes, cannot)
    return found


def _make(source: bytes, edits: Sequence[FollowsEdit]) -> Edited | dict[FollowsEdit, CannotEditError]:
    """Return a flake.nix with edits made, or those that cannot be made, of which there is one then."""
    failed: dict[FollowsEdit, CannotEditError] = {}
    try:
        edited = edit_inputs(source, edits)
    except CannotEditError as whole:
        now = source
        for edit in edits:
            try:
                now = edit_inputs(now, [edit]).source
            except CannotEditError as error:
                failed[edit] = _in_file(source, edit) or error
        return failed or {edits[-1]: whole}
    done = {place.edit for place in edited.places}
    failed = {edit: CannotEditError(1, 1, _SAID) for edit in edits if edit not in done}
    return failed or edited


def _in_file(source: bytes, edit: FollowsEdit) -> CannotEditError | None:
    """Return why an edit cannot be made in a file as it is, with the place there; None: it can."""
    try:
        edit_inputs(source, [edit])
    except CannotEditError as error:
        return error
    return None


def _mode_of_removals(pins: Iterable[Pin], repo: Repo) -> Follow:
    """Return what becomes of overrides that have nothing to override: the most that any pin allows."""
    modes = {mode_of(pin, repo) for pin in pins} or {repo.follow or "report"}
    order: tuple[Follow, ...] = ("write", "report", "off")
    return next(mode for mode in order if mode in modes)

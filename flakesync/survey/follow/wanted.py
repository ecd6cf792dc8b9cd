"""The follows that a whole workspace should have, and those of them that sync writes."""

from collections.abc import Collection, Iterable, Mapping

from flakesync.errors import within
from flakesync.nix.expression.edit import Edit
from flakesync.survey.follow.model import FlakeFollows
from flakesync.survey.follow.suggest import follows_of
from flakesync.survey.pins import PinnedInput, pinned_inputs
from flakesync.terms import FlakeDir, InputPath, PinName, RepoName
from flakesync.workspace.manifest import Pin, Repo
from flakesync.workspace.settings.follow import Follow
from flakesync.workspace.snapshot import Snapshot

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
    found = _find(snapshot, snapshot.states, written, changing=changing or {})
    edits = {
        (each.repo, each.flake): tuple(
            wanted.edit for wanted in each.wanted if len(wanted.edit.input) == 2 or wanted.pin is None
        )
        for each in found
    }
    return {flake: each for flake, each in edits.items() if each}


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
) -> list[FlakeFollows]:
    changing = changing or {}
    governed: dict[tuple[RepoName, FlakeDir], list[PinnedInput]] = {}
    for item in pinned_inputs(snapshot):
        repo = snapshot.states[item.repo].repo
        key = item.repo, item.flake
        asked = (pins is None or item.pin.name in pins) and mode_of(item.pin, repo) in modes
        if asked and len(item.input) == 1 and item.input not in changing.get(key, ()):
            governed.setdefault(key, []).append(item)
    found = []
    for state in snapshot.states.values():
        if state.name not in selected:
            continue
        removals = pins is None and _mode_of_removals(snapshot.workspace.pins, state.repo) in modes
        with within(state.name):
            for flake in state.flakes:
                own = governed.get((state.name, flake.dir), ())
                one = follows_of(state.repo, flake, own, snapshot.workspace.nix_min, removals=removals)
                if one is not None and (one.wanted or one.left):
                    found.append(one)
    return found


def _mode_of_removals(pins: Iterable[Pin], repo: Repo) -> Follow:
    """Return what becomes of overrides that have nothing to override: the most that any pin allows."""
    modes = {mode_of(pin, repo) for pin in pins} or {repo.follow or "report"}
    order: tuple[Follow, ...] = ("write", "report", "off")
    return next(mode for mode in order if mode in modes)

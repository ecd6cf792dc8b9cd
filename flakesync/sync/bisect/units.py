"""Units: the moves of one repo that only make sense together, in an order in which each beginning is a likely state."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from flakesync.analysis.moves import Change
from flakesync.nix.reference.source import source_of
from flakesync.survey.survey import Survey
from flakesync.terms import FlakeDir, InputPath, PinName, RepoName, show_path

MoveKey = tuple[FlakeDir, InputPath]
"""Which input of which flake."""

_Order = tuple[int, int, str]
"""Kind, place among the repos of the workspace, and name."""

_KINDS = ("pin", "repo", "input")


class Unit(msgspec.Struct, frozen=True):
    """Moves that are tried together. id: what people call it; no other unit of the repo has it."""

    id: str
    moves: tuple[MoveKey, ...]


def units_of(survey: Survey, changes: Iterable[Change]) -> tuple[Unit, ...]:
    """Return the units of one repo's changes, as `make_units`."""
    repos = [name for wave in survey.graph.waves for name in wave]
    releases = [pin.name for pin in survey.snapshot.workspace.pins if pin.template is not None]
    return make_units(changes, repos, releases)


def make_units(
    changes: Iterable[Change], repos: Sequence[RepoName], releases: Collection[PinName] = ()
) -> tuple[Unit, ...]:
    """Return the units of one repo's changes. repos: upstreams first. releases: the pins that are of the one release.

    Together are all inputs at one pin, all that are one repo of the workspace, and all that have the same source; the
    pins that an edit of flake.nix moves to another release; and what flake.nix says otherwise than its lock, of which
    Nix locks all or none. Pins come first, then repos, then the rest by name: what needs a new nixpkgs comes after it.
    """
    every = tuple(changes)
    place = {name: number for number, name in enumerate(repos)}
    stale = {each.flake for each in every if each.stale and each.edit is None}
    units = [_unit_of(group, place) for group in _joined([(each, _keys(each, releases, stale)) for each in every])]
    units.sort(key=lambda each: each[0])
    names = _distinct([order for order, _ in units])
    return tuple(Unit(name, moves) for name, (_, moves) in zip(names, units, strict=True))


def _keys(change: Change, releases: Collection[PinName], stale: Collection[FlakeDir]) -> list[object]:
    """Return what makes a change one with others; stale: flakes whose flake.nix and lock disagree by themselves."""
    keys: list[object] = []
    if change.stale and change.flake in stale:
        keys.append(("flake.nix", change.flake))
    pin = _pin_of(change)
    if pin is not None:
        keys.append(("pin", pin))
        if change.edit is not None and pin in releases:
            keys.append("release")
    elif change.to.upstream is not None:
        keys.append(("repo", change.to.upstream))
    elif not change.stale:
        source = source_of(change.original, change.locked)
        keys.append(("source", source) if source is not None else (change.flake, change.input))
    return keys or [(change.flake, change.input)]


def _pin_of(change: Change) -> PinName | None:
    return change.pin if change.pin is not None or change.edit is None else change.edit.pin


def _joined(changes: Iterable[tuple[Change, Iterable[object]]]) -> list[list[Change]]:
    """Return the changes in groups: two that have a key in common are in one."""
    groups: list[tuple[set[object], list[Change]]] = []
    for change, keys in changes:
        apart, met = set(keys), [change]
        others: list[tuple[set[object], list[Change]]] = []
        for group in groups:
            if apart.isdisjoint(group[0]):
                others.append(group)
            else:
                apart, met = apart | group[0], [*group[1], *met]
        groups = [*others, (apart, met)]
    return [sorted(met, key=lambda each: (each.flake, each.input)) for _, met in groups]


def _unit_of(changes: Sequence[Change], place: Mapping[RepoName, int]) -> tuple[_Order, tuple[MoveKey, ...]]:
    """Return where a unit stands, and its moves. It is called by its pins, its repos, and the inputs of neither."""
    pins = sorted({pin for each in changes if (pin := _pin_of(each)) is not None})
    found = {each.to.upstream for each in changes if each.to.upstream is not None and _pin_of(each) is None}
    repos = sorted(found, key=lambda name: (place.get(name, len(place)), name))
    inputs = [show_path(each.input) for each in changes if _pin_of(each) is None and each.to.upstream is None]
    if not any(each.stale for each in changes):
        inputs = inputs[:1]  # they have the same source
    at = place.get(repos[-1], len(place)) if repos and not pins else 0
    rank = 0 if pins else 1 if repos else 2
    name = " ".join(dict.fromkeys([*pins, *repos, *inputs]))
    return (rank, at, name), tuple((each.flake, each.input) for each in changes)


def _distinct(orders: Sequence[_Order]) -> list[str]:
    """Return names that tell units apart: a pin and an input may be called the same."""
    names = [name for _, _, name in orders]
    told = [f"{_KINDS[rank]} {name}" if names.count(name) > 1 else name for rank, _, name in orders]
    before = [told[:at].count(name) for at, name in enumerate(told)]
    return [f"{name} {count + 1}" if count else name for name, count in zip(told, before, strict=True)]

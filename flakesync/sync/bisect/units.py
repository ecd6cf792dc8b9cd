"""Units: the moves of one repo that only make sense together, in an order in which each beginning is a likely state."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from flakesync.analysis.plan import Change, ToFlakeNix
from flakesync.nix.reference.source import source_of
from flakesync.terms import FlakeDir, InputPath, RepoName, show_path

MoveKey = tuple[FlakeDir, InputPath]
"""Which input of which flake."""

_Order = tuple[int, int, str]


class Unit(msgspec.Struct, frozen=True):
    """Moves that are tried together. id: what people call it; no other unit of the repo has it."""

    id: str
    moves: tuple[MoveKey, ...]


def make_units(changes: Iterable[Change], repos: Sequence[RepoName]) -> tuple[Unit, ...]:
    """Return the units of one repo's changes. repos: upstreams first.

    Together are: what a flake.nix says otherwise than its lock (one without the other would not be locked), all inputs
    at one pin, all that are one repo of the workspace, all that have the same source. This is their order too, pins and
    sources by name: what needs a new nixpkgs comes after it.
    """
    place = {name: number for number, name in enumerate(repos)}
    found: dict[object, list[MoveKey]] = {}
    named: dict[object, _Order] = {}
    for change in sorted(changes, key=lambda each: (each.flake, each.input)):
        key, order = _kind_of(change, place)
        found.setdefault(key, []).append((change.flake, change.input))
        named.setdefault(key, order)
    keys = sorted(found, key=lambda key: named[key])
    names = _distinct([named[key] for key in keys])
    return tuple(Unit(name, tuple(found[key])) for name, key in zip(names, keys, strict=True))


def _kind_of(change: Change, place: Mapping[RepoName, int]) -> tuple[object, _Order]:
    """Return what makes changes one unit, and where it stands, its name last."""
    if change.stale or isinstance(change.to, ToFlakeNix):
        name = "flake.nix" if change.flake == "." else f"{change.flake}/flake.nix"
        return ("flake.nix", change.flake), (0, 0, name)
    if change.pin is not None:
        return ("pin", change.pin), (1, 0, change.pin)
    if change.to.upstream is not None:
        return ("repo", change.to.upstream), (2, place.get(change.to.upstream, len(place)), change.to.upstream)
    source = source_of(change.original, change.locked)
    name = show_path(change.input)
    return ("source", source if source is not None else (change.flake, change.input)), (3, 0, name)


def _distinct(orders: Sequence[_Order]) -> list[str]:
    """Return names that tell units apart: a pin and an input may be called the same."""
    kinds = ("flake", "pin", "repo", "input")
    names = [name for _, _, name in orders]
    told = [f"{kinds[rank]} {name}" if names.count(name) > 1 else name for rank, _, name in orders]
    before = [told[:at].count(name) for at, name in enumerate(told)]
    return [f"{name} {count + 1}" if count else name for name, count in zip(told, before, strict=True)]

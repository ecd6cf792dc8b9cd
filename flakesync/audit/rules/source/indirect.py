"""`indirect`: a root input goes through the registry."""

from collections.abc import Iterator

from flakesync.audit.rule import Answer, Context, InputRule, Said
from flakesync.audit.shown import clean
from flakesync.audit.subject import Subject


def find(context: Context, subject: Subject) -> Iterator[Answer]:
    """Yield the finding, for inputs of the repo's own."""
    if subject.own and subject.node.origin.original.get("type") == "indirect":
        name = clean(str(subject.node.origin.original.get("id", "")))
        yield Said(f"the registry decides what `{name}` is, which differs from machine to machine")


RULE = InputRule(
    id="indirect",
    severity="low",
    title="an input through the registry",
    help=(
        "flake.nix names no place, only a name of the registry, or nothing at all. Each machine has registries of its "
        "own, so whoever locks the input next may get another repository. Write where it lies: "
        '`inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable"`.'
    ),
    find=find,
)

"""A pinned source at a ref that no pin has."""

from tests.support.drift import OLD, kinds, one, pinned
from tests.support.locks import Input
from tests.support.workspaces import nixpkgs


def test_another_ref_of_a_pinned_source_is_a_finding() -> None:
    finding = one(pinned({"app": {"nixpkgs": nixpkgs(OLD, "nixos-24.05")}}))
    assert (finding.kind, finding.locked_rev, finding.wanted_rev) == ("ref", OLD, None)
    assert finding.detail == "github.com/nixos/nixpkgs at nixos-24.05, which no pin has"


def by_name(**values: str) -> Input:
    """Return nixpkgs by its name in the registry."""
    return Input(nixpkgs(OLD).locked, {"type": "indirect", "id": "nixpkgs", **values})


def test_a_name_of_the_registry_with_a_ref_is_that_ref() -> None:
    for ref in ("nixos-25.11", "refs/heads/nixos-25.11"):
        assert kinds(pinned({"app": {"nixpkgs": by_name(ref=ref)}})) == [("pin", "app", "nixpkgs")]
    finding = one(pinned({"app": {"nixpkgs": by_name(ref="nixos-24.05")}}))
    assert finding.detail == "github.com/nixos/nixpkgs at nixos-24.05, which no pin has"


def test_a_name_of_the_registry_alone_says_no_ref() -> None:
    finding = one(pinned({"app": {"nixpkgs": by_name()}}))
    assert finding.detail == "github.com/nixos/nixpkgs at flake:nixpkgs, which no pin has"

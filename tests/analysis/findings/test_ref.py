"""A pinned source at a ref that no pin has."""

from tests.support.drift import OLD, one, pinned
from tests.support.workspaces import nixpkgs


def test_another_ref_of_a_pinned_source_is_a_finding() -> None:
    finding = one(pinned({"app": {"nixpkgs": nixpkgs(OLD, "nixos-24.05")}}))
    assert (finding.kind, finding.locked_rev, finding.wanted_rev) == ("ref", OLD, None)
    assert finding.detail == "github.com/nixos/nixpkgs at nixos-24.05, which no pin has"

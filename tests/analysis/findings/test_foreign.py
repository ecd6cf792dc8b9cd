"""An input that is locked to another repository than flake.nix names."""

import pytest

from tests.support import locks
from tests.support.drift import X, drift_of, kinds, node, one
from tests.support.locks import Input
from tests.support.workspaces import scene, takes


def test_a_lock_of_another_repository_than_flake_nix_names_is_foreign() -> None:
    finding = one(node(locks.github("evil", "x", rev=X).locked, locks.github("good", "x").original))
    assert (finding.kind, finding.locked_rev) == ("foreign", X)
    assert finding.detail == "flake.nix names github.com/good/x, the lock github.com/evil/x"


@pytest.mark.parametrize(
    ("locked", "original"),
    [
        (locks.git("https://github.com/good/x").locked, locks.github("Good", "x").original),
        (locks.github("any", "x").locked, {"type": "indirect", "id": "x"}),
        (
            {"type": "tarball", "url": "https://cdn.example/x", "rev": X},
            {"type": "tarball", "url": "https://example.com/x"},
        ),
    ],
)
def test_another_spelling_a_registry_and_a_link_are_not_foreign(
    locked: dict[str, object], original: dict[str, object]
) -> None:
    assert node(locked, original).findings == []


def test_a_foreign_upstream_is_foreign_and_unknown() -> None:
    evil = Input(locks.github("evil", "lib", rev=X).locked, takes("lib").original)
    report = drift_of(scene({"app": {"lib": evil}, "lib": {}}))
    assert kinds(report) == [("foreign", "app", "lib"), ("unknown-rev", "app", "lib")]

"""Bundles are made without a nix here, where a test does not say otherwise."""

import pytest


@pytest.fixture(autouse=True)
def no_nix(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last way, which asks the network, is not there."""
    monkeypatch.setenv("FLAKESYNC_NIX", "no-nix-for-bundles")

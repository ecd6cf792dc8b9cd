"""Which follows of a new lock Nix refuses, by version; tests/fidelity has the same, by real Nix."""

import pytest

from flakesync.nix.lock.file import LockFile
from flakesync.sync.lockers.native.follows import check_follows
from flakesync.sync.lockers.native.values import NotNativeError
from tests.support import locks
from tests.support.locks import github


def lock(pkgs: tuple[str, ...]) -> LockFile:
    """Return the lock of a flake whose `r1` follows `z9` with its own `r0`, and somewhere else with its `pkgs`."""
    z9 = github("acme", "r0", inputs={"data": github("acme", "data", flake=False)})
    r1 = github("acme", "r1", inputs={"r0": ("z9",), "pkgs": pkgs})
    return LockFile.parse(locks.to_bytes(locks.lock({"r1": r1, "z9": z9})))


@pytest.mark.parametrize("pkgs", [("z9",), ("z9", "data"), ("r1", "r0"), ()])
def test_a_way_without_a_follows_before_its_end_is_taken_by_every_nix(pkgs: tuple[str, ...]) -> None:
    for once in (False, True):
        check_follows(lock(pkgs), once=once)


def test_a_way_through_a_follows_is_refused_up_to_2_18() -> None:
    through = lock(("r1", "r0", "data"))
    check_follows(through, once=True)
    with pytest.raises(
        NotNativeError, match=r"Nix up to 2.18 does not find r1/r0/data, which input pkgs of r1 follows"
    ):
        check_follows(through, once=False)

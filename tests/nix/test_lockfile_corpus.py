"""Real locks, where they are at hand."""

from pathlib import Path

import pytest

from flakesync.errors import LockError
from flakesync.nix.lock.file import LockFile
from tests.corpus.real_locks import CORPUS, needs_real_locks

REAL = sorted(CORPUS.glob("*/*/*/flake.lock"))
ODD = sorted(CORPUS.glob("odd/*.lock"))

pytestmark = needs_real_locks

# What is wrong with those odd locks of version 5 to 7, or of no version, that are refused.
REFUSED = {
    "bad_0fe9bab449": "line 1, column 1: is not JSON",
    "bad_3f30de4ec6": "line 1, column 1: is not JSON",
    "bad_5d38c54d86": "line 1, column 1: is not JSON",
    "bad_95e1d4ca6d": "line 1, column 1: is not JSON",
    "bad_a2594ffd34": "line 1, column 1: is not JSON",
    "bad_ada69110a1": "line 1, column 1: is not JSON",
    "bad_e69de29bb2": "is empty",
    "bad_f6bcfa0867": "line 1, column 1: is not JSON",
    "noncanon_IntersectMBO+cardano-cli_8209c68bcd": "nodes.blst: occurs twice",
    "noncanon_hyprwm+hypridle_15ca902b2c": "nodes.hyprlang.locked.lastModified: occurs twice",
    "noncanon_serokell+update-daemon_eb5227e35f": "nodes.nixpkgs_4: occurs twice",
}


def test_the_corpus_is_whole() -> None:
    assert len(REAL) == 93
    assert {path.stem for path in ODD} >= set(REFUSED)


@pytest.mark.parametrize("path", REAL, ids=lambda path: f"{path.parent.parent.name}/{path.parent.name}")
def test_a_real_lock_is_written_as_it_was_read_and_named_as_nix_named_it(path: Path) -> None:
    """All 93 without exception: Nix wrote every one of them, and named its nodes by the same rule in each version."""
    data = path.read_bytes()
    lock = LockFile.parse(data, file=str(path))
    assert lock.to_bytes() == data
    assert lock.renamed().to_bytes() == data
    assert {label for _, label in lock.walk()} == lock.nodes.keys() - {lock.root}


def test_one_real_lock_in_seven_has_a_root_input_that_is_not_the_node_of_its_name() -> None:
    found = [LockFile.parse(path.read_bytes()) for path in REAL]
    odd = [lock for lock in found if any(isinstance(t, str) and t != name for name, t in lock.root_inputs())]
    assert 0.13 < len(odd) / len(REAL) < 0.17


@pytest.mark.parametrize("path", ODD, ids=lambda path: path.stem)
def test_an_odd_lock_is_read_or_refused_with_a_reason(path: Path) -> None:
    data = path.read_bytes()
    kind, _, _ = path.stem.partition("_")
    reason = REFUSED.get(path.stem)
    if kind in {"v1", "v2", "v3", "v4"}:
        reason = f"version: the format version {kind[1:]} is none of 5, 6 and 7"
    if reason is not None:
        with pytest.raises(LockError) as caught:
            LockFile.parse(data, file=path.name)
        assert caught.value.message.startswith(f"{path.name}: {reason}")
        return
    lock = LockFile.parse(data, file=path.name)
    assert lock.version == (int(kind[1:]) if kind.startswith("v") else 7)
    assert LockFile.parse(lock.to_bytes()) == lock
    # Version 5 has its `info` merged; everything else that is in the layout of Nix is written as it was read.
    assert (lock.to_bytes() == data) == (kind in {"v6", "v7"})
    tree = lock.renamed()
    assert [lock.nodes[label].locked for _, label in lock.walk()] == [
        tree.nodes[label].locked for _, label in tree.walk()
    ]

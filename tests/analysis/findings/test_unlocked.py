"""An input without a commit."""

import pytest

from tests.support import locks
from tests.support.drift import drift_of, node, one
from tests.support.workspaces import scene

ZEROS = "0" * 40


@pytest.mark.parametrize(
    ("locked", "detail"),
    [
        ({"type": "path", "path": "/home/me/x", "narHash": locks.nar_hash_of("x")}, "a path of one machine"),
        ({"type": "git", "url": "file:///x", "narHash": locks.nar_hash_of("x")}, "a dirty tree: no commit"),
        ({"type": "git", "url": "https://example.com/x"}, "no commit"),
        ({"type": "git", "url": "https://example.com/x", "dirtyRev": f"{ZEROS}-dirty"}, "a dirty tree: no commit"),
        (
            {"type": "git", "url": "https://example.com/x", "rev": ZEROS},
            "a commit id of zeros, which stands for a dirty tree",
        ),
        ({"type": "indirect", "id": "x"}, "a name of the registry, which may lead elsewhere on each machine"),
    ],
)
def test_an_input_without_a_commit_that_others_have_is_unlocked(locked: dict[str, object], detail: str) -> None:
    finding = one(node(locked))
    assert (finding.kind, finding.input, finding.locked_rev, finding.detail) == ("unlocked", "x", None, detail)


def test_an_archive_is_locked_by_its_hash() -> None:
    assert drift_of(scene({"app": {"x": locks.tarball("https://example.com/x.tar.gz")}})).findings == []

"""Whatever a lock says, the bundle is made without it: no bug, nothing read for ever, nothing taken on trust."""

from pathlib import Path

import pytest

from tests.bundle.send.sender import Json, Sender
from tests.support import locks

REV = "a" * 40
NODES: dict[str, Json] = {
    "zero": {"type": "path", "path": "/a\0b"},
    "root": {"type": "path", "path": "/"},
    "long": {"type": "path", "path": "/" + "a/" * 5000},
    "up": {"type": "path", "path": "../../../etc"},
    "away": {"type": "path", "path": "./sub/../../.."},
    "git-zero": {"type": "git", "url": "file:///a%00b", "rev": REV},
    "git-bracket": {"type": "git", "url": "https://[", "rev": REV},
    "git-ext": {"type": "git", "url": "ext::sh -c true", "rev": REV},
    "git-dash": {"type": "git", "url": "--upload-pack=true", "rev": REV},
    "git-none": {"type": "git", "rev": REV},
    "git-ref": {"type": "git", "url": "https://git.example/x", "ref": "--all", "rev": REV},
    "tar-bracket": {"type": "tarball", "url": "https://[::1"},
    "tar-scheme": {"type": "tarball", "url": "gopher://x/y"},
    "tar-folder": {"type": "tarball", "url": "file:///proc"},
    "file-zero": {"type": "file", "url": "file:///a%00b"},
    "hub-odd": {"type": "github", "owner": "../..", "repo": "\u0000", "rev": REV},
    "hub-host": {"type": "github", "owner": "a", "repo": "b", "host": "x:y@z", "rev": REV},
    "lab-none": {"type": "gitlab", "rev": REV},
    "unknown": {"type": "fancy", "url": "x"},
    "hg": {"type": "hg", "url": "https://hg.example/x", "rev": REV},
}


def test_hostile_nodes_are_the_failures_of_their_inputs_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sender = Sender(tmp_path)
    lib = sender.add("lib")
    sender.add("app")
    bad = {name: node | {"narHash": locks.nar_hash_of(name)} for name, node in NODES.items()}
    sender.take("app", {"lib": sender.node("lib", lib), **bad})
    bundled = sender.bundle("b", "--partial", status=1)
    assert sorted(each.inputs for each in bundled.failed) == sorted([f"app#{name}"] for name in NODES)
    assert {each.code for each in bundled.failed} <= {"source-missing", "source-differs"}
    told = capsys.readouterr().err + str(bundled)
    assert "bug" not in told
    assert "should not have happened" not in told
    assert [source.from_ is not None for source in sender.manifest("b").sources] == [True]


def test_a_lock_that_cannot_be_read_is_the_failure_of_its_repo_alone(tmp_path: Path) -> None:
    sender = Sender(tmp_path)
    sender.add("lib")
    sender.add("app", {"flake.lock": '{"nodes": {}'})
    bundled = sender.bundle("b", "--partial", status=1)
    assert [(each.code, each.inputs) for each in bundled.failed] == [("unlocked", ["app"])]
    assert sender.bundle("c", status=1).digest is None

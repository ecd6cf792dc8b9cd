"""Whatever a lock says, the bundle is made without it: no bug, nothing read for ever, nothing taken on trust."""

from pathlib import Path

import pytest

from tests.bundle.send.sender import Json, Sender

OTHER = "sha256-" + "A" * 43 + "="
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


@pytest.mark.parametrize("name", NODES)
def test_a_hostile_node_is_the_failure_of_its_input_alone(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sender = Sender(tmp_path)
    lib = sender.add("lib")
    sender.add("app")
    sender.take("app", {"lib": sender.node("lib", lib), "bad": NODES[name] | {"narHash": OTHER}})
    bundled = sender.bundle("b", "--partial", status=1)
    assert len(bundled.failed) == 1
    assert bundled.failed[0].code in ("source-missing", "source-differs", "unlocked")
    assert "bug" not in capsys.readouterr().err
    if bundled.failed[0].code != "unlocked":
        assert [source.from_ is not None for source in sender.manifest("b").sources] == [True]

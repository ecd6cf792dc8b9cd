"""Trees on the disk for tests with real Nix, and the same as git would hand them out."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from hypothesis import strategies as st

from tests.nix.test_narhash import FILE, GITLINK, LINK, PROGRAM, TREE, Tree
from tests.support.nix import RealNix

_NAMES = st.binary(min_size=1, max_size=20).filter(
    lambda name: name not in (b".", b"..") and b"/" not in name and b"\0" not in name
) | st.sampled_from([b"a" * 255, b"-", b"~nix~case~hack~1", b"\xff\xfe", b"a\nb", b" ", b"a.b", b"a", b"a0"])
_CONTENTS = (
    st.binary(max_size=40)
    | st.sampled_from([65535, 65536, 65537, 200_000]).map(lambda size: b"x" * size)
    | st.just(b"")
)
_TARGETS = st.binary(min_size=1, max_size=60).filter(lambda target: b"\0" not in target)
_LEAVES = (
    st.tuples(st.sampled_from([FILE, PROGRAM]), _CONTENTS)
    | st.tuples(st.just(LINK), _TARGETS)
    | st.just((GITLINK, b""))
)
ANY_TREE = st.recursive(
    st.dictionaries(_NAMES, _LEAVES, max_size=5),
    lambda below: st.dictionaries(_NAMES, _LEAVES | st.tuples(st.just(TREE), below), max_size=5),
    max_leaves=15,
)
"""Names of any bytes, programs, symlinks, folders that are empty (a submodule is one), contents around 64 KiB."""


def make_tree(folder: bytes, tree: Tree) -> None:
    """Write a tree to the disk."""
    os.mkdir(folder)
    for name, (mode, content) in tree.items():
        place = folder + b"/" + name
        if isinstance(content, Mapping):
            make_tree(place, content)
        elif mode == GITLINK:
            os.mkdir(place)
        elif mode == LINK:
            os.symlink(content, place)
        else:
            Path(os.fsdecode(place)).write_bytes(content)
            os.chmod(place, 0o755 if mode == PROGRAM else 0o644)


def run_nix(nix: RealNix, *argv: str, env: Mapping[str, str], program: str = "nix") -> bytes:
    """Run a program of Nix and return what it printed."""
    command = [str(nix.path.with_name(program)), *argv]
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == 0, (command, done.stderr.decode("utf-8", "replace"))
    return done.stdout

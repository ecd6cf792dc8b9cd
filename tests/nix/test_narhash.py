"""narHash of trees: against a plain dumper, and against real Nix for git trees and for archives."""

import base64
import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import tracemalloc
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakesync.errors import NixError
from flakesync.git.store.contents import TreeContents
from flakesync.git.store.objects import ObjectReader
from flakesync.nix.store.narhash import nar_hash_of_tree
from flakesync.nix.store.tarball import TarTree, read_tar
from tests.support.nix import RealNix
from tests.support.repos import DATE, make_repo, run_git

FILE, PROGRAM, LINK, TREE, GITLINK = 0o100644, 0o100755, 0o120000, 0o40000, 0o160000
Tree = Mapping[bytes, "tuple[int, bytes | Tree]"]


@dataclass
class Memory:
    """A tree in memory, as a TreeReader."""

    trees: dict[str, dict[bytes, tuple[int, str]]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)

    def add(self, tree: Tree) -> str:
        entries: dict[bytes, tuple[int, str]] = {}
        for name, (mode, content) in tree.items():
            oid = self.add(content) if isinstance(content, Mapping) else f"b{len(self.blobs)}"
            if not isinstance(content, Mapping):
                self.blobs[oid] = content
            entries[name] = mode, oid
        oid = f"t{len(self.trees)}"
        self.trees[oid] = entries
        return oid

    def tree(self, oid: str) -> Mapping[bytes, tuple[int, str]]:
        return self.trees[oid]

    def blob(self, oid: str) -> tuple[int, Iterable[bytes]]:
        data = self.blobs[oid]
        return len(data), [data[:3], data[3:]]


def text(*words: bytes) -> bytes:
    return b"".join(len(word).to_bytes(8, "little") + word + b"\0" * (-len(word) % 8) for word in words)


def dump(mode: int, content: "bytes | Tree") -> bytes:
    """Return a NAR without its magic, in the plainest way."""
    if isinstance(content, Mapping):
        inside = b"".join(
            text(b"entry", b"(", b"name", name, b"node") + dump(*content[name]) + text(b")") for name in sorted(content)
        )
        return text(b"(", b"type", b"directory") + inside + text(b")")
    if mode == GITLINK:
        return text(b"(", b"type", b"directory", b")")
    if mode == LINK:
        return text(b"(", b"type", b"symlink", b"target", content, b")")
    executable = [b"executable", b""] if mode == PROGRAM else []
    return text(b"(", b"type", b"regular", *executable, b"contents", content, b")")


def reference(tree: Tree) -> str:
    data = text(b"nix-archive-1") + dump(TREE, tree)
    return "sha256-" + base64.b64encode(hashlib.sha256(data).digest()).decode()


NAMES = st.sampled_from(b"a|a.b|a-b|a0|B|\xc3\xa9|\xff|a b|~|.x|A|a\n|...|ab".split(b"|"))
LEAVES = st.tuples(st.sampled_from([FILE, PROGRAM, LINK, GITLINK]), st.binary(max_size=40))
TREES = st.recursive(
    st.dictionaries(NAMES, LEAVES, max_size=4),
    lambda below: st.dictionaries(NAMES, LEAVES | st.tuples(st.just(TREE), below), max_size=4),
    max_leaves=12,
)


def hash_of(tree: Tree) -> str:
    reader = Memory()
    return nar_hash_of_tree(reader, reader.add(tree))


@given(TREES)
def test_the_hash_is_that_of_the_whole_archive(tree: Tree) -> None:
    assert hash_of(tree) == reference(tree)


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 65535, 65536, 65537, 1 << 18])
def test_contents_of_every_size_are_padded(size: int) -> None:
    tree: Tree = {b"a": (FILE, b"x" * size), b"b": (PROGRAM, b"y" * size)}
    assert hash_of(tree) == reference(tree)


def test_depth_does_no_harm() -> None:
    reader = Memory()
    oid = reader.add({b"f": (FILE, b"end")})
    for number in range(20_000):
        reader.trees[f"d{number}"] = {b"d": (TREE, oid)}
        oid = f"d{number}"
    assert nar_hash_of_tree(reader, oid).startswith("sha256-")


def test_memory_does_not_grow_with_contents() -> None:
    class Endless(Memory):
        def blob(self, oid: str) -> tuple[int, Iterator[bytes]]:
            return 200 << 20, iter([bytes(1 << 16)] * (200 << 4))

    reader = Endless()
    oid = reader.add({b"a": (FILE, b""), b"b": (FILE, b"")})
    tracemalloc.start()
    try:
        nar_hash_of_tree(reader, oid)
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", [b".", b"..", b"a/b", b"a\0b", b""])
def test_names_that_lead_elsewhere_are_refused(name: bytes) -> None:
    with pytest.raises(NixError) as caught:
        hash_of({name: (FILE, b"")})
    assert caught.value.code == "no-nar"


def test_a_content_that_is_too_short_is_refused() -> None:
    class Short(Memory):
        def blob(self, oid: str) -> tuple[int, Iterable[bytes]]:
            return 5, [b"abc"]

    reader = Short()
    with pytest.raises(NixError, match="not 5 bytes long") as caught:
        nar_hash_of_tree(reader, reader.add({b"a": (FILE, b"")}))
    assert caught.value.code == "no-nar"


@pytest.mark.parametrize("mode", [0, 0o100000, 0o100600, 0o100775, 0o100654, 0o140000, 0o40755, 0o120777, 0o60000])
def test_an_unknown_mode_is_refused_by_name(mode: int) -> None:
    with pytest.raises(NixError) as caught:
        hash_of({b"odd": (mode, b"x")})
    assert (caught.value.code, f"odd has the mode {mode:o}" in caught.value.message) == ("no-nar", True)


def test_a_file_that_an_old_git_has_noted_as_writable_for_its_group_is_a_plain_one() -> None:
    assert hash_of({b"a": (0o100664, b"x"), b"b": (PROGRAM, b"y")}) == reference(
        {b"a": (FILE, b"x"), b"b": (PROGRAM, b"y")}
    )


# ---- real repositories and real Nix ---------------------------------------------------------------------------------

FILES: dict[str, str | bytes | None] = {
    "a/x": "1",
    "a.b": "2",
    "a-b": "3",
    "a0": "4",
    "B": "5",
    "é ü": "6",
    "empty": "",
    "run": "exec:#!/bin/sh\n",
    "dir/deep/er/file": "x" * 100_000,
    "dir/link": "link:../a.b",
    "broken": "link:/nowhere/at all",
    "crlf": "a\r\nb\r\n",
    "random": bytes(range(256)) * 300,
}


def make_odd_repo(path: Path, *, gitlink: bool = True) -> str:
    rev = make_repo(path, FILES, checkout=False)
    run_git("read-tree", rev, cwd=path)
    if gitlink:
        run_git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub/module", cwd=path)
    run_git("commit", "--quiet", "--amend", "--no-edit", "--no-verify", cwd=path)
    return run_git("rev-parse", "HEAD", cwd=path).strip()


def hash_of_rev(path: Path, rev: str) -> str:
    reader = ObjectReader.open(path)
    return nar_hash_of_tree(TreeContents(reader), reader.tree_of(rev))  # type: ignore[arg-type]


def locked_by(nix: RealNix, folder: Path, url: str) -> dict[str, object]:
    """Return the `locked` attributes that Nix writes for a source."""
    folder.mkdir()
    (folder / "flake.nix").write_text(f'{{ inputs.a = {{ url = "{url}"; flake = false; }}; outputs = _: {{ }}; }}')
    argv = [str(nix.path), "flake", "lock", f"path:{folder}"]
    run = subprocess.run(argv, env=nix.env(), capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert run.returncode == 0, run.stderr
    locked: dict[str, object] = json.loads((folder / "flake.lock").read_text())["nodes"]["a"]["locked"]
    return locked


@pytest.mark.nix
def test_a_commit_has_the_hash_that_nix_gives_it(nix: RealNix, tmp_path: Path) -> None:
    rev = make_odd_repo(tmp_path / "repo")
    locked = locked_by(nix, tmp_path / "flake", f"git+file://{tmp_path}/repo?ref=main&rev={rev}")
    assert hash_of_rev(tmp_path / "repo", rev) == locked["narHash"]


@pytest.mark.nix
def test_an_archive_has_the_hash_and_the_time_that_nix_gives_it(nix: RealNix, tmp_path: Path) -> None:
    rev = make_odd_repo(tmp_path / "repo")
    date = int(run_git("show", "--no-patch", "--format=%ct", rev, cwd=tmp_path / "repo"))
    argv = ["git", "archive", "--format=tar.gz", "--prefix=top-1.0/", rev]
    data = subprocess.run(argv, cwd=tmp_path / "repo", capture_output=True, check=True).stdout
    (tmp_path / "x.tar.gz").write_bytes(data)
    locked = locked_by(nix, tmp_path / "flake", f"file://{tmp_path}/x.tar.gz")
    read = read_tar([data], files=["a.b", "dir/link", "nothing", "a"])
    assert read == TarTree(
        str(locked["narHash"]), date, rev, {"a.b": b"2", "dir/link": b"../a.b", "nothing": None, "a": None}
    )
    assert read.nar_hash == hash_of_rev(tmp_path / "repo", rev)
    assert locked.get("lastModified", date) == date


# ---- archives -------------------------------------------------------------------------------------------------------


def tar(*members: tuple[str, bytes | None], **changes: object) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.mtime = DATE
            info.size = len(content or b"")
            info.type = tarfile.REGTYPE if content is not None else tarfile.DIRTYPE
            for key, value in changes.items():
                if name.endswith("x"):
                    setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content or b""))
    return out.getvalue()


def as_tar(tree: Tree, out: tarfile.TarFile, prefix: str) -> None:
    for name, (mode, content) in tree.items():
        info = tarfile.TarInfo(prefix + name.decode("utf-8", "surrogateescape"))
        info.mtime = DATE
        info.mode = 0o755 if mode == PROGRAM else 0o644
        if isinstance(content, Mapping) or mode == GITLINK:
            info.type = tarfile.DIRTYPE
        elif mode == LINK:
            info.type, info.linkname = tarfile.SYMTYPE, content.decode("utf-8", "surrogateescape")
        else:
            info.size = len(content)
        out.addfile(info, io.BytesIO(content if isinstance(content, bytes) else b""))
        if isinstance(content, Mapping):
            as_tar(content, out, f"{info.name}/")


def has_odd_link(tree: Tree) -> bool:
    return any(
        has_odd_link(content) if isinstance(content, Mapping) else mode == LINK and (not content or b"\0" in content)
        for mode, content in tree.values()
    )


@given(TREES.filter(lambda tree: not has_odd_link(tree)), st.booleans(), st.integers(1, 5000))
def test_an_archive_has_the_hash_of_its_tree(tree: Tree, zipped: bool, piece: int) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", encoding="utf-8", errors="surrogateescape") as archive:
        as_tar({b"top": (TREE, tree)}, archive, "")
    data = gzip.compress(out.getvalue()) if zipped else out.getvalue()
    read = read_tar(data[start : start + piece] for start in range(0, len(data), piece))
    assert read == TarTree(reference(tree), DATE, None, {})


@pytest.mark.parametrize("zipped", [False, True])
def test_an_archive_that_is_cut_off_anywhere_is_refused(zipped: bool) -> None:
    data = tar(("top", None), ("top/a", b"a" * 700), ("top/b", b""), ("top/c", b"c"))
    data = gzip.compress(data) if zipped else data.rstrip(b"\0") + bytes(-len(data.rstrip(b"\0")) % 512 + 1024)
    assert read_tar([data]).nar_hash
    for length in [*range(0, len(data), 64), len(data) - 1]:
        with pytest.raises(NixError) as caught:
            read_tar([data[:length]])
        assert caught.value.code == "bad-archive", length


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>not an archive</html>" * 100, id="a web page"),
        pytest.param(tar(("x", b"a")), id="a file alone"),
        pytest.param(tar(("a", None), ("b", None)), id="two folders"),
        pytest.param(tar(("a/x", b""), ("b/x", b"")), id="two folders, implied"),
        pytest.param(tar(("a", None), ("a/../../x", b"")), id="a way out"),
        pytest.param(tar(("a", None), ("/a/x", b"")), id="an absolute path"),
        pytest.param(tar(("a", None), ("a/x", b"1"), ("a/x", b"2")), id="twice"),
        pytest.param(tar(("a", None), ("a/x", b"1"), ("a/x/y", b"2")), id="a file as a folder"),
        pytest.param(
            tar(("a", None), ("a/y", b""), ("a/x", b""), type=tarfile.LNKTYPE, linkname="a/y"), id="hard link"
        ),
        pytest.param(tar(("a", None), ("a/x", b""), type=tarfile.FIFOTYPE), id="a pipe"),
        pytest.param(tar(("a", None), ("a/x", b""), mtime=1.5), id="half a second"),
        pytest.param(gzip.compress(tar(("a", None)))[:-4] + b"abcd", id="a wrong length"),
        pytest.param(gzip.compress(tar(("a", None))) + b"more", id="something after it"),
    ],
)
def test_what_nix_versions_may_unpack_differently_is_refused(data: bytes) -> None:
    with pytest.raises(NixError) as caught:
        read_tar([data])
    assert caught.value.code == "bad-archive"


def test_an_entry_that_is_damaged_is_noticed() -> None:
    data = tar(("top", None), ("top/a", bytes(2048)), ("top/b", b""), ("top/c", b"c"))
    for place in range(0, data.index(b"top/c") + 512, 100):
        damaged = data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :]
        with suppress(NixError):
            assert read_tar([damaged], files=["c"]).files["c"] == b"c"


def test_an_archive_that_grows_beyond_measure_is_refused() -> None:
    bomb = gzip.compress(tar(("a", None), ("a/x", bytes(1 << 22))))
    with pytest.raises(NixError, match="more than 1048576 bytes"):
        read_tar([bomb], greatest_bytes=1 << 20)


def test_times_that_differ_are_no_time() -> None:
    assert read_tar([tar(("a", None), ("a/x", b""), mtime=DATE + 1)]).last_modified is None


def test_memory_does_not_grow_with_an_archive(tmp_path: Path) -> None:
    data = gzip.compress(tar(("a", None), *((f"a/{number}", bytes(1 << 20)) for number in range(40))))
    tracemalloc.start()
    try:
        read_tar((data[start : start + 4096] for start in range(0, len(data), 4096)), spool=tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()
    assert not list(tmp_path.iterdir())

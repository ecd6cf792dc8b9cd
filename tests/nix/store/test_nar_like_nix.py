"""NARs and store paths of any tree, compared with real Nix."""

import hashlib
import io
import os
import shutil
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from flakesync.errors import NixError
from flakesync.nix.store.nar import nar_of_file, nar_pieces, write_nar
from flakesync.nix.store.narhash import nar_hash_of_tree, sri
from flakesync.nix.store.store_path import source_path
from flakesync.nix.store.tarball import nar_of_tar
from tests.nix.store.test_compression import WAYS
from tests.nix.store.trees import ANY_TREE, make_tree, run_nix
from tests.nix.test_narhash import FILE, LINK, PROGRAM, TREE, Memory, Tree, as_tar, locked_by
from tests.support.nix import RealNix

few = settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def nar_of(tree: Tree) -> tuple[bytes, str]:
    reader = Memory()
    oid = reader.add(tree)
    return b"".join(nar_pieces(reader, oid)), nar_hash_of_tree(reader, oid)


@pytest.mark.slow_but_newest
@few
@given(tree=ANY_TREE)
def test_any_tree_has_the_nar_and_the_path_that_nix_gives_it(nix: RealNix, tmp_path: Path, tree: Tree) -> None:
    place = tmp_path / "tree"
    shutil.rmtree(place, ignore_errors=True)
    make_tree(os.fsencode(place), tree)
    env = nix.env()
    nar, nar_hash = nar_of(tree)
    assert nar == run_nix(nix, "--dump", str(place), env=env, program="nix-store")
    said = run_nix(nix, "store", "add-path", "--dry-run", "--name", "source", str(place), env=env).decode().strip()
    assert source_path(nar_hash, store_dir=env["NIX_STORE_DIR"]) == said


@pytest.mark.parametrize("size", [0, 1, 8, 65536, 300_001])
def test_a_file_alone_has_the_nar_that_nix_gives_it(any_nix: RealNix, tmp_path: Path, size: int) -> None:
    place = tmp_path / "file"
    place.write_bytes(b"x" * size)
    for mode in (0o644, 0o755):
        place.chmod(mode)
        nar = b"".join(nar_of_file(size, [place.read_bytes()], executable=mode == 0o755))
        assert nar == run_nix(any_nix, "--dump", str(place), env=any_nix.env(), program="nix-store")


def test_a_file_of_another_size_is_refused() -> None:
    for size in (3, 5):
        with pytest.raises(NixError) as caught:
            list(nar_of_file(size, [b"four"]))
        assert caught.value.code == "no-nar"


def test_a_tree_is_written_as_it_is_read(tmp_path: Path) -> None:
    reader = Memory()
    oid = reader.add({b"large": (FILE, b"x" * 200_000), b"small": (FILE, b"y")})
    pieces: list[bytes] = []
    write_nar(reader, oid, pieces.append)
    assert pieces == list(nar_pieces(reader, oid))
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", encoding="utf-8", errors="surrogateescape") as archive:
        as_tar({b"top": (TREE, {b"large": (FILE, b"x" * 200_000), b"small": (FILE, b"y")})}, archive, "")
    assert b"".join(nar_of_tar([out.getvalue()], spool=tmp_path)) == b"".join(pieces)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["gz", "xz", "bz2", "zst"])
def test_an_archive_in_each_compression_has_the_hash_that_nix_gives_it(
    outer_nix: RealNix, tmp_path: Path, suffix: str
) -> None:
    out = io.BytesIO()
    tree: Tree = {b"a.b": (FILE, b"1"), b"a": (TREE, {b"program": (PROGRAM, b"2" * 70_000), b"l": (LINK, b"../a.b")})}
    with tarfile.open(fileobj=out, mode="w") as archive:
        as_tar({b"top": (TREE, tree)}, archive, "")
    compress = WAYS[{"gz": "gzip", "bz2": "bzip2", "zst": "zstd"}.get(suffix, suffix)]
    place = tmp_path / f"x.tar.{suffix}"
    place.write_bytes(compress(out.getvalue()))
    nar = hashlib.sha256(b"".join(nar_of_tar([place.read_bytes()])))
    assert sri(nar.digest()) == locked_by(outer_nix, tmp_path / "flake", f"file://{place}")["narHash"]

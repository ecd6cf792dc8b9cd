"""Trees and blobs for a narHash: loose, packed, large, damaged."""

import zlib
from pathlib import Path

import pytest

from flakesync.errors import GitError
from flakesync.git.store import contents
from flakesync.git.store.contents import TreeContents
from flakesync.git.store.objects import ObjectReader
from tests.support.repos import make_repo, run_git

FILES: dict[str, str | bytes | None] = {
    "a": "",
    "b": b"x" * 100_000,
    "c": bytes(range(256)) * 1000,
    "d/e": "small",
    "large": bytes(1_500_000) + b"end",
}


def everything(path: Path) -> dict[str, bytes]:
    reader = ObjectReader.open(path)
    source = TreeContents(reader)
    rev = reader.branch("main")
    assert rev is not None
    found = {}
    for name, (mode, oid) in source.tree(reader.tree_of(rev)).items():
        entries = source.tree(oid).items() if mode == 0o40000 else [(name, (mode, oid))]
        for each, (_, blob) in entries:
            size, pieces = source.blob(blob)
            data = b"".join(pieces)
            assert len(data) == size
            found[each.decode()] = data
    return found


@pytest.mark.parametrize("large_bytes", [1 << 24, 10])
@pytest.mark.parametrize("packed", [False, True])
def test_every_blob_comes_whole(
    tmp_path: Path, packed: bool, large_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "_LARGE_BYTES", large_bytes)
    make_repo(tmp_path, FILES, checkout=False)
    if packed:
        run_git("repack", "-adq", cwd=tmp_path)
    wanted = {name.rpartition("/")[2]: data.encode() if isinstance(data, str) else data for name, data in FILES.items()}
    assert everything(tmp_path) == wanted


def test_a_large_loose_blob_is_never_held_as_a_whole(tmp_path: Path) -> None:
    make_repo(tmp_path, {"a": bytes(range(256)) * 40_000}, checkout=False)
    reader = ObjectReader.open(tmp_path)
    oid = run_git("rev-parse", "main:a", cwd=tmp_path)
    _, pieces = TreeContents(reader).blob(oid)
    sizes = [len(piece) for piece in pieces]
    assert sum(sizes) == 256 * 40_000
    assert max(sizes) <= 1 << 16


def test_a_sha256_repository_is_read(tmp_path: Path) -> None:
    run_git("init", "-q", "--object-format=sha256", "-b", "main", ".", cwd=tmp_path)
    (tmp_path / "f").write_text("text")
    run_git("add", "f", cwd=tmp_path)
    run_git("commit", "-qm", "x", cwd=tmp_path)
    run_git("repack", "-adq", cwd=tmp_path)
    assert everything(tmp_path) == {"f": b"text"}


def loose_file(path: Path, oid: str) -> Path:
    file = path / ".git/objects" / oid[:2] / oid[2:]
    file.chmod(0o644)
    return file


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"nonsense",
        lambda data: b"",
        lambda data: zlib.compress(b"tree 1\0x"),
        lambda data: zlib.compress(b"blob x\0x"),
    ],
)
@pytest.mark.parametrize("name", ["b", "c"])
def test_a_damaged_blob_is_an_error(tmp_path: Path, name: str, damage: object) -> None:
    assert callable(damage)
    make_repo(tmp_path, FILES, checkout=False)
    oid = run_git("rev-parse", f"main:{name}", cwd=tmp_path)
    file = loose_file(tmp_path, oid)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(GitError) as caught:
        b"".join(TreeContents(ObjectReader.open(tmp_path)).blob(oid)[1])
    assert caught.value.code == "corrupt"


def test_a_missing_object_and_one_of_another_kind_are_errors(tmp_path: Path) -> None:
    make_repo(tmp_path, FILES, checkout=False)
    source = TreeContents(ObjectReader.open(tmp_path))
    tree, blob = run_git("rev-parse", "main:d", "main:a", cwd=tmp_path).split()
    for ask, oid, code in [
        (source.blob, "1" * 40, "missing-object"),
        (source.tree, "1" * 40, "missing-object"),
        (source.blob, tree, "corrupt"),
        (source.tree, blob, "corrupt"),
    ]:
        with pytest.raises(GitError) as caught:
            ask(oid)
        assert caught.value.code == code

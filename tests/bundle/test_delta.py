"""A NAR made of another one and a delta: equal to the byte, and nothing that a delta says is believed."""

import contextlib
import hashlib
import io
import random
from collections.abc import Iterator, Mapping

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from flakesync.bundle.delta import writing
from flakesync.bundle.delta.form import COPY, END, FRAME, MAGIC, TAKE, number
from flakesync.bundle.delta.rebuilding import rebuilt
from flakesync.bundle.delta.writing import delta_pieces
from flakesync.errors import NixError
from flakesync.nix.store.checked import check_nar
from flakesync.nix.store.nar import nar_of_file, nar_pieces
from flakesync.nix.store.narhash import sri
from flakesync.nix.store.zstd import packed

Files = Mapping[str, tuple[int, bytes]]
FILE, PROGRAM, LINK = 0o100644, 0o100755, 0o120000


class Tree:
    """Files by path as a TreeReader: an object id is a path."""

    def __init__(self, files: Files) -> None:
        above = {path[: at + 1] for path in files for at in range(len(path)) if path[at] == "/"}
        self.files = {path: each for path, each in files.items() if f"{path}/" not in above}
        self.folders: dict[str, dict[bytes, tuple[int, str]]] = {"": {}, **{folder: {} for folder in above}}
        for path in (*above, *self.files):
            folder, slash, name = path.rstrip("/").rpartition("/")
            entry = (0o40000, path) if path in above else (self.files[path][0], path)
            self.folders[folder + slash][name.encode()] = entry

    def tree(self, oid: str) -> Mapping[bytes, tuple[int, str]]:
        return self.folders[oid]

    def blob(self, oid: str) -> tuple[int, Iterator[bytes]]:
        return len(self.files[oid][1]), iter([self.files[oid][1]])


def nar(files: Files) -> bytes:
    return b"".join(nar_pieces(Tree(files), ""))


def digests(old: bytes, new: bytes) -> tuple[bytes, bytes]:
    return hashlib.sha256(old).digest(), hashlib.sha256(new).digest()


def delta(old: bytes, new: bytes) -> bytes:
    return b"".join(delta_pieces(io.BytesIO(old), io.BytesIO(new), digests(old, new)))


def made(data: bytes, old: bytes, new: bytes, *, cut: int = 1000) -> bytes:
    """Return the NAR that a delta makes, proven to be `new`."""
    pieces = (data[at : at + cut] for at in range(0, len(data), cut))
    found = rebuilt(pieces, io.BytesIO(old), digests(old, new), size=len(new))
    return b"".join(check_nar(found, size=len(new), nar_hash=sri(digests(old, new)[1])))


contents = st.binary(max_size=200) | st.integers(0, 4).map(lambda seed: random.Random(seed).randbytes(5000))
entries = st.tuples(st.sampled_from([FILE, PROGRAM, LINK]), contents)
names = st.lists(st.sampled_from(["a", "b", "c", "a.b", "ä"]), min_size=1, max_size=3).map("/".join)
trees = st.dictionaries(names, entries, max_size=12)


@settings(deadline=None, max_examples=60)
@given(old=trees, new=trees, cut=st.integers(1, 5000))
def test_any_tree_is_made_of_any_other(old: Files, new: Files, cut: int) -> None:
    before, after = nar(old), nar(new)
    assert made(delta(before, after), before, after, cut=cut) == after


@pytest.mark.parametrize(("old", "new"), [(b"", b"x"), (b"one\n" * 500, b"one\n" * 500 + b"two\n"), (b"x", b"")])
def test_a_single_file_is_made_of_its_old_version(old: bytes, new: bytes) -> None:
    before, after = (b"".join(nar_of_file(len(each), [each])) for each in (old, new))
    assert made(delta(before, after), before, after) == after


def test_what_is_too_much_for_one_frame_goes_into_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_FRAME_BYTES", 10_000)
    random_bytes = random.Random(7).randbytes
    old = {f"{n}": (FILE, random_bytes(3000)) for n in range(20)} | {"large": (FILE, random_bytes(50_000))}
    new = {path: (mode, data + b"new") for path, (mode, data) in old.items()} | {"other": (FILE, random_bytes(50_000))}
    data = delta(nar(old), nar(new))
    assert made(data, nar(old), nar(new)) == nar(new)
    assert len(data) < 60_000


def test_small_edits_of_a_large_tree_are_a_hundredth_of_it() -> None:
    chosen = random.Random(11)
    words = [bytes(chosen.choices(b"abcdefghijklmnopqrstuvwxyz", k=6)) for _ in range(3000)]
    lines = [b" ".join(chosen.choices(words, k=8)) for _ in range(20_000)]
    old = {f"pkgs/{n % 60}/{n}/default.nix": (FILE, b"\n".join(chosen.choices(lines, k=60))) for n in range(3000)}
    new = dict(old)
    for path in chosen.sample(sorted(old), 100):
        new[path] = FILE, old[path][1].replace(b"\n", b"\nversion = 2;\n", 1)
    for n in range(6):
        new[f"pkgs/new/{n}"] = FILE, old[f"pkgs/{n}/{n}/default.nix"][1][:600]
    before, after = nar(old), nar(new)
    data = delta(before, after)
    assert made(data, before, after) == after
    assert len(data) <= 0.01 * sum(map(len, packed([after])))
    assert data == delta(before, after)


def test_a_large_file_with_some_edits_is_not_sent_again() -> None:
    chosen = random.Random(3)
    old = chosen.randbytes(6_000_000)
    edited = bytearray(old)
    for _ in range(50):
        at = chosen.randrange(len(old) - 5)
        edited[at : at + 5] = b"12345"
    before, after = nar({"large": (FILE, old)}), nar({"large": (FILE, bytes(edited))})
    data = delta(before, after)
    assert made(data, before, after) == after
    assert len(data) < 0.002 * len(old)


def test_no_flipped_bit_goes_unseen() -> None:
    """Those that do no harm are the window of a frame, and which of two equal bytes is copied: the NAR is right."""
    chosen = random.Random(5)
    old = {f"{n}": (FILE, bytes(chosen.choices(b"abcdef\n", k=800))) for n in range(40)}
    new = old | {f"{n}": (FILE, old[f"{n}"][1] + b"more") for n in range(0, 40, 3)} | {"new": (FILE, b"new" * 50)}
    before, after = nar(old), nar(new)
    data = delta(before, after)
    refused = 0
    for _ in range(200):
        bent = bytearray(data)
        bent[chosen.randrange(len(data))] ^= 1 << chosen.randrange(8)
        with contextlib.suppress(NixError):
            assert made(bytes(bent), before, after) == after
            continue
        refused += 1
    assert refused > 150
    for size in range(0, len(data), 7):
        with pytest.raises(NixError) as caught:
            made(data[:size], before, after)
        assert caught.value.code == "bad-blob"


OLD = b"".join(nar_of_file(64, [b"o" * 64]))
NEW = b"".join(nar_of_file(64, [b"n" * 64]))
HEAD = MAGIC + b"".join(digests(OLD, NEW))


def record(kind: int, *numbers: int, data: bytes = b"") -> bytes:
    return bytes([kind]) + b"".join(map(number, numbers)) + data


def frame(data: bytes, *ranges: int, says: int | None = None) -> bytes:
    bare = zstandard.ZstdCompressor().compress(data)
    return record(FRAME, len(ranges) // 2, *ranges, len(data) if says is None else says, len(bare), data=bare)


def bomb() -> bytes:
    return zstandard.ZstdCompressor().compress(bytes(1 << 26))


HOSTILE = {
    "empty": b"",
    "another magic": b"flakesync-delta-2\n" + HEAD[18:] + b"\0",
    "another base": MAGIC + bytes(32) + HEAD[50:] + b"\0",
    "another result": HEAD[:50] + bytes(32) + b"\0",
    "nothing": HEAD + b"\0",
    "no end": HEAD + frame(NEW) + record(TAKE, len(NEW)),
    "something after the end": HEAD + frame(NEW) + record(TAKE, len(NEW)) + b"\0x",
    "unknown kind": HEAD + record(9, 0, 1) + b"\0",
    "range outside": HEAD + record(COPY, len(OLD) - 1, 2) + b"\0",
    "range far outside": HEAD + record(COPY, 1 << 62, 1) + b"\0",
    "empty copies": HEAD + record(COPY, 0, 0) * 1000 + b"\0",
    "endless number": HEAD + bytes([COPY]) + b"\xff" * 100,
    "too long": HEAD + record(COPY, 0, len(OLD)) * 2 + b"\0",
    "the old one": HEAD + record(COPY, 0, len(OLD)) + b"\0",
    "take of nothing": HEAD + record(TAKE, 8) + b"\0",
    "take of too much": HEAD + frame(NEW[:8]) + record(TAKE, 9) + b"\0",
    "frame after frame": HEAD + frame(NEW[:8]) * 2 + b"\0",
    "frame that is not used": HEAD + record(COPY, 0, len(OLD) - 8) + frame(NEW[-8:]) + b"\0",
    "frame that is too large": HEAD + record(FRAME, 0, len(NEW) + 1, 1, data=b"x") + b"\0",
    "frame that says less": HEAD + frame(NEW, says=8) + record(TAKE, 8) + b"\0",
    "frame that is none": HEAD + record(FRAME, 0, 8, 8, data=b"x" * 8) + b"\0",
    "bomb": HEAD + record(FRAME, 0, len(NEW), len(bomb()), data=bomb()) + b"\0",
    "prefix outside": HEAD + frame(NEW, 0, len(OLD) + 1) + record(TAKE, len(NEW)) + b"\0",
    "empty prefix": HEAD + frame(NEW, 0, 0) + record(TAKE, len(NEW)) + b"\0",
    "prefix used twice": HEAD + frame(NEW, 0, len(OLD), 0, len(OLD)) + record(TAKE, len(NEW)) + b"\0",
    "too many ranges": HEAD + record(FRAME, 1 << 40) + b"\0",
    "packed that is too large": HEAD + record(FRAME, 0, 8, 1 << 40) + b"\0",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_delta_is_a_bad_blob(name: str) -> None:
    with pytest.raises(NixError) as caught:
        made(HOSTILE[name], OLD, NEW)
    assert caught.value.code == "bad-blob"


def test_what_the_hostile_ones_are_built_of_is_right() -> None:
    assert made(HEAD + frame(NEW) + record(TAKE, len(NEW)) + bytes([END]), OLD, NEW) == NEW

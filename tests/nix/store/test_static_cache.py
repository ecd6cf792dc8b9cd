"""The static cache without Nix: what is checked, what stays after a kill, who may write."""

import hashlib
import os
import random
import resource
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakesync.errors import FlakesyncError, NixError
from flakesync.nix.store.checked import check_nar
from flakesync.nix.store.nar import nar_of_file
from flakesync.nix.store.narhash import sri
from flakesync.nix.store.narinfo import Narinfo, narinfo, nix_hash, read_narinfo
from flakesync.nix.store.static_cache import StaticCache
from flakesync.nix.store.zstd import packed


def source(data: bytes) -> tuple[str, bytes]:
    """Return the narHash and the NAR of a file."""
    nar = b"".join(nar_of_file(len(data), [data]))
    return sri(hashlib.sha256(nar).digest()), nar


def blob(nar: bytes) -> bytes:
    return b"".join(packed([nar]))


def content(folder: Path) -> dict[str, bytes]:
    return {each.relative_to(folder).as_posix(): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


@pytest.fixture
def cache(tmp_path: Path) -> StaticCache:
    return StaticCache(tmp_path / "cache")


def test_a_source_that_was_packed_elsewhere_is_kept_as_it_is(cache: StaticCache) -> None:
    nar_hash, nar = source(b"words " * 50_000)
    assert not cache.has(nar_hash)
    with cache.writing():
        info = cache.add(nar_hash, [blob(nar)], nar_size=len(nar))
        assert cache.has(nar_hash)
        assert cache.find(nix_hash(nar_hash)) == info
        assert cache.add_nar(nar_hash, [nar]) == info
    assert content(cache.folder).keys() == {
        ".lock", "nix-cache-info", f"{info.store_path[11:43]}.narinfo", info.url
    }  # fmt: skip
    assert (cache.folder / info.url).read_bytes() == blob(nar)
    assert (cache.folder / "nix-cache-info").read_text() == "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 30\n"
    assert cache.verify(deep=True).paths == 1
    assert cache.verify(deep=True).faults == ()


def test_others_may_read_what_the_umask_lets_them_read(cache: StaticCache) -> None:
    nar_hash, nar = source(b"words")
    before = os.umask(0o027)
    try:
        with cache.writing():
            info = cache.add_nar(nar_hash, [nar])
    finally:
        os.umask(before)
    assert (cache.folder / info.url).stat().st_mode & 0o777 == 0o640
    assert (cache.folder / "nar").stat().st_mode & 0o777 == 0o750
    assert {each.stat().st_mode & 0o777 for each in cache.folder.rglob("*") if each.is_file()} == {0o640}


@pytest.mark.parametrize("what", ["shorter", "longer", "another", "bomb", "empty", "no zstd"])
def test_what_is_not_the_source_is_not_kept(cache: StaticCache, what: str) -> None:
    nar_hash, nar = source(b"words " * 1000)
    bad = {
        "shorter": blob(nar[:-8]),
        "longer": blob(nar + bytes(8)),
        "another": blob(nar.replace(b"words", b"sword")),
        "bomb": blob(bytes(1 << 26)),
        "empty": b"",
        "no zstd": nar,
    }[what]
    with cache.writing():
        with pytest.raises(NixError) as caught:
            cache.add(nar_hash, [bad], nar_size=len(nar))
        assert caught.value.code == "bad-blob"
        with pytest.raises(NixError) as caught:
            cache.add_nar(nar_hash, [nar, b"x"])
        assert caught.value.code == "bad-blob"
    assert not cache.has(nar_hash)
    assert content(cache.folder).keys() == {".lock", "nix-cache-info"}


def test_a_decompression_bomb_stops_at_the_size_of_the_nar(cache: StaticCache) -> None:
    nar_hash, nar = source(b"words " * 10_000)
    bomb = blob(bytes(1 << 28))
    with cache.writing():
        tracemalloc.start()
        try:
            with pytest.raises(NixError, match="larger than"):
                cache.add(nar_hash, [bomb], nar_size=len(nar))
            assert tracemalloc.get_traced_memory()[1] < 2 << 20
        finally:
            tracemalloc.stop()


def test_frames_without_end_stop(cache: StaticCache) -> None:
    nar_hash, nar = source(b"words")

    def endless() -> Iterator[bytes]:
        yield blob(nar)
        while True:
            yield b"\x50\x2a\x4d\x18\x00\x10\x00\x00" + bytes(4096)  # to be skipped, says zstd

    with cache.writing(), pytest.raises(NixError, match="more than"):
        cache.add(nar_hash, endless(), nar_size=len(nar))


@pytest.mark.parametrize("size", [-1, 0, 1 << 63, 1 << 70])
def test_sizes_that_cannot_be_are_refused(cache: StaticCache, size: int) -> None:
    nar_hash, nar = source(b"words")
    with cache.writing(), pytest.raises(NixError) as caught:
        cache.add(nar_hash, [blob(nar)], nar_size=size)
    assert caught.value.code == "bad-blob"


def test_what_the_pieces_raise_goes_through_and_nothing_is_kept(cache: StaticCache) -> None:
    nar_hash, nar = source(b"words " * 10_000)

    def pieces() -> Iterator[bytes]:
        yield blob(nar)
        raise OSError(5, "Input/output error")

    with cache.writing(), pytest.raises(OSError, match="Input/output"):
        cache.add(nar_hash, pieces(), nar_size=len(nar))
    assert content(cache.folder).keys() == {".lock", "nix-cache-info"}


@given(st.binary(max_size=300), st.integers(0, 400), st.integers(1, 50))
def test_only_whole_nars_pass_the_check(data: bytes, size: int, cut: int) -> None:
    pieces = [data[start : start + cut] for start in range(0, len(data), cut)]
    nar_hash = sri(hashlib.sha256(data).digest())
    assert b"".join(check_nar(pieces, size=len(data), nar_hash=nar_hash)) == data
    passed: list[bytes] = []
    if size != len(data):
        with pytest.raises(NixError):
            passed.extend(check_nar(pieces, size=size, nar_hash=nar_hash))
    with pytest.raises(NixError):
        passed.extend(check_nar(pieces, size=len(data), nar_hash=sri(hashlib.sha256(data + b"x").digest())))
    assert b"".join(passed) != data or not data


# ---- damage ---------------------------------------------------------------------------------------------------------


def damaged(data: bytes, number: int) -> bytes:
    """Return data with one bit flipped, or cut off somewhere."""
    chance = random.Random(number)
    place = chance.randrange(len(data))
    if number % 5 == 0:
        return data[:place]
    return data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]


def whole(data: bytes, digest: bytes) -> Iterator[bytes]:
    """Give data as a bundle's layout does: at its end its digest is compared."""
    yield from (data[start : start + 1000] for start in range(0, len(data), 1000))
    if hashlib.sha256(data).digest() != digest:
        raise NixError("bad-blob", "another digest")


def test_no_damaged_blob_becomes_a_source(cache: StaticCache) -> None:
    nar_hash, nar = source(random.Random(0).randbytes(3000) + b"words " * 3000)
    data = blob(nar)
    digest = hashlib.sha256(data).digest()
    with cache.writing():
        for number in range(200):
            with pytest.raises(NixError) as caught:
                cache.add(nar_hash, whole(damaged(data, number), digest), nar_size=len(nar))
            assert caught.value.code == "bad-blob"
    assert content(cache.folder).keys() == {".lock", "nix-cache-info"}


def test_a_deep_look_finds_each_damage_of_a_cache(cache: StaticCache) -> None:
    nar_hash, nar = source(random.Random(0).randbytes(2000) + b"words " * 2000)
    with cache.writing():
        info = cache.add_nar(nar_hash, [nar])
    names = [info.url, f"{info.store_path[11:43]}.narinfo"]
    for number in range(200):
        place = cache.folder / names[number % 2]
        right = place.read_bytes()
        place.write_bytes(damaged(right, number))
        found = cache.verify(deep=True)
        place.write_bytes(right)
        assert found.faults, (number, place.name)
    assert cache.verify(deep=True).faults == ()


def test_what_is_missing_or_has_another_size_is_found_by_sizes_alone(cache: StaticCache) -> None:
    sources = [source(f"file {number}".encode()) for number in range(4)]
    with cache.writing():
        infos = [cache.add_nar(*each_nar(each)) for each in sources]
    (cache.folder / infos[0].url).unlink()
    (cache.folder / infos[1].url).write_bytes(b"short")
    (cache.folder / f"{infos[2].store_path[11:43]}.narinfo").rename(cache.folder / f"{'0' * 32}.narinfo")
    found = cache.verify(deep=False)
    assert found.paths == 4
    assert sorted(fault.code for fault in found.faults) == ["bad-blob", "bad-blob", "bad-narinfo"]
    assert [cache.has(nar_hash) for nar_hash, _ in sources] == [False, False, False, True]
    with cache.writing():
        for each in sources:
            cache.add_nar(*each_nar(each))
    (cache.folder / f"{'0' * 32}.narinfo").unlink()
    assert cache.verify(deep=True).faults == ()


def test_a_folder_that_is_no_cache_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    for name, why in (("none", "there is no folder"), ("file", "there is no folder"), ("", "is no cache")):
        for deep in (False, True):
            (fault,) = StaticCache(tmp_path / name).verify(deep=deep).faults
            assert fault.code == "bad-cache"
            assert why in fault.message
            assert str(tmp_path / name) in fault.message


def each_nar(of: tuple[str, bytes]) -> tuple[str, Iterable[bytes]]:
    return of[0], [of[1]]


# ---- narinfo --------------------------------------------------------------------------------------------------------

INFO = Narinfo(
    store_path="/nix/store/9g4i8dwpwlhqv2xjzjpxlgyvs8814wjp-source",
    url="nar/0vraxqrm094s47jvy6rph4r8vr39qlrs9yd5i3r044akpd17cvdh.nar.xz",
    compression="xz",
    file_hash="sha256:0vraxqrm094s47jvy6rph4r8vr39qlrs9yd5i3r044akpd17cvdh",
    file_size=300,
    nar_hash="sha256:19wra1k5nn66wknfbfxn32vmldjvprlcm8cnhw1k2waic7bycdh0",
    nar_size=1120,
    ca="fixed:r:sha256:19wra1k5nn66wknfbfxn32vmldjvprlcm8cnhw1k2waic7bycdh0",
)


def test_a_narinfo_is_read_as_it_was_written() -> None:
    assert b"\nReferences: \nCA: " in narinfo(INFO)
    assert read_narinfo(narinfo(INFO)) == INFO
    signed = narinfo(INFO) + b"Sig: a:b\nSig: c:d\nDeriver: x.drv\n"
    assert read_narinfo(signed) == INFO


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("URL: nar/", "URL: ../"),
        ("URL: nar/", "URL: nar/../../"),
        ("URL: nar/", "URL: https://example.com/"),
        ("NarSize: 1120", "NarSize: -1"),
        ("NarSize: 1120", "NarSize: 1e9"),
        ("NarSize: 1120", "NarSize: 99999999999999999999"),
        ("NarSize: 1120\n", ""),
        ("NarHash: sha256:", "NarHash: sha512:"),
        ("References: \n", ""),
        ("Compression: xz", "Compression: xz\nCompression: zstd"),
        ("CA: ", "no field"),
        ("StorePath", "Storepath"),
        ("dh0\n", "dh0"),
        ("CA", "\xe9"),
    ],
)
def test_what_is_no_narinfo_is_refused(old: str, new: str) -> None:
    text = narinfo(INFO).decode()
    changed = text.replace(old, new) if old != "dh0\n" else text[:-1]
    assert changed != text
    with pytest.raises(NixError) as caught:
        read_narinfo(changed.encode())
    assert caught.value.code == "bad-narinfo"


@given(st.binary(max_size=200))
def test_no_bytes_do_harm_to_the_reader_of_narinfos(data: bytes) -> None:
    for given_bytes in (data, narinfo(INFO).replace(b"1120", data), narinfo(INFO) + data):
        try:
            read_narinfo(given_bytes)
        except NixError as error:
            assert error.code == "bad-narinfo"  # noqa: PT017 -- it may be raised, and need not


# ---- who writes, and what a kill leaves -----------------------------------------------------------------------------


def test_one_process_writes_at_a_time(cache: StaticCache) -> None:
    with cache.writing():
        with pytest.raises(FlakesyncError) as caught, StaticCache(cache.folder).writing():
            pass
        assert caught.value.code == "cache-busy"
    with cache.writing():
        pass


def test_a_cache_for_another_store_is_not_written_to(cache: StaticCache) -> None:
    with cache.writing():
        pass
    with pytest.raises(FlakesyncError) as caught, StaticCache(cache.folder, "/other/store").writing():
        pass
    assert caught.value.code == "other-store"


def test_a_place_that_cannot_be_a_cache_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    for place in (tmp_path / "file", tmp_path / "file/cache"):
        with pytest.raises(FlakesyncError, match="file") as caught, StaticCache(place).writing():
            pass
        assert caught.value.code in ("system", "cache")


def test_a_file_that_cannot_grow_any_more_is_an_error_and_not_kept(cache: StaticCache) -> None:
    nar_hash, nar = source(random.Random(0).randbytes(300_000))
    with cache.writing():
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        usual = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
        try:
            with pytest.raises(FlakesyncError, match="too large") as caught:
                cache.add(nar_hash, [blob(nar)], nar_size=len(nar))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, usual)
    assert caught.value.code == "system"
    assert content(cache.folder).keys() == {".lock", "nix-cache-info"}


_SOURCES = [source(f"file {number} ".encode() * 200) for number in range(2)]


def fill(cache: StaticCache) -> None:
    with cache.writing():
        for number, (nar_hash, nar) in enumerate(_SOURCES):
            if not cache.has(nar_hash):
                if number % 2:
                    cache.add_nar(nar_hash, [nar])
                else:
                    cache.add(nar_hash, [blob(nar)], nar_size=len(nar))


def killed_at(number: int, work: Callable[[], None]) -> bool:
    """Do the work in a process that is killed at its n-th opening, renaming or removal of a file; say if it was."""
    child = os.fork()
    if child == 0:
        left = number

        def count(event: str, _: object) -> None:
            nonlocal left
            if event in ("open", "os.rename", "os.remove"):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        try:
            work()
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


def test_whenever_it_is_killed_no_half_source_is_seen_and_the_next_run_ends_it(tmp_path: Path) -> None:
    undisturbed = StaticCache(tmp_path / "undisturbed")
    fill(undisturbed)
    moments = 0
    while killed_at(moments + 1, partial(fill, cache := StaticCache(tmp_path / f"cache-{moments}"))):
        infos = list(cache.folder.glob("*.narinfo"))
        assert all(fault.file == "nix-cache-info" for fault in cache.verify(deep=True).faults)
        times = {place: place.stat().st_mtime_ns for place in [*infos, *(cache.folder / "nar").glob("*.zst")]}
        fill(cache)
        assert content(cache.folder) == content(undisturbed.folder)
        again = [place for place, time in times.items() if place.stat().st_mtime_ns != time]
        assert len(again) <= 1, "a source whose narinfo was there is not written again"
        assert not set(again) & set(infos)
        moments += 1
    assert moments >= 20


@pytest.mark.slow
def test_memory_does_not_grow_with_a_source(tmp_path: Path) -> None:
    """In processes of their own, as zstd takes memory that Python does not know of."""
    peaks = []
    for megabytes in (200, 800):
        done = subprocess.run(
            [sys.executable, "-c", _LARGE, str(tmp_path / f"cache-{megabytes}"), str(megabytes)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
        )  # fmt: skip
        peaks.append(int(done.stdout))
    assert max(peaks) < 150 << 10
    assert peaks[1] < peaks[0] * 1.1


_LARGE = """
import hashlib, sys
from pathlib import Path
from flakesync.nix.store.nar import nar_of_file
from flakesync.nix.store.narhash import sri
from flakesync.nix.store.static_cache import StaticCache

size = int(sys.argv[2]) << 20
piece = b"".join(hashlib.sha256(bytes([n & 255, n >> 8])).digest() + bytes(96) for n in range(8192))
def nar():
    return nar_of_file(size, (piece for _ in range(size // len(piece))))
digest = hashlib.sha256()
length = 0
for part in nar():
    digest.update(part)
    length += len(part)
cache = StaticCache(Path(sys.argv[1]))
with cache.writing():
    info = cache.add_nar(sri(digest.digest()), nar())
    file = cache.folder / info.url
    with file.open("rb") as stream:
        again = cache.add(sri(digest.digest()), iter(lambda: stream.read(1 << 17), b""), nar_size=length)
assert again == info and cache.verify(deep=True).faults == ()
# Not ru_maxrss: that begins with what the process that started this one has ever used.
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""

"""What is wrong with a static cache: Nix says little of that, and asks the network for what it cannot use."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from flakesync.errors import NixError
from flakesync.nix.store.checked import check_nar
from flakesync.nix.store.compression import decompressed_as
from flakesync.nix.store.narinfo import Narinfo, load_narinfo
from flakesync.nix.store.store_path import nix32, source_path

CACHE_INFO = "nix-cache-info"
_PIECE_BYTES = 1 << 17


class CacheFault(msgspec.Struct, frozen=True, kw_only=True):
    """Something wrong in a cache.

    file: its path in the cache. code: `bad-cache`: the cache as a whole; `bad-narinfo`; `bad-blob`: the NAR.
    """

    file: str
    code: str
    message: str


class CacheCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in a cache: how many paths it has, and what is wrong with it."""

    paths: int
    faults: tuple[CacheFault, ...]


def check_cache(folder: Path, store_dir: str, *, deep: bool) -> CacheCheck:
    """Return what is wrong with the cache in a folder. deep: every file is read, else only narinfos and sizes are.

    Paths that are no sources (build outputs that somebody has put there) are looked at too, but for their signatures.
    """
    faults = list(_of_whole(folder, store_dir))
    paths = 0
    try:
        places = sorted(folder.glob("*.narinfo"))
    except OSError:
        places = []
    for place in places:
        paths += 1
        try:
            _check(place, store_dir, deep=deep)
        except NixError as error:
            faults.append(CacheFault(file=place.name, code=error.code, message=error.message))
        except OSError as error:
            faults.append(CacheFault(file=place.name, code="bad-blob", message=f"it cannot be read: {error}"))
    return CacheCheck(paths=paths, faults=tuple(faults))


def _of_whole(folder: Path, store_dir: str) -> Iterator[CacheFault]:
    try:
        lines = (folder / CACHE_INFO).read_text("utf-8", "replace").splitlines()
    except OSError as error:
        why = f"{folder} is no cache" if folder.is_dir() else f"there is no folder {folder}"
        message = f"it cannot be read ({(error.strerror or str(error)).lower()}): {why}"
        yield CacheFault(file=CACHE_INFO, code="bad-cache", message=message)
        return
    if f"StoreDir: {store_dir}" not in lines:
        yield CacheFault(file=CACHE_INFO, code="bad-cache", message=f"it is not for stores at {store_dir}")


def _check(place: Path, store_dir: str, *, deep: bool) -> None:
    info = load_narinfo(place)
    if info.store_path.removeprefix(f"{store_dir}/").partition("-")[0] != place.stem:
        raise NixError("bad-narinfo", f"it is about {info.store_path}, and its name is of another path")
    _check_source(info, source_path(info.nar_hash, store_dir=store_dir))
    nar = place.parent / info.url
    try:
        size = nar.stat().st_size
    except FileNotFoundError:
        raise NixError("bad-blob", f"{info.url} is missing") from None
    if info.file_size not in (None, size):
        raise NixError("bad-blob", f"{info.url} has {size} bytes, and should have {info.file_size}")
    if deep:
        _read(nar, info)


def _check_source(info: Narinfo, path: str) -> None:
    """path: that of a source with this NarHash."""
    ca = info.ca or ""
    is_source = ca.startswith("fixed:r:sha256:") and info.store_path.endswith("-source")
    if not is_source and not info.store_path.startswith(path.removesuffix("source")):
        return  # a build output
    if info.store_path != path or ca != f"fixed:r:{info.nar_hash}":
        raise NixError("bad-narinfo", "its StorePath, NarHash and CA do not belong together")
    if info.references:
        raise NixError("bad-narinfo", "it is a source, and has references")
    if info.file_hash is None or info.file_size is None:
        raise NixError("bad-narinfo", "it does not say the hash and the size of its file")


def _read(nar: Path, info: Narinfo) -> None:
    digest = hashlib.sha256()

    def pieces() -> Iterator[bytes]:
        with nar.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                digest.update(piece)
                yield piece

    source = pieces()
    for _ in check_nar(decompressed_as(info.compression, source), size=info.nar_size, nar_hash=info.nar_hash):
        pass
    for _ in source:  # what a decompressor does not want counts for the hash of the file
        pass
    if info.file_hash not in (None, f"sha256:{nix32(digest.digest())}"):
        raise NixError("bad-blob", f"{info.url} has another hash than its narinfo says")

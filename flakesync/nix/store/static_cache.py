"""A binary cache of sources: plain files, which Nix reads from a folder or any web server (`binary-cache-store.cc`).

    nix-cache-info      for which store directory it is
    HASH.narinfo        one a source; HASH is that of its store path
    nar/HASH.nar.zst    its NAR; HASH is that of the file

A source is there from the moment that its narinfo is renamed: whatever interrupts a run, Nix never sees half a source.
"""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flakesync.cache.lock import exclusive
from flakesync.errors import FlakesyncError, GitError, NixError
from flakesync.nix.store.cache_check import CACHE_INFO, CacheCheck, check_cache
from flakesync.nix.store.checked import check_nar
from flakesync.nix.store.compression import decompressed_as
from flakesync.nix.store.narhash import sha256_of, sri
from flakesync.nix.store.narinfo import Narinfo, load_narinfo, narinfo, nix_hash, source_narinfo
from flakesync.nix.store.part_file import PartFile, cannot_write, remove_parts
from flakesync.nix.store.store_path import STORE_DIR, source_path
from flakesync.nix.store.zstd import packed, unpacked

_LOCK = ".lock"
_FOLDERS = ("nar", "log", "realisations")
"""Nix makes the last two where it can; where it cannot, as on a read-only disk, it does not use the cache at all."""
_PIECE_BYTES = 1 << 18
_PRIORITY = 30
"""Before cache.nixos.org, which has 40."""


class StaticCache:
    """The cache in a folder, which need not be there yet. Threads may add to it at once."""

    def __init__(self, folder: Path, store_dir: str = STORE_DIR) -> None:
        """store_dir: of the stores that take from it; their paths depend on it."""
        self.folder = folder
        self.store_dir = store_dir

    def has(self, nar_hash: str) -> bool:
        """Say whether a source is there: its narinfo is right, and its NAR is as long as it should be."""
        return self.find(nar_hash) is not None

    def find(self, nar_hash: str) -> Narinfo | None:
        """Return the narinfo of a source that is there. Raises ValueError: nar_hash is no SHA-256."""
        try:
            info = load_narinfo(self._place(nar_hash))
            size = (self.folder / info.url).stat().st_size
        except (OSError, NixError):
            return None
        known = nix_hash(nar_hash)
        right = info.nar_hash == known and info.ca == f"fixed:r:{known}" and info.file_size in (None, size)
        return info if right else None

    @contextmanager
    def writing(self, *, wait: bool = False) -> Iterator[None]:
        """Hold the cache for writing until the block ends; make its folder first where there is none.

        wait: until nobody else writes to it.

        Raises:
            FlakesyncError: `cache-busy`: another process writes to it; `other-store`: it is for another store
                directory; or a code of `flakesync.system`.
        """
        try:
            for name in _FOLDERS:
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            # Of the permissions that the other files have: whoever copies the cache, or may write to it, reads it too.
            (self.folder / _LOCK).touch()
        except OSError as error:
            raise cannot_write(self.folder, error) from None
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(exclusive(self.folder / _LOCK, wait=wait))
            except GitError as error:
                if error.code != "busy":
                    raise FlakesyncError(error.code, error.message, hint=f"can you write to {self.folder}?") from None
                hint = "another import or sync is going on: wait for its end, then run again"
                raise FlakesyncError("cache-busy", f"{self.folder} is being written to", hint=hint) from None
            remove_parts(self.folder)
            remove_parts(self.folder / "nar")
            self._introduce()
            yield

    def add(self, nar_hash: str, pieces: Iterable[bytes], *, nar_size: int) -> Narinfo:
        """Put a source there that has come as a zstd file, as it is; the cache has to be held (`writing`).

        Every byte is read once, to its end: it is decompressed, and the NAR's size and hash are checked, before it is
        seen. What the iterator of pieces raises goes through, and nothing is kept.

        Raises:
            NixError: `bad-blob`: it is not what it should be.
            FlakesyncError: the folder cannot be written to: a code of `flakesync.system`.
        """
        digest = hashlib.sha256()
        size = 0

        def written(part: PartFile) -> Iterator[bytes]:
            nonlocal size
            for piece in pieces:
                size += len(piece)
                if size > most:
                    raise NixError("bad-blob", f"more than {most} bytes for a NAR of {nar_size}")
                digest.update(piece)
                part.write(piece)
                yield piece

        most = nar_size + nar_size // 64 + 4096  # incompressible data gets some bytes longer
        with PartFile(self.folder / "nar") as part:
            for _ in check_nar(unpacked(written(part)), size=nar_size, nar_hash=nar_hash):
                pass
            return self._commit(part, nar_hash, nar_size, digest.digest(), size)

    def add_nar(self, nar_hash: str, pieces: Iterable[bytes]) -> Narinfo:
        """Put a source there that is made here, compressed on the way; the cache has to be held (`writing`).

        Raises:
            NixError: `bad-blob`: it has another hash; nothing is kept.
            FlakesyncError: as `add`.
        """
        nar, file = hashlib.sha256(), hashlib.sha256()
        nar_size = size = 0

        def counted() -> Iterator[bytes]:
            nonlocal nar_size
            for piece in pieces:
                nar_size += len(piece)
                nar.update(piece)
                yield piece

        with PartFile(self.folder / "nar") as part:
            for piece in packed(counted()):
                size += len(piece)
                file.update(piece)
                part.write(piece)
            if nar.digest() != sha256_of(nar_hash):
                raise NixError("bad-blob", f"the NAR has the hash {sri(nar.digest())}, and should have {nar_hash}")
            return self._commit(part, nar_hash, nar_size, file.digest(), size)

    def nar(self, nar_hash: str) -> Iterator[bytes]:
        """Give the NAR of a source that is there, its size and hash checked at the end.

        Raises: NixError(`bad-blob`): it is not there, or damaged.
        """
        info = self.find(nar_hash)
        if info is None:
            raise NixError("bad-blob", f"{self.folder} has no source {nar_hash}")
        return check_nar(decompressed_as(info.compression, self._read(info.url)), size=info.nar_size, nar_hash=nar_hash)

    def _read(self, name: str) -> Iterator[bytes]:
        try:
            with (self.folder / name).open("rb") as file:
                while piece := file.read(_PIECE_BYTES):
                    yield piece
        except OSError as error:
            raise NixError("bad-blob", f"{name}: {error.strerror or error}") from None

    def verify(self, *, deep: bool) -> CacheCheck:
        """Return what is wrong with the cache. deep: every file is read, else only narinfos and sizes are."""
        return check_cache(self.folder, self.store_dir, deep=deep)

    def _commit(self, part: PartFile, nar_hash: str, nar_size: int, file_digest: bytes, file_size: int) -> Narinfo:
        info = source_narinfo(
            nar_hash,
            nar_size=nar_size,
            compression="zstd",
            file_digest=file_digest,
            file_size=file_size,
            store_dir=self.store_dir,
        )
        part.keep(info.url.removeprefix("nar/"))
        self._write(self._place(nar_hash).name, narinfo(info))
        return info

    def _place(self, nar_hash: str) -> Path:
        path = source_path(nar_hash, store_dir=self.store_dir)
        return self.folder / f"{path.removeprefix(self.store_dir)[1:33]}.narinfo"

    def _introduce(self) -> None:
        """Write nix-cache-info, without which Nix takes no read-only folder for a cache."""
        try:
            known = (self.folder / CACHE_INFO).read_text("utf-8", "replace")
        except FileNotFoundError:
            self._write(CACHE_INFO, f"StoreDir: {self.store_dir}\nWantMassQuery: 1\nPriority: {_PRIORITY}\n".encode())
            return
        except OSError as error:
            raise cannot_write(self.folder, error) from None
        if f"StoreDir: {self.store_dir}" not in known.splitlines():
            message = f"{self.folder} is no cache for stores at {self.store_dir}: {CACHE_INFO} says otherwise"
            raise FlakesyncError("other-store", message, hint="name another folder, or remove that one")

    def _write(self, name: str, data: bytes) -> None:
        with PartFile(self.folder) as part:
            part.write(data)
            part.keep(name)

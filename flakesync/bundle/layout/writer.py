"""A layout that is written: blobs one by one, its index.json last, so that what has no index is unfinished.

A blob is written as `part-N`, given to the disk, and renamed. What a killed run has left is either whole or a part,
and the next one removes parts.
"""

import contextlib
import fcntl
import hashlib
import itertools
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self

from flakesync.bundle.layout.archive import is_archive, write_archive
from flakesync.bundle.layout.oci import CONFIG_TYPE, DIGEST, MARKER, Layer, digest_of, image_manifest, index
from flakesync.bundle.layout.reader import Layout, open_layout
from flakesync.errors import FlakesyncError

_PIECE_BYTES = 1 << 18


class LayoutWriter:
    """A bundle that is made, or gone on with, in a folder or as a tar archive; one process at a time.

    Blobs of an archive lie in a folder beside it, `.NAME.parts`, until it is finished. config: the manifest of the
    finished bundle that is there already, None: there is none. scratch: a folder that is there until it is finished,
    for what a rerun should know.
    """

    def __init__(self, place: Path) -> None:
        """Make the folder.

        Raises:
            FlakesyncError: `bundle-busy`: another process writes it; `not-a-bundle`: something else is there.
            OSError: it cannot be written.
        """
        self._place = place
        self._is_archive = is_archive(place)
        self._folder = place.with_name(f".{place.name}.parts") if self._is_archive else place
        self._counter = itertools.count()
        _refuse_others(place, is_archive=self._is_archive)
        self._blobs = self._folder / "blobs" / "sha256"
        self._blobs.mkdir(parents=True, exist_ok=True)
        self._lock: int | None = _locked(self._folder, place)
        self._earlier = _earlier(place)
        self.config = None if self._earlier is None else self._earlier.config
        self.scratch = self._folder / "unfinished"
        self.scratch.mkdir(exist_ok=True)
        for part in self._blobs.glob("part-*"):
            part.unlink()

    def has(self, digest: str, size: int | None = None) -> bool:
        """Tell whether a blob is there, with as many bytes if `size` says how many. Its content is not read."""
        there = self._size(digest)
        return there is not None and size in (None, there)

    def add(self, media_type: str, pieces: Iterable[bytes]) -> tuple[str, int]:
        """Write a blob; return its digest and its size. Several threads may do so at once.

        An error of `pieces` leaves nothing behind. Raises: OSError.
        """
        del media_type  # `finish` has it: a rerun that finds the blob has to say it too
        part = self._blobs / f"part-{next(self._counter)}"
        hashed, size = hashlib.sha256(), 0
        try:
            with part.open("xb") as file:
                for piece in pieces:
                    hashed.update(piece)
                    size += len(piece)
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._blobs / hashed.hexdigest())
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        _sync_folder(self._blobs)
        return f"sha256:{hashed.hexdigest()}", size

    def pieces(self, digest: str) -> Iterator[bytes]:
        """Give a blob that was added, or that the archive had before. Raises: OSError, FlakesyncError(`bad-blob`)."""
        try:
            file = (self._blobs / digest[7:]).open("rb")
        except FileNotFoundError:
            if self._earlier is None:
                raise
            yield from self._earlier.blob(digest)
            return
        with file:
            while piece := file.read(_PIECE_BYTES):
                yield piece

    def finish(self, config: bytes, layers: Sequence[Layer]) -> str:
        """Write the manifests and then index.json; return the digest of `config`.

        Blobs that this bundle does not name are removed.
        Raises: ValueError: a layer was not added; OSError.
        """
        missing = [layer.digest for layer in layers if not self.has(layer.digest, layer.size)]
        if missing:
            raise ValueError(f"{missing[0]} is not in the layout")
        named = Layer(CONFIG_TYPE, digest_of(config), len(config))
        manifest = image_manifest(named, layers)
        self.add(CONFIG_TYPE, [config])
        self.add("", [manifest])
        wanted = {digest[7:] for digest in (named.digest, digest_of(manifest), *(layer.digest for layer in layers))}
        if self._is_archive:
            self._write_archive(sorted(wanted), index(manifest))
            return named.digest
        self._put("oci-layout", MARKER)
        self._put("index.json", index(manifest))
        for blob in self._blobs.iterdir():
            if blob.name not in wanted and DIGEST.fullmatch(f"sha256:{blob.name}"):
                blob.unlink()
        shutil.rmtree(self.scratch)
        return named.digest

    def close(self) -> None:
        """Let other processes write it."""
        if self._earlier is not None:
            self._earlier.close()
        if self._lock is not None:
            os.close(self._lock)
        self._lock = None

    def __enter__(self) -> Self:
        """Give the writer."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let other processes write it."""
        self.close()

    def _size(self, digest: str) -> int | None:
        if not DIGEST.fullmatch(digest):
            return None
        with contextlib.suppress(FileNotFoundError):
            return (self._blobs / digest[7:]).stat().st_size
        earlier = self._earlier.layers.get(digest) if self._is_archive and self._earlier is not None else None
        return None if earlier is None else earlier.size

    def _write_archive(self, blobs: list[str], listed: bytes) -> None:
        part = self._folder / "archive"
        members = [
            (f"blobs/sha256/{name}", self._size(f"sha256:{name}") or 0, self.pieces(f"sha256:{name}")) for name in blobs
        ]
        files = [("index.json", len(listed), iter([listed])), ("oci-layout", len(MARKER), iter([MARKER]))]
        with part.open("wb") as file:
            write_archive(file, [*members, *files])
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._place)
        _sync_folder(self._place.parent)
        shutil.rmtree(self._folder)

    def _put(self, name: str, data: bytes) -> None:
        part = self._folder / "unfinished" / name
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._folder / name)
        _sync_folder(self._folder)


def _refuse_others(place: Path, *, is_archive: bool) -> None:
    """Leave alone what is no bundle: a folder is emptied of blobs that a new bundle does not have."""
    if is_archive or not place.is_dir() or not (names := {found.name for found in place.iterdir()}):
        return
    if not names <= {"blobs", "index.json", "oci-layout", "unfinished"}:
        other = min(names - {"blobs", "index.json", "oci-layout", "unfinished"})
        raise FlakesyncError(
            "not-a-bundle", f"{place} has {other} in it, and is no bundle", hint="-o names a new folder, or FILE.tar"
        )


def _earlier(place: Path) -> Layout | None:
    """Return the finished bundle that is there; None: there is none.

    Raises: FlakesyncError(`not-a-bundle`): it is of another kind, or damaged.
    """
    try:
        return open_layout(place)
    except FlakesyncError as error:
        if error.code in ("unfinished-bundle", "no-bundle"):
            return None
        raise FlakesyncError("not-a-bundle", error.message, hint="-o names a new folder, or FILE.tar") from None


def _locked(folder: Path, place: Path) -> int:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise FlakesyncError(
            "bundle-busy", f"{place} is written by another process", hint="wait for it, or name another -o"
        ) from None
    return handle


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

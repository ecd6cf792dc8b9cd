"""A layout that is read: its bundle's manifest at once, blobs as a stream; each byte is held to its digest."""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Self

from flakesync.bundle.layout.archive import Place, is_archive, pieces_at, places_in
from flakesync.bundle.layout.oci import (
    MOST_BYTES,
    Layer,
    bad_blob,
    bad_bundle,
    read_image,
    read_index,
    read_marker,
)
from flakesync.errors import FlakesyncError

_PIECE_BYTES = 1 << 18


class _Folder:
    """The files of a layout that is a folder."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def open(self, name: str) -> tuple[int, Iterator[bytes]] | None:
        """Return the size and the pieces of a file; None: there is none, or it is no plain file."""
        try:
            handle = os.open(self._place / name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would wait
        except FileNotFoundError:
            return None
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            os.close(handle)
            return None
        return found.st_size, self._pieces(handle)

    def close(self) -> None:
        """Nothing is open."""

    def has_blobs(self) -> bool:
        """Tell whether it looks like a layout."""
        return (self._place / "blobs/sha256").is_dir()

    def path(self, name: str) -> Path:
        """Return where a file lies."""
        return self._place / name

    @staticmethod
    def _pieces(handle: int) -> Iterator[bytes]:
        with open(handle, "rb", buffering=0) as file:
            while piece := file.read(_PIECE_BYTES):
                yield piece


class _Archive:
    """The files of a layout that is a tar archive."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._places: dict[str, Place] = places_in(file)

    def open(self, name: str) -> tuple[int, Iterator[bytes]] | None:
        """Return the size and the pieces of a file; None: there is none."""
        place = self._places.get(name)
        return None if place is None else (place.size, pieces_at(self._file, place))

    def has_blobs(self) -> bool:
        """Tell whether it looks like a layout."""
        return any(name.startswith("blobs/sha256/") for name in self._places)

    def path(self, name: str) -> None:
        """No file lies anywhere of its own."""

    def close(self) -> None:
        """Close the archive."""
        self._file.close()


class Layout:
    """A finished bundle.

    config: its manifest as JSON (`flakesync/bundle/1`), of which the digest is that of the bundle. layers: its blobs by
    digest; whether they are there, and whole, only reading them tells.
    """

    def __init__(self, files: _Folder | _Archive) -> None:
        """Read index, image manifest and config. Raises: FlakesyncError(`unfinished-bundle`, `bad-bundle`)."""
        self._files = files
        index = self._small("index.json")
        if index is None and not files.has_blobs():
            raise bad_bundle("it has neither index.json nor blobs", hint="is it another folder, or a part of it?")
        if index is None:
            raise FlakesyncError(
                "unfinished-bundle",
                "the bundle has no index.json, which is written last",
                hint="`flakesync bundle` with the same -o goes on with it; or it has not been copied as a whole",
            )
        marker = self._small("oci-layout")
        if marker is None:
            raise bad_bundle("the bundle has no file oci-layout")
        read_marker(marker)
        image = read_image(self._named(read_index(index), "the image manifest"))
        self.config = self._named(image.config, "the manifest")
        self.digest = image.config.digest
        self.layers = image.layers

    def blob(self, digest: str) -> Iterator[bytes]:
        """Give a layer in pieces.

        The last piece may have been given when it shows that the blob is another one: nothing of it counts until the
        end is reached. Raises: FlakesyncError(`bad-blob`).
        """
        layer = self.layers.get(digest)
        if layer is None:
            raise bad_bundle(f"the bundle has no blob {digest}")
        return self._checked(layer)

    def path(self, digest: str) -> Path | None:
        """Return the file that a layer is, as an absolute path; None: it is part of an archive."""
        found = self._files.path(f"blobs/sha256/{digest[7:]}") if digest in self.layers else None
        return None if found is None else found.absolute()

    def close(self) -> None:
        """Close its files."""
        self._files.close()

    def __enter__(self) -> Self:
        """Give the layout."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close its files."""
        self.close()

    def _checked(self, layer: Layer) -> Iterator[bytes]:
        try:
            yield from self._hashed(layer)
        except OSError as error:  # a medium that is damaged
            raise bad_blob(layer.digest, f"the blob cannot be read: {error.strerror or error}") from None

    def _hashed(self, layer: Layer) -> Iterator[bytes]:
        found = self._files.open(f"blobs/sha256/{layer.digest[7:]}")
        if found is None:
            raise bad_blob(layer.digest, "the blob is missing")
        if found[0] != layer.size:
            raise bad_blob(layer.digest, f"the blob has {found[0]} bytes, and should have {layer.size}")
        hashed, left = hashlib.sha256(), layer.size
        for piece in found[1]:
            left -= len(piece)
            if left < 0:
                break
            hashed.update(piece)
            yield piece
        if left or f"sha256:{hashed.hexdigest()}" != layer.digest:
            raise bad_blob(layer.digest, "the blob has other content than its name says")

    def _named(self, layer: Layer, what: str) -> bytes:
        if layer.size > MOST_BYTES:
            raise bad_bundle(f"{what} has {layer.size} bytes, which is more than any has")
        try:
            return b"".join(self._checked(layer))
        except FlakesyncError as error:
            raise bad_bundle(f"{what}: {error.message}") from None

    def _small(self, name: str) -> bytes | None:
        found = self._files.open(name)
        if found is None:
            return None
        if found[0] > MOST_BYTES:
            raise bad_bundle(f"{name} has {found[0]} bytes, which is more than any has")
        return b"".join(found[1])


def open_layout(place: Path) -> Layout:
    """Return the bundle in a folder or in a tar archive.

    Raises:
        FlakesyncError: `unfinished-bundle`: its index.json is not there yet; `bad-bundle`: what is there is no bundle,
            or it is damaged, or it cannot be read; `no-bundle`: nothing is there.
    """
    try:
        if place.is_dir():
            return Layout(_Folder(place))
        if is_archive(place) and place.exists():
            return _open_archive(place)
    except OSError as error:
        raise bad_bundle(f"{place}: {error.strerror or error}", hint="can it be read by this user?") from None
    except FlakesyncError as error:
        raise FlakesyncError(error.code, f"{place}: {error.message}", hint=error.hint) from None
    if place.exists():
        raise bad_bundle(f"{place} is neither a folder nor a file")
    raise FlakesyncError("no-bundle", f"{place} does not exist", hint="the bundle is a folder, or a file FILE.tar")


def _open_archive(place: Path) -> Layout:
    file = place.open("rb")
    try:
        return Layout(_Archive(file))
    except BaseException:
        file.close()
        raise

"""Tar archives of a layout (`oci-archive`): where each file lies in one, and writing one.

Nothing is unpacked: a name is only looked up. Links, sparse files, devices, names that lead out and names that are
there twice make the whole archive unusable, as does any byte that no tar program would have written.
"""

import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from flakesync.bundle.layout.oci import bad_bundle

_BLOCK = 512
_PIECE_BYTES = 1 << 18
_MOST_MEMBERS = 200_000
_MOST_HEADER_BYTES = 1 << 16
_MOST_END_BYTES = 1 << 20
"""Tar programs fill the end up with zeros, to 10 KiB by default."""
_PACKED = {b"\x1f\x8b": "gzip -d", b"\x28\xb5": "zstd -d", b"\xfd7": "xz -d", b"BZ": "bzip2 -d"}


class Place(NamedTuple):
    """Where the content of a file lies in an archive: from which byte on, and how many."""

    start: int
    size: int


def places_in(file: BinaryIO) -> dict[str, Place]:
    """Return the files in a tar archive by name, without `./`.

    Raises: FlakesyncError(`bad-bundle`); OSError.
    """
    length = file.seek(0, 2)
    _refuse_packed(file)
    found: dict[str, Place] = {}
    offset = members = 0
    long_size: int | None = None
    while True:
        block = _read(file, offset, _BLOCK)
        if not block.strip(b"\0"):
            break
        members += 1
        header = _header(block)
        size = header.size if long_size is None else long_size
        start, end = offset + _BLOCK, offset + _BLOCK + size
        offset = end + -size % _BLOCK
        if members > _MOST_MEMBERS or size < 0:
            raise bad_bundle("the archive has too many entries, or one without an end")
        if offset > length:
            raise bad_bundle("the archive is cut off")
        if _read(file, end, offset - end).strip(b"\0"):
            raise bad_bundle("the archive is damaged between two of its files")
        if header.type == tarfile.XHDTYPE and long_size is None:
            long_size = _long_size(file, start, size)
            continue
        long_size = None
        _keep(found, header, Place(start, size))
    _check_end(file, offset, length)
    return found


def write_archive(file: BinaryIO, members: Iterable[tuple[str, int, Iterator[bytes]]]) -> None:
    """Write a tar archive of files (name, size, content): no time, no owner, mode 0644, so the same bytes each time.

    Raises: OSError.
    """
    for name, size, pieces in members:
        header = tarfile.TarInfo(name)
        header.size, header.mode = size, 0o644
        file.write(header.tobuf(tarfile.PAX_FORMAT))
        file.writelines(pieces)
        file.write(bytes(-size % _BLOCK))
    file.write(bytes(2 * _BLOCK))


def pieces_at(file: BinaryIO, place: Place) -> Iterator[bytes]:
    """Give the content of a file in an archive, in pieces; fewer bytes where the archive has become shorter."""
    offset, left = place
    while left:
        file.seek(offset)  # others may read the same file in between
        piece = file.read(min(left, _PIECE_BYTES))
        if not piece:
            return
        offset, left = offset + len(piece), left - len(piece)
        yield piece


def is_archive(place: Path) -> bool:
    """Tell whether a bundle at `place` is one tar archive: what is there is a file, or its name says so."""
    return place.is_file() or (not place.is_dir() and place.suffix == ".tar")


def _read(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    data = file.read(size)
    if len(data) != size:
        raise bad_bundle("the archive is cut off")
    return data


def _refuse_packed(file: BinaryIO) -> None:
    file.seek(0)
    if (program := _PACKED.get(file.read(2))) is not None:
        raise bad_bundle(
            "the archive is compressed", hint=f"its blobs are compressed already; unpack it with `{program}`"
        )


def _header(block: bytes) -> tarfile.TarInfo:
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise bad_bundle(f"the archive is damaged: {error}") from None
    # Two ways to write it are about; tarfile reads more, in which a flipped bit is not seen.
    if block[148:156] not in (b"%06o\0 " % header.chksum, b"%07o\0" % header.chksum):
        raise bad_bundle("the archive is damaged: a checksum is not as tar programs write it")
    return header


def _keep(found: dict[str, Place], header: tarfile.TarInfo, place: Place) -> None:
    name = header.name.removeprefix("./")
    if header.type == tarfile.DIRTYPE and place.size == 0:
        return
    if header.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        raise bad_bundle(f"{name!r} in the archive is neither a plain file nor a folder")
    if any(part in ("", ".", "..") for part in name.split("/")):
        raise bad_bundle(f"the archive has a file called {name!r}")
    if name in found:
        raise bad_bundle(f"the archive has {name!r} twice")
    found[name] = place


def _long_size(file: BinaryIO, start: int, size: int) -> int | None:
    """Return the size that an extended header gives for the next file: one of 8 GiB and more has no room for it."""
    if size > _MOST_HEADER_BYTES:
        raise bad_bundle("the archive has an extended header that is too long")
    rest, found = _read(file, start, size), None
    while rest:
        digits, _, _ = rest.partition(b" ")
        length = int(digits) if digits.isdigit() and len(digits) <= len(str(_MOST_HEADER_BYTES)) else 0
        record, rest = rest[len(digits) + 1 : length - 1], rest[length:]
        key, equals, value = record.partition(b"=")
        if length <= len(digits) + 1 or not equals or key in (b"path", b"linkpath") or key.startswith(b"GNU.sparse"):
            raise bad_bundle("the archive has an extended header that cannot be read")
        if key == b"size":
            if not value.isdigit() or len(value) > len(str(1 << 62)):
                raise bad_bundle("the archive has a file whose size is no number")
            found = int(value)
    return found


def _check_end(file: BinaryIO, offset: int, length: int) -> None:
    if not 2 * _BLOCK <= length - offset <= _MOST_END_BYTES or _read(file, offset, length - offset).strip(b"\0"):
        raise bad_bundle("the archive is cut off, or something follows its end")

"""The tree in a tar archive as Nix unpacks it: below its one top folder (`downloadTarball`, the forge's input schemes).

An archive's order is not that of a NAR (git puts `a.b` before `a/`), so contents go to one temporary file first and
are hashed from there.
"""

import io
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

from flakesync.errors import NixError
from flakesync.nix.store.compression import decompressed
from flakesync.nix.store.nar import nar_pieces
from flakesync.nix.store.narhash import nar_hash_of_tree

_TREE = 0o40000
_SYMLINK = 0o120000
_FILE = 0o100644
_PROGRAM = 0o100755
_PIECE_BYTES = 1 << 18
_IN_MEMORY_BYTES = 1 << 22
_BLOCK_BYTES = 512

_EXTENSIONS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)
# Each limit is far above any real source; an archive past one would cost time or memory out of proportion to its size.
_MOST_ENTRIES = 500_000
_MOST_NAME_BYTES = 1 << 26
_LONGEST_PATH_BYTES = 4096
_LONGEST_EXTENSION_BYTES = 10 << 10
_MOST_EXTENSION_WORK = 1 << 32
"""Sum of the squares of the bytes of extended headers: tarfile may take that many steps over their digits."""
_LARGEST_READ_BYTES = 16 << 20
_GREATEST_TIME = 2**63 - 1

GREATEST_BYTES = 1 << 35
"""How much an archive may hold, unpacked, by default: 32 GiB."""


@dataclass(frozen=True, slots=True)
class TarTree:
    """What an archive holds below its one top folder.

    nar_hash: SRI. last_modified: the time of its entries in seconds; None: they differ, and Nix versions take
    different ones. rev: the commit that `git archive` noted in it, None if it did not.
    files: contents of the files asked for, by path; of symlinks where they lead; None for what is not there.
    """

    nar_hash: str
    last_modified: int | None
    rev: str | None
    files: Mapping[str, bytes | None]


def read_tar(
    pieces: Iterable[bytes],
    *,
    files: Iterable[str] = (),
    spool: Path | None = None,
    greatest_bytes: int = GREATEST_BYTES,
) -> TarTree:
    """Return what is below the single top folder of a tar archive (plain or compressed), read as a stream.

    files: paths below the top folder whose contents are wanted. spool: the folder for the temporary file; None: the
    system's own. greatest_bytes: how much it may hold.

    Raises:
        NixError: `bad-archive`: it is cut off, has no single top folder, or holds what Nix versions unpack differently.
    """
    with _unpack(pieces, spool, greatest_bytes, exact=True) as tree:
        return TarTree(
            nar_hash_of_tree(tree, tree.top()),
            next(iter(tree.times)) if len(tree.times) == 1 else None,
            tree.comment,
            {path: tree.file(path) for path in files},
        )


def nar_of_tar(
    pieces: Iterable[bytes], *, spool: Path | None = None, greatest_bytes: int = GREATEST_BYTES
) -> Iterator[bytes]:
    """Give the NAR of the tree that `read_tar` reads, in pieces; the temporary file goes with the last one.

    Times with fractions, hard links and names that begin with `./` are taken too: who asks for a NAR knows its hash.

    Raises: as `read_tar`, and as `nar_pieces`.
    """
    with _unpack(pieces, spool, greatest_bytes, exact=False) as tree:
        yield from nar_pieces(tree, tree.top())


@contextmanager
def _unpack(pieces: Iterable[bytes], spool: Path | None, greatest_bytes: int, *, exact: bool) -> "Iterator[_Unpacked]":
    """Give the tree of an archive. exact: what versions of Nix may unpack differently is refused."""
    with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES, dir=None if spool is None else str(spool)) as contents:
        tree = _Unpacked(contents, greatest_bytes, exact)
        stream = _Stream(decompressed(pieces))
        try:
            with tarfile.open(
                fileobj=stream,
                mode="r|",
                bufsize=_PIECE_BYTES,
                encoding="utf-8",
                errors="surrogateescape",
                tarinfo=_bounded_headers(),
            ) as archive:
                while (member := archive.next()) is not None:
                    tree.take(archive, member)
                    archive.members.clear()  # type: ignore[attr-defined]  # it remembers all it has seen
                tree.comment = archive.pax_headers.get("comment")
                end = archive.offset
            stream.finish(end)
        except RecursionError:
            raise NixError("bad-archive", "the archive cannot be read: extended headers without end") from None
        except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
            raise NixError("bad-archive", f"the archive cannot be read: {error}") from None
        yield tree


def _bounded_headers() -> type[tarfile.TarInfo]:
    """Return the headers of one archive, which stop it at one that is too large: tarfile would read it all at once."""
    entries = work = 0

    class _Header(tarfile.TarInfo):
        @classmethod
        def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
            nonlocal entries, work
            header = super().frombuf(buf, encoding, errors)
            entries += 1
            if header.type in _EXTENSIONS:
                work += header.size**2
                if not 0 <= header.size <= _LONGEST_EXTENSION_BYTES or work > _MOST_EXTENSION_WORK:
                    raise NixError("bad-archive", "the archive has an extended header that is too large, or too many")
            if entries > _MOST_ENTRIES:
                raise NixError("bad-archive", f"the archive has more than {_MOST_ENTRIES} entries")
            return header

    return _Header


class _Stream(io.RawIOBase):
    """Pieces as tarfile reads them."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""
        self._size = 0
        self._last = 0

    def read(self, size: int = -1, /) -> bytes:
        """Return the next `size` bytes, fewer only at the end."""
        gathered = [self._rest]
        have = len(self._rest)
        while have < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            gathered.append(piece)
            have += len(piece)
        data = b"".join(gathered)
        data, self._rest = data[:size], data[size:]
        if written := len(data.rstrip(b"\0")):
            self._last = self._size + written
        self._size += len(data)
        return data

    def finish(self, end: int) -> None:
        """Read all that is left: after `end`, where tarfile has stopped, come two blocks of zeros and nothing else.

        Else it was cut off, or there is an entry that tarfile cannot read, over which it says nothing.
        """
        while self.read(_PIECE_BYTES):
            pass
        if self._last > end or self._size < end + 2 * _BLOCK_BYTES or self._size % _BLOCK_BYTES:
            raise EOFError("it is cut off or damaged")


@dataclass(slots=True)
class _Unpacked:
    """Folders by path, contents in one file; a TreeReader whose object ids are paths and places."""

    contents: IO[bytes]
    greatest_bytes: int
    exact: bool
    folders: dict[bytes, dict[bytes, tuple[int, str]]] = field(default_factory=lambda: {b"": {}})
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    times: set[int] = field(default_factory=set)
    comment: str | None = None
    size: int = 0
    name_bytes: int = 0

    def take(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """Take up one entry of the archive, whose content comes next in the stream."""
        path = member.name.encode("utf-8", "surrogateescape")
        if len(path) > _LONGEST_PATH_BYTES:
            raise NixError("bad-archive", f"the archive holds a path longer than {_LONGEST_PATH_BYTES} bytes")
        parts = [part for part in path.split(b"/") if self.exact or part != b"."]
        if not parts:
            return  # `./`
        if any(part in (b"", b".", b"..") for part in parts):
            raise NixError("bad-archive", f"the archive holds the path {member.name!r}")
        if len(parts) == 1 and not member.isdir():
            raise NixError("bad-archive", "the archive has no single top folder")
        if not 0 <= member.mtime <= _GREATEST_TIME or member.size < 0:
            raise NixError("bad-archive", f"{member.name!r} in the archive has a time or a size that none can have")
        if self.exact and member.mtime != int(member.mtime):
            raise NixError("bad-archive", "the archive has times with fractions of seconds")
        self.times.add(int(member.mtime))
        folder = self._folder(parts[:-1])
        if member.isdir():
            self._folder(parts)
            return
        self._count_name(parts[-1])
        if parts[-1] in folder:
            raise NixError("bad-archive", f"the archive holds {member.name!r} twice")
        if member.issym():
            target = member.linkname.encode("utf-8", "surrogateescape")
            folder[parts[-1]] = _SYMLINK, self._store([target])
        elif member.isreg() and not member.issparse() and (stream := archive.extractfile(member)) is not None:
            pieces = iter(lambda: stream.read(_PIECE_BYTES), b"")
            mode = _PROGRAM if member.mode & 0o100 else _FILE
            folder[parts[-1]] = mode, self._store(pieces)
        elif not self.exact and member.islnk():
            folder[parts[-1]] = self._linked(member)
        else:
            raise NixError("bad-archive", f"{member.name!r} is neither a file nor a folder nor a symlink")

    def _linked(self, member: tarfile.TarInfo) -> tuple[int, str]:
        """Return the entry of the file that a hard link is the same as; it comes before the link."""
        path = member.linkname.encode("utf-8", "surrogateescape")
        *above, name = [part for part in path.split(b"/") if part != b"."] or [b""]
        mode, oid = self.folders.get(b"/".join(above), {}).get(name, (_TREE, ""))
        if mode == _TREE:
            raise NixError("bad-archive", f"{member.name!r} is a link to {member.linkname!r}, which is no file")
        return mode, oid

    def top(self) -> str:
        """Return the id of the single top folder."""
        entries = self.folders[b""]
        if len(entries) != 1:
            raise NixError("bad-archive", "the archive has no single top folder")
        return next(iter(entries.values()))[1]

    def file(self, path: str) -> bytes | None:
        """Return the content of a file below the top folder, of a symlink where it leads; None: there is none."""
        parts = path.encode("utf-8", "surrogateescape").split(b"/")
        folder = self.folders.get(b"/".join([self.top().encode("utf-8", "surrogateescape"), *parts[:-1]]), {})
        mode, oid = folder.get(parts[-1], (_TREE, ""))
        if mode == _TREE:
            return None
        size, pieces = self.blob(oid)
        if size > _LARGEST_READ_BYTES:
            raise NixError("bad-archive", f"{path} in the archive is larger than {_LARGEST_READ_BYTES >> 20} MiB")
        return b"".join(pieces)

    def tree(self, oid: str) -> Mapping[bytes, tuple[int, str]]:
        """Return the entries of a folder; its id is its path."""
        return self.folders[oid.encode("utf-8", "surrogateescape")]

    def blob(self, oid: str) -> tuple[int, Iterable[bytes]]:
        """Return the size and the pieces of a content."""
        start, size = self.places[oid]
        return size, self._pieces(start, size)

    def _pieces(self, start: int, size: int) -> Iterator[bytes]:
        self.contents.seek(start)
        while size:
            piece = self.contents.read(min(size, _PIECE_BYTES))
            if not piece:
                return
            size -= len(piece)
            yield piece

    def _store(self, pieces: Iterable[bytes]) -> str:
        start = self.size
        for piece in pieces:
            self.size += len(piece)
            if self.size > self.greatest_bytes:
                raise NixError("bad-archive", f"the archive holds more than {self.greatest_bytes} bytes")
            self.contents.write(piece)
        oid = str(len(self.places))
        self.places[oid] = start, self.size - start
        return oid

    def _count_name(self, name: bytes) -> None:
        self.name_bytes += len(name)
        if self.name_bytes > _MOST_NAME_BYTES:
            raise NixError("bad-archive", "the archive holds too many folders and names")

    def _folder(self, parts: list[bytes]) -> dict[bytes, tuple[int, str]]:
        known = self.folders.get(b"/".join(parts))
        if known is not None:
            return known
        folder, path = self.folders[b""], b""
        for part in parts:
            path = path + b"/" + part if path else part
            below = self.folders.get(path)
            if below is None:
                if part in folder:
                    raise NixError("bad-archive", f"{path.decode('utf-8', 'replace')!r} is a folder and something else")
                self._count_name(path)
                folder[part] = _TREE, path.decode("utf-8", "surrogateescape")
                below = self.folders[path] = {}
            folder = below
        return folder

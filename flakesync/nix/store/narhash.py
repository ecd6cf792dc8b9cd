"""narHash: the SHA-256 of a tree in Nix's archive format, without making the archive (`dumpPath` of Nix).

A NAR holds names, contents, executable bits and symlinks; no owners, times or other modes. Memory does not grow with
the tree: contents pass through in pieces, and only the folders on the way down are held.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from flakesync.errors import NixError

_TREE = 0o40000
_SYMLINK = 0o120000
_GITLINK = 0o160000
_FILES = (0o100644, 0o100664, 0o100755)
_EXECUTABLE = 0o100

_SIZE = 32
_HEX = re.compile(r"[0-9a-fA-F]+")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{43}=?")
_BASE32 = "0123456789abcdfghijklmnpqrsvwxyz"
_BASE32_SIZE = 52

_MOST_ENTRIES = 1_000_000
"""Ten times what the largest sources have. A git tree that has the same folder twice, forty times over, has 2^40."""
_MOST_BYTES = 1 << 35
"""As in an archive (tarball.py): the same blob may be there as often."""

_PIECE_BYTES = 1 << 16
"""How much of what is small is gathered before it is hashed."""


def _text(*words: bytes) -> bytes:
    """Return strings as a NAR holds them: the length in 8 bytes, the text, zeros up to a multiple of 8."""
    return b"".join([len(word).to_bytes(8, "little") + word + bytes(-len(word) % 8) for word in words])


_MAGIC = _text(b"nix-archive-1")
_FOLDER = _text(b"(", b"type", b"directory")
_FILE = _text(b"(", b"type", b"regular", b"contents")
_PROGRAM = _text(b"(", b"type", b"regular", b"executable", b"", b"contents")
_LINK = _text(b"(", b"type", b"symlink", b"target")
_ENTRY = _text(b"entry", b"(", b"name")
_NODE = _text(b"node")
_END = _text(b")")
_END_ENTRY = _END + _END
_EMPTY_FOLDER = _FOLDER + _END


class TreeReader(Protocol):
    """Where a tree's folders and contents come from; for git trees see `flakesync.git.store.contents.TreeContents`."""

    def tree(self, oid: str) -> Mapping[bytes, tuple[int, str]]:
        """Return the entries of a tree: name → (git's mode, object id), in any order."""
        ...

    def blob(self, oid: str) -> tuple[int, Iterable[bytes]]:
        """Return the size of a blob in bytes, and its content in pieces."""
        ...


class _Hash:
    """A hash that gathers small pieces."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._waiting = bytearray(_MAGIC)

    def add(self, data: bytes) -> None:
        if len(data) >= _PIECE_BYTES:
            self._flush()
            self._sha256.update(data)
            return
        self._waiting += data
        if len(self._waiting) >= _PIECE_BYTES:
            self._flush()

    def sri(self) -> str:
        self._flush()
        return "sha256-" + base64.b64encode(self._sha256.digest()).decode()

    def _flush(self) -> None:
        self._sha256.update(self._waiting)
        self._waiting.clear()


def nar_hash_of_tree(reader: TreeReader, tree: str) -> str:
    """Return the narHash (`sha256-…`, SRI) of a git tree as it is stored; a submodule is an empty folder.

    Raises:
        NixError: `no-nar` for an entry that has no place in a NAR, or a blob that is not as long as it should be;
            `large-tree`: it holds more than any source has.
    """
    nar = _Hash()
    entries = size = 0
    nar.add(_FOLDER)
    open_folders = [_sorted(reader, tree)]
    while open_folders:
        entry = next(open_folders[-1], None)
        if entry is None:
            open_folders.pop()
            nar.add(_END_ENTRY if open_folders else _END)
            continue
        name, mode, oid = entry
        entries += 1
        if entries > _MOST_ENTRIES or size > _MOST_BYTES:
            much = f"{_MOST_ENTRIES} files and folders" if entries > _MOST_ENTRIES else f"{_MOST_BYTES} bytes"
            raise NixError("large-tree", f"the tree {tree} has more than {much}")
        nar.add(_ENTRY + _text(name) + _NODE)
        if mode == _TREE:
            nar.add(_FOLDER)
            open_folders.append(_sorted(reader, oid))
        elif mode == _GITLINK:
            nar.add(_EMPTY_FOLDER + _END)
        elif mode == _SYMLINK:
            nar.add(_LINK)
            size += _add_content(nar, reader, oid)
            nar.add(_END_ENTRY)
        elif mode in _FILES:
            nar.add(_PROGRAM if mode & _EXECUTABLE else _FILE)
            size += _add_content(nar, reader, oid)
            nar.add(_END_ENTRY)
        else:
            raise NixError("no-nar", f"{_shown(name)} has the mode {mode:o}, which Nix does not know")
    return nar.sri()


def sha256_of(text: str) -> bytes | None:
    """Return the digest that a narHash means in any spelling that Nix has written or reads.

    `sha256-` and base64, padded or not; `sha256:`, or nothing, and base16, base64 or Nix's base32. None: it is none of
    these, or of another algorithm.
    """
    digits = text.removeprefix("sha256-")
    if digits == text:
        digits = text.removeprefix("sha256:")
        if len(digits) == _SIZE * 2 and _HEX.fullmatch(digits):
            return bytes.fromhex(digits)
        if len(digits) == _BASE32_SIZE:
            return _from_base32(digits)
    if not _BASE64.fullmatch(digits):
        return None
    found = base64.b64decode(digits.rstrip("=") + "=")
    return found if len(found) == _SIZE else None


def _from_base32(digits: str) -> bytes | None:
    """Return the bytes that Nix writes in this way: the last digit is the lowest five bits of the first byte."""
    value = 0
    for digit in digits:
        place = _BASE32.find(digit)
        if place < 0:
            return None
        value = value << 5 | place
    return value.to_bytes(_SIZE, "little") if value.bit_length() <= _SIZE * 8 else None


def _sorted(reader: TreeReader, oid: str) -> Iterator[tuple[bytes, int, str]]:
    """Give a folder's entries in the order of a NAR: by bytes, folders among files (git sorts `a` as `a/`)."""
    entries = reader.tree(oid)
    for name in entries:
        if name in (b"", b".", b"..") or b"/" in name or b"\0" in name:
            raise NixError("no-nar", f"{_shown(name)!r} cannot be the name of a file")
    return iter([(name, *entries[name]) for name in sorted(entries)])


def _add_content(nar: _Hash, reader: TreeReader, oid: str) -> int:
    """Return how many bytes it was."""
    size, pieces = reader.blob(oid)
    nar.add(size.to_bytes(8, "little"))
    left = size
    for piece in pieces:
        left -= len(piece)
        nar.add(piece)
    if left:
        raise NixError("no-nar", f"the object {oid} is not {size} bytes long")
    nar.add(bytes(-size % 8))
    return size


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "replace")

"""narHash: the SHA-256 of a tree in Nix's archive format, without keeping the archive."""

import base64
import hashlib
import re

from flakesync.nix.store.nar import TreeReader, write_nar

_SIZE = 32
_HEX = re.compile(r"[0-9a-fA-F]+")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{43}=?")
BASE32 = "0123456789abcdfghijklmnpqrsvwxyz"
"""The digits of Nix's base32, in the order of their values."""
_BASE32_SIZE = 52


def nar_hash_of_tree(reader: TreeReader, tree: str) -> str:
    """Return the narHash (`sha256-…`, SRI) of a git tree as it is stored; a submodule is an empty folder.

    Raises:
        NixError: as `write_nar`.
    """
    digest = hashlib.sha256()
    write_nar(reader, tree, digest.update)
    return sri(digest.digest())


def sri(digest: bytes) -> str:
    """Return a SHA-256 as Nix writes narHashes into locks: `sha256-` and base64."""
    return "sha256-" + base64.b64encode(digest).decode()


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
        place = BASE32.find(digit)
        if place < 0:
            return None
        value = value << 5 | place
    return value.to_bytes(_SIZE, "little") if value.bit_length() <= _SIZE * 8 else None

"""narinfo: what a binary cache says of one store path (`nar-info.cc`)."""

import re
from pathlib import Path

import msgspec

from flakesync.errors import NixError
from flakesync.nix.store.narhash import sha256_of
from flakesync.nix.store.store_path import STORE_DIR, nix32, source_path

_FIELD = re.compile(r"([A-Za-z]+):(?: (.*))?")
_NUMBER = re.compile(r"[0-9]{1,19}")
_URL = re.compile(r"nar/[A-Za-z0-9][A-Za-z0-9._-]{0,200}")
_MOST_BYTES = 1 << 20
"""Paths with ten thousand references are below that."""


class Narinfo(msgspec.Struct, frozen=True, kw_only=True):
    """One path of a cache.

    url: the file, `nar/…`. compression: `zstd`, `xz`, `none`. file_hash, nar_hash: `sha256:` and Nix's base32, of the
    file and of the NAR in it; file_hash and file_size: None: not said. Sizes are in bytes. references: names of store
    paths. ca: what makes the path need no signature; None: nothing does.
    """

    store_path: str
    url: str
    compression: str
    file_hash: str | None
    file_size: int | None
    nar_hash: str
    nar_size: int
    references: tuple[str, ...] = ()
    ca: str | None = None


def source_narinfo(
    nar_hash: str, *, nar_size: int, compression: str, file_digest: bytes, file_size: int, store_dir: str = STORE_DIR
) -> Narinfo:
    """Return the narinfo of a source, which Nix accepts without a signature. nar_hash: in any spelling.

    file_digest: the SHA-256 of the compressed NAR; its file has that name.

    Raises: ValueError: nar_hash is no SHA-256.
    """
    known = nix_hash(nar_hash)
    suffix = {"zstd": ".zst", "xz": ".xz", "none": ""}[compression]
    return Narinfo(
        store_path=source_path(nar_hash, store_dir=store_dir),
        url=f"nar/{nix32(file_digest)}.nar{suffix}",
        compression=compression,
        file_hash=f"sha256:{nix32(file_digest)}",
        file_size=file_size,
        nar_hash=known,
        nar_size=nar_size,
        ca=f"fixed:r:{known}",
    )


def nix_hash(nar_hash: str) -> str:
    """Return a narHash as caches spell it: `sha256:` and Nix's base32. Raises ValueError: it is no SHA-256."""
    digest = sha256_of(nar_hash)
    if digest is None:
        raise ValueError(f"{nar_hash} is no narHash")
    return f"sha256:{nix32(digest)}"


def narinfo(info: Narinfo) -> bytes:
    """Return the file: the fields and the order of Nix. `References: ` has its blank even if there are none."""
    rows: list[tuple[str, str | int | None]] = [
        ("StorePath", info.store_path),
        ("URL", info.url),
        ("Compression", info.compression),
        ("FileHash", info.file_hash),
        ("FileSize", info.file_size),
        ("NarHash", info.nar_hash),
        ("NarSize", info.nar_size),
        ("References", " ".join(info.references)),
        ("CA", info.ca),
    ]
    return "".join([f"{name}: {value}\n" for name, value in rows if value is not None]).encode()


def load_narinfo(place: Path) -> Narinfo:
    """Return what a file says. Raises: OSError; NixError as `read_narinfo`."""
    with place.open("rb") as file:
        return read_narinfo(file.read(_MOST_BYTES + 1))


def read_narinfo(data: bytes) -> Narinfo:
    """Return what a narinfo says. Fields that are not Narinfo's are left out, signatures among them.

    Raises:
        NixError: `bad-narinfo`: a field is missing, twice there or no such value, or the URL is no file in `nar/`.
    """
    try:
        lines = data.decode("ascii").split("\n") if len(data) <= _MOST_BYTES else []
    except UnicodeDecodeError:
        lines = []
    if len(lines) < 2 or lines.pop():
        raise NixError("bad-narinfo", "it is cut off, or no narinfo")
    fields: dict[str, str] = {}
    for line in lines:
        row = _FIELD.fullmatch(line)
        if row is None or (row[1] in fields and row[1] != "Sig"):
            raise NixError("bad-narinfo", f"it has the line {line[:100]!r}")
        fields[row[1]] = row[2] or ""
    url = _field(fields, "URL")
    if not _URL.fullmatch(url):
        raise NixError("bad-narinfo", f"its file is {url[:100]!r}, and not one in nar/")
    file_hash = fields.get("FileHash")
    return Narinfo(
        store_path=_field(fields, "StorePath"),
        url=url,
        compression=_field(fields, "Compression"),
        file_hash=file_hash if file_hash is None else _sha256(file_hash),
        file_size=_number(fields, "FileSize") if "FileSize" in fields else None,
        nar_hash=_sha256(_field(fields, "NarHash")),
        nar_size=_number(fields, "NarSize"),
        references=tuple(_field(fields, "References").split()),
        ca=fields.get("CA"),
    )


def _field(fields: dict[str, str], name: str) -> str:
    if name not in fields:
        raise NixError("bad-narinfo", f"it has no {name}")
    return fields[name]


def _number(fields: dict[str, str], name: str) -> int:
    text = _field(fields, name)
    if not _NUMBER.fullmatch(text):
        raise NixError("bad-narinfo", f"its {name} is {text[:100]!r}")
    return int(text)


def _sha256(text: str) -> str:
    try:
        return nix_hash(text)
    except ValueError:
        raise NixError("bad-narinfo", f"{text[:100]!r} is no SHA-256") from None

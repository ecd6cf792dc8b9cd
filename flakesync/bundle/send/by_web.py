"""Sources that a web server gives: archives of forges, tarballs, and single files."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from flakesync.bundle.send.way import not_by
from flakesync.net.http import NoAnswerError, Web
from flakesync.net.urls import WEB
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.nix.store.nar import nar_of_file
from flakesync.nix.store.tarball import nar_of_tar
from flakesync.secrets import hide_secrets
from flakesync.sync.lockers.native.archives import served
from flakesync.sync.lockers.native.values import NotNativeError

if TYPE_CHECKING:
    from flakesync.workspace.hosts import Hosts

TIMEOUT_S = 60.0
_LARGEST_BYTES = 16 << 30
_PIECE_BYTES = 1 << 18
_IN_MEMORY_BYTES = 1 << 22


def archive_nar(ref: FlakeRef, hosts: "Hosts | None") -> Iterator[bytes]:
    """Give the NAR of what a forge serves as the archive of a reference with a rev. Raises: FlakesyncError."""
    try:
        with served(ref, hosts) as pieces:
            yield from nar_of_tar(pieces)
    except NotNativeError as error:
        raise not_by(error.reason) from None


def tarball_nar(url: str, hosts: "Hosts | None") -> Iterator[bytes]:
    """Give the NAR of what is in the tar archive at a URL: compressed or not. Raises: FlakesyncError."""
    with opened(url, hosts) as pieces:
        yield from nar_of_tar(pieces)


def file_nar(url: str, hosts: "Hosts | None") -> Iterator[bytes]:
    """Give the NAR of the single file at a URL. Raises: FlakesyncError."""
    with opened(url, hosts) as pieces, tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as file:
        # A NAR begins with the length.
        for piece in pieces:
            file.write(piece)
        size = file.tell()
        file.seek(0)
        yield from nar_of_file(size, iter(lambda: file.read(_PIECE_BYTES), b""))


@contextmanager
def opened(url: str, hosts: "Hosts | None") -> Iterator[Iterator[bytes]]:
    """Give what is at a URL (http, https, file), in pieces. Raises: FlakesyncError: the server does not give it."""
    shown = hide_secrets(url)
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise not_by(f"{shown} is no address: {error}") from None
    if parts.scheme == "file" and not parts.netloc:
        with _file(Path(unquote(parts.path))) as file:
            yield iter(lambda: file.read(_PIECE_BYTES), b"")
        return
    if parts.scheme not in WEB:
        raise not_by(f"{shown} is not on a web server")
    try:
        account = hosts.declared(url) if hosts is not None else None
        login = f"Bearer {account.token}" if account is not None and account.token is not None else None
        ca_file = account.ca_file if account is not None else None
        with (
            Web(ca_file, connect_s=TIMEOUT_S, read_s=TIMEOUT_S, as_nix=True) as web,
            web.follow("GET", url, login=login, limit_bytes=_LARGEST_BYTES) as answer,
        ):
            if answer.status != 200:
                raise not_by(f"{shown} answers with HTTP {answer.status}")
            yield answer.pieces
    except (NoAnswerError, ValueError) as error:
        raise not_by(f"{shown}: {error}") from None


@contextmanager
def _file(path: Path) -> Iterator[IO[bytes]]:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise not_by(f"{str(path)!r}: {getattr(error, 'strerror', None) or error}") from None
    with open(handle, "rb") as file:  # noqa: PTH123
        yield file

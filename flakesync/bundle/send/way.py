"""A way to get a source, and the proof that what came is the source: its narHash, and nothing else."""

import hashlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from flakesync.errors import FlakesyncError, as_error
from flakesync.nix.store.narhash import sri
from flakesync.processes.stop import require_running

Pieces = Callable[[], Iterator[bytes]]


class Way(NamedTuple):
    """One way to get a source. name: for people, `git objects of lib, as git archive`. nar: begins to give its NAR.

    What goes wrong on the way is a FlakesyncError; the next way is tried then.
    """

    name: str
    nar: Pieces


class DiffersError(Exception):
    """A way gave something else. nar_hash: of what it gave (SRI)."""

    def __init__(self, nar_hash: str) -> None:
        super().__init__(nar_hash)
        self.nar_hash = nar_hash


class Proven:
    """A NAR that passes through and is proven at its end. size: bytes so far."""

    def __init__(self, nar_hash: str) -> None:
        """nar_hash: SRI, what it has to be."""
        self._wanted = nar_hash
        self.size = 0

    def through(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Give the pieces. Raises: DiffersError, after the last one; FlakesyncError: whatever goes wrong on the way."""
        digest = hashlib.sha256()
        while (piece := _next(pieces)) is not None:
            digest.update(piece)
            self.size += len(piece)
            yield piece
        found = sri(digest.digest())
        if found != self._wanted:
            raise DiffersError(found)


def _next(pieces: Iterator[bytes]) -> bytes | None:
    """Return the next piece, None after the last. Raises: FlakesyncError, and nothing else."""
    require_running()
    try:
        return next(pieces, None)
    except Exception as error:  # whatever it is, it is this way's alone
        raise as_error(error) from error


def not_by(reason: str) -> FlakesyncError:
    """Return why a way does not lead to a source."""
    return FlakesyncError("source-missing", reason)

"""NARs that others have made: their size and hash are checked while they pass through.

What is in one is not looked at. A NAR that has its narHash is the one that was locked, and Nix's own reader, which
unpacks it, refuses names such as `..`; one that has not goes no further.
"""

import hashlib
from collections.abc import Iterable, Iterator

from flakesync.errors import NixError
from flakesync.nix.store.narhash import sha256_of, sri


def check_nar(pieces: Iterable[bytes], *, size: int, nar_hash: str) -> Iterator[bytes]:
    """Give the pieces of a NAR on; no more than `size` bytes, and the last ones only if it is what it should be.

    nar_hash: in any spelling. Whoever writes the pieces down has to keep them apart until the end.

    Raises:
        NixError: `bad-blob`, at the first byte too many, or at the end: it is shorter, or has another hash.
    """
    digest = hashlib.sha256()
    found = 0
    last = b""
    for piece in pieces:
        found += len(piece)
        if found > size:
            raise NixError("bad-blob", f"the NAR is larger than the {size} bytes that it should have")
        digest.update(piece)
        if last:
            yield last
        last = piece
    if found < size:
        raise NixError("bad-blob", f"the NAR ends after {found} bytes of {size}")
    if digest.digest() != sha256_of(nar_hash):
        raise NixError("bad-blob", f"the NAR has the hash {sri(digest.digest())}, and should have {nar_hash}")
    if last:
        yield last

"""Store paths of sources: a function of narHash alone (`makeFixedOutputPath` of Nix, recursive, SHA-256)."""

import hashlib

from flakesync.nix.store.narhash import BASE32, sha256_of

_PATH_BYTES = 20
STORE_DIR = "/nix/store"


def source_path(nar_hash: str, *, store_dir: str = STORE_DIR) -> str:
    """Return where Nix keeps the source of a lock node. Raises ValueError: nar_hash is no SHA-256."""
    digest = sha256_of(nar_hash)
    if digest is None:
        raise ValueError(f"{nar_hash} is no narHash")
    whole = hashlib.sha256(f"source:sha256:{digest.hex()}:{store_dir}:source".encode()).digest()
    folded = bytearray(_PATH_BYTES)
    for place, byte in enumerate(whole):
        folded[place % _PATH_BYTES] ^= byte
    return f"{store_dir}/{nix32(bytes(folded))}-source"


def nix32(data: bytes) -> str:
    """Return bytes in Nix's base32: its own alphabet, the highest digit first (`printHash32`)."""
    number = int.from_bytes(data, "little")
    length = (len(data) * 8 - 1) // 5 + 1
    return "".join(BASE32[number >> (place * 5) & 31] for place in reversed(range(length)))

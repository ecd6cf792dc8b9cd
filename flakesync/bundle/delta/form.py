"""The form of a delta between two NARs, version 1 (docs/bundle.md).

    magic            `flakesync-delta-1` and a line feed
    two digests      SHA-256 of the old NAR and of the new one, 32 bytes each
    records          until one is END, after which nothing follows
      END            00
      COPY           01, start, length: a range of the old NAR
      FRAME          02, count, as many ranges of the old NAR (start, length), unpacked, packed: a zstd frame of
                     `packed` bytes that comes to `unpacked`; its prefix (raw content) is these ranges, joined
      TAKE           03, length: the next bytes of the last frame; all of it is taken before the next one

Numbers are as in LEB128: seven bits in a byte, the lowest first, and the highest bit of all but the last is set.
"""

MAGIC = b"flakesync-delta-1\n"
DIGEST_BYTES = 32
END, COPY, FRAME, TAKE = 0, 1, 2, 3

MOST_PREFIX_BYTES = 1 << 25
"""Of the old NAR for one frame; a file that is larger is sent without the help of its old version."""
MOST_DATA_BYTES = 1 << 25
"""Of the new NAR in one frame: what a reader has to hold at once."""
MOST_RANGES = 1 << 17
LARGEST_WINDOW_LOG = 27
LONGEST_NUMBER = 9


def number(value: int) -> bytes:
    """Return a number as a delta has it."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)

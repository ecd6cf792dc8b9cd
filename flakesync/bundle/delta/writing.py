"""A delta is written: files whose content the old NAR has are copied, changed ones compressed with their old version.

The same two NARs give the same bytes.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, NamedTuple

from flakesync.bundle.delta.files import NarFile, files_in
from flakesync.bundle.delta.form import (
    COPY,
    END,
    FRAME,
    LARGEST_WINDOW_LOG,
    MAGIC,
    MOST_DATA_BYTES,
    MOST_PREFIX_BYTES,
    TAKE,
    number,
)

_LEVEL = 3
_LARGEST_TABLE_LOG = 22
"""16 MiB, as often as four times."""
_FRAME_BYTES = 1 << 23
"""How much is compressed together, and how much of the old NAR with it; a changed file may be larger, alone."""
_LONGEST_COMPARED_BYTES = 1 << 20


class _Part(NamedTuple):
    """A range of the new NAR. old: where the same bytes, or for `is_copy` false its prefix, are in the old one."""

    start: int
    end: int
    old: tuple[int, int] | None
    is_copy: bool = False


def delta_pieces(old: BinaryIO, new: BinaryIO, digests: tuple[bytes, bytes]) -> Iterator[bytes]:
    """Give the delta that makes a NAR of another one. digests: SHA-256 of the old and the new NAR.

    Raises: NixError(`no-nar`): one of them has a form that is not known; OSError.
    """
    yield MAGIC + digests[0] + digests[1]
    parts = list(_cut(_joined(_parts(old, new))))
    frames = _frames(parts)
    for place, part in enumerate(parts):
        size = number(part.end - part.start)
        if part.is_copy and part.old is not None:
            yield bytes([COPY]) + number(part.old[0]) + size
            continue
        if (together := frames.get(place)) is not None:
            yield _frame(old, new, together)
        yield bytes([TAKE]) + size
    yield bytes([END])


def _cut(parts: Iterable[_Part]) -> Iterator[_Part]:
    """Give parts on, those that are new and too large for one frame in pieces."""
    for part in parts:
        if part.old is None:
            for start in range(part.start, part.end, _FRAME_BYTES):
                yield _Part(start, min(part.end, start + _FRAME_BYTES), None)
        else:
            yield part


def _frames(parts: Sequence[_Part]) -> dict[int, list[_Part]]:
    """Return which parts that are no copies are compressed together, by the place of the first."""
    found: dict[int, list[_Part]] = {}
    first = size = prefix = 0
    for place, part in enumerate(parts):
        if part.is_copy:
            continue
        own = part.old[1] - part.old[0] if part.old is not None else 0
        size, prefix = size + part.end - part.start, prefix + own
        if not found or max(size, prefix) > _FRAME_BYTES:
            first, size, prefix = place, part.end - part.start, own
        found.setdefault(first, []).append(part)
    return found


def _parts(old: BinaryIO, new: BinaryIO) -> Iterator[_Part]:
    by_path: dict[bytes, NarFile] = {}
    by_digest: dict[bytes, NarFile] = {}
    for each in files_in(old):
        by_path[each.path] = by_digest[each.digest] = each
    old_end, last = old.seek(0, 2), max((each.end for each in by_path.values()), default=0)
    end = 0
    for file in files_in(new):
        end = file.end
        place = new.tell()
        was = by_path.get(file.path)
        same = was if was is not None and was.digest == file.digest else by_digest.get(file.digest)
        if same is not None:
            yield _between(old, new, (same.before, same.start), (file.before, file.start))
            yield _Part(file.start, file.end, (same.start, same.end), is_copy=True)
        elif was is not None and _fit(was, file):
            yield _Part(file.before, file.end, (was.before, was.end))
        else:
            yield _Part(file.before, file.end, None)
        new.seek(place)
    yield _between(old, new, (last, old_end), (end, new.seek(0, 2)))


def _fit(old: NarFile, new: NarFile) -> bool:
    return old.end - old.before <= MOST_PREFIX_BYTES and new.end - new.before <= MOST_DATA_BYTES


def _between(old: BinaryIO, new: BinaryIO, was: tuple[int, int], now: tuple[int, int]) -> _Part:
    """Return what stands before a content: names, as a copy where the old NAR has the same there."""
    size = now[1] - now[0]
    is_same = size == was[1] - was[0] <= _LONGEST_COMPARED_BYTES and _range(old, *was) == _range(new, *now)
    return _Part(*now, was, is_copy=True) if is_same else _Part(*now, None)


def _joined(parts: Iterable[_Part]) -> Iterator[_Part]:
    """Give parts that follow each other as one: copies that do so in the old NAR too, and what is new."""
    last: _Part | None = None
    for part in parts:
        if part.start == part.end:
            continue
        if last is None:
            last = part
        elif last.old is None and part.old is None:
            last = last._replace(end=part.end)
        elif last.is_copy and part.is_copy and last.old and part.old and last.old[1] == part.old[0]:
            last = last._replace(end=part.end, old=(last.old[0], part.old[1]))
        else:
            yield last
            last = part
    if last is not None:
        yield last


def _frame(old: BinaryIO, new: BinaryIO, parts: Sequence[_Part]) -> bytes:
    import zstandard

    ranges = [part.old for part in parts if part.old is not None]
    prefix = b"".join(_range(old, *each) for each in ranges)
    data = b"".join(_range(new, part.start, part.end) for part in parts)
    # Matches reach back as far as the window: over all of the prefix, when it is as wide as both. The level's own
    # tables forget most of a long prefix: of 15 MB with 300 edits 3 MB were left, with these 4 KB.
    wide = min(LARGEST_WINDOW_LOG, max(10, (len(data) + len(prefix)).bit_length()))
    table = min(_LARGEST_TABLE_LOG, wide - 2)
    settings = zstandard.ZstdCompressionParameters.from_level(
        _LEVEL, source_size=len(data), dict_size=len(prefix), window_log=wide, hash_log=table, chain_log=table
    )
    known = zstandard.ZstdCompressionDict(prefix, dict_type=zstandard.DICT_TYPE_RAWCONTENT) if prefix else None
    packed = zstandard.ZstdCompressor(compression_params=settings, dict_data=known).compress(data)
    numbers = [len(ranges), *(value for start, end in ranges for value in (start, end - start)), len(data), len(packed)]
    return bytes([FRAME]) + b"".join(map(number, numbers)) + packed


def _range(nar: BinaryIO, start: int, end: int) -> bytes:
    nar.seek(start)
    return nar.read(end - start)

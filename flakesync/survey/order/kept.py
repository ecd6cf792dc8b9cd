"""The order of the repos of a graph, kept in the cache directory: to import networkx takes longer than to read it.

The order depends on nothing but the names and the links, so it is kept under the SHA-256 of these, and cannot be out of
date. What is read back is checked against the links all the same.
"""

import contextlib
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

import msgspec

from flakesync.cache.keep import keep
from flakesync.cache.layout import order_file
from flakesync.survey.order.find import Link, Order, Pair, find_order
from flakesync.terms import RepoName

_FORMAT = "flakesync/order/1"
"""Goes into the hash: what finds the order otherwise has to change it."""
_MOST_FILES = 64
_DIGEST = 32

_Body = tuple[list[int], list[list[int]], list[tuple[int, int]]]
"""The wave of each repo, the cycles and the opened pairs; repos are numbers, in the order of their names."""
_decoder = msgspec.msgpack.Decoder(_Body)


def order_of(names: Iterable[RepoName], links: Collection[Link], cache: Path | None) -> Order:
    """Return the order of repos, as `find_order` does. cache: the cache directory; None: nothing is kept.

    Where the cache cannot be read or written, or holds anything else, the order is computed.
    """
    ordered = sorted(names)
    if cache is None:
        return find_order(ordered, links)
    import hashlib  # OpenSSL: only those who want an order need it

    key = hashlib.sha256(msgspec.msgpack.encode((_FORMAT, ordered, sorted(links)))).digest()
    place = order_file(cache, key.hex())
    with contextlib.suppress(OSError, ValueError):
        digest, body = (data := place.read_bytes())[:_DIGEST], data[_DIGEST:]
        if hashlib.sha256(key + body).digest() == digest:
            found = _from_numbers(ordered, _decoder.decode(body))
            if is_order(found, ordered, links):
                return found
    order = find_order(ordered, links)
    body = msgspec.msgpack.encode(_to_numbers(ordered, order))
    keep(place, hashlib.sha256(key + body).digest() + body)
    _leave_newest(place.parent)
    return order


def _to_numbers(names: Sequence[RepoName], order: Order) -> _Body:
    number = {name: index for index, name in enumerate(names)}
    wave_of = {name: wave for wave, members in enumerate(order.waves) for name in members}
    cycles = [[number[name] for name in cycle] for cycle in order.cycles]
    return [wave_of[name] for name in names], cycles, sorted((number[up], number[down]) for up, down in order.opened)


def _from_numbers(names: Sequence[RepoName], body: _Body) -> Order:
    """Return the order that was written. Raises: ValueError: there are no such repos."""
    numbers, cycles, opened = body
    every = range(len(names))
    if not all(each in every for each in chain(numbers, *cycles, *opened)):
        raise ValueError("no such repo or wave")
    waves: list[list[RepoName]] = [[] for _ in range(max(numbers, default=-1) + 1)]
    for name, wave in zip(names, numbers, strict=True):
        waves[wave].append(name)
    return Order(
        tuple(map(tuple, waves)),
        tuple(tuple(names[each] for each in cycle) for cycle in cycles),
        frozenset((names[up], names[down]) for up, down in opened),
    )


def is_order(order: Order, names: Sequence[RepoName], links: Collection[Link]) -> bool:
    """Tell whether an order can be that of these repos, in time linear in their number and that of the links.

    names: sorted. Each repo stands in one wave, the first after those of its upstreams; an opened pair is one of the
    links and runs backwards, and where it is taken as a flake, it lies in a cycle. (Whether other pairs could have been
    opened, and in which order a cycle is best bumped, is not asked again.)
    """
    wave_of = {name: number for number, wave in enumerate(order.waves) for name in wave}
    if sorted(name for wave in order.waves for name in wave) != list(names):
        return False
    earliest = dict.fromkeys(names, 0)
    pairs = {(upstream, dependent) for upstream, dependent, _ in links if upstream != dependent}
    for upstream, dependent in pairs - order.opened:
        earliest[dependent] = max(earliest[dependent], wave_of[upstream] + 1)
    flakes = {(upstream, dependent) for upstream, dependent, kind in links if kind == "flake"}
    return (
        earliest == wave_of
        and all(list(wave) == sorted(wave) for wave in order.waves)
        and order.opened <= pairs
        and all(wave_of[upstream] > wave_of[dependent] for upstream, dependent in order.opened)
        and _are_cycles(order.cycles, order.opened & flakes)
    )


def _are_cycles(cycles: Sequence[Sequence[RepoName]], opened: Collection[Pair]) -> bool:
    """Tell whether each of the pairs lies in a cycle, and no repo in two."""
    cycle_of: Mapping[RepoName, int] = {name: number for number, cycle in enumerate(cycles) for name in cycle}
    return (
        len(cycle_of) == sum(map(len, cycles))
        and all(len(cycle) > 1 for cycle in cycles)
        and list(cycles) == sorted(cycles, key=list)
        and all(up in cycle_of and cycle_of[up] == cycle_of.get(down) for up, down in opened)
    )


def _leave_newest(folder: Path) -> None:
    """Take away all files of a folder but the newest ones. Where that cannot be, they stay."""
    with contextlib.suppress(OSError):
        found = [(entry.stat(follow_symlinks=False).st_mtime_ns, entry.path) for entry in os.scandir(folder)]
        for _, path in sorted(found, reverse=True)[_MOST_FILES:]:
            os.unlink(path)  # noqa: PTH108

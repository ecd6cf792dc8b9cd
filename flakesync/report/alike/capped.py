"""Problems that many repos have alike: the first twenty are shown, the others counted."""

import re
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

MOST_ALIKE = 20
"""A wrong root in a manifest, or a disk that is gone, is one problem: nobody reads the same line a thousand times."""

_OF_ONE = re.compile(r"\brepos\.\S+|\S*/\S*|\b[0-9a-f]{7,}\b")
"""What tells one repo's message from another's: its keys in the manifest, paths, addresses, commits."""

T = TypeVar("T")


def capped(items: Iterable[T], kind: Callable[[T], Hashable]) -> list[list[T]]:
    """Return each item in a list of its own; of more than twenty of one kind, all after the twentieth are one list.

    That stands where the first of them was. kind: what items of one kind have in common.
    """
    kinds: dict[Hashable, list[list[T]]] = {}
    found: list[list[T]] = []
    for item in items:
        same = kinds.setdefault(kind(item), [])
        if len(same) > MOST_ALIKE:
            same[-1].append(item)
            continue
        same.append([item])
        found.append(same[-1])
    return found


def likeness(text: str, repo: str = "") -> str:
    """Return a message without what is one repo's alone: two that differ in nothing else are of one kind."""
    without = _OF_ONE.sub("*", text)
    return re.sub(rf"(?<![\w-]){re.escape(repo)}(?![\w-])", "*", without) if repo else without


def alike(what: str = "--json") -> str:
    """Return what is said of those that are only counted. what: the option that shows each."""
    return f"alike ({what} has each)"

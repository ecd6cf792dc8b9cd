"""Refspecs of `remote.NAME.fetch` (git-fetch(1)): where a ref of a server goes, and which of them go to a ref."""

from collections.abc import Iterable
from typing import NamedTuple

_FOLDERS = ("heads/", "tags/", "remotes/")


class Refspecs(NamedTuple):
    """What a remote fetches. pairs: source → target, each with one star or none. left_out: sources that are not."""

    pairs: tuple[tuple[str, str], ...] = ()
    left_out: tuple[str, ...] = ()

    def targets(self, ref: str) -> tuple[str, ...]:
        """Return the refs of the clone that a server's ref goes to."""
        if any(_star(pattern, ref) is not None for pattern in self.left_out):
            return ()
        return tuple(_filled(target, star) for source, target in self.pairs if (star := _star(source, ref)) is not None)

    def sources(self, ref: str) -> tuple[str, ...]:
        """Return the server's refs that may have gone to a ref of the clone: several where refspecs overlap."""
        found = (_filled(source, star) for source, target in self.pairs if (star := _star(target, ref)) is not None)
        return tuple(each for each in found if all(_star(pattern, each) is None for pattern in self.left_out))


def parse_refspecs(values: Iterable[str]) -> Refspecs:
    """Return refspecs as git takes them; what is fetched without being kept under a name goes nowhere."""
    pairs: list[tuple[str, str]] = []
    left_out: list[str] = []
    for value in values:
        if value.startswith("^"):
            left_out.append(value[1:])
            continue
        source, _, target = value.removeprefix("+").partition(":")
        if target:
            pairs.append((source or "HEAD", _full(target)))
    return Refspecs(tuple(pairs), tuple(left_out))


def _full(target: str) -> str:
    """Return the whole name of a target, which may be a branch's."""
    if target.startswith("refs/"):
        return target
    return f"refs/{target}" if target.startswith(_FOLDERS) else f"refs/heads/{target}"


def _star(pattern: str, ref: str) -> str | None:
    """Return what the star of a pattern stands for in a ref, empty where there is no star; None: it does not match."""
    before, star, after = pattern.partition("*")
    if not star:
        return "" if pattern == ref else None
    if len(ref) < len(before) + len(after) or not (ref.startswith(before) and ref.endswith(after)):
        return None
    return ref[len(before) : len(ref) - len(after)]


def _filled(pattern: str, star: str) -> str:
    return pattern.replace("*", star, 1)

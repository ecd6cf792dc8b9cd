"""A commit with its submodules, as `submodules=1` fetches it."""

import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from flakesync.bundle.send.by_git import Grafted
from flakesync.bundle.send.way import not_by
from flakesync.git.process import git
from flakesync.git.store.objects import ObjectReader
from flakesync.nix.store.nar import nar_pieces
from flakesync.terms import Rev

FindCommit = Callable[[str, str | None, Rev], Path]
"""Returns a repository that has a commit, from its address and branch. Raises: FlakesyncError."""

_DEEPEST = 20
_GITLINK = 0o160000
_KEY = re.compile(r"submodule\.(.*)\.(path|url|branch)", re.DOTALL)


def nar_with_submodules(repository: Path, rev: Rev, url: str, find: FindCommit) -> Iterator[bytes]:
    """Give the NAR of a commit, in which each submodule's folder holds what the submodule's commit has.

    url: the address of the repository, which those of submodules may be relative to.

    Raises: FlakesyncError: a submodule cannot be had.
    """
    grafted = Grafted()
    return nar_pieces(grafted, _grafted(grafted, repository, rev, url, find, _DEEPEST))


def _grafted(grafted: Grafted, repository: Path, rev: Rev, url: str, find: FindCommit, depth: int) -> str:
    """Return the id of the whole tree of a commit."""
    if not depth:
        raise not_by(f"submodules lie more than {_DEEPEST} deep")
    reader = ObjectReader.open(repository)
    top = f"{grafted.add(reader)}:{reader.tree_of(rev)}"
    inside: dict[tuple[bytes, ...], str] = {}
    for path, address, branch in _submodules(repository, reader, rev):
        entry = reader.entry(rev, path)
        if entry is None or entry[0] != _GITLINK:
            continue  # .gitmodules names it, and there is none
        place = joined_url(url, address)
        commit = Rev(entry[1])
        below = _grafted(grafted, find(place, branch, commit), commit, place, find, depth - 1)
        inside[tuple(path.encode("utf-8", "surrogateescape").split(b"/"))] = below
    return grafted.graft(top, inside) if inside else top


def _submodules(repository: Path, reader: ObjectReader, rev: Rev) -> list[tuple[str, str, str | None]]:
    """Return path, address and branch (None: not said) of each submodule that .gitmodules names."""
    if reader.read(rev, ".gitmodules") is None:
        return []
    listed = git(["config", "--blob", f"{rev}:.gitmodules", "--null", "--list"], cwd=repository).text
    found: dict[str, dict[str, str]] = {}
    for entry in listed.split("\0"):
        key, _, value = entry.partition("\n")
        if (match := _KEY.fullmatch(key)) is not None:
            found.setdefault(match[1], {})[match[2]] = value
    known = [each for each in found.values() if each.get("path") and each.get("url")]
    return [(each["path"].rstrip("/"), each["url"], _branch(each.get("branch"))) for each in known]


def _branch(name: str | None) -> str | None:
    return name if name not in (None, "", ".") else None


def joined_url(parent: str, url: str) -> str:
    """Return the address of a submodule; `./x` and `../x` are relative to the parent's, as git takes them."""
    if not url.startswith(("./", "../")):
        return url
    parts = urlsplit(parent)
    return urlunsplit(parts._replace(path=posixpath.normpath(posixpath.join(parts.path, url)), query="", fragment=""))

"""Files that are symlinks in a commit: Nix reads a flake.nix through them, and no flake.lock."""

from flakesync.git.store.objects import GITLINK, SYMLINK, TREE, ObjectReader
from flakesync.terms import Rev

# As in Nix and Linux, more or less: whoever goes on for longer goes in a circle.
_MOST_LINKS = 40


def read_through(reader: ObjectReader, rev: Rev, path: str) -> bytes | None:
    """Return the regular file that `path` of a commit leads to, as every Nix reads a flake.nix; None: there is none.

    The links may be in a row, and lead through folders that are links. None too for a link that leaves the tree, is
    absolute, goes in a circle, or goes back up after it went down (`a/../b`), which versions of Nix read differently.
    The folders of `path` itself are no links: of such a flake Nix says that it is none.
    """
    found = find_through(reader, rev, path)
    return reader.blob(found[1]) if found is not None else None


def find_through(reader: ObjectReader, rev: Rev, path: str) -> tuple[str, str] | None:
    """Return the path and the object id of the regular file that `path` leads to, see `read_through`."""
    entry = reader.entry(rev, path)
    place: tuple[str, tuple[int, str]] | None = (path, entry) if entry is not None else None
    if entry is not None and entry[0] == SYMLINK:
        place = _follow(reader, rev, path)
    return (place[0], place[1][1]) if place is not None and place[1][0] not in (TREE, GITLINK) else None


def link_target(reader: ObjectReader, rev: Rev, path: str) -> str | None:
    """Return where the symlink `path` of a commit leads, as it is written; None: it is no symlink."""
    entry = reader.entry(rev, path)
    return _text(reader, entry[1]) if entry is not None and entry[0] == SYMLINK else None


def _follow(reader: ObjectReader, rev: Rev, path: str) -> tuple[str, tuple[int, str]] | None:
    """Return what a path leads to, links followed: its own path, and (mode, object id). None: nothing, or in doubt."""
    ahead = path.split("/")[::-1]
    done: list[str] = []
    entry = None
    links = 0
    while ahead:
        part = ahead.pop()
        if part == "..":
            if not done:
                return None
            done.pop()
            entry = None  # a folder, if nothing comes after it
            continue
        entry = reader.entry(rev, "/".join([*done, part]))
        if entry is None:
            return None
        if entry[0] != SYMLINK:
            done.append(part)
            continue
        links += 1
        parts = [each for each in _text(reader, entry[1]).split("/") if each != "."]
        while parts and not parts[-1]:
            parts.pop()
        up = sum(each == ".." for each in parts)
        if links > _MOST_LINKS or not all(parts) or parts[:up] != [".."] * up:
            return None
        ahead += parts[::-1]
        entry = None
    return ("/".join(done), entry) if entry is not None else None


def _text(reader: ObjectReader, oid: str) -> str:
    return reader.blob(oid).decode("utf-8", "surrogateescape")

"""Which lines of .gitattributes make `git archive` give other bytes than the tree itself (and so another narHash).

Mirrors gitattributes(5). Nix up to 2.19 and the forges' tarballs hash what `git archive` gives; Nix from 2.20 on
hashes the raw tree. Reports a line too many rather than one too few: whether a later line takes an attribute back for
the same file is not looked at, but whether its pattern matches anything at all in the tree is.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from math import comb
from pathlib import Path

from flakesync import globs
from flakesync.errors import GitError
from flakesync.git.store.objects import GITLINK, SYMLINK, TREE, ObjectReader
from flakesync.git.store.trees import show_path, walk
from flakesync.git.values import Hazard, unescape
from flakesync.terms import Rev

_MACRO = "[attr]"
_SLASH = ord("/")
_PIECES = {"*": globs.STAR, "?": "[^/]"}
_MOST_TRIES = 4_000_000
"""How often a pattern is tried on a path: some seconds."""
_LONGEST_PATTERN = 2048
"""As in git, which reads no longer line."""
_PART = re.compile(rb"\*\*+/|\*+|\?|\[[!^]?\]?(?:\[:[a-z]*:\]|\\.|[^\]\\])*\]|\\?.", re.DOTALL)
"""A part of a pattern as git matches it: stars, any one byte, or a byte."""
_FEW_STARS = 2
"""With no more of them a match costs no more than the square of a name's length."""
_FEW_STEPS = 1_000_000
_MOST_STEPS = 500_000_000
"""How many steps git may take to match one pattern on all names: some seconds."""
_MOST_COUNTED = 20_000_000
"""How many places of patterns in names are looked at, to count those steps."""
Macros = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an attributes file: the attributes that it gives to what `pattern` matches."""

    file: str
    number: int
    pattern: str
    attributes: tuple[str, ...]

    @property
    def folder(self) -> str:
        """Below what its pattern is matched: empty, or a path with a slash at its end."""
        return self.file.rpartition("/")[0] + "/" if self.file.endswith("/.gitattributes") else ""


class _Files:
    """The paths of a tree, folders with a slash at their end; read only when a pattern has to be tried."""

    def __init__(self, reader: ObjectReader, tree: str) -> None:
        self._entries = list(walk(reader, tree))
        self._known: dict[tuple[str, str], bool] = {}
        # At least a hundred patterns, however large the tree.
        self._tries_left = max(_MOST_TRIES, 100 * len(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def attribute_files(self, *, symlinks: bool = False) -> list[tuple[str, str]]:
        """Return (path, object id) of each .gitattributes. symlinks: those that are one too; new git reads none."""
        others = (TREE, GITLINK) if symlinks else (TREE, GITLINK, SYMLINK)
        return [
            (show_path(path), oid)
            for path, mode, oid in self._entries
            if path.rpartition(b"/")[2] == b".gitattributes" and mode not in others
        ]

    def longest(self, folder: str, *, last_parts: bool) -> Iterator[bytes]:
        """Give what patterns of a folder (`a/b/`) are matched with, the longest first: paths, or their last parts."""
        prefix = folder.encode("utf-8", "surrogateescape")
        for path in self._longest[last_parts]:
            if path.startswith(prefix):
                yield path.rpartition(b"/")[2] if last_parts else path[len(prefix) :]

    @cached_property
    def _longest(self) -> tuple[list[bytes], list[bytes]]:
        paths = [path for path, _, _ in self._entries]
        return sorted(paths, key=len, reverse=True), sorted(paths, key=lambda path: path.rfind(b"/") - len(path))

    @cached_property
    def _paths(self) -> list[str]:
        return [show_path(path) + ("/" if mode in (TREE, GITLINK) else "") for path, mode, _ in self._entries]

    def matches(self, line: Line) -> bool:
        """Whether the line's pattern matches anything below its file's folder. Raises: GitError(`attributes`)."""
        folder = line.folder
        known = self._known.get((folder, line.pattern))
        if known is None:
            known = self._known[folder, line.pattern] = self._matches(line, folder)
        return known

    def _matches(self, line: Line, folder: str) -> bool:
        pattern = _compile(line.pattern)
        if pattern is None:
            return True
        self._tries_left -= len(self._paths)
        if self._tries_left < 0:
            message = f"{line.file}, line {line.number}: too many patterns to try on {len(self._paths)} paths"
            raise GitError("attributes", message, hint="give the attribute to a folder, or to fewer patterns")
        return any(path.startswith(folder) and pattern.fullmatch(path, len(folder)) for path in self._paths)


def find_hazards(reader: ObjectReader, rev: Rev, local: Path | None = None) -> tuple[Hazard, ...]:
    """Return the hazards in the tree of `rev`, and in `local`: $GIT_DIR/info/attributes, or None.

    The latter matters to a `git archive` in this very clone. What a user has set does not: whoever lets git write files
    of a commit switches it off (`flakesync.gitenv`).
    """
    files = _Files(reader, reader.tree_of(rev))
    lines = list(_read_lines(local, "$GIT_DIR/info/attributes")) if local is not None else []
    for path, oid in files.attribute_files():
        lines += parse_lines(reader.blob(oid), path)
    macros = _macros(lines)
    found = [
        Hazard(line.file, line.number, attribute)
        for line in lines
        if not line.pattern.startswith(_MACRO)
        for attribute in _hazards(line.attributes, macros)
        if files.matches(line)
    ]
    return tuple(sorted(set(found)))


def require_quick(reader: ObjectReader, rev: Rev, local: Path | None) -> None:
    """Make sure that git comes to an end with the attributes of what is in the tree of `rev`.

    git up to 2.40 tries all ways to spread a name over the stars of a pattern, and all versions those for `**/`: some
    twenty bytes of pattern and a long name take it years, whatever it is doing there. local: as in `find_hazards`.

    Raises: GitError(`attributes`) that names the file and the line.
    """
    files = _Files(reader, reader.tree_of(rev))
    steps = counted = 0
    for line in _all_lines(reader, files, local):
        body = line.pattern.rstrip("/")
        parts = _PART.findall(body.removeprefix("/").lower().encode("utf-8", "surrogateescape"))
        stars = sum(part.startswith(b"*") for part in parts)
        if stars <= _FEW_STARS or line.pattern.startswith(_MACRO):
            continue
        counted += len(files) // 5
        # Never more ways than to choose where each star ends: only with long names that is too many.
        names = files.longest(line.folder, last_parts="/" not in body)
        for name in takewhile(lambda name: comb(len(name) + stars, stars) > _FEW_STEPS, names):  # noqa: B023 -- used at once
            counted += len(parts) * len(name)
            steps += _count_steps(parts, name.lower(), _MOST_STEPS - steps)
            if steps > _MOST_STEPS or counted > _MOST_COUNTED:
                shown = show_path(name)
                raise GitError(
                    "attributes",
                    f"{line.file}, line {line.number}: it takes git too long to match {line.pattern!r} with {shown!r}",
                    hint="write the pattern with fewer stars, or several patterns",
                )


def _all_lines(reader: ObjectReader, files: _Files, local: Path | None) -> Iterator[Line]:
    if local is not None:
        yield from _read_lines(local, "$GIT_DIR/info/attributes")
    for path, oid in files.attribute_files(symlinks=True):
        yield from parse_lines(reader.blob(oid), path)


def _count_steps(parts: Sequence[bytes], name: bytes, most: int) -> int:
    """Return in how many ways beginnings of a pattern match beginnings of a name: git's steps; any more than `most`.

    parts: of the pattern. Both in small letters, as core.ignoreCase has it.
    """
    steps = 0
    ways = [1] + [0] * len(name)
    for part in parts:
        if part.startswith(b"*"):
            ways = _after_stars(part, name, ways)
        else:
            any_byte = part.startswith((b"?", b"[")) and part != b"["
            ways = [0, *(way if any_byte or part[-1] == byte else 0 for way, byte in zip(ways, name, strict=False))]
        steps += sum(ways)
        if steps > most:
            break
    return steps


def _after_stars(part: bytes, name: bytes, ways: Sequence[int]) -> list[int]:
    """Return how many ways there are to each place of a name after stars, from those to each place before them."""
    passed = 0
    found = []
    for place, way in enumerate(ways):
        if part.endswith(b"/"):  # `**/`: nothing, or to behind any slash
            found.append(way + (passed if place and name[place - 1] == _SLASH else 0))
            passed += way
        else:
            passed = way if part == b"*" and place and name[place - 1] == _SLASH else passed + way
            found.append(passed)
    return found


def parse_lines(data: bytes, file: str) -> Iterator[Line]:
    """Give the lines of an attributes file that say something."""
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip(" \t\r")
        if not line or line.startswith("#"):
            continue
        pattern, rest = _split_pattern(line)
        if not pattern.startswith("!"):  # git ignores negated patterns in attributes files
            yield Line(file, number, pattern, tuple(rest.split()))


def _split_pattern(line: str) -> tuple[str, str]:
    quoted = re.match(r'"((?:[^"\\]|\\.)*)"', line)
    if quoted is None:
        pattern, _, rest = line.replace("\t", " ").partition(" ")
        if pattern == _MACRO:
            name, _, rest = rest.strip().partition(" ")
            return _MACRO + name, rest
        return pattern, rest
    quoted_bytes = quoted[1].encode("utf-8", "surrogateescape")
    return unescape(quoted_bytes).decode("utf-8", "surrogateescape"), line[quoted.end() :]


def _macros(lines: Iterable[Line]) -> dict[str, tuple[str, ...]]:
    """Return what the macros of top-level files stand for."""
    # The one that git brings along (gitattributes(5)). Those of folders further down git ignores.
    macros: dict[str, tuple[str, ...]] = {"binary": ("-diff", "-merge", "-text")}
    for line in lines:
        if line.pattern.startswith(_MACRO) and not line.file.endswith("/.gitattributes"):
            name = line.pattern.removeprefix(_MACRO)
            macros[name] = (*macros.get(name, ()), *line.attributes)
    return macros


def _hazards(attributes: tuple[str, ...], macros: Macros) -> list[str]:
    given = _expand(attributes, macros)
    # Line ends of what is no text are left alone, whatever `eol` says.
    untouched = "-text" in given or "-crlf" in given
    found = []
    for attribute in given:
        name, equals, value = attribute.partition("=")
        match name, value.lower():
            case "export-ignore" | "export-subst" | "ident", "" if not equals:
                found.append(attribute)
            case "eol", "crlf" if not untouched:
                found.append(attribute)
            case "filter", value if value:
                found.append(attribute)
            case "working-tree-encoding", value if value not in ("", "utf-8", "utf8"):
                found.append(attribute)
    return found


def _expand(attributes: Iterable[str], macros: Macros) -> list[str]:
    """Return the attributes with all that macros among them stand for, each once."""
    found = dict.fromkeys(attributes)
    queue = list(found)
    for attribute in queue:
        for inner in macros.get(attribute, ()):
            if inner not in found:
                found[inner] = None
                queue.append(inner)
    return queue


def _read_lines(path: Path, shown: str) -> Iterator[Line]:
    try:
        data = path.read_bytes()
    except OSError:
        return iter(())
    return parse_lines(data, shown)


def _compile(pattern: str) -> re.Pattern[str] | None:
    """Return a pattern for paths below the file's folder; None if in doubt: then it is taken to match.

    As in gitignore(5): without a slash the last part of a path is matched, else all of it; a folder's path ends in `/`.
    """
    if "[" in pattern or "\\" in pattern or len(pattern) > _LONGEST_PATTERN:
        return None
    folder_only = pattern.endswith("/")
    body = pattern.rstrip("/")
    anchored = "/" in body
    body = body.removeprefix("/")
    if not body:
        return re.compile("(?!)")
    groups: list[list[str]] = [[]] if anchored else [[], []]
    for part in body.split("/"):
        if part == "**" and anchored:
            groups.append([])
        else:
            pieces = [_PIECES.get(char, re.escape(char)) for char in part]
            groups[-1].append(globs.part(pieces))
    # Case does not matter where core.ignoreCase is set: a match too many does no harm.
    return re.compile(globs.path(groups) + ("/" if folder_only else "/?"), re.DOTALL | re.IGNORECASE)

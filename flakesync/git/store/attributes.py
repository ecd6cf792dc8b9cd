"""Which lines of .gitattributes make `git archive` give other bytes than the tree itself (and so another narHash).

Mirrors gitattributes(5). Nix up to 2.19 and the forges' tarballs hash what `git archive` gives; Nix from 2.20 on
hashes the raw tree. Reports a line too many rather than one too few: whether a later line takes an attribute back for
the same file is not looked at, but whether its pattern matches anything at all in the tree is.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from flakesync import globs
from flakesync.errors import GitError
from flakesync.git.store.objects import GITLINK, SYMLINK, TREE, ObjectReader
from flakesync.git.store.trees import show_path, walk
from flakesync.git.values import Hazard
from flakesync.terms import Rev

_MACRO = "[attr]"
_PIECES = {"*": globs.STAR, "?": "[^/]"}
_MOST_TRIES = 4_000_000
"""How often a pattern is tried on a path: some seconds."""
_LONGEST_PATTERN = 2048
"""As in git, which reads no longer line."""
Macros = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an attributes file: the attributes that it gives to what `pattern` matches."""

    file: str
    number: int
    pattern: str
    attributes: tuple[str, ...]


class _Files:
    """The paths of a tree, folders with a slash at their end; read only when a pattern has to be tried."""

    def __init__(self, reader: ObjectReader, tree: str) -> None:
        self._entries = list(walk(reader, tree))
        self._known: dict[tuple[str, str], bool] = {}
        # At least a hundred patterns, however large the tree.
        self._tries_left = max(_MOST_TRIES, 100 * len(self._entries))

    def attribute_files(self) -> list[tuple[str, str]]:
        """Return (path, object id) of each .gitattributes; git reads no symlinks."""
        return [
            (show_path(path), oid)
            for path, mode, oid in self._entries
            if path.rpartition(b"/")[2] == b".gitattributes" and mode not in (TREE, SYMLINK, GITLINK)
        ]

    @cached_property
    def _paths(self) -> list[str]:
        return [show_path(path) + ("/" if mode in (TREE, GITLINK) else "") for path, mode, _ in self._entries]

    def matches(self, line: Line) -> bool:
        """Whether the line's pattern matches anything below its file's folder. Raises: GitError(`attributes`)."""
        folder = line.file.rpartition("/")[0] + "/" if line.file.endswith("/.gitattributes") else ""
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
    escapes = {"n": "\n", "t": "\t", "\\": "\\", '"': '"'}
    return re.sub(r"\\(.)", lambda match: escapes.get(match[1], "?"), quoted[1]), line[quoted.end() :]


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

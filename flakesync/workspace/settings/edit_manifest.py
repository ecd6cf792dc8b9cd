"""Edits of workspace.toml by byte range: a few values change, and every other byte, comments among them, stays."""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

import msgspec
import tomli

from flakesync.errors import ManifestError
from flakesync.files import replacing
from flakesync.system import cause_of

Key = tuple[str, ...]
"""A key with those of the tables around it: `("pins", "nixpkgs", "source")`, `("hold", "0", "until")` of an array."""

Span = tuple[int, int]
"""Where something begins and ends in the text."""

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!"")|""(?!"))*"{3,5}'
    r"|'''(?:[^']|'(?!'')|''(?!'))*'{3,5}"
    r'|"(?:[^"\\]|\\.)*"'
    r"|'[^']*'",
    re.DOTALL,
)
_PLAIN = re.compile(r"[^,\]}#\r\n]+")


class _Value(msgspec.Struct, frozen=True):
    """Where a value stands. key_start: where its key does, as it is written there. items: those of an array.

    inline: whether it is in a table that is written in braces.
    """

    key_start: int
    key_end: int
    start: int
    end: int
    items: tuple[tuple[int, int], ...]
    inline: bool


class _Scanner:
    """Goes through the text of a document that is known to be TOML, and notes where the values stand.

    tables: where each table of an array (`[[hold]]`) begins, and where its last value ends.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[Key, _Value] = {}
        self.tables: dict[Key, Span] = {}

    def run(self) -> Mapping[Key, _Value]:
        table: Key = ()
        self._skip(_BLANK)
        while self.at < len(self.text):
            start = self.at
            if self.text.startswith("[[", start):
                self.at += 2
                array = self._key()
                self.at += 2
                table = (*array, str(sum(key[:-1] == array for key in self.tables)))
                self.tables[table] = (start, self.at)
            elif self.text[self.at] == "[":
                self.at += 1
                table = self._key()
                self.at += 1
            else:
                self._pair(table, inline=False)
                if table in self.tables:
                    self.tables[table] = (self.tables[table][0], self.at)
            self._skip(_BLANK)
        return self.found

    def _skip(self, what: re.Pattern[str]) -> None:
        found = what.match(self.text, self.at)
        self.at = found.end() if found is not None else self.at

    def _key(self) -> Key:
        parts: list[str] = []
        while True:
            self._skip(_SPACE)
            found = _STRING.match(self.text, self.at) or _NAME.match(self.text, self.at)
            if found is None:
                raise ValueError(self.at)
            parts.append(next(iter(tomli.loads(f"{found[0]} = 0"))))
            self.at = found.end()
            self._skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return tuple(parts)
            self.at += 1

    def _pair(self, table: Key | None, *, inline: bool) -> None:
        start = self.at
        key = self._key()
        end = len(self.text[: self.at].rstrip(" \t"))
        self.at += 1  # `=`
        self._skip(_SPACE)
        whole = (*table, *key) if table is not None else None
        value = self.at
        items = self._value(whole)
        if whole is not None:
            self.found.setdefault(whole, _Value(start, end, value, self.at, items, inline))

    def _value(self, key: Key | None) -> tuple[tuple[int, int], ...]:
        """Go past a value and return where the items of an array stand."""
        if self.text[self.at] == "[":
            return tuple(self._array())
        if self.text[self.at] == "{":
            self.at += 1
            self._skip(_BLANK)
            while self.text[self.at] != "}":
                self._pair(key, inline=True)
                self._past_comma()
            self.at += 1
            return ()
        found = _STRING.match(self.text, self.at) or _PLAIN.match(self.text, self.at)
        if found is None:
            raise ValueError(self.at)
        self.at += len(found[0].rstrip(" \t"))
        return ()

    def _array(self) -> Iterator[tuple[int, int]]:
        self.at += 1
        self._skip(_BLANK)
        while self.text[self.at] != "]":
            start = self.at
            self._value(None)
            yield start, self.at
            self._past_comma()
        self.at += 1

    def _past_comma(self) -> None:
        self._skip(_BLANK)
        if self.text[self.at] == ",":
            self.at += 1
            self._skip(_BLANK)


def set_text(text: str, key: Key, value: str) -> str:
    """Return a manifest in which a key that is there has another string. What it can share with the old one stays."""
    where = _values(text)[key]
    written = text[where.start : where.end]
    old = _get(tomli.loads(text), key)
    if isinstance(old, str) and written[1:-1] == old and written[0] not in value and "\\" not in value:
        return f"{text[: where.start]}{written[0]}{value}{written[0]}{text[where.end :]}"
    return f"{text[: where.start]}{_quoted(value)}{text[where.end :]}"


def set_list(text: str, key: Key, values: Sequence[str], *, beside: Key) -> str:
    """Return a manifest in which a key has these strings: new ones are put behind those that stay, in this order.

    beside: a key of the same table, below which it is written where it is not there.
    """
    known = _values(text)
    if key not in known:
        return _insert(text, known[beside], key[-1], f"[{', '.join(map(_quoted, values))}]") if values else text
    old = [str(each) for each in _listed(_get(tomli.loads(text), key))]
    for index in reversed(range(len(old))):
        if old[index] not in values:
            text = _without_item(text, _values(text)[key], index)
    for value in values:
        if value not in old:
            text = _with_item(text, _values(text)[key], value)
    return text


def set_day(text: str, key: Key, value: date) -> str:
    """Return a manifest in which a key that is there has another day, which stays in quotes where it was."""
    where = _values(text)[key]
    written = value.isoformat()
    if isinstance(_get(tomli.loads(text), key), str):
        written = _quoted(written)
    return f"{text[: where.start]}{written}{text[where.end :]}"


def array_tables(text: str, array: Key) -> Sequence[Span]:
    """Return where each `[[array]]` begins, and where its last value ends, in their order."""
    scanner = _Scanner(text)
    scanner.run()
    return [span for key, span in scanner.tables.items() if key[:-1] == array]


def write_manifest(manifest: Path, before: bytes, edit: Callable[[str], str], wanted: Mapping[Key, object]) -> None:
    """Put a manifest in the place of the one that was read as `before`, in one step. A link stays one.

    wanted: what it says then, beside what it says now; None: no such key is there.

    Raises: ManifestError(`manifest-edit`): it cannot be edited as it is written, was changed meanwhile, or cannot be
        written. Then it is as it was.
    """
    new = edited(manifest, before, edit, wanted)
    place = Path(os.path.realpath(manifest))
    try:
        if place.read_bytes() != before:
            raise _refused(f"{manifest} was changed meanwhile", "run the command again")
        if not os.access(place, os.W_OK):
            raise PermissionError(13, os.strerror(13), str(place))
        with replacing(place, new, place.stat().st_mode & 0o7777):
            pass
    except OSError as error:
        cause = cause_of(error, where=str(place))
        message = cause.message if cause is not None else f"{place}: {error.strerror or error}"
        raise _refused(f"the manifest is as it was: {message}", cause.hint if cause is not None else None) from None


def edited(manifest: Path, before: bytes, edit: Callable[[str], str], wanted: Mapping[Key, object]) -> bytes:
    """Return what `write_manifest` would write; read back, that says what it did, and `wanted`.

    Raises: ManifestError.
    """
    try:
        document = tomli.loads(before.decode())
        for key, value in wanted.items():
            _set(document, key, value)
        new = edit(before.decode())
        if tomli.loads(new) == document:
            return new.encode()
    except (ValueError, LookupError, RecursionError):
        pass
    names = ", ".join(".".join(key) for key in wanted)
    raise _refused(f"{manifest}: {names} cannot be edited as it is written", "change it by hand, then run sync")


def _values(text: str) -> Mapping[Key, _Value]:
    return _Scanner(text).run()


def _insert(text: str, beside: _Value, name: str, value: str) -> str:
    if beside.inline:
        return f"{text[: beside.end]}, {name} = {value}{text[beside.end :]}"
    begin = text.rfind("\n", 0, beside.key_start) + 1
    written = text[beside.key_start : beside.key_end]
    above = written[: _last_part(written)]
    end = text.find("\n", beside.end)
    ending = "\r\n" if (end > 0 and text[end - 1] == "\r") or (end < 0 and "\r\n" in text) else "\n"
    new = f"{text[begin : beside.key_start]}{above}{name} = {value}"
    return f"{text}{ending}{new}{ending}" if end < 0 else f"{text[: end + 1]}{new}{ending}{text[end + 1 :]}"


def _last_part(key: str) -> int:
    """Return where the last name of a key begins, as it is written."""
    scanner, start = _Scanner(key), 0
    while True:
        found = _STRING.match(key, start) or _NAME.match(key, start)
        scanner.at = found.end() if found is not None else len(key)
        scanner._skip(_SPACE)
        if scanner.at >= len(key):
            return start
        scanner.at += 1
        scanner._skip(_SPACE)
        start = scanner.at


def _with_item(text: str, where: _Value, value: str) -> str:
    if not where.items:
        return f"{text[: where.start + 1]}{_quoted(value)}{text[where.start + 1 :]}"
    start, end = where.items[-1]
    begin = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", end)
    if text[begin:start].strip() or not begin or not end < line_end < where.end:
        return f"{text[:end]}, {_quoted(value)}{text[end:]}"
    comma = _past_comma(text, end)  # an item a line: the new one goes below what is said beside the last
    ending = "\r\n" if text[line_end - 1] == "\r" else "\n"
    new = f"{text[begin:start]}{_quoted(value)},{ending}"
    return f"{text[:end]},{text[comma : line_end + 1]}{new}{text[line_end + 1 :]}"


def _past_comma(text: str, at: int) -> int:
    """Return the place behind the comma that follows; where none does, the place itself."""
    scanner = _Scanner(text)
    scanner.at = at
    scanner._skip(_SPACE)
    return scanner.at + 1 if text[scanner.at] == "," else at


def _without_item(text: str, where: _Value, index: int) -> str:
    start, end = where.items[index]
    if index + 1 < len(where.items):
        return text[:start] + text[where.items[index + 1][0] :]
    if index:
        return text[: where.items[index - 1][1]] + text[end:]
    return text[: where.start + 1] + text[end:].lstrip(", \t")


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _get(document: object, key: Key) -> object:
    for name in key:
        match document:
            case dict():
                document = document[name]
            case list():
                document = document[int(name)]
            case _:
                return None
    return document


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _set(document: dict[str, object], key: Key, value: object) -> None:
    for name in key[:-1]:
        inner = document.get(name)
        if not isinstance(inner, dict):
            raise LookupError(name)
        document = inner
    if value is None:
        document.pop(key[-1], None)
    else:
        document[key[-1]] = value


def _refused(message: str, hint: str | None) -> ManifestError:
    return ManifestError("manifest-edit", message, hint=hint)

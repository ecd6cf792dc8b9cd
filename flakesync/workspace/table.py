"""TOML → tables that hand out their values and gather what is wrong, so that one run reports every problem."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import tomli

from flakesync.errors import FlakesyncError, ManifestError
from flakesync.workspace.values import bad, kind_of

T = TypeVar("T")
U = TypeVar("U")

_MOST_SHOWN = 20
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+(?:\[[0-9]+\])?")


class Problem(NamedTuple):
    """One thing that is wrong in a manifest: the key (`repos.lib.url`, empty for the whole file), what, and a hint."""

    place: str
    message: str
    hint: str | None


class InvalidManifest(ManifestError):  # noqa: N818 - it says what is wrong, like its base
    """Every problem of one manifest, in the order of the file's tables."""

    def __init__(self, file: Path, problems: Sequence[Problem]) -> None:
        """file: as the user named it. problems: one or more."""
        self.file = file
        self.problems = tuple(problems)
        if len(problems) == 1:
            place, message, hint = problems[0]
            super().__init__("manifest", f"{file}: {place + ': ' if place else ''}{message}", hint=hint)
            return
        lines = [f"{file}: {len(problems)} problems"]
        hints: set[str] = set()
        for place, message, hint in problems[:_MOST_SHOWN]:
            lines.append(f"  {place + ': ' if place else ''}{message}")
            if hint and hint not in hints:
                lines.append(f"    hint: {hint}")
                hints.add(hint)
        if len(problems) > _MOST_SHOWN:
            lines.append(f"  … and {len(problems) - _MOST_SHOWN} more")
        super().__init__("manifest", "\n".join(lines))


def read_file(file: Path) -> bytes:
    """Return the content of a manifest. Raises ManifestError (`no-manifest`)."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise ManifestError("no-manifest", f"{file} does not exist", hint="`flakesync init` writes one") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ManifestError("no-manifest", f"{file} cannot be read: {reason}") from None


def parse_toml(file: Path, data: bytes) -> dict[str, object]:
    """Return a TOML document. file: what errors call it. Raises ManifestError (`manifest-syntax`, with the place)."""
    try:
        return tomli.loads(data.decode())
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        raise ManifestError("manifest-syntax", f"{file}:{line}:{column}: is not UTF-8 text") from None
    except RecursionError:
        raise ManifestError("manifest-syntax", f"{file}: is nested too deeply") from None
    except ValueError as error:  # TOMLDecodeError, and the limit on the digits of an integer
        raise _syntax_error(file, data.decode(), str(error)) from None


def _syntax_error(file: Path, content: str, message: str) -> ManifestError:
    found = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)\Z", message)
    if found is None:
        return ManifestError("manifest-syntax", f"{file}: {message}")
    if found[1]:
        line, column = int(found[1]), int(found[2])
    else:
        line, column = content.count("\n") + 1, len(content) - content.rfind("\n")
    said = message[: found.start()]
    hint = "a key may be given once" if "overwrite" in said or "twice" in said else None
    if content.startswith("\ufeff"):
        hint = "the file begins with a byte order mark: save it without one"
    return ManifestError("manifest-syntax", f"{file}:{line}:{column}: {said[:1].lower()}{said[1:]}", hint=hint)


class Table:
    """One table: hands out its values, and notes each problem with its place instead of stopping there.

    known: the keys it may have, None for any (a table of named tables). home_of: the hint for a key it may not have.
    """

    __slots__ = ("_is_table", "_place", "_problems", "_values")

    def __init__(
        self,
        problems: list[Problem],
        place: tuple[str, ...],
        content: object,
        *,
        known: frozenset[str] | None,
        home_of: Callable[[str, frozenset[str]], str | None],
    ) -> None:
        """Take over what TOML gave, and note what is no table and each key that is unknown."""
        self._problems = problems
        self._place = place
        self._is_table = isinstance(content, dict)
        self._values: Mapping[str, object] = content if isinstance(content, dict) else {}
        if not self._is_table:
            hint = f"write `[{_show((*place, 'NAME'))}]`" if known is None else None
            self.wrong("", bad(f"must be a table, not {kind_of(content)}", hint))
        elif known is not None and not self._values.keys() <= known:
            for key in self._values:
                if key not in known:
                    self.wrong(key, bad("unknown key", home_of(key, known)))

    def items(self) -> Iterable[tuple[str, object]]:
        """Return the keys and their raw values, in the order of the file."""
        return self._values.items()

    def names(self) -> Iterable[str]:
        """Return the keys, in the order of the file."""
        return self._values.keys()

    def has_any(self, keys: frozenset[str]) -> bool:
        """Tell whether one of the keys is there."""
        return not keys.isdisjoint(self._values)

    def lacks(self, key: str) -> bool:
        """Tell whether a key is missing (and not only because the whole table is something else)."""
        return self._is_table and key not in self._values

    def wrong(self, key: str, error: FlakesyncError) -> None:
        """Note what is wrong with a key, or with the table itself (key empty)."""
        place = (*self._place, key) if key else self._place
        self._problems.append(Problem(_show(place), error.message, error.hint))

    def take(self, key: str, read: Callable[[object], T], default: U) -> T | U:
        """Return a value, or the default where it is missing or wrong."""
        if key not in self._values:
            return default
        try:
            return read(self._values[key])
        except FlakesyncError as error:
            self.wrong(key, error)
            return default

    def take_list(
        self, key: str, read: Callable[[object], T], default: U, *, repeats: bool = False
    ) -> tuple[T, ...] | U:
        """Return the values of an array, which must differ from each other unless `repeats`."""
        if key not in self._values:
            return default
        content = self._values[key]
        if not isinstance(content, list):
            hint = f'write `{key} = ["{content}"]`' if isinstance(content, str) else None
            self.wrong(key, bad(f"must be an array, not {kind_of(content)}", hint))
            return default
        found: list[T] = []
        sound = True
        for index, item in enumerate(content):
            try:
                value = read(item)
                if found and not repeats and value in found:
                    raise bad(f"`{item}` is listed twice")
                found.append(value)
            except FlakesyncError as error:
                self.wrong(f"{key}[{index}]", error)
                sound = False
        return tuple(found) if sound else default


def _show(place: tuple[str, ...]) -> str:
    """Return a key path as TOML writes it; an index (`flakes[1]`) needs no quotes."""
    return ".".join(part if _BARE_KEY.fullmatch(part) else f'"{part}"' for part in place)

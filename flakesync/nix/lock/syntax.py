"""The JSON under a flake.lock: what is wrong with it, and where."""

import json
import re
from collections.abc import Sequence

import msgspec

from flakesync.errors import LockError

MAX_NESTING = 64
"""How deep unknown keys may be nested; what Nix writes has five levels."""

_CONFLICT = re.compile(rb"^(?:<{7}|={7}|>{7})", re.MULTILINE)
_PLAIN_KEY = re.compile(r"[\w+-]+(?:\.[\w+-]+)*")
_BYTE = re.compile(r" \(byte (\d+)\)$")


def bad_lock(file: str, place: Sequence[str], message: str, *, hint: str | None = None) -> LockError:
    """Return the error for what stands under the keys `place`; no keys mean the whole file."""
    return LockError("bad-lock", message, file=file, place=".".join(map(_show_key, place)) or None, hint=hint)


def decode(data: bytes, file: str) -> object:
    """Return the JSON value in `data`.

    Raises:
        LockError: `bad-lock`: not UTF-8, not JSON (with line and column), a key that occurs twice, nesting without end.
    """
    # msgspec decides what is JSON. The standard library lets more pass (NaN, lone surrogates); it is asked only for the
    # place of an error, and for keys that occur twice.
    try:
        value: object = msgspec.json.decode(data)
    except RecursionError:
        raise _too_deep(file) from None
    except ValueError as error:
        raise _explain(data, file, str(error)) from None
    _check_nesting(value, file)
    _check_keys(data, file)
    return value


def _explain(data: bytes, file: str, message: str) -> LockError:
    if not data.strip():
        return bad_lock(file, (), "is empty", hint="nix flake lock writes a new one")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        return _at(file, data[: error.start].decode(), "is not UTF-8")
    hint = None
    if _CONFLICT.search(data):
        hint = "there are merge conflict markers in it: take one side, then run nix flake lock"
    elif "{" not in text and text.rstrip().endswith(".lock"):
        hint = "this looks like the text of a symbolic link"
    try:
        json.loads(text)
    except RecursionError:
        return _too_deep(file)
    except json.JSONDecodeError as error:
        return _at(file, text[: error.pos], f"is not JSON: {error.msg}", hint=hint)
    except ValueError:
        pass
    # What the standard library lets pass: NaN, numbers and surrogates out of range.
    at = _BYTE.search(message)
    before = data[: int(at[1])].decode(errors="replace") if at else None
    return _at(file, before, f"is not JSON: {_BYTE.sub('', message).removeprefix('JSON is malformed: ')}", hint=hint)


def _at(file: str, before: str | None, message: str, *, hint: str | None = None) -> LockError:
    if before is None:
        return LockError("bad-lock", message, file=file, hint=hint)
    line = before.count("\n") + 1
    column = len(before) - (before.rfind("\n") + 1) + 1
    return LockError("bad-lock", message, file=file, place=f"line {line}, column {column}", hint=hint)


def _too_deep(file: str) -> LockError:
    return bad_lock(file, (), "is nested too deeply")


def _check_nesting(value: object, file: str) -> None:
    level = [value]
    for _ in range(MAX_NESTING):
        inner: list[object] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        if not inner:
            return
        level = inner
    raise _too_deep(file)


def _check_keys(data: bytes, file: str) -> None:
    """Refuse a key that occurs twice in an object: parsers disagree about which one counts."""
    twice: dict[int, str] = {}

    def note_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
        members = dict(pairs)
        if len(members) < len(pairs):
            seen: set[str] = set()
            twice[id(members)] = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            kept.append(members)
        return members

    kept: list[object] = []  # so that no id is given to another object
    top: object = json.loads(data, object_pairs_hook=note_repeats)
    if not twice:
        return
    stack: list[tuple[tuple[str, ...], object]] = [((), top)]
    while stack:
        place, item = stack.pop()
        if id(item) in twice:
            raise bad_lock(file, (*place, twice[id(item)]), "occurs twice", hint="often the result of a merge")
        if isinstance(item, dict):
            stack.extend(((*place, key), inner) for key, inner in reversed(item.items()))
        elif isinstance(item, list):
            stack.extend(((*place, str(index)), inner) for index, inner in enumerate(item))


def _show_key(key: str) -> str:
    return key if len(key) <= 100 and _PLAIN_KEY.fullmatch(key) else json.dumps(key[:100])

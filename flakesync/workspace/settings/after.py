"""What the manifest says of `after`: commands that run on a new lock, and the files of theirs that enter the commit."""

import re
from collections.abc import Callable, Collection, Iterable
from functools import lru_cache

import msgspec

from flakesync import globs
from flakesync.errors import ManifestError
from flakesync.workspace import values
from flakesync.workspace.values import LONGEST_GLOB, bad, did_you_mean, kind_of

KEYS = ("run", "files")
_FLAKE_FILES = frozenset({"flake.nix", "flake.lock"})
_ANY_FOLDERS = "**"


class AfterCommand(msgspec.Struct, frozen=True, kw_only=True):
    """A command that runs in a worktree of the new lock, before the checks.

    run: its argv. files: globs on paths from the top of the repo: what it changes has to match one of them.
    """

    run: tuple[str, ...]
    files: tuple[str, ...]


def after_command(value: object) -> AfterCommand:
    """Return one entry of `after`."""
    if not isinstance(value, dict):
        raise bad(f"must be a table, not {kind_of(value)}", 'write `{ run = ["…"], files = ["…"] }`')
    for key in value:
        if key not in KEYS:
            raise bad(f"has an unknown key `{key}`", did_you_mean(key, KEYS))
    for key in KEYS:
        if key not in value:
            raise bad(f"needs `{key}`", 'write `{ run = ["…"], files = ["…"] }`')
    files = _array(value["files"], "files", file_glob)
    if not files:
        raise bad(
            "files: names no file", "what a command may change is listed; what it only tests belongs into `checks`"
        )
    return AfterCommand(run=_argv(value["run"]), files=files)


def _argv(value: object) -> tuple[str, ...]:
    """Return the argv of a command: an array of words, or a line as in `checks`."""
    if isinstance(value, str):
        return values.command(value)
    words = _array(value, "run", _word)
    if not words or not words[0]:
        raise bad("run: names no program to run", 'such as `run = ["nix", "run", ".#update-deps"]`')
    return words


def _word(value: object) -> str:
    if not isinstance(value, str):
        raise bad(f"must be a string, not {kind_of(value)}")
    if "\0" in value:
        raise bad("must not contain a null character")
    return value


def _array(value: object, key: str, read: Callable[[object], str]) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise bad(f"{key}: must be an array, not {kind_of(value)}")
    try:
        return tuple(map(read, value))
    except ManifestError as error:
        raise bad(f"{key}: {error.message}", error.hint) from None


def file_glob(value: object) -> str:
    """Return a glob on the paths of files: `*`, `?` and `[…]` within one name, `**` for any folders."""
    word = values.text(value)
    parts = word.split("/")
    if len(word) > LONGEST_GLOB:
        raise bad(f"`{word[:40]}…` is longer than {LONGEST_GLOB} characters")
    if word.startswith("/"):
        raise bad(f"`{word}` is absolute", "name files relative to the top of the repo")
    if ".." in parts:
        raise bad(f"`{word}` climbs with `..`", "name files relative to the top of the repo")
    if not all(parts) or "." in parts:
        raise bad(f"`{word}` has an empty part", "a file is named `deps.json`, one in a folder `nix/deps.json`")
    if not _is_allowed(word):
        raise bad(
            f"`{word}`: no command writes {parts[-1] if parts[-1] in _FLAKE_FILES else 'files of git'}",
            "flakesync writes flake.lock and flake.nix itself, and leaves all that begins with `.git` alone",
        )
    if any(_ANY_FOLDERS in part and part != _ANY_FOLDERS for part in parts):
        raise bad(f"`{word}` has `**` beside other characters", "`**` stands for folders: `nix/**/deps.json`")
    try:
        re.compile(_expression(word))
    except re.error:
        raise bad(f"`{word}` has a bad range in `[…]`", "a range goes upward: `[a-z]`") from None
    return word


def is_declared(files: Collection[str], path: str) -> bool:
    """Tell whether a command may write a file. files: its globs. Never flake.nix, flake.lock and files of git."""
    return _is_allowed(path) and _pattern(tuple(files)).fullmatch(path) is not None


def may_write(commands: Iterable[AfterCommand], path: str) -> bool:
    """Tell whether one of some commands may write a file."""
    return any(is_declared(command.files, path) for command in commands)


def _is_allowed(path: str) -> bool:
    parts = path.split("/")
    return parts[-1].lower() not in _FLAKE_FILES and not any(part.lower().startswith(".git") for part in parts)


@lru_cache(maxsize=256)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(_expression, words)) if words else r"(?!)", re.DOTALL)


def _expression(word: str) -> str:
    groups: list[list[str]] = [[]]
    for part in word.split("/"):
        if part == _ANY_FOLDERS:
            groups.append([])
        else:
            groups[-1].append(globs.part(values.fragments(part)))
    return globs.path(groups)

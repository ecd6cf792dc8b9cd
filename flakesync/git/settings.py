"""What git's settings say outside of any repository, read or asked of git once for all of them."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from flakesync.git import process
from flakesync.git.plain_config import read_plain_shared

Settings = Mapping[str, str]
"""Lower-case key (a subsection keeps its case) → last value; `true` for a key alone."""

_NAMES = (
    "GIT_CONFIG",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_SYSTEM",
)
"""The variables that git's settings depend on, beside those that are counted."""


class SharedSettings(NamedTuple):
    """What holds for all repositories: the files of system and user, and what the environment says, which wins."""

    files: Settings
    environment: Settings


AskShared = Callable[[], SharedSettings | None]
"""Gives what holds for all repositories, as `read_shared_settings` does."""


def read_shared_settings() -> SharedSettings | None:
    """Return what holds for all repositories; None: it depends on the repository. Raises: GitError(`no-git`)."""
    return _read_shared(tuple(_stamps()))


def split_entry(entry: str) -> tuple[str, str]:
    """Return key and value of an entry of `git config --null --list`."""
    key, newline, value = entry.partition("\n")
    section, _, rest = key.partition(".")
    middle, _, last = rest.rpartition(".")
    return ".".join(filter(None, (section.lower(), middle, last.lower()))), value if newline else "true"


def _stamps() -> Iterator[object]:
    """Give what the shared settings depend on: they are asked for again when it changes."""
    home, xdg = os.environ.get("HOME", ""), os.environ.get("XDG_CONFIG_HOME")
    # What the system's own file says is not looked at again: it does not change while a run lasts.
    files = [f"{home}/.gitconfig", f"{xdg or home + '/.config'}/git/config"]
    yield os.environ.get("PATH")
    # Asked for by name, for every repository: to go through all of the environment takes four times as long. What is
    # counted there (GIT_CONFIG_KEY_0) says nothing without the count.
    counted = "GIT_CONFIG_COUNT" in os.environ
    every = sorted(name for name in os.environ if name.startswith("GIT_CONFIG")) if counted else _NAMES
    for name in (*every, "GIT_EXEC_PATH"):
        if name not in os.environ:
            continue
        yield name, (value := os.environ.get(name, ""))
        files.append(value)
    for file in files:
        try:
            found = os.stat(file)  # noqa: PTH116 -- for every repository
        except (OSError, ValueError):
            yield file
        else:
            yield file, found.st_mtime_ns, found.st_size, found.st_ino


# One git process for all repositories of a run: one for each would double what a repo takes in a sync.
@lru_cache(maxsize=1)
def _read_shared(_: tuple[object, ...]) -> SharedSettings | None:
    """Return what git says outside of any repository; None: that is not all there is to know of them."""
    plain = read_plain_shared(shutil.which("git"))
    if plain is not None:
        return SharedSettings(plain, process.SETTINGS)
    answer = process.git(["config", "--null", "--list", "--show-scope"], check=False)
    if answer.status != 0:  # git before 2.26
        return None
    fields = answer.text.split("\0")
    entries = [(scope, *split_entry(entry)) for scope, entry in zip(fields[::2], fields[1::2], strict=False)]
    if any(key.startswith("includeif.") or scope not in ("system", "global", "command") for scope, key, _ in entries):
        return None
    return SharedSettings(
        {key: value for scope, key, value in entries if scope != "command"},
        {key: value for scope, key, value in entries if scope == "command"},
    )

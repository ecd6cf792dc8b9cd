"""git's settings of a repository, as git itself reads them, mostly without starting git.

What holds for all repositories (system, user, environment) git is asked for once. A repository's own file is read by
libgit2; whatever may make the two depend on each other (`includeIf`, settings of a worktree) goes to git as a whole.
"""

import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from flakesync.errors import GitError
from flakesync.git import process
from flakesync.git.store.objects import ObjectReader, read_file

Settings = Mapping[str, str]
"""Lower-case key (a subsection keeps its case) → last value; `true` for a key alone."""


_ELSEWHERE = ("include.", "includeif.", "extensions.worktreeconfig")
"""Settings that lead to other files."""
_SECTION = re.compile(r'\[([A-Za-z0-9-]+)(?: "([^"\\\0]+)")?\]')
_VALUE = r"[!$-:<-\[\]-~]"  # no quotes, escapes and comments
_ENTRY = re.compile(rf"[ \t]*([A-Za-z][A-Za-z0-9-]*)(?: = ({_VALUE}(?:(?:{_VALUE}| )*{_VALUE})?))?")


class _Shared(NamedTuple):
    """What holds for all repositories: the files of system and user, and what the environment says, which wins."""

    files: Settings
    environment: Settings


def read_settings(reader: ObjectReader) -> Settings:
    """Return the settings of a repository. Raises: GitError(`no-git` | `git`)."""
    shared = _read_shared(tuple(_stamps()))
    own = _own_entries(reader) if shared is not None else None
    if shared is None or own is None:
        return dict(map(_split, process.git(["config", "--null", "--list"], cwd=reader.path).text.split("\0")[:-1]))
    return {**shared.files, **dict(own), **shared.environment}


def read_entries(reader: ObjectReader) -> list[tuple[str, str]]:
    """Return the repository's own settings as pairs: a key that is given twice is there twice.

    Raises: GitError(`no-git` | `git`).
    """
    own = _file_entries(reader)  # also of a repository that git does not trust: nothing in it is run here
    if own is not None:
        return own
    return list(map(_split, process.git(["config", "--null", "--list"], cwd=reader.path).text.split("\0")[:-1]))


def is_off(value: str | None) -> bool:
    """Tell whether a setting that is true or false is false, or (None) is not set."""
    return value is None or value.lower() in ("false", "no", "off", "0", "")


def _stamps() -> Iterator[object]:
    """Give what the shared settings depend on: they are asked for again when it changes."""
    home, xdg = os.environ.get("HOME", ""), os.environ.get("XDG_CONFIG_HOME")
    # What the system's own file says is not looked at again: it does not change while a run lasts.
    files = [f"{home}/.gitconfig", f"{xdg or home + '/.config'}/git/config"]
    yield os.environ.get("PATH")
    for name, value in sorted(os.environ.items()):
        if name.startswith(("GIT_CONFIG", "GIT_EXEC_PATH")):
            yield name, value
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
def _read_shared(_: tuple[object, ...]) -> _Shared | None:
    """Return what git says outside of any repository; None: that is not all there is to know of them."""
    answer = process.git(["config", "--null", "--list", "--show-scope"], check=False)
    if answer.status != 0:  # git before 2.26
        return None
    fields = answer.text.split("\0")
    entries = [(scope, *_split(entry)) for scope, entry in zip(fields[::2], fields[1::2], strict=False)]
    if any(key.startswith("includeif.") or scope not in ("system", "global", "command") for scope, key, _ in entries):
        return None
    return _Shared(
        {key: value for scope, key, value in entries if scope != "command"},
        {key: value for scope, key, value in entries if scope == "command"},
    )


def _own_entries(reader: ObjectReader) -> list[tuple[str, str]] | None:
    """Return what the repository's own file says; None where git has to say it."""
    return _file_entries(reader) if is_ours(reader) else None


def _file_entries(reader: ObjectReader) -> list[tuple[str, str]] | None:
    try:
        data = read_file(f"{reader.common_dir}/config")
    except GitError:
        return None
    found = _plain_entries(data) if data is not None else None
    if found is None:
        return _entries_by_libgit2(reader)
    return None if any(key.startswith(_ELSEWHERE) for key, _ in found) else found


def _plain_entries(data: bytes) -> list[tuple[str, str]] | None:
    """Read a file as git itself writes it, without quotes and escapes; None: there is more in it.

    To load libgit2 for the remotes of clones would be a third of a drift over a thousand of them.
    """
    found: list[tuple[str, str]] = []
    section = None
    for line in data.decode("utf-8", "surrogateescape").split("\n"):
        if not line:
            continue
        entry = _ENTRY.fullmatch(line)
        if entry is not None and section is not None:
            found.append((section + entry[1].lower(), entry[2] if entry[2] is not None else "true"))
            continue
        head = _SECTION.fullmatch(line)
        if head is None:
            return None
        section = f"{head[1].lower()}.{head[2]}." if head[2] is not None else f"{head[1].lower()}."
    return found


def _entries_by_libgit2(reader: ObjectReader) -> list[tuple[str, str]] | None:
    import pygit2  # 75 ms

    found: list[tuple[str, str]] = []
    try:
        for entry in pygit2.Config(f"{reader.common_dir}/config"):
            key = entry.raw_name.decode("utf-8", "surrogateescape")
            value = entry.raw_value
            # Versions of git differ in what a tab in a value is.
            if key.startswith(_ELSEWHERE) or b"\t" in (value or b""):
                return None
            found.append((key, value.decode("utf-8", "surrogateescape") if value is not None else "true"))
    except (pygit2.GitError, OSError, ValueError):
        return None
    return found


def is_ours(reader: ObjectReader) -> bool:
    """Tell whether the repository belongs to the user that this process runs as; others git may refuse to use."""
    try:
        return all(Path(place).stat().st_uid == os.geteuid() for place in {reader.git_dir, reader.path})
    except OSError:
        return False


def _split(entry: str) -> tuple[str, str]:
    key, newline, value = entry.partition("\n")
    section, _, rest = key.partition(".")
    middle, _, last = rest.rpartition(".")
    return ".".join(filter(None, (section.lower(), middle, last.lower()))), value if newline else "true"

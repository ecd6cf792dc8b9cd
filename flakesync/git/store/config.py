"""git's settings of a repository, as git itself reads them, mostly without starting git.

What holds for all repositories (system, user, environment) git is asked for once. A repository's own file is read by
libgit2; whatever may make the two depend on each other (`includeIf`, settings of a worktree) goes to git as a whole.
"""

import re

from flakesync.errors import GitError
from flakesync.git import process
from flakesync.git.plain_config import ELSEWHERE, parse_plain
from flakesync.git.settings import AskShared, Settings, SharedSettings, read_shared_settings, split_entry
from flakesync.git.store.objects import ObjectReader, read_file


def read_settings(reader: ObjectReader) -> Settings:
    """Return the settings of a repository. Raises: GitError(`no-git` | `git`)."""
    shared = read_shared_settings()
    own = _file_entries(reader) if shared is not None else None
    if shared is None or own is None:
        return dict(_ask_git(reader))
    return _together(shared, own)


def read_entries(
    reader: ObjectReader, keys: re.Pattern[str], ask_shared: AskShared = read_shared_settings
) -> tuple[list[tuple[str, str]], Settings]:
    """Return those settings of a repository that a pattern matches, as pairs, and all of them as `read_settings` does.

    A key that is given twice is there twice. Both are empty where the repository's own file has none that match: then
    git is not asked what all repositories share.

    Raises: GitError(`no-git` | `git`).
    """
    own = _file_entries(reader)
    found = [entry for entry in own if keys.fullmatch(entry[0])] if own is not None else []
    if own is not None and not found:
        return [], {}
    shared = ask_shared()
    # Of what all repositories share only the last value of a key is known: git has every one.
    if shared is None or own is None or any(map(keys.fullmatch, (*shared.files, *shared.environment))):
        every = _ask_git(reader)
        return [entry for entry in every if keys.fullmatch(entry[0])], dict(every)
    return found, _together(shared, own)


def _together(shared: SharedSettings, own: list[tuple[str, str]]) -> Settings:
    """Return all settings of a repository: its own win over the files of system and user, the environment over both."""
    return {**shared.files, **dict(own), **shared.environment}


def _ask_git(reader: ObjectReader) -> list[tuple[str, str]]:
    answer = process.git(["config", "--null", "--list"], cwd=reader.path)
    return list(map(split_entry, answer.text.split("\0")[:-1]))


def is_off(value: str | None) -> bool:
    """Tell whether a setting that is true or false is false, or (None) is not set."""
    return value is None or value.lower() in ("false", "no", "off", "0", "")


def _file_entries(reader: ObjectReader) -> list[tuple[str, str]] | None:
    try:
        data = read_file(f"{reader.common_dir}/config")
    except GitError:
        return None
    # To load libgit2 for the remotes of clones would be a third of a drift over a thousand of them.
    found = parse_plain(data) if data is not None else None
    if found is None:
        return _entries_by_libgit2(reader)
    return None if any(key.startswith(ELSEWHERE) for key, _ in found) else found


def _entries_by_libgit2(reader: ObjectReader) -> list[tuple[str, str]] | None:
    import pygit2  # 75 ms

    found: list[tuple[str, str]] = []
    try:
        for entry in pygit2.Config(f"{reader.common_dir}/config"):
            key = entry.raw_name.decode("utf-8", "surrogateescape")
            value = entry.raw_value
            # Versions of git differ in what a tab in a value is.
            if key.startswith(ELSEWHERE) or b"\t" in (value or b""):
                return None
            found.append((key, value.decode("utf-8", "surrogateescape") if value is not None else "true"))
    except (pygit2.GitError, OSError, ValueError):
        return None
    return found

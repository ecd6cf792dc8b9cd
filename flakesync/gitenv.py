"""Settings for git in the environment of a process: they hold for every git that it starts, and stand in no file."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence

from flakesync.errors import GitError

Settings = Sequence[tuple[str, str]]
"""Keys and values, in the order in which git reads them."""

AS_COMMITTED: Settings = (
    ("core.autocrlf", "false"),
    ("core.eol", "lf"),
    ("core.symlinks", "true"),
    ("core.attributesFile", os.devnull),
    ("tar.umask", "0002"),
)
"""Settings, with `NO_SYSTEM_ATTRIBUTES`, under which files come out of git as the commit and its .gitattributes say."""

NO_SYSTEM_ATTRIBUTES = {"GIT_ATTR_NOSYSTEM": "1"}
"""The variable that takes the machine's own attributes file away, which no setting does."""

_FILTER = re.compile(r"filter\.(.*)\.[^.]*", re.DOTALL)


def with_settings(environ: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """Return the variables that give `settings` the last word over all that git is told otherwise.

    environ: the environment that they are for; the settings that it has already stay.

    Raises: GitError(`git-settings`): its GIT_CONFIG_COUNT is no number, which git refuses too.
    """
    if not settings:
        return {}
    told = environ.get("GIT_CONFIG_COUNT") or "0"
    if not (told.isascii() and told.isdigit()):
        hint = "git cannot run with it: unset it"
        raise GitError("git-settings", f"GIT_CONFIG_COUNT is {told!r}, not a number", hint=hint)
    first = int(told)
    found = {"GIT_CONFIG_COUNT": str(first + len(settings))}
    for number, (key, value) in enumerate(settings, first):
        found[f"GIT_CONFIG_KEY_{number}"] = key
        found[f"GIT_CONFIG_VALUE_{number}"] = value
    if inherited := environ.get("GIT_CONFIG_PARAMETERS"):
        # What `git -c` has given to an alias or a hook that started this program comes after the numbered ones.
        ours = (f"{_quote(key)}={_quote(value)}" for key, value in settings)
        found["GIT_CONFIG_PARAMETERS"] = " ".join((inherited, *ours))
    return found


def without_filters(keys: Iterable[str]) -> list[tuple[str, str]]:
    """Return settings that switch off each filter driver that has one of `keys` (`filter.lfs.smudge`)."""
    names = sorted({found[1] for key in keys if (found := _FILTER.fullmatch(key))})
    parts = (("clean", ""), ("smudge", ""), ("process", ""), ("required", "false"))
    return [(f"filter.{name}.{part}", value) for name in names for part, value in parts]


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"

"""Files of git's settings as git itself writes them, read without git: what has more in it is left to git.

To ask git what all repositories share takes more than to read the refs of a hundred of them, as GitPython has to be
loaded for the first process of a run.
"""

import os
import re
import sys
from pathlib import Path

ELSEWHERE = ("include.", "includeif.", "extensions.worktreeconfig")
"""Settings that lead to other files."""
_SECTION = re.compile(r'\[([A-Za-z0-9-]+)(?: "([^"\\\0]+)")?\]')
_VALUE = r"[!$-:<-\[\]-~]"  # no quotes, escapes and comments
_ENTRY = re.compile(rf"[ \t]*([A-Za-z][A-Za-z0-9-]*)(?: = ({_VALUE}(?:(?:{_VALUE}| )*{_VALUE})?))?")
_SYSTEM = "/etc/gitconfig"


def parse_plain(data: bytes) -> list[tuple[str, str]] | None:
    """Return the settings of a file, key (lower case but for a subsection) and value; None: there is more in it.

    A key that is given twice is there twice.
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
        if head is not None:
            section = f"{head[1].lower()}.{head[2]}." if head[2] is not None else f"{head[1].lower()}."
        elif not line.lstrip(" \t").startswith(("#", ";")):
            return None
    return found


def read_plain_shared(program: str | None) -> dict[str, str] | None:
    """Return the settings of system and user, as `git config --list` has them; None: git has to be asked.

    program: where git is. Mirrors `git_config_sequence` in git's config.c: the file of the system, that below
    XDG_CONFIG_HOME, ~/.gitconfig, each counting before the one before it.
    """
    home, xdg = os.environ.get("HOME", ""), os.environ.get("XDG_CONFIG_HOME", "")
    places = _system_files(program)
    others = {name for name in os.environ if name.startswith("GIT_CONFIG")} - {"GIT_CONFIG_NOSYSTEM"}
    if places is None or others or not home.startswith("/") or not (xdg or "/").startswith("/"):
        return None
    found: dict[str, str] = {}
    for place in (*places, f"{xdg or f'{home}/.config'}/git/config", f"{home}/.gitconfig"):
        try:
            data = Path(place).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError):
            return None
        entries = parse_plain(data)
        if entries is None or any(key.startswith(ELSEWHERE) for key, _ in entries):
            return None
        found |= dict(entries)
    return found


def _system_files(program: str | None) -> list[str] | None:
    """Return the file of the system, if it has one that counts; None: where that is only this git knows."""
    if os.environ.get("GIT_CONFIG_NOSYSTEM", "").lower() in ("1", "true", "yes", "on"):
        return []
    if "GIT_CONFIG_NOSYSTEM" in os.environ or program is None or sys.platform != "linux":
        return None
    # Where it is was decided when git was built: these are built so.
    real = os.path.realpath(program)
    return [_SYSTEM] if real == "/usr/bin/git" or real.startswith("/nix/store/") else None

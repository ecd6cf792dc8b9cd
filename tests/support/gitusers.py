"""Users who have set up git so that it converts what it writes; nothing of it may get into a checkout or a hash."""

from collections.abc import Mapping
from pathlib import Path

from tests.support.repos import run_git

CONVERSIONS: Mapping[str, tuple[Mapping[str, str], str | None]] = {
    "autocrlf": ({"core.autocrlf": "true"}, None),
    "autocrlf-input": ({"core.autocrlf": "input"}, None),
    "eol": ({"core.eol": "crlf", "core.autocrlf": "false"}, "* text=auto\n"),
    "text-eol": ({}, "* text eol=crlf\n"),
    "export-ignore": ({}, "* export-ignore\n"),
    "ident": ({}, "* ident\n"),
    "filter": ({"filter.shout.smudge": "tr a-z A-Z", "filter.shout.required": "true"}, "* filter=shout\n"),
    "lfs": ({"filter.lfs.process": "false", "filter.lfs.smudge": "tr a-z A-Z"}, "* filter=lfs\n"),
    "umask": ({"tar.umask": "0777"}, None),
    "symlinks": ({"core.symlinks": "false"}, None),
}
"""Name → the settings of a user, and the user's attributes file (None: there is none)."""

FILES: Mapping[str, str | bytes] = {
    "lf.txt": "one\ntwo\n",
    "crlf.txt": b"one\r\ntwo\r\n",
    "id": "$Id$\n",
    "binary": bytes(range(256)),
    "run": "exec:#!/bin/sh\n",
    "link": "link:lf.txt",
}
"""What the conversions change, as `tests.support.repos` makes it."""


def become(home: Path, name: str) -> None:
    """Set up one of CONVERSIONS for the user whose home folder is `home`; the attributes in the folder of git's own."""
    settings, attributes = CONVERSIONS[name]
    for key, value in settings.items():
        run_git("config", "--global", key, value, cwd=home)
    if attributes is not None:
        (home / ".config/git").mkdir(parents=True, exist_ok=True)
        (home / ".config/git/attributes").write_text(attributes)

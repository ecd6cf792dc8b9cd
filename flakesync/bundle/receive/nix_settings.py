"""What the Nix of this machine has to be told, so that it takes sources from a cache folder and asks no server."""

import re
from collections.abc import Mapping
from pathlib import Path

from flakesync.errors import NixError
from flakesync.nix.program.command import Nix
from flakesync.nix.program.internet import has_network
from flakesync.nix.program.settings import read_settings
from flakesync.nix.program.trust import Trust, trust_of

_FIRST_ASKING_FOLDERS = 2, 34
"""From here on a cache that is a folder is asked without a network too."""
_PLAIN = re.compile(r"/[A-Za-z0-9/._+~-]*")

_ANYWHERE = "# in NIX_CONFIG, ~/.config/nix/nix.conf or /etc/nix/nix.conf:"
_BY_USER = "# in NIX_CONFIG or ~/.config/nix/nix.conf; in /etc/nix/nix.conf it has no effect:"
_INTO_STORE = "# without an administrator, and without a setting: flakesync import … --into-store"


def settings_for(cache: Path, environ: Mapping[str, str]) -> list[str]:
    """Return the lines that the Nix of this machine needs, and before them, with `#`, where they may stand.

    Without a Nix all that any machine may need.
    """
    try:
        nix = Nix.find(environ)
        trust = trust_of(read_settings(nix))
    except NixError:
        return _of_any(cache)
    return _lines(cache, trust, needs_substitute=nix.version < _FIRST_ASKING_FOLDERS and not has_network())


def cache_url(cache: Path) -> str:
    """Return the cache as Nix names a substituter."""
    return f"file://{cache.absolute()}"


def _lines(cache: Path, trust: Trust, *, needs_substitute: bool) -> list[str]:
    lines = _odd(cache)
    if trust in ("untrusted", "refused"):
        lines += [
            _INTO_STORE,
            "# by an administrator, in /etc/nix/nix.conf of the daemon:",
            f"trusted-substituters = {cache_url(cache)}",
        ]
    lines += [_ANYWHERE, f"substituters = {cache_url(cache)}"]
    if needs_substitute:
        lines += [_BY_USER, "substitute = true"]
    return lines


def _of_any(cache: Path) -> list[str]:
    return [
        *_odd(cache),
        "# no nix was found here to ask; what a machine may need:",
        _ANYWHERE,
        f"substituters = {cache_url(cache)}",
        "# with loopback addresses only, and Nix before 2.34,",
        _BY_USER,
        "substitute = true",
        "# with a daemon that does not trust the user, in its /etc/nix/nix.conf",
        f"trusted-substituters = {cache_url(cache)}",
        _INTO_STORE,
    ]


def _odd(cache: Path) -> list[str]:
    if _PLAIN.fullmatch(str(cache.absolute())):
        return []
    return [
        "# the name of the folder has characters that settings of Nix cannot hold: use a link to it with a plain name"
    ]

"""Whether the daemon of this machine trusts who runs Nix here: only then substituters that users name are asked."""

import getpass
import grp
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

_SOCKET = "/nix/var/nix/daemon-socket/socket"

Trust = Literal["no-daemon", "trusted", "untrusted", "refused"]
"""no-daemon: the store is this user's own. refused: this user may not use the daemon at all."""


def trust_of(settings: Mapping[str, str]) -> Trust:
    """Return what the daemon allows this user. settings: as `read_settings` gives them."""
    if not Path(_SOCKET).exists() or os.access("/nix/var/nix/db", os.W_OK):
        return "no-daemon"
    user = user_name()
    if _is_among(user, settings.get("trusted-users", "root").split()):
        return "trusted"
    return "untrusted" if _is_among(user, settings.get("allowed-users", "*").split()) else "refused"


def user_name() -> str:
    """Return who runs this, as settings of Nix name users."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no entry in passwd: containers, DynamicUser
        return str(os.geteuid())


def _is_among(user: str, names: list[str]) -> bool:
    groups = set()
    for number in {os.getegid(), *os.getgroups()}:
        try:
            groups.add(f"@{grp.getgrgid(number).gr_name}")
        except KeyError:
            continue
    return "*" in names or user in names or bool(groups & set(names))

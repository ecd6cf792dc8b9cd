"""How git logs in over http(s): by a credential helper that reads the secret from the environment of that one process.

So it stands in no URL, no list of processes and no file. A helper is bound to one server: where that redirects git to
another one, git does not ask it there.
"""

import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote_to_bytes

from flakesync.gitenv import Settings

_PREFIX = "FLAKESYNC_GIT"
_SHORTEST = 5
_SHORTEST_USER = 20  # a token in the place of the user's name
_PORTS = {"https": 443, "http": 80}
# git runs it with `sh -c`, and adds what it wants: get, store or erase.
_HELPER = '!f() {{ test "$1" = get || exit 0; printf "username=%s\\npassword=%s\\n" "${user}" "${secret}"; }}; f'


@dataclass(frozen=True, slots=True)
class Credential:
    """A user name and a password or token for one server.

    server: `https://HOST`, with its port where that is unusual; with a path, it is for that repository alone. The user
    name may be a secret too: some forges take a token there.
    """

    server: str
    user: str = field(repr=False)
    secret: str = field(repr=False)

    @property
    def variables(self) -> tuple[str, str]:
        """The environment variables that hold user name and secret, the same for one server in every process."""
        mark = f"{zlib.crc32(self.server.encode('utf-8', 'surrogateescape')):08X}"
        return f"{_PREFIX}_USER_{mark}", f"{_PREFIX}_TOKEN_{mark}"


def helpers(credentials: Iterable[Credential]) -> tuple[Settings, Mapping[str, str]]:
    """Return the settings that make git log in with these, one a server, and the environment that they read."""
    settings: list[tuple[str, str]] = []
    environment: dict[str, str] = {}
    for credential in credentials:
        user, secret = credential.variables
        key = f"credential.{credential.server}.helper"
        # The empty one takes away the helpers that are set up: they would be asked first, and told to store the secret.
        settings += [(key, ""), (key, _HELPER.format(user=user, secret=secret))]
        environment |= {user: credential.user, secret: credential.secret}
    return tuple(settings), environment


def secrets_in(environment: Mapping[str, str]) -> Iterator[str]:
    """Give what must not be shown of an environment made by `helpers`.

    Blotting out short words (a user called `git`) would hide whole messages and protect nothing.
    """
    for name, value in environment.items():
        if name.startswith(_PREFIX) and len(value) >= (_SHORTEST if "_TOKEN_" in name else _SHORTEST_USER):
            yield value


def server_of(parts: SplitResult) -> str | None:
    """Return `http(s)://HOST[:PORT]` of an address, without a usual port; None: it has no host, or is of another kind.

    Raises: ValueError: its port is no port.
    """
    scheme, host = parts.scheme.lower(), parts.hostname
    if scheme not in _PORTS or not host:
        return None
    port = parts.port
    name = f"[{host}]" if ":" in host else host
    return f"{scheme}://{name}" if port in (None, _PORTS[scheme]) else f"{scheme}://{name}:{port}"


def login_in(parts: SplitResult) -> Credential | None:
    """Return the user name and the password in an address of http(s); None: it holds no password.

    Raises: ValueError: its port is no port, or no helper could hand such a login on.
    """
    server = server_of(parts)
    if server is None or parts.username is None or parts.password is None:
        return None
    user, secret = (os.fsdecode(unquote_to_bytes(part)) for part in (parts.username, parts.password))
    if any(char in user + secret for char in "\n\r\0"):
        raise ValueError("a login is one line")
    # git sends nothing where the name is empty; servers that look at the password alone take any.
    return Credential(server, user or "git", secret)

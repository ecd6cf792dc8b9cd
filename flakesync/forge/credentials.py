"""How git logs in over https: by a credential helper that reads the token from the environment of that one process.

So it stands in no URL, no list of processes and no file. Over ssh, or without a token, git uses what the user has.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from flakesync.forge.choose import Servers

VARIABLE = "FLAKESYNC_GIT_TOKEN"

# git runs it with `sh -c`, and adds what it wants: get, store or erase.
_HELPER = '!f() {{ test "$1" = get || exit 0; printf "username=%s\\npassword=%s\\n" {user} "${variable}"; }}; f'


@dataclass(frozen=True, slots=True)
class Access:
    """What git needs for one remote. config: settings. environment: variables, with the token among them."""

    config: tuple[tuple[str, str], ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


def git_access(url: str, servers: Servers) -> Access:
    """Return how git gets at `url`: empty for all but https, and for hosts that need nothing.

    Raises: ForgeError(`forge-token`).
    """
    try:
        parts = urlsplit(url.removeprefix("git+"))
        host, port = parts.hostname, parts.port
    except ValueError:
        return Access()
    if parts.scheme != "https" or host is None or parts.password is not None:
        return Access()
    name = f"[{host}]" if ":" in host else host
    place = name if port in (None, 443) else f"{name}:{port}"
    account = servers.account(place)
    config: list[tuple[str, str]] = []
    if account.endpoint.ca_file is not None:
        config.append((f"http.https://{place}/.sslCAInfo", str(account.endpoint.ca_file)))
    if account.endpoint.token is None:
        return Access(tuple(config))
    # The empty one takes away the helpers that are set up: they would be asked first, and told to store the token.
    key = f"credential.https://{place}.helper"
    config += [(key, ""), (key, _HELPER.format(user=account.user, variable=VARIABLE))]
    return Access(tuple(config), {VARIABLE: account.endpoint.token})

"""The settings of a Nix, as it has read them itself."""

from collections.abc import Mapping

from flakesync.nix.program.command import Nix
from flakesync.nix.program.errors import explain
from flakesync.nix.program.process import run
from flakesync.secrets import secrets_of

_TIMEOUT_S = 30.0
_COMMANDS = (("config", "show"), ("show-config",))
"""Of 2.20 and later, and of all before; Lix has the first one too."""


def read_settings(nix: Nix) -> Mapping[str, str]:
    """Return name → value of nix.conf, NIX_CONFIG and Nix's own defaults, lists separated by blanks.

    Secrets are among them (`access-tokens`). No server is asked.

    Raises: NixError.
    """
    for command in _COMMANDS:
        argv = [str(nix.program), "--extra-experimental-features", "nix-command", *command]
        ended = run(argv, nix.environ, timeout_s=_TIMEOUT_S)
        if ended.status == 0:
            break
    else:
        raise explain(ended.err, status=ended.status, secrets=secrets_of(nix.environ))
    lines = ended.out.decode("utf-8", "replace").splitlines()
    pairs = (line.partition(" =") for line in lines if " =" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


def hosts_with_tokens(settings: Mapping[str, str]) -> list[str]:
    """Return the hosts that `access-tokens` has a token for: never the tokens."""
    return [pair.partition("=")[0] for pair in settings.get("access-tokens", "").split() if "=" in pair]

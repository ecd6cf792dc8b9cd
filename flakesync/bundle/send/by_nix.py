"""Sources that only Nix can fetch (Mercurial, git-lfs, odd archives): the last way, where there is a nix."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from flakesync.bundle.send.by_disk import disk_nar
from flakesync.bundle.send.way import not_by
from flakesync.errors import plain
from flakesync.net.wall import is_offline
from flakesync.nix.program.command import Nix
from flakesync.nix.program.offline import OPTIONS, walled
from flakesync.nix.program.process import run
from flakesync.nix.reference.flakeref import Attr

_TIMEOUT_S = 3600.0
_FLAGS = ("--extra-experimental-features", "nix-command flakes", "--option", "accept-flake-config", "false")


def nix_nar(nix: Nix, attrs: Mapping[str, Attr]) -> Iterator[bytes]:
    """Give the NAR of what `builtins.fetchTree` makes of the attributes of a lock node; it stays in Nix's store.

    Raises: FlakesyncError: Nix does not fetch it, or its store is not on this machine.
    """
    wanted = {key: value for key, value in attrs.items() if key not in ("lastModified", "dir")}
    expression = f"(builtins.fetchTree (builtins.fromJSON {_quoted(json.dumps(wanted))})).outPath"
    command = [*_FLAGS, "eval", "--raw", "--expr", expression]
    environ = {**nix.environ, **nix.fetching}
    if is_offline():
        with walled(environ) as behind:
            ended = run([str(nix.program), *command, *OPTIONS], behind, timeout_s=_TIMEOUT_S)
    else:
        ended = run([str(nix.program), *command], environ, timeout_s=_TIMEOUT_S)
    path = ended.out.decode("utf-8", "replace").strip()
    if ended.status != 0 or not path.startswith("/"):
        told = " ".join(ended.err.rpartition("error:")[2].split()) or f"status {ended.status}"
        raise not_by(f"{nix.describe()}: {plain(told[:300])}")
    yield from disk_nar(Path(path))


def _quoted(text: str) -> str:
    """Return a string as Nix reads it: nothing in it is evaluated."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${") + '"'

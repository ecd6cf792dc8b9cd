"""Nix behind the wall of `--offline`: started so that neither it nor what it starts can reach a server.

`nix --offline` alone still downloads what it lacks and runs git, and asks binary caches where nix.conf says
`substitute`. What remains here are local sources (`path:`, `git+file:`, archives by `file:`) and commits that Nix has
fetched before.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from flakesync.processes.folders import temporary_folder

OPTIONS = ("--offline", "--option", "substitute", "false", "--option", "download-attempts", "1")
"""`--offline`: what was fetched before is up to date. The others hold whatever nix.conf says, in a daemon too."""

_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy")
# curl refuses a proxy of a kind that it does not know before it looks up a name or opens a socket.
_NO_PROXY_AT_ALL = "offline://offline"
# Programs that reach servers by themselves: Mercurial, and ssh for stores and for git LFS.
_REACHING = ("hg", "ssh")


@contextmanager
def walled(environ: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Give the environment for a Nix that reaches no server; it holds until the block ends.

    Downloads go by a proxy that there cannot be, git knows no transport but files, and `hg` and `ssh` are programs that
    fail.
    """
    allowed = environ.get("GIT_ALLOW_PROTOCOL")
    files = allowed is None or "file" in allowed.split(":")
    path = environ.get("PATH", os.defpath)
    with temporary_folder("offline") as folder:
        for name in _REACHING:
            # A link and no script: it works where temporary files must not be executed.
            (folder / name).symlink_to(shutil.which("false", path=path) or "/bin/false")
        kept = {name: value for name, value in environ.items() if not name.lower().endswith("_proxy")}
        yield {
            **kept,
            **dict.fromkeys(_PROXIES, _NO_PROXY_AT_ALL),
            "GIT_ALLOW_PROTOCOL": "file" if files else "",
            "PATH": f"{folder}{os.pathsep}{path}",
        }

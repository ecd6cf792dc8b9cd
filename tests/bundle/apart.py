"""A machine apart: no network, an empty /nix, a home folder of its own, and what is brought to it.

With namespaces the machine has no address at all, and what lies in `hidden` is not there. Without them its Nix has a
store in another place (`Apart.store_dir`), and no proxy leads anywhere.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.support import forked
from tests.support.nix import RealNix, isolation, remove_state

NIX_STORE = "/nix/store"

_CONF = """\
experimental-features = nix-command flakes
sandbox = false
build-users-group =
flake-registry = {registry}
"""
_ENTER = """\
set -e
mount --bind "$1" /nix; shift
while [ "$1" != -- ]; do
  case "$1" in
    hide=*) mount --bind "$EMPTY" "${1#hide=}" ;;
    read=*) mount --bind "${1#read=}" "${1#read=}"; mount -o remount,ro,bind "${1#read=}" ;;
  esac
  shift
done
shift
cd "$1"; shift
exec "$@"
"""


@cache
def has_namespaces() -> bool:
    """Return whether /nix can be another folder here, in a network without addresses."""
    if not Path("/nix").is_dir() or shutil.which("unshare") is None:
        return False
    argv = [*_unshare(), "sh", "-c", "mount --bind /tmp /nix"]
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def _unshare() -> list[str]:
    return ["unshare", "--net", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]


@dataclass(frozen=True)
class Apart:
    """The machine. root: its folder. env: of all that runs there. store_dir: where its Nix has its store."""

    root: Path
    env: Mapping[str, str]
    store_dir: str
    hidden: Sequence[Path]

    def run(
        self, *argv: str | Path, cwd: Path, read_only: Sequence[Path] = (), env: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a program there and return what it did. read_only: folders that nothing can be written to."""
        command = [str(part) for part in argv]
        if self.store_dir == NIX_STORE:
            mounts = [*(f"hide={path}" for path in self.hidden), *(f"read={path}" for path in read_only)]
            head = [*_unshare(), "sh", "-c", _ENTER, "sh", str(self.root / "nix"), *mounts, "--", str(cwd)]
            command = [*head, *command]
        return subprocess.run(
            command, cwd=cwd, env={**self.env, **(env or {})}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=300, check=False,
        )  # fmt: skip

    def must(
        self, *argv: str | Path, cwd: Path, read_only: Sequence[Path] = (), env: Mapping[str, str] | None = None
    ) -> str:
        """Run a program there that ends with 0; return its output."""
        done = self.run(*argv, cwd=cwd, read_only=read_only, env=env)
        if done.returncode != 0:
            pytest.fail(f"{' '.join(map(str, argv))}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def imports(self, *argv: str, statuses: Sequence[int] = (0,)) -> "subprocess.CompletedProcess[str]":
        """Run `flakesync import` in the folder of the machine, with its environment, in a forked process."""
        if self.store_dir != NIX_STORE:
            argv = (*argv, "--store-dir", self.store_dir)
        done = forked.flakesync("import", *argv, cwd=self.root, env=self.env)
        if done.returncode not in statuses:
            pytest.fail(f"flakesync import: exit status {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def forget(self) -> None:
        """Take away all that its Nix has made."""
        for name in ("nix", "state", "home"):
            remove_state(self.root / name)
            (self.root / name).mkdir()


def make_apart(root: Path, nix: RealNix, *, hidden: Sequence[Path] = (), store_dir: str | None = None) -> Apart:
    """Make the machine in a new folder. hidden: folders that it has not. store_dir: None: /nix/store if it can be."""
    for name in ("nix", "home", "conf", "empty", "tmp", "bin"):
        (root / name).mkdir(parents=True)
    registry = root / "conf/registry.json"
    registry.write_text('{"flakes":[],"version":2}\n')
    (root / "conf/nix.conf").write_text(_CONF.format(registry=registry))
    (root / "bin/nix").symlink_to(nix.path)
    own = store_dir or (NIX_STORE if has_namespaces() else str(root / "state/store"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NIX_", "XDG_", "FLAKESYNC_"))}
    env = {
        **kept,
        **(isolation(root / "state") if own != NIX_STORE else {}),
        "HOME": str(root / "home"),
        "TMPDIR": str(root / "tmp"),
        "PATH": f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "EMPTY": str(root / "empty"),
        "NIX_CONF_DIR": str(root / "conf"),
    }
    if own != NIX_STORE:
        env["NIX_STORE_DIR"] = own
    return Apart(root, env, own, tuple(hidden))


def from_cache(folder: Path) -> dict[str, str]:
    """Return the environment in which Nix takes sources from a cache, on a machine that has no network."""
    return {"NIX_CONFIG": f"substitute = true\nsubstituters = file://{folder}"}

"""Real Nix for tests: which versions there are, and an environment in which each keeps its state to itself.

The versions come from FLAKESYNC_NIX_PATHS (executables, separated like PATH), else from `nix` on PATH.
FLAKESYNC_REQUIRE_NIX names what must be there: `2.8,2.26,2.34+` (a `+` takes anything from that version on), or `1`
for any version at all. Then nothing that needs Nix may be skipped.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flakesync.nix.program.process import Ended

_LAST_NUMBER = re.compile(r"(\d+)\.(\d+)\S*\s*$")
_CONF = """\
experimental-features = nix-command flakes
sandbox = false
build-users-group =
substituters =
flake-registry = {registry}
"""


@dataclass(frozen=True, slots=True)
class RealNix:
    """One nix executable of this machine."""

    path: Path
    version: tuple[int, int]
    full_version: str
    warm_state: Path
    """The state folder that this process's tests share; whoever makes the first call pays for it."""

    @property
    def id(self) -> str:
        return f"{self.version[0]}.{self.version[1]}"

    def env(self, state_dir: Path | None = None) -> dict[str, str]:
        """Return the environment in which `nix` is this one, and its store, state and cache are under `state_dir`.

        None: the warm state shared by the tests of one worker. A folder of its own: a cold store. Only Nix's cache is
        shared; what flakesync caches stays with the test in either case.
        """
        home = Path(os.environ["HOME"])
        state = state_dir or self.warm_state
        for name in ("bin", "conf", "cache", "tmp"):
            (state / name).mkdir(parents=True, exist_ok=True)
        # A folder with nothing but `nix` in it: putting /usr/bin first would hide a virtual environment's programs.
        _link(state / "bin" / "nix", self.path)
        user_cache = home / f".cache-nix-{self.id}" if state_dir is None else state_dir / "user-cache"
        user_cache.mkdir(exist_ok=True)
        _link(user_cache / "nix", state / "cache")
        write_conf(state / "conf")
        return {
            **os.environ,
            **isolation(state),
            "PATH": f"{state / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "TMPDIR": str(state / "tmp"),
            "XDG_CACHE_HOME": str(user_cache),
        }


def isolation(state: Path) -> dict[str, str]:
    """Return the NIX_* variables that keep a Nix away from the machine's own store and configuration."""
    return {
        "NIX_CONF_DIR": str(state / "conf"),
        "NIX_LOG_DIR": str(state / "log"),
        "NIX_STATE_DIR": str(state / "state"),
        "NIX_STORE_DIR": str(state / "store"),
    }


def told(nix: RealNix) -> "Callable[..., Ended]":
    """Return `process.run`, which knows what `nix --version` of this executable says, as `installed` has seen it."""
    from flakesync.nix.program.process import Ended, run

    def run_or_tell(argv: Sequence[str], environ: Mapping[str, str], **values: Any) -> Ended:
        if list(argv[1:]) == ["--version"] and os.path.realpath(argv[0]) == os.path.realpath(nix.path):
            return Ended(0, f"nix (Nix) {nix.full_version}\n".encode(), "")
        return run(argv, environ, **values)

    return run_or_tell


def write_conf(folder: Path) -> None:
    """Write a nix.conf into `folder`: flakes, nothing downloaded, no registry, no build users."""
    # The registry is a file, as Nix 2.8 takes an empty setting for a URL and tries to download ''.
    registry = folder / "registry.json"
    if not (folder / "nix.conf").exists():
        registry.write_text('{"flakes":[],"version":2}\n')
        (folder / "nix.conf").write_text(_CONF.format(registry=registry))


def remove_state(state: Path) -> None:
    """Remove a state folder; store paths are write-protected, so their folders are opened first."""
    if state.exists() and os.geteuid() != 0:
        for folder, _, _ in os.walk(state):
            os.chmod(folder, 0o700)
    shutil.rmtree(state, ignore_errors=True)


@cache
def installed() -> tuple[tuple[Path, str], ...]:
    """Return the executables with what follows the name in `nix --version`, as given, one for each version."""
    given = os.environ.get("FLAKESYNC_NIX_PATHS")
    paths = given.split(os.pathsep) if given else [p for p in [shutil.which("nix")] if p]
    found: dict[str, Path] = {}
    for path in paths:
        try:
            run = subprocess.run(
                [path, "--version"], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
            )
        except OSError as error:
            print(f"FLAKESYNC_NIX_PATHS: {error}", file=sys.stderr)
            continue
        if run.returncode == 0 and _LAST_NUMBER.search(run.stdout):
            found.setdefault(run.stdout.split()[-1], Path(path).absolute())
        else:
            print(f"{path} --version failed: {run.stderr.strip()}", file=sys.stderr)
    return tuple((path, version) for version, path in sorted(found.items(), key=lambda kv: numbers(kv[0])))


def numbers(version: str) -> tuple[int, int]:
    """Return the first two numbers of a version such as `2.26.3`."""
    major, minor = re.findall(r"\d+", version)[:2]
    return int(major), int(minor)


def missing(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return what FLAKESYNC_REQUIRE_NIX asks for and the machine does not have."""
    required = environ.get("FLAKESYNC_REQUIRE_NIX", "")
    have = [numbers(version) for _, version in installed()]
    if required == "1":
        return [] if have else ["any version"]
    lacking = []
    for wish in filter(None, (w.strip() for w in required.split(","))):
        least = numbers(wish)
        if not any(v >= least if wish.endswith("+") else v == least for v in have):
            lacking.append(wish)
    return lacking


def programs_without_nix(folder: Path) -> Path:
    """Make a folder with the programs of PATH, without those of Nix; return it."""
    folder.mkdir()
    for place in map(Path, os.environ["PATH"].split(os.pathsep)):
        for program in place.iterdir() if place.is_dir() else ():
            link = folder / program.name
            if not program.name.startswith("nix") and not link.exists():
                link.symlink_to(program)
    return folder


def _link(link: Path, target: Path) -> None:
    if not link.is_symlink():
        link.symlink_to(target)

"""The wheel and the sdist, built from a copy of the sources, and environments that they are installed into."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
EPOCH = 1_750_000_000  # any date: what a release takes is the commit's


def sources() -> list[str]:
    """Return the files that a checkout has, those included that are not committed yet."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    ran = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    return sorted(name for name in ran.stdout.split("\0") if name and (ROOT / name).is_file())


def copy_sources(to: Path) -> Path:
    """Copy them into a folder, as a clone would have them; files there have other dates."""
    for name in sources():
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, to / name)
    return to


def build(source: Path, out: Path, *what: str, umask: int = 0o022) -> Path:
    """Build with the pinned backend, without network, and return the one file that was made."""
    argv: list[str | Path] = [BIN / "pyproject-build", "--no-isolation", *what, "--outdir", out, source]
    environ = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)}
    ran = subprocess.run(argv, capture_output=True, text=True, env=environ, umask=umask)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (made,) = out.iterdir()
    return made


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def members(wheel: Path) -> dict[str, bytes]:
    """Return the files of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def install(wheel: Path, folder: Path) -> Path:
    """Make an environment with the wheel and what it depends on, and return its folder.

    The dependencies come from the registry, at the versions of constraints.txt: this needs the network.
    """
    environ = {key: value for key, value in os.environ.items() if not key.endswith("_proxy")}
    # Wheels are kept, so that the registry is asked for little.
    environ["UV_CACHE_DIR"] = str(ROOT / ".cache/uv")
    python = str(folder / "bin/python")
    for argv in (
        ["venv", "--python", sys.executable, str(folder)],
        ["pip", "install", "--python", python, "-c", str(ROOT / "constraints.txt"), str(wheel)],
    ):
        ran = subprocess.run([BIN / "uv", "--quiet", *argv], capture_output=True, text=True, env=environ)
        assert ran.returncode == 0, ran.stderr
    return folder


def run(*argv: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder that is no checkout."""
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL)

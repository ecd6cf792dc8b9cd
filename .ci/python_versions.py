#!/usr/bin/env python3
"""Fetch other Python versions for the tests: python_versions.py FOLDER [VERSION…]; prints their programs, a line each.

Each comes from a Debian suite with its standard library and the libraries it loads, as nix_versions.py fetches Nix: by
the ordinary apt client with a root folder of its own, nothing is installed, and a version runs by its suite's own
dynamic loader. It has no pip: uv makes environments of it. What is there already is used as it is.
"""

import fcntl
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from nix_versions import LIBRARY, LOADER, Apt, FetchError, library_packages, place

SUITES = {"3.13": "trixie", "3.14": "forky"}
WRAPPER = """\
#!/bin/sh
# A virtual environment links to this file: by $0 Python finds the environment that it was started from.
exec '{home}/libexec/{loader}' --argv0 "$0" --library-path '{home}/libexec' '{home}/libexec/python{version}' "$@"
"""


def main() -> int:
    """Return the exit status: 0 if every version asked for is there and runs."""
    folder = Path(sys.argv[1]).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    status = 0
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for version in sys.argv[2:] or SUITES:
            try:
                print(have(folder, version))
            except (FetchError, OSError, subprocess.SubprocessError) as error:
                print(f"python_versions: {version}: {error}", file=sys.stderr)
                status = 1
    return status


def have(folder: Path, version: str) -> Path:
    """Return the program of a version, fetched if need be; raises FetchError."""
    if version not in SUITES:
        raise FetchError(f"no Debian suite is known for it; there are {', '.join(SUITES)}")
    program = folder / version / "bin" / f"python{version}"
    if not runs(program, version):
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as scratch:
            fetch(Path(scratch), version, program.parent.parent)
    if not runs(program, version):
        raise FetchError("it does not run here")
    return program


def runs(program: Path, version: str) -> bool:
    """Tell whether the program is there and has what the tests import (it has not, once the folder has moved)."""
    code = f"import ctypes, lzma, sqlite3, ssl, zlib, sys; sys.exit('%d.%d' % sys.version_info[:2] != {version!r})"
    try:
        return subprocess.run([program, "-c", code], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def fetch(scratch: Path, version: str, home: Path) -> None:
    """Put the program, its standard library, and all libraries into `home`."""
    apt = Apt(scratch / "apt", SUITES[version])
    apt.run("apt-get", "-q", "update")
    debs = scratch / "debs"
    debs.mkdir()
    programs = (f"python{version}", f"python{version}-minimal")
    apt.run("apt-get", "-q", "download", *programs, *library_packages(apt, *programs), cwd=debs)
    new = scratch / "new"
    for name in ("bin", "lib", "libexec"):
        (new / name).mkdir(parents=True)
    for deb in sorted(debs.iterdir()):
        unpack(deb, version, new)
    loader = next((path.name for path in (new / "libexec").iterdir() if LOADER.fullmatch(path.name)), None)
    if loader is None:
        raise FetchError("its libc6 has no loader")
    wrapper = new / f"bin/python{version}"
    wrapper.write_text(WRAPPER.format(home=home, loader=loader, version=version))
    wrapper.chmod(0o755)
    shutil.rmtree(home, ignore_errors=True)
    new.rename(home)


def unpack(deb: Path, version: str, home: Path) -> None:
    """Put what a package has of the program, the standard library and shared libraries into `home`."""
    standard = re.compile(rf"\./usr/(lib/python{re.escape(version)}/.+)")
    program = f"./usr/bin/python{version}"
    with (
        subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as process,
        tarfile.open(fileobj=process.stdout, mode="r|") as archive,
    ):
        for member in archive:
            if found := standard.fullmatch(member.name):
                # Links lead to /etc, to settings of a machine that has this Python installed.
                if member.isfile():
                    target = home / found[1]
                    target.parent.mkdir(parents=True, exist_ok=True)
                    place(archive, member, target)
            elif library := LIBRARY.fullmatch(member.name):
                place(archive, member, home / "libexec" / library[1])
            elif member.name == program:
                place(archive, member, home / "libexec" / f"python{version}")
    if process.returncode != 0:
        raise FetchError(f"{deb.name} cannot be read")


if __name__ == "__main__":
    sys.exit(main())

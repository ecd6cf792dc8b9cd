#!/usr/bin/env python3
"""Fetch other Nix versions for the tests: nix_versions.py FOLDER [SUITE…]; prints their programs, separated like PATH.

Each Debian suite's nix-bin and the libraries it needs come from this machine's own mirror, by the ordinary apt client
with a root folder of its own: nothing is installed, and the machine's package lists stay as they are. A version runs by
its suite's own dynamic loader. What is there already is used as it is; remove FOLDER to fetch anew.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SUITES = ("trixie", "forky")  # Nix 2.26; Nix 2.34 or later, as testing moves on
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
LIBRARY = re.compile(r"\./(?:usr/)?lib(?:64)?/(?:[^/]+-linux-gnu[^/]*/|nix/)?([^/]+\.so(?:\.[^/]+)*)")
PROGRAM = re.compile(r"\./usr/bin/(nix[^/]*)")
LOADER = re.compile(r"ld-linux[^/]*\.so\.\d+")
NO_LIBRARY = re.compile(r"-(?:perl|data|common|modules|bin)\b|^libpam|^libdebconf")

WRAPPER = """\
#!/bin/sh
# Else Nix takes the loader (/proc/self/exe) for itself when it starts its build hook, and every build fails.
export NIX_BIN_DIR='{home}/bin'
exec '{home}/lib/{loader}' --argv0 "${{0##*/}}" --library-path '{home}/lib' '{home}/libexec/nix' "$@"
"""


class FetchError(Exception):
    """A version that could not be had, and why."""


def main() -> int:
    """Return the exit status: 0 if every suite asked for is there and runs."""
    folder = Path(sys.argv[1]).absolute()
    suites = sys.argv[2:] or SUITES
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock, ThreadPoolExecutor() as pool:
        fcntl.flock(lock, fcntl.LOCK_EX)
        outcomes = list(pool.map(lambda suite: attempt(folder, suite), suites))
    print(os.pathsep.join(str(program) for program in outcomes if program))
    return 0 if all(outcomes) else 1


def attempt(folder: Path, suite: str) -> Path | None:
    """Return the nix of `suite`, fetched if need be; None, after a word on stderr, if that failed."""
    program = folder / suite / "bin" / "nix"
    try:
        version = version_of(program)
        if not version:
            with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as scratch:
                fetch(Path(scratch), suite, program.parent.parent)
            version = version_of(program)
        if not version:
            raise FetchError("its nix does not run here")
    except (FetchError, OSError, subprocess.SubprocessError) as error:
        print(f"nix_versions: {suite}: {error}", file=sys.stderr)
        return None
    print(f"nix_versions: {suite}: {version}", file=sys.stderr)
    return program


def version_of(program: Path) -> str:
    """Return what `nix --version` says; empty if the program is not there or does not run (the folder has moved)."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def fetch(scratch: Path, suite: str, home: Path) -> None:
    """Put the programs, libraries and loader of the suite's nix-bin into `home`."""
    apt = Apt(scratch / "apt", suite)
    apt.run("apt-get", "-q", "update")
    debs = scratch / "debs"
    debs.mkdir()
    apt.run("apt-get", "-q", "download", "nix-bin", *library_packages(apt, "nix-bin"), cwd=debs)
    new = scratch / "new"
    for name in ("bin", "lib", "libexec"):
        (new / name).mkdir(parents=True)
    for deb in sorted(debs.iterdir()):
        unpack(deb, new)
        deb.unlink()
    keep_needed(new)
    loader = next(path.name for path in (new / "lib").iterdir() if LOADER.fullmatch(path.name))
    for program in (new / "libexec").iterdir():
        wrapper = new / "bin" / program.name
        wrapper.write_text(WRAPPER.format(home=home, loader=loader))
        wrapper.chmod(0o755)
    shutil.rmtree(home, ignore_errors=True)
    new.rename(home)


class Apt:
    """The apt client with lists, cache and status of its own, and one suite of the machine's Debian mirror."""

    def __init__(self, root: Path, suite: str) -> None:
        """Set it up under `root`, a folder that is not there yet."""
        for name in ("etc/apt", "var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/lib/dpkg"):
            (root / name).mkdir(parents=True)
        status = root / "var/lib/dpkg/status"
        status.touch()
        signed = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
        (root / "etc/apt/sources.list").write_text(f"deb {signed}{mirror()} {suite} main\n")
        config = root / "apt.conf"
        # Of the machine's own configuration only the way to the mirror is taken: hooks would work on its own caches.
        transport = [line for line in machine("apt-config", "dump").splitlines() if line.startswith("Acquire::")]
        config.write_text(
            "\n".join(
                [
                    *transport,
                    f'Dir "{root}";',
                    f'Dir::State::status "{status}";',
                    'Dir::Etc::trustedparts "/etc/apt/trusted.gpg.d";',
                    'APT::Sandbox::User "root";',
                    'Acquire::Languages "none";',
                    'Acquire::Retries "3";',
                    'APT::Update::Error-Mode "any";',
                ]
            )
        )
        self._environ = {**os.environ, "APT_CONFIG": str(config), "LC_ALL": "C.UTF-8"}

    def run(self, *argv: str, cwd: Path | None = None) -> str:
        """Return what the apt program writes; raises FetchError with its last words."""
        done = subprocess.run(argv, capture_output=True, text=True, cwd=cwd, env=self._environ, check=False)
        if done.returncode != 0:
            raise FetchError(f"{' '.join(argv[:3])}: {done.stderr.strip()[-2000:]}")
        return done.stdout


def machine(*argv: str) -> str:
    """Return what a program says about this machine."""
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def mirror() -> str:
    """Return the address from which this machine's apt takes its own Debian release."""
    codename = re.search(r"^VERSION_CODENAME=(\w+)$", Path("/etc/os-release").read_text(), re.MULTILINE)
    wanted = codename[1] if codename else "stable"
    found = re.search(rf"'(\S+)/dists/{wanted}/InRelease'", machine("apt-get", "update", "--print-uris"))
    if not found:
        raise FetchError(f"apt has no archive set up for {wanted}")
    return found[1]


def library_packages(apt: Apt, *programs: str) -> list[str]:
    """Return the library packages that packages of programs need, directly or through other libraries."""
    flags = [f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")]
    known: set[str] = set()
    frontier = set(programs)
    while frontier:
        told = apt.run("apt-cache", "depends", *flags, *sorted(frontier))
        names = set(re.findall(r"^ +(?:Pre)?Depends: ((?:lib|zlib)[^\s<>:]*)$", told, re.MULTILINE))
        frontier = {name for name in names if not NO_LIBRARY.search(name)} - known
        known |= frontier
    if not known:
        raise FetchError(f"there is no {programs[0]}, or it needs no library")
    return sorted(known)


def unpack(deb: Path, home: Path) -> None:
    """Put the libraries (all of a suite in one folder) and the nix programs of a package into `home`."""
    with (
        subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as process,
        tarfile.open(fileobj=process.stdout, mode="r|") as archive,
    ):
        for member in archive:
            if library := LIBRARY.fullmatch(member.name):
                place(archive, member, home / "lib" / library[1])
            elif program := PROGRAM.fullmatch(member.name):
                place(archive, member, home / "libexec" / program[1])
    if process.returncode != 0:
        raise FetchError(f"{deb.name} cannot be read")


def place(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    """Write a file or link of the archive; a link to the same name elsewhere is that file."""
    if member.issym():
        link = Path(member.linkname).name
        if link != target.name and not target.exists():
            target.unlink(missing_ok=True)
            target.symlink_to(link)
    elif content := archive.extractfile(member):
        target.unlink(missing_ok=True)
        with target.open("wb") as file:
            shutil.copyfileobj(content, file)
        target.chmod(0o755)


def keep_needed(home: Path) -> None:
    """Remove what nix does not load: half of it."""
    libraries = home / "lib"
    loader = next((path for path in libraries.iterdir() if LOADER.fullmatch(path.name)), None)
    if loader is None:
        raise FetchError("its libc6 has no loader")
    listing = subprocess.run(
        [loader, "--library-path", libraries, "--list", home / "libexec/nix"],
        capture_output=True,
        text=True,
        check=False,
    )
    outside = [line for line in listing.stdout.splitlines() if "=> not found" in line or "=> /" in line]
    outside = [line for line in outside if f"=> {libraries}/" not in line]
    if listing.returncode != 0 or outside:
        raise FetchError(f"nix needs more than was fetched: {listing.stderr} {outside}")
    needed = {path.resolve() for path in libraries.iterdir() if f"{libraries}/{path.name} " in listing.stdout}
    needed |= {loader.resolve(), *(path.resolve() for path in libraries.glob("libnss_files.so*"))}
    for path in list(libraries.iterdir()):
        if path.resolve() not in needed:
            path.unlink()


if __name__ == "__main__":
    sys.exit(main())

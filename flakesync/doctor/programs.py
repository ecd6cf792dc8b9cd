"""The programs and libraries that a run needs, and their versions."""

import platform
import re
import shutil
from importlib.metadata import PackageNotFoundError, version

import flakesync
from flakesync.doctor.place import DoctorPlace
from flakesync.doctor.rows import DoctorRows, Rows
from flakesync.errors import FlakesyncError
from flakesync.nix.program.command import Nix

OLDEST_GIT = (2, 31)
"""The first that takes settings from its environment (GIT_CONFIG_COUNT), in which logins are handed to it."""
_ROW = DoctorRows("programs")


def program_rows(place: DoctorPlace) -> Rows:
    """Give a row for flakesync, Python, git, nix, ssh, and the libraries."""
    yield _ROW.ok("flakesync", f"{flakesync.__version__}, on Python {platform.python_version()}")
    yield from _git()
    yield from _nix(place)
    yield from _libraries()
    yield from _ssh(place)
    yield from _commands(place)


def _git() -> Rows:
    from flakesync.git.process import git

    try:
        said = git(["--version"], timeout_s=30).text.strip()
    except FlakesyncError as error:
        yield _ROW.error("git", error)
        return
    found = re.search(r"(\d+)\.(\d+)(?:\.\d+)*", said)
    if found is None:
        yield _ROW.warning("git", f"its version cannot be read: {said[:80]}")
    elif (int(found[1]), int(found[2])) < OLDEST_GIT:
        wanted = ".".join(map(str, OLDEST_GIT))
        yield _ROW.fails("git", f"{found[0]} is too old", hint=f"flakesync needs git {wanted} or later")
    else:
        yield _ROW.ok("git", found[0])


def _nix(place: DoctorPlace) -> Rows:
    match place.nix:
        case Nix() as nix:
            yield _ROW.ok("nix", f"{nix.describe()} in {nix.program}; {_dialect(nix)}")
        case FlakesyncError() as error:
            wanted = place.environ.get("FLAKESYNC_NIX") or "nix"
            is_there = shutil.which(wanted, path=place.environ.get("PATH")) is not None
            if is_there or any(repo.checks for repo in place.repos):
                yield _ROW.error("nix", error)
            else:
                # Locks of which every commit is a git repository's are written without Nix.
                detail = f"{error.message}: locks are written by flakesync alone, where it can"
                yield _ROW.warning("nix", detail, hint=error.hint)


def _dialect(nix: Nix) -> str:
    """Return which way of writing locks it has, as `--dialect` names it."""
    if nix.flavour == "lix":
        name = "lix"
    else:
        name = "nix-2.8" if nix.version < (2, 10) else "nix-2.10+" if nix.version < (2, 20) else "nix-2.26+"
    return f"writes locks as {name} does"


def _libraries() -> Rows:
    from flakesync.git.versions import library_versions

    try:
        found = {**library_versions(), "httpx2": version("httpx2")}
    except (ImportError, PackageNotFoundError) as error:
        yield _ROW.fails("libraries", str(error), hint="install flakesync again, with what it needs")
        return
    yield _ROW.ok("libraries", ", ".join(f"{name} {number}" for name, number in found.items()))


def _ssh(place: DoctorPlace) -> Rows:
    """Give a row where repos are spoken to over ssh and there is none."""
    over_ssh = [repo.name for repo in place.repos if repo.url is not None and "ssh://" in (repo.url.git_url() or "")]
    if over_ssh and shutil.which("ssh") is None and not place.environ.get("GIT_SSH"):
        yield _ROW.fails(
            "ssh", "there is none", hint="install ssh (on Debian: apt-get install openssh-client)", repos=over_ssh
        )


def _commands(place: DoctorPlace) -> Rows:
    """Give a row for each program of checks, and of `after`, that is not there."""
    missing: dict[str, list[str]] = {}
    for repo in place.repos:
        argvs = [*repo.checks, *(command.run for command in repo.after)]
        # One with a slash is looked for in the checkout of the repo.
        for name in dict.fromkeys(argv[0] for argv in argvs if "/" not in argv[0]):
            if shutil.which(name, path=place.environ.get("PATH")) is None:
                missing.setdefault(name, []).append(repo.name)
    for name, repos in missing.items():
        yield _ROW.fails("checks", f"there is no program {name} on PATH", hint=f"install {name}", repos=repos)

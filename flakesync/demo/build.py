"""Make real git repositories of the folders in `examples/`, with a history and with real locks."""

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from functools import partial
from importlib.resources import files
from pathlib import Path

from flakesync.demo.locking import FirstLock, FlakesyncWrites, lock_with_nix
from flakesync.demo.timeline import LAST_DAY, Step, steps
from flakesync.errors import FlakesyncError
from flakesync.git import process
from flakesync.gitenv import with_settings
from flakesync.nix.program.command import Nix
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.processes.folders import temporary_folder
from flakesync.processes.stop import undone
from flakesync.terms import RepoName

FORGE = "git+https://git.acme.example"
"""Where the flake.nix files in `examples/` say that the repos are."""

MANIFEST = "workspace.toml"

Address = Callable[[RepoName], str]
"""The flake reference of a repo, without a query: where the others take it from."""

_PERSON = {"NAME": "Alex Doe", "EMAIL": "alex@acme.example"}
_AT_FORGE = re.compile(re.escape(FORGE) + r"/([a-z-]+)")
_VERSION = re.compile(r'(lib\.version = )"[^"]*"')
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._~-]+")
_CONFIG = (
    ("commit.gpgSign", "false"),
    ("core.autocrlf", "false"),
    ("core.attributesFile", os.devnull),
    ("core.excludesFile", os.devnull),
    ("advice.detachedHead", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
)


def examples() -> Path:
    """Return the folder with the example flakes: the copy that is installed with flakesync, else that of a checkout."""
    package = Path(str(files("flakesync")))
    places = (package / "_examples", package.parent / "examples")
    found = next((place for place in places if (place / "nixpkgs" / "flake.nix").is_file()), None)
    if found is None:
        raise FlakesyncError("no-examples", "the example flakes are not there", hint="install flakesync again")
    return found


def manifest_template() -> Path:
    """Return the manifest of the example workspace: with the installed examples, else at the top of a checkout."""
    place = examples()
    return place / MANIFEST if place.name == "_examples" else place.parent / MANIFEST


def build_workspace(
    directory: Path, address: Address | None = None, *, nix: Nix | None = None, last_day: date = LAST_DAY
) -> Path:
    """Make the example repositories in `directory`, with a workspace.toml over them; return that file.

    directory: is made if it is not there, and must be empty. address: what their flake.nix files call a repo; None:
    its folder (`git+file://…`). nix: what writes the locks and runs the checks; None: flakesync itself writes them, and
    the manifest has no checks. last_day: when the last commit was made. The same arguments always give the same
    commits, with any version of Nix and with none.

    Raises:
        FlakesyncError: `demo-folder` (it cannot be used), and what git and Nix raise.
    """
    with new_folder(directory) as folder, temporary_folder("build") as scratch:
        return _build(folder, address, nix, last_day, scratch)


@contextlib.contextmanager
def new_folder(directory: Path) -> Iterator[Path]:
    """Give a folder to make something in, with its links resolved; if that fails, it is as empty as it was.

    Raises: FlakesyncError(`demo-folder`): it is not empty, or cannot be used or made.
    """
    directory = directory.absolute()
    _check(directory)
    existed = directory.exists()
    is_made = False

    def begin() -> Path:
        directory.mkdir(parents=True, exist_ok=True)
        return directory.resolve()

    def undo(_: Path) -> None:
        if not is_made:
            _empty(directory, keep=existed)

    try:
        with undone(begin, undo) as folder:
            yield folder
            is_made = True
    except OSError as error:
        raise FlakesyncError("demo-folder", f"{error.filename or directory}: {error.strerror}") from None


def _build(directory: Path, address: Address | None, nix: Nix | None, last_day: date, scratch: Path) -> Path:
    address = address or (lambda name: f"git+file://{directory}/{name}")
    names = {step.repo for step in steps(last_day)}
    places = ((FlakeRef.parse(address(name)), directory / name) for name in names)
    lock = partial(lock_with_nix, nix, scratch) if nix is not None else FlakesyncWrites(places, scratch).lock
    builder = _Builder(directory, address, lock)
    for step in steps(last_day):
        builder.carry_out(step)
    manifest = directory / MANIFEST
    tables = re.sub(r"^url = .*\n", "", manifest_tables(address, checks=nix is not None), flags=re.MULTILINE)
    made = "# The repositories beside this file were made by `flakesync demo`: do with them what you like.\n\n"
    manifest.write_text(made + tables.replace('path = "examples/', 'path = "./'), "utf-8")
    return manifest


def manifest_tables(address: Address, *, checks: bool) -> str:
    """Return the manifest of the checkout for repos at these addresses that git can ask. checks: which need Nix."""
    _, _, tables = manifest_template().read_text("utf-8").partition("\n\n")
    if not checks:
        tables = re.sub(r"^checks = .*\n", "", tables, flags=re.MULTILINE)
    return moved(tables, address).replace('target = "newest-locked"', 'target = "latest"')


def moved(text: str, address: Address) -> str:
    """Return `text` with every repo's address at the forge replaced."""
    return _AT_FORGE.sub(lambda found: address(RepoName(found[1])), text)


def found_in(directory: Path, prefixes: Iterable[str]) -> Mapping[str, str]:
    """Return the environment in which git reads from `directory` what has an address that begins like one of these."""
    instead = f"url.file://{directory}/.insteadOf"
    return with_settings(os.environ, [(instead, f"{prefix.removeprefix('git+')}/") for prefix in prefixes])


def _empty(directory: Path, *, keep: bool) -> None:
    """Take away what was half made, so that the same command can be tried again."""
    for entry in directory.iterdir() if directory.is_dir() else ():
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink()
    if directory.is_dir() and not keep:
        directory.rmdir()


def _check(directory: Path) -> None:
    hint = "name another one: flakesync demo DIR"
    if directory.exists() and not directory.is_dir():
        raise FlakesyncError("demo-folder", f"{directory} is not a folder", hint=hint)
    if directory.is_dir() and any(directory.iterdir()):
        raise FlakesyncError("demo-folder", f"{directory} is not empty", hint=hint)
    if not _PLAIN_PATH.fullmatch(str(directory.resolve())):
        # The locks name the folder in URLs, and Nix reads escaped characters in them differently in each version.
        raise FlakesyncError("demo-folder", f"{directory.resolve()} has characters that URLs must escape", hint=hint)


class _Builder:
    """Carries out the steps of the history, one after the other."""

    def __init__(self, directory: Path, address: Address, lock: FirstLock) -> None:
        self._address = address
        self._directory = directory
        self._lock = lock
        self._branches: dict[RepoName, list[str]] = {}
        self._templates: dict[RepoName, Mapping[str, str]] = {}

    def carry_out(self, step: Step) -> None:
        """Make one commit, on the branch and at the time that the step says."""
        folder = self._directory / step.repo
        self._switch(folder, step)
        _write(folder, self._files(step))
        for flake in step.locked:
            (folder / flake / "flake.lock").write_bytes(self._lock(folder / flake))
        _commit(folder, step.message, step.moment)
        if step.branch != self._branches[step.repo][0]:
            _git(folder, "switch", "--quiet", self._branches[step.repo][0])

    def _switch(self, folder: Path, step: Step) -> None:
        """Be on the step's branch. The first one is what a clone is on between the steps, and what others begin at."""
        known = self._branches.setdefault(step.repo, [])
        if not known:
            folder.mkdir()
            _git(folder, "init", "--quiet", "--template=", "--object-format=sha1", f"--initial-branch={step.branch}")
        elif step.branch not in known:
            _git(folder, "switch", "--quiet", "--create", step.branch, known[0])
        elif step.branch != known[0]:
            _git(folder, "switch", "--quiet", step.branch)
        if step.branch not in known:
            known.append(step.branch)

    def _files(self, step: Step) -> Mapping[str, str]:
        """Return the files of the repo as its folder in `examples/` has them, but for the version and the address."""
        if step.repo not in self._templates:
            top = examples() / step.repo
            paths = sorted(path for path in top.rglob("*") if path.is_file() and path.name != "flake.lock")
            self._templates[step.repo] = {
                path.relative_to(top).as_posix(): moved(path.read_text("utf-8"), self._address) for path in paths
            }
        content = dict(self._templates[step.repo])
        content["flake.nix"] = _VERSION.sub(rf'\1"{step.version}"', content["flake.nix"])
        return content


def commit_files(folder: Path, files: Mapping[str, str], message: str, moment: datetime) -> None:
    """Commit files of an example repository, by path, on the branch that it is on."""
    _write(folder, files)
    _commit(folder, message, moment)


def begin_branch(folder: Path, branch: str, at: str) -> None:
    """Begin a branch of an example repository at another one."""
    _git(folder, "branch", branch, at)


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")


def _commit(folder: Path, message: str, moment: datetime) -> None:
    person = _PERSON | {"DATE": f"{int(moment.timestamp())} +0000"}
    env = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in person.items()}
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--message", message, env=env)


def _git(folder: Path, *argv: str, env: Mapping[str, str] | None = None) -> None:
    process.git(argv, cwd=folder, config=_CONFIG, env=env)

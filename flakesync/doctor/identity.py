"""Who makes the commits, and whether they can be signed without a person."""

from collections.abc import Mapping
from pathlib import Path

from flakesync.doctor.place import DoctorPlace
from flakesync.doctor.rows import DoctorRows, Rows, together
from flakesync.documents.doctor import DoctorRow
from flakesync.errors import FlakesyncError, GitError
from flakesync.git import process
from flakesync.git.repository import Repository
from flakesync.git.settings import read_shared_settings
from flakesync.git.store.config import is_off
from flakesync.processes.folders import temporary_folder
from flakesync.terms import RepoName

_ROW = DoctorRows("git")
_SIGN_S = 30.0
_NO_WINDOW = {"DISPLAY": "", "WAYLAND_DISPLAY": "", "GPG_TTY": "", "DBUS_SESSION_BUS_ADDRESS": ""}
"""So that no program asks for a passphrase in a window of the user's: tonight nobody would answer it."""
_PERSON = {
    f"GIT_{role}_{part}": value
    for role in ("AUTHOR", "COMMITTER")
    for part, value in (("NAME", "flakesync"), ("EMAIL", "doctor@flakesync.invalid"))
}


def identity_rows(place: DoctorPlace) -> Rows:
    """Give the rows about who would commit, in general and in each clone that has a name of its own."""
    author = place.workspace.author if place.workspace is not None else None
    shared, problem = _shared()
    if problem is not None:
        yield _ROW.error("settings of git", problem)
        return
    usual = _usual(place, shared)
    if author is not None:
        yield _ROW.ok("author of commits", f"{author}, as the manifest says")
    elif usual is not None:
        yield _ROW.ok("author of commits", usual)
    elif place.workspace is None or len(place.clones) < len(place.repos):
        yield _ROW.fails(
            "author of commits", "git does not know who makes them: user.name and user.email are not set",
            hint='set `author = "Name <mail>"` in [workspace], or git config --global user.name and user.email',
        )  # fmt: skip
    found = [(repo.name, row) for repo, path in place.clones for row in _of_clone(path, author, usual)]
    yield from together(found)
    yield from _signing(place, shared)


def _shared() -> tuple[Mapping[str, str], GitError | None]:
    """Return git's settings for all repositories, empty where there is no git; or why it cannot read them."""
    try:
        found = read_shared_settings()
    except GitError as error:
        return {}, error if error.code != "no-git" else None
    if found is None:  # it depends on the repository (`includeIf`): git says what holds outside of any
        lines = process.git(["config", "--null", "--list"], check=False).text.split("\0")
        return {key.lower(): value for key, _, value in (line.partition("\n") for line in lines)}, None
    return {**found.files, **found.environment}, None


def _usual(place: DoctorPlace, settings: Mapping[str, str]) -> str | None:
    name, email = (
        place.environ.get(f"GIT_AUTHOR_{part.upper()}")
        or settings.get(f"author.{part}")
        or settings.get(f"user.{part}")
        for part in ("name", "email")
    )
    email = email or place.environ.get("EMAIL")
    return f"{name} <{email}>" if name and email else None


def _of_clone(path: Path, author: str | None, usual: str | None) -> list[DoctorRow]:
    if author is not None:
        return []
    try:
        with Repository.open(path) as repository:
            who = repository.identity()
    except GitError as error:
        # What is no repository, the clones say.
        return [_ROW.error("author of commits", _without_place(error, path))] if error.code == "no-identity" else []
    own = f"{who.name} <{who.email}>"
    return [_ROW.ok("author of commits", f"{own}, of the clone's own settings")] if own != usual else []


def _without_place(error: GitError, path: Path) -> FlakesyncError:
    """Return the error without the clone's folder, so that many clones' are one."""
    return GitError(error.code, error.message.removeprefix(f"{path}: "), hint=error.hint)


def _signing(place: DoctorPlace, shared: Mapping[str, str]) -> Rows:
    """Sign one commit for each way in which the clones do, into a temporary folder, as a run would."""
    ways: dict[tuple[str | None, ...], tuple[Path | None, list[RepoName]]] = {}
    for repo, path, settings in _each_settings(place, shared):
        if not is_off(settings.get("commit.gpgsign")):
            names = ("gpg.format", "user.signingkey", "gpg.program", "gpg.ssh.program", "user.email")
            ways.setdefault(tuple(map(settings.get, names)), (path, []))[1].extend([repo] if repo else [])
    for (kind, _, program, *_), (path, repos) in ways.items():
        # gpg would make its folder, and then have no key in it.
        lacks = kind in (None, "openpgp") and program is None and not _gnupg(place).is_dir()
        error = f"there are no keys: {_gnupg(place)} is not there" if lacks else _try_to_sign(path)
        what = f"signing ({kind or 'openpgp'})"
        if error is None:
            yield _ROW.ok(what, "a commit can be signed without a person", repos=repos)
        else:
            hint = "commit.gpgSign is set: give its key without a passphrase or by an agent that a night has too"
            yield _ROW.fails(what, error, hint=hint, repos=repos)
    if not ways:
        yield _ROW.ok("signing", "commits are not signed (commit.gpgSign)")


def _gnupg(place: DoctorPlace) -> Path:
    return Path(place.environ.get("GNUPGHOME") or Path(place.environ.get("HOME", "/"), ".gnupg"))


def _each_settings(
    place: DoctorPlace, shared: Mapping[str, str]
) -> list[tuple[RepoName | None, Path | None, Mapping[str, str]]]:
    """Return the settings of each clone, and those of mirrors, or of no repository at all."""
    found: list[tuple[RepoName | None, Path | None, Mapping[str, str]]] = []
    if len(place.clones) < len(place.repos) or not place.repos:
        found.append((None, None, shared))
    for repo, path in place.clones:
        try:
            with Repository.open(path) as repository:
                found.append((repo.name, path, repository.config))
        except GitError:
            continue
    return found


def _try_to_sign(path: Path | None) -> str | None:
    """Return why git cannot sign a commit with a clone's settings; None: it can. Nothing is written in the clone."""
    with temporary_folder("dry-run") as folder:
        process.git(["init", "--quiet", "--bare", "--template=", "--", str(folder)])
        env = {**_NO_WINDOW, **_PERSON}
        if path is not None:
            env["GIT_OBJECT_DIRECTORY"] = str(folder / "objects")
        place = path if path is not None else folder
        try:
            tree = process.git(["mktree"], cwd=place, data=b"", env=env, timeout_s=_SIGN_S).text.strip()
            argv = ["commit-tree", "-S", "-m", "flakesync doctor", tree]
            process.git(argv, cwd=place, env=env, timeout_s=_SIGN_S)
        except GitError as error:
            return error.message
    return None

"""Where everything is kept below the cache directory; nobody else puts a path together.

    in-use.lock                 held by whoever works in a repository of mirrors/ or commits/
    tidied                      when files that nobody used were last looked for
    mirrors/NAME-HASH           a bare mirror of a repository       (+ .lock)
    commits/HASH                commits of somebody else's          (+ .lock)
    branches/HASH               the newest commits of somebody else's branches, without files (+ .lock)
    branches/HASH.answers       where commits stand in the history of its server, the latest 20,000
    windows/HASH                the newest commits of a branch by its depth, without files (+ .lock, .too-large)
    sources/HASH                commits of somebody else's with their files, without history (+ .lock)
    contents/ID.json            the narHash of a tree or of a commit
    archives/HASH.json          what a forge's archive of a commit holds (+ HASH.lock)
    facts/REV.json              hash and date of a commit in commits/
    files/HASH                  files of commits that runs of a manifest have read
    files/HASH.edits            what edits that a manifest asks for make of the flake.nix files of commits
    files/HASH.history          how many commits a locked commit of a repo is behind a branch
    files/HASH.differences      which commits of its repos differ in locks alone, and which repos read their own lock
    orders/SHA256               in which order the repos of a graph are bumped, the latest 64
    files/HASH.updates          what runs of a manifest have found on its update branches
    files/HASH.made             what is on the update commits that its syncs have made
    files/HASH.outlines         the outlines of the locks on these
    fetched/HASH                when a clone was last brought up to its server
    repositories/HASH.json      what a forge has said of a repository
    checks/HASH.json            what a forge has said of the checks of a commit
    seen.json                   when branches were first seen at their commits, unless the manifest names a file
    seen/HASH.lock              held while such a file is written
    runs/HASH.lock              held by a run of a manifest
    tasks/HASH.lock             held by the task of a repo of a manifest
    runs/HASH.up-to-date        which update branches its runs have found to be as planned
    runs/HASH.costs             how long the checks of its repos took
    verdicts/HASH.json          how the checks of a repo have ended on a tree, for 30 days
    bisect/REPO-HASH.jsonl      the journal of a bisection of a repo of a manifest (+ .lock)

The next version reads it too: paths stay.
"""

import os
import re
import zlib
from pathlib import Path
from typing import Literal

from flakesync.errors import FlakesyncError

_LONGEST_NAME = 80


def cache_dir() -> Path:
    """Return flakesync's cache directory: $FLAKESYNC_CACHE, else $XDG_CACHE_HOME/flakesync, else ~/.cache/flakesync.

    It is absolute, as git runs in other folders; a relative XDG_CACHE_HOME is ignored, as its specification says.

    Raises: FlakesyncError(`no-home`): nothing names a folder.
    """
    if own := os.environ.get("FLAKESYNC_CACHE"):
        return Path.cwd() / own
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else _home() / ".cache") / "flakesync"


def _home() -> Path:
    """Return the user's home folder: HOME, else the one that the system knows. Raises: FlakesyncError(`no-home`)."""
    hint = "FLAKESYNC_CACHE names the folder for mirrors and all else that is kept: any that you may write"
    try:
        home = Path.home()
    except RuntimeError:  # HOME is not set, and the user has no entry in passwd: containers, DynamicUser
        raise FlakesyncError("no-home", "there is no home folder for the cache: HOME is not set", hint=hint) from None
    told = os.environ.get("HOME", str(home))
    if not told.startswith("/"):
        raise FlakesyncError(
            "no-home", f"HOME is `{told}`, which is no absolute folder: no place for the cache", hint=hint
        )
    return home


def in_use_lock(cache: Path) -> Path:
    """Return the lock of those who work in the repositories of a cache."""
    return cache / "in-use.lock"


def tidied_file(cache: Path) -> Path:
    """Return the file whose time is that at which files that nobody used were last looked for."""
    return cache / "tidied"


def repositories_in(cache: Path) -> list[Path]:
    """Return the repositories that grow with each fetch, without those that are being made in the place of one."""
    rooms = (cache / name for name in ("mirrors", "commits", "branches", "sources"))
    found = (path for room in rooms if room.is_dir() for path in room.iterdir())
    return [path for path in found if path.suffix not in (".new", ".whole") and (path / "objects").is_dir()]


def kept_folders(cache: Path) -> list[Path]:
    """Return the folders with a file for each thing that is known, whose number grows with the commits that are met."""
    return [cache / name for name in ("contents", "archives", "facts", "checks", "repositories", "fetched", "files")]


def mirror_folder(cache: Path, address: str, words: str) -> Path:
    """Return the folder of a mirror: a readable name and a hash. words: the address as people may see it."""
    return cache / "mirrors" / f"{_readable(words)}-{_digest(address)[:16]}"


def commits_folder(cache: Path, address: str) -> Path:
    """Return the folder of the repository with commits of an address."""
    return cache / "commits" / _digest(address)[:32]


def branches_folder(cache: Path, address: str) -> Path:
    """Return the folder of the repository with the newest commits of an address's branches, without files."""
    return cache / "branches" / _digest(address)[:32]


def has_branches(cache: Path) -> bool:
    """Tell whether there is any repository of `branches_folder`."""
    return (cache / "branches").exists()


def answers_file(branches: Path) -> Path:
    """Return the file with what has been found in a repository of `branches_folder`."""
    return branches.with_name(f"{branches.name}.answers")


def window_folder(cache: Path, address: str) -> Path:
    """Return the folder of the repository with an address's newest commits by their depth, without files."""
    return cache / "windows" / _digest(address)[:32]


def contents_folder(cache: Path, address: str, *, sha256: bool) -> Path:
    """Return the folder of the repository with commits of an address and their files. sha256: how they are named."""
    return cache / "sources" / _digest(f"{address}\0sha256" if sha256 else address)[:32]


def contents_file(cache: Path, oid: str) -> Path:
    """Return the file with the narHash of a tree, or of a commit, by its object id."""
    return cache / "contents" / f"{oid}.json"


def facts_file(cache: Path, repository: Path, rev: str) -> Path | None:
    """Return the file with the facts of a commit; None: `repository` is not one of `commits_folder`."""
    return cache / "facts" / f"{rev}.json" if repository.parent == cache / "commits" else None


def archive_file(cache: Path, *key: str) -> Path:
    """Return the file with what is known of an archive. key: all that it depends on."""
    return cache / "archives" / f"{_digest(chr(0).join(key))}.json"


def commit_files(cache: Path, manifest: Path) -> Path:
    """Return the file with the files of commits that runs of a manifest have read."""
    return cache / "files" / f"{zlib.crc32(os.fsencode(manifest)):08x}"


def history_file(cache: Path, manifest: Path) -> Path:
    """Return the file with how far commits were behind others when runs of a manifest looked."""
    return commit_files(cache, manifest).with_suffix(".history")


def difference_file(cache: Path, manifest: Path) -> Path:
    """Return the file with what runs of a manifest know of the difference between two commits of a repo."""
    return commit_files(cache, manifest).with_suffix(".differences")


def updates_file(cache: Path, manifest: Path) -> Path:
    """Return the file with what runs of a manifest have found on its update branches."""
    return commit_files(cache, manifest).with_suffix(".updates")


def made_file(cache: Path, manifest: Path) -> Path:
    """Return the file with what is on the update commits that runs of a manifest have made."""
    return commit_files(cache, manifest).with_suffix(".made")


def outlines_file(cache: Path, manifest: Path) -> Path:
    """Return the file with the outlines of locks on the update commits that runs of a manifest have made."""
    return commit_files(cache, manifest).with_suffix(".outlines")


def edits_file(cache: Path, manifest: Path) -> Path:
    """Return the file with what edits that a manifest asks for make of commits."""
    return commit_files(cache, manifest).with_suffix(".edits")


def order_file(cache: Path, key: str) -> Path:
    """Return the file with the order of the repos of a graph. key: the SHA-256 of the graph, as hex."""
    return cache / "orders" / key


def fetched_file(cache: Path, git_dir: str, refs: str) -> Path:
    """Return the file whose time is that at which a clone's refs below `refs` were last those of its server."""
    return cache / "fetched" / _digest(f"{git_dir}\0{refs}")[:32]


def repository_file(cache: Path, *key: str) -> Path:
    """Return the file with what a forge has said of a repository. key: all that names it."""
    return cache / "repositories" / f"{_digest(chr(0).join(key))[:32]}.json"


def seen_file(cache: Path) -> Path:
    """Return the file with the record of tips: one for all workspaces, as it is about servers."""
    return cache / "seen.json"


def seen_lock(cache: Path, place: Path) -> Path:
    """Return the lock of a record of tips, wherever that lies. place: resolved."""
    return cache / "seen" / f"{_digest(os.fspath(place))[:32]}.lock"


def checks_file(cache: Path, *key: str) -> Path:
    """Return the file with what a forge has said of the checks of a commit. key: all that names it."""
    return cache / "checks" / f"{_digest(chr(0).join(key))[:32]}.json"


def run_file(manifest: Path, cache: Path, ending: Literal["lock", "up-to-date", "costs"]) -> Path:
    """Return the file that runs of this manifest share."""
    return cache / "runs" / f"{_digest(os.fspath(manifest.resolve()))[:16]}.{ending}"


def task_lock(manifest: Path, cache: Path, repo: str) -> Path:
    """Return the lock that the tasks of a repo of a manifest share."""
    of_repo = _digest(f"{os.fspath(manifest.resolve())}\0{repo}")[:32]
    return cache / "tasks" / f"{of_repo}.lock"


def verdict_file(cache: Path, *key: str) -> Path:
    """Return the file with how checks have ended. key: all that this depends on."""
    return cache / "verdicts" / f"{_digest(chr(0).join(key))[:32]}.json"


def journal_file(manifest: Path, cache: Path, repo: str) -> Path:
    """Return the file with the journal of a bisection of a repo."""
    of_repo = _digest(f"{os.fspath(manifest.resolve())}\0{repo}")[:16]
    return cache / "bisect" / f"{_readable(repo)}-{of_repo}.jsonl"


def _readable(words: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", words).strip("-._")[-_LONGEST_NAME:]


def _digest(text: str) -> str:
    import hashlib  # OpenSSL: not every command needs it

    return hashlib.sha256(os.fsencode(text)).hexdigest()

"""The newest part of somebody else's branch, without its files: whether a commit is on it.

For each address a bare repository is kept, with commits alone, and beside it a file with what has been found in it.
"""

import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import msgspec

from flakesync.cache.keep import keep
from flakesync.cache.layout import answers_file, branches_folder
from flakesync.cache.lock import cache_error, exclusive
from flakesync.errors import GitError
from flakesync.git import process
from flakesync.git.remotes.own import clear_own, full_name, is_made, kept_as, make_own
from flakesync.git.remotes.remote import Address, Remote, list_refs, parse_remote, run
from flakesync.git.remotes.transfer import FETCH_FLAGS
from flakesync.git.store.objects import ObjectReader, read_file
from flakesync.secrets import hide_secrets
from flakesync.terms import Rev

_SLACK_S = 86_400
_LATEST_S = 4_102_444_800  # 2100: locks may claim years that no calendar has
_MOST_ANSWERS = 20_000
_SHA256_DIGITS = 64
NOTHING_NEWER = "no commits selected for shallow requests"
"""What git says where a branch has had no commit since the date that was asked for."""
NO_SHALLOW = ("does not support shallow", "does not support --shallow", "not support --depth")
"""What git says of a server that has all of a history or nothing."""
_NO_FILTER = "filtering not recognized by server"
_LOCAL = {"GIT_NO_LAZY_FETCH": "1"}
"""For git that looks at what is here: what is missing is not to be fetched one by one."""


class HistoryAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a server's history says of a commit, seen from one branch or tag.

    named: whether that has it. others: where it has not, a few of the branches and tags that do, full names; none: no
    branch or tag of the server has it. gone: the server has no such branch or tag. time: when it was committed (seconds
    since the epoch); None: not looked at. count: how many commits lead to it, itself counted; None: not counted.
    """

    named: bool
    others: tuple[str, ...] = ()
    gone: bool = False
    time: int | None = None
    count: int | None = None


def is_on_branch(
    url: Address, ref: str | None, rev: Rev, date: int, cache: Path, *, offline: bool = False
) -> bool | None:
    """Tell whether the server at `url` has a commit on a branch, or a tag at it; `ref` None: on its HEAD.

    None: it has not been found before, and `offline` no server is asked.

    date: when the commit was made (seconds since the epoch), as somebody claims. Only what the branch has had since
    the day before is fetched, and of that commits alone, no files: of nixpkgs a megabyte for two months. So a commit
    with a wrong date is not found, and neither is one behind a commit that is dated before it. What has been found is
    not asked for again.

    Raises: GitError(`cache` | `unreachable` | `access-denied` | `no-such-ref` | `bad-url` | `git`).
    """
    remote = parse_remote(url)
    path = branches_folder(cache, remote.place)
    branch = full_name(ref)
    names = [branch] if ref is None else [branch, f"refs/tags/{ref}", f"refs/tags/{ref}^{{}}"]
    key = answer_key(ref, rev)
    known = read_answers(path).get(key)
    if known is not None and known.named:  # no git is started for what is known
        return True
    if offline:
        return None
    with locked(path):
        refs = list_refs(remote, names)
        if branch not in refs and not refs:
            raise GitError("no-such-ref", f"{hide_secrets(remote.url)} has no branch or tag {ref!r}")
        open_commits(path, refs.values())
        on = rev in refs.values() or (branch in refs and _is_since(remote, path, branch, rev, date))
        if on:
            keep_answers(path, {key: HistoryAnswer(named=True)})
        return on


def answer_key(ref: str | None, rev: Rev) -> str:
    """Return what an answer is kept under. Raises: GitError(`bad-ref`)."""
    return f"{full_name(ref)} {rev}"


def read_answers(path: Path) -> Mapping[str, HistoryAnswer]:
    """Return what has been found in the repository at `path`; what cannot be read is to be found once more."""
    try:
        return msgspec.json.decode(answers_file(path).read_bytes(), type=dict[str, HistoryAnswer])
    except (OSError, ValueError):
        return {}


def keep_answers(path: Path, answers: Mapping[str, HistoryAnswer]) -> None:
    """Keep what has been found, the latest so many; the lock of `path` is held."""
    known = read_answers(path)
    every = [*(item for item in known.items() if item[0] not in answers), *answers.items()]
    keep(answers_file(path), msgspec.json.encode(dict(every[-_MOST_ANSWERS:])))


def locked(path: Path) -> AbstractContextManager[None]:
    """Hold the lock of the repository at `path`. Raises: GitError(`cache`)."""
    return exclusive(path.with_name(path.name + ".lock"), wait=True)


def open_commits(path: Path, tips: Iterable[Rev]) -> bool:
    """Make the repository at `path` ready for the history of a server with these tips; return whether it is empty.

    Raises: GitError(`cache`).
    """
    sha256 = any(len(tip) == _SHA256_DIGITS for tip in tips)
    try:
        is_usable = is_made(path) and (b"sha256" in (read_file(f"{path}/config") or b"")) == sha256
        if not is_usable:
            make_own(path, sha256=sha256)
        clear_own(path)
    except OSError as error:
        raise cache_error(path, error) from None
    return not is_usable


def remove(path: Path) -> None:
    """Take the repository at `path` away; what has been found in it stays. The lock of `path` is held."""
    shutil.rmtree(path, ignore_errors=True)


def since(date: int) -> str | None:
    """Return the option of git that leaves out what is older than the day before `date`; None: nothing is."""
    start = min(date, _LATEST_S) - _SLACK_S
    return f"--shallow-since={time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(start))}" if start > 0 else None


def fetch_commits(
    remote: Remote,
    path: Path,
    refspecs: Sequence[str],
    options: Sequence[str] = (),
    *,
    give_up: Callable[[], bool] | None = None,
) -> bool:
    """Fetch commits without their files; False: the server knows no filters, and has sent all.

    Raises: GitError, as `run`.
    """
    argv = ["fetch", *FETCH_FLAGS, "--filter=tree:0", "--update-shallow", *options, "--", remote.name, *refspecs]
    # What a server has not sent, git would else ask for, one thing after the other.
    answer = run(argv, replace(remote, environment={**remote.environment, **_LOCAL}), cwd=path, give_up=give_up)
    return _NO_FILTER not in answer.err


def find_commits(path: Path, tips: Sequence[str], revs: frozenset[Rev]) -> tuple[Mapping[Rev, int], bool]:
    """Return those of some commits that are here below refs, with their time (seconds since the epoch).

    And whether what was looked at is as it should be: it ends where a fetch has cut it off, and not where a commit is
    missing, as of a server that has no more itself.
    """
    found: dict[Rev, int] = {}
    rest = b""
    argv = ["rev-list", "--timestamp", "--ignore-missing", *tips, "--"]
    if not revs or not tips:
        return found, True
    try:
        for piece in process.stream(argv, cwd=path, env=_LOCAL):  # newest first: what is asked for comes early
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                date, _, name = line.decode("ascii").partition(" ")
                if name in revs:
                    found[Rev(name)] = int(date)
            if len(found) == len(revs):
                break
    except GitError as error:
        if error.code != "git":
            raise
        return found, False
    return found, True


def count_commits(path: Path, rev: Rev) -> int:
    """Return how many commits lead to one, itself counted, of those that are here. Raises: GitError(`git`)."""
    return int(process.git(["rev-list", "--count", rev, "--"], cwd=path, env=_LOCAL).text)


def read_refs(path: Path, folders: Mapping[str, str]) -> Mapping[str, Rev]:
    """Return the refs that are kept of a server, by its names. folders: its folders of refs → ours.

    Raises: GitError(`git`).
    """
    argv = ["for-each-ref", "--format=%(objectname) %(refname)", *folders.values()]
    pairs = (line.split(" ", 1) for line in process.git(argv, cwd=path, env=_LOCAL).lines)
    return {
        theirs + name.removeprefix(ours): Rev(value)
        for value, name in pairs
        for theirs, ours in folders.items()
        if name.startswith(ours)
    }


def refs_with(path: Path, rev: Rev, folders: Sequence[str], most: int) -> tuple[str, ...]:
    """Return a few refs below some folders that have a commit, full names. Raises: GitError(`git`)."""
    argv = ["for-each-ref", "--format=%(refname)", f"--count={most}", f"--contains={rev}", *folders]
    return tuple(process.git(argv, cwd=path, env=_LOCAL).lines)


def _is_since(remote: Remote, path: Path, branch: str, rev: Rev, date: int) -> bool:
    """Tell whether a branch of the server has had a commit since the day before `date`."""
    kept, wanted = kept_as(branch), frozenset({rev})
    if ObjectReader.open(path).ref(kept) is not None and find_commits(path, [kept], wanted)[0]:
        return True
    try:
        fetch_commits(remote, path, [f"+{branch}:{kept}"], [option] if (option := since(date)) is not None else [])
    except GitError as error:
        if NOTHING_NEWER in error.message:
            return False
        raise
    return bool(find_commits(path, [kept], wanted)[0])

"""Fetch from and push to other repositories, without hooks, tags, FETCH_HEAD or housekeeping in the user's clone."""

from collections.abc import Sequence
from pathlib import Path

from flakesync.errors import GitError
from flakesync.git import process
from flakesync.git.remotes.remote import Address, Remote, explain, list_refs, parse_remote, run, run_once
from flakesync.git.remotes.tries import stumbled, tries
from flakesync.git.values import beginnings, check_ref_name, conflict, find_in_the_way
from flakesync.secrets import hide_secrets
from flakesync.terms import Rev

_REFUSED = ("(stale info)", "cannot lock ref", "rejected]")
FETCH_FLAGS = (
    "--quiet",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-write-commit-graph",
    "--no-recurse-submodules",
    "--no-auto-gc",
)
"""Of every `git fetch`: what is named is all that is written."""


def fetch(path: Path, url: Address, refspecs: Sequence[str]) -> None:
    """Fetch what `refspecs` (`+refs/heads/main:refs/flakesync/main`, or a full rev) name from `url`.

    path: the repository that gets it; only the refs that are named are written there, and no remote is configured.

    Raises: GitError(`no-such-ref` | `access-denied` | `unreachable` | `bad-url` | `bad-ref`).
    """
    remote = parse_remote(url)
    if any(spec.startswith("-") for spec in refspecs):
        raise GitError("bad-ref", f"{refspecs} are not all refspecs")
    run(["fetch", *FETCH_FLAGS, "--", remote.name, *refspecs], remote, cwd=path)


def push(path: Path, url: Address, ref: str, new: Rev | None, *, old: Rev | None) -> None:
    """Move `ref` of the repository at `url` from `old` (None: it must not exist) to `new` (None: delete it).

    path: the repository that has `new`.

    Raises: GitError(`ref-moved` | `ref-conflict` | `push-rejected` | `access-denied` | `unreachable` | `bad-url`).
    """
    remote = parse_remote(url)
    check_ref_name(ref)
    argv = ["push", "--quiet", "--porcelain", "--no-verify", "--no-follow-tags", "--no-signed"]
    argv += ["--recurse-submodules=no", f"--force-with-lease={ref}:{old or ''}", "--", remote.name]
    argv.append(f"{new or ''}:{ref}")
    for _ in tries(remote.url):
        answer = run_once(argv, remote, cwd=path)
        if answer.status == 0:
            return
        if not stumbled(remote.url, answer):
            break
        # The server may have done it, and only its answer is lost.
        found = _look(remote, ref).get(ref)
        if found == new:
            return
        if found != old:
            raise _moved(remote, ref, found, old)
    error = _refusal(remote, ref, new, old, answer)
    if error is not None:
        raise error


def _refusal(remote: Remote, ref: str, new: Rev | None, old: Rev | None, answer: process.Answer) -> GitError | None:
    """Return why a server has not moved a ref; None: it has, and refused the same push when it came once more.

    curl sends what it has no answer to again by itself; and another machine may make, and push, the very same commit.
    """
    told = remote.clean(f"{answer.text}\n{answer.err}")
    if not any(words in told for words in _REFUSED):
        return explain("push", remote, answer)
    shown = hide_secrets(remote.url)
    lines = [line for line in told.splitlines() if "rejected]" in line or line.startswith(("remote:", "error:"))]
    reason = "; ".join(line.replace("\t", " ").strip() for line in lines)
    rejected = GitError("push-rejected", f"{shown}: {reason}", hint="may this user push to that branch?")
    # The words are each server's own. What it has says more: whether somebody has pushed, and which name is taken.
    try:
        refs = _look(remote, ref)
    except GitError:
        return rejected
    found = refs.get(ref)
    if found == new:
        return None
    if found != old:
        return _moved(remote, ref, found, old)
    if new is not None and (way := find_in_the_way(ref, refs)) is not None:
        return conflict(shown, ref, way)
    return rejected


def _look(remote: Remote, ref: str) -> dict[str, Rev]:
    """Return what a server has of a ref, and of those whose names exclude it."""
    return list_refs(remote, [ref, *beginnings(ref), f"{ref}/*"])


def _moved(remote: Remote, ref: str, found: Rev | None, old: Rev | None) -> GitError:
    shown = hide_secrets(remote.url)
    at = f"is at {found}" if found is not None else "is not there"
    return GitError("ref-moved", f"{shown}: {ref} {at}, and was at {old or 'nothing'}: somebody has moved it")

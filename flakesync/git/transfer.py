"""Fetch from and push to other repositories, without hooks, tags, FETCH_HEAD or housekeeping in the user's clone."""

from collections.abc import Sequence
from pathlib import Path

from flakesync.errors import GitError
from flakesync.git import process
from flakesync.git.remote import Address, explain, parse_remote, run
from flakesync.git.values import check_ref_name
from flakesync.terms import Rev

_FETCH_FLAGS = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-gc")


def fetch(path: Path, url: Address, refspecs: Sequence[str], *, timeout_s: float | None) -> None:
    """Fetch `refspecs` (`+refs/heads/main:refs/flakesync/main`, or a full rev) from `url`; see `Repository.fetch`."""
    remote = parse_remote(url)
    if any(spec.startswith("-") for spec in refspecs):
        raise GitError("bad-ref", f"{refspecs} are not all refspecs")
    run(["fetch", *_FETCH_FLAGS, "--", remote.name, *refspecs], remote, cwd=path, timeout_s=timeout_s)


def push(path: Path, url: Address, ref: str, new: Rev | None, *, old: Rev | None, timeout_s: float | None) -> None:
    """Move `ref` at `url` from `old` to `new`; see `Repository.push`."""
    remote = parse_remote(url)
    check_ref_name(ref)
    argv = ["push", "--quiet", "--porcelain", "--no-verify", "--no-follow-tags", "--no-signed"]
    argv += ["--recurse-submodules=no", f"--force-with-lease={ref}:{old or ''}", "--", remote.name]
    answer = run([*argv, f"{new or ''}:{ref}"], remote, cwd=path, timeout_s=timeout_s, check=False)
    if answer.status == 0:
        return
    shown = process.hide_secrets(remote.url)
    told = remote.clean(f"{answer.text}\n{answer.err}")
    if "(stale info)" in told or "cannot lock ref" in told:
        raise GitError("ref-moved", f"{shown}: {ref} is not at {old or 'nothing'}: somebody has moved it")
    if "[remote rejected]" in told or "[rejected]" in told:
        lines = [line for line in told.splitlines() if "rejected]" in line or line.startswith("remote:")]
        reason = "; ".join(line.replace("\t", " ").strip() for line in lines)
        raise GitError("push-rejected", f"{shown}: {reason}", hint="may this user push to that branch?")
    raise explain("push", remote, answer)

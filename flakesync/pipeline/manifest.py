"""Whether a manifest is the one that a plan was made with: what tasks take from it, wherever it lies."""

import hashlib
import os

import msgspec

from flakesync.workspace.manifest import Repo, Workspace


def digest_of(workspace: Workspace) -> str:
    """Return a digest of what tasks take from a manifest: the same wherever it lies and however it is written.

    Pins, holds and the like are not in it: what they decide, the plan says. Neither are servers, tokens and mirrors.
    """
    what = (
        workspace.branch,
        workspace.base,
        workspace.author,
        workspace.message,
        workspace.sign_off,
        workspace.audit,
        workspace.nix_min,
        [_repo(workspace, each) for each in sorted(workspace.repos, key=lambda each: each.name)],
    )
    return hashlib.sha256(msgspec.json.encode(what, enc_hook=str, order="deterministic")).hexdigest()


def _repo(workspace: Workspace, repo: Repo) -> tuple[object, ...]:
    return (
        repo.name,
        repo.url.to_url() if repo.url is not None else None,
        os.path.relpath(repo.path, workspace.root) if repo.path is not None else None,
        repo.base,
        repo.flakes,
        repo.aliases,
        repo.checks,
        repo.after,
        repo.on_failure,
    )

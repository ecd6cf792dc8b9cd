"""A bare git repository of the forge, and what a forge does with one: read, archive, merge without a working tree."""

import contextlib
import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from flakesync.errors import GitError
from flakesync.git.repository import Repository
from flakesync.git.values import Commit
from flakesync.terms import Rev

MergeMethod = Literal["merge", "squash", "rebase", "rebase-merge", "fast-forward"]

_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_COUNT": "4",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
    "GIT_CONFIG_KEY_1": "receive.autogc",
    "GIT_CONFIG_VALUE_1": "false",
    # GitHub and others serve a commit by its id; fetches of an exact rev rely on it.
    "GIT_CONFIG_KEY_2": "uploadpack.allowAnySHA1InWant",
    "GIT_CONFIG_VALUE_2": "true",
    "GIT_CONFIG_KEY_3": "uploadpack.allowFilter",
    "GIT_CONFIG_VALUE_3": "true",
    "GIT_AUTHOR_NAME": "Forge",
    "GIT_AUTHOR_EMAIL": "noreply@forge.example",
    "GIT_COMMITTER_NAME": "Forge",
    "GIT_COMMITTER_EMAIL": "noreply@forge.example",
    "LC_ALL": "C.UTF-8",
}
_FULL_REV = re.compile(r"[0-9a-f]{40}")

# What the forges say to a push to a protected branch, and to an archived repository.
_UPDATE_HOOK = """\
#!/bin/sh
if grep -qxF "$1" protected; then
    echo "GH006: Protected branch update failed for $1." >&2
    exit 1
fi
"""


class MergeConflictError(Exception):
    """Two branches that do not go together without a person."""


class GitFailedError(Exception):
    """A git command that should not have failed."""


def environment() -> dict[str, str]:
    """Return the environment of the forge's own git: nothing of the caller's configuration."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "XDG_"))}
    return {**kept, **_ENVIRONMENT}


@dataclass(frozen=True, slots=True)
class Storage:
    """path: the bare repository.

    What two commits have to do with each other never changes: `_known` has the answers, so that a pull request that is
    looked at again costs no process.
    """

    path: Path
    _known: dict[tuple[str, ...], str | None] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def create(cls, path: Path, default_branch: str = "main") -> "Storage":
        """Make an empty one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["git", "init", "-q", "--bare", "--template=", "-b", default_branch, path],
            env=environment(), check=True, capture_output=True,
        )  # fmt: skip
        return cls(path)

    def protect(self, branches: Iterable[str]) -> None:
        """Refuse every push to these branches, and to no others."""
        (self.path / "protected").write_text("".join(f"refs/heads/{name}\n" for name in branches))
        hook = self.path / "hooks" / "update"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(_UPDATE_HOOK)
        hook.chmod(0o755)

    def git(self, *argv: str, env: Mapping[str, str] | None = None, data: bytes | None = None) -> str:
        """Return what a git command prints. Raises GitFailedError."""
        done = self._run(argv, env, data)
        if done.returncode != 0:
            raise GitFailedError(f"git {argv[0]}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode().strip()

    def rev(self, name: str) -> str | None:
        """Return the commit that a branch, a tag, HEAD or a commit id stands for; None: there is none."""
        if name == "HEAD":
            return self.branch(self.default_branch)
        with contextlib.suppress(GitError), Repository.open(self.path) as repository:
            if is_full_rev(name):
                return repository.commit(Rev(name)).rev
        tip = self.branch(name)
        return tip or next(filter(None, map(self._resolved, (f"refs/tags/{name}", name))), None)

    def _resolved(self, name: str) -> str | None:
        done = self._run(["rev-parse", "--verify", "-q", "--end-of-options", f"{name}^{{commit}}"])
        return done.stdout.decode().strip() if done.returncode == 0 else None

    def branch(self, name: str) -> str | None:
        """Return the tip of a branch; None: there is none."""
        # Asked with most answers of an API: no process for that.
        with contextlib.suppress(GitError), Repository.open(self.path) as repository:
            return repository.ref(f"refs/heads/{name}")
        return None

    def branches(self) -> dict[str, str]:
        """Return name → commit of all branches."""
        lines = self.git("for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/heads").splitlines()
        return {name: rev for rev, name in (line.split(" ", 1) for line in lines)}

    @property
    def default_branch(self) -> str:
        return (self.path / "HEAD").read_text().strip().removeprefix("ref: refs/heads/")

    def commit(self, rev: str) -> Commit:
        """Return a commit that is there."""
        with Repository.open(self.path) as repository:
            return repository.commit(Rev(rev))

    def parents(self, rev: str) -> list[str]:
        """Return the parents of a commit."""
        return [*self.commit(rev).parents]

    def is_ancestor(self, old: str, new: str) -> bool:
        """Tell whether `new` has `old` in its history (or is it)."""
        with contextlib.suppress(GitError), Repository.open(self.path) as repository:
            return repository.history.is_ancestor(Rev(old), Rev(new))
        return False

    def commits(self, base: str, head: str) -> list[str]:
        """Return what `head` has and `base` has not, oldest first."""
        return self._told("rev-list", "--reverse", "--topo-order", f"{base}..{head}").split()

    def merge_base(self, one: str, other: str) -> str:
        """Return the best common ancestor of two commits."""
        return self._told("merge-base", one, other)

    def changed_lines(self, base: str, head: str) -> str:
        """Return what `git diff --numstat` says of `head` since it left `base`."""
        return self._told("diff", "--numstat", f"{base}...{head}")

    def _told(self, *argv: str) -> str:
        """Return what git says of full commit ids, asked once."""
        known = self._known.get(argv)
        if known is None:
            known = self._known[argv] = self.git(*argv)
        return known

    def archive(self, rev: str, prefix: str) -> bytes:
        """Return a .tar.gz of a commit, below one folder."""
        done = self._run(["archive", "--format=tar.gz", f"--prefix={prefix}/", rev])
        if done.returncode != 0:
            raise GitFailedError(done.stderr.decode(errors="replace"))
        return done.stdout

    def set_branch(self, name: str, new: str | None, old: str | None) -> None:
        """Move a branch from `old` (None: it is new) to `new` (None: it goes)."""
        if new is None:
            self.git("update-ref", "-d", f"refs/heads/{name}", *([old] if old else []))
        else:
            self.git("update-ref", f"refs/heads/{name}", new, old or "0" * 40)

    def forget_unreachable(self) -> None:
        """Drop what no branch and no tag has, as a server may at any time: nothing should depend on it."""
        for ref in self.git("for-each-ref", "--format=%(refname)", "refs/pull", "refs/merge-requests").splitlines():
            self.git("update-ref", "-d", ref)
        self.git("gc", "-q", "--prune=now")
        self._known.clear()

    def merged_tree(self, base: str, head: str) -> str:
        """Return the tree of both together. Raises MergeConflictError."""
        key = ("merge-tree", base, head)
        if key not in self._known:
            done = self._run(["merge-tree", "--write-tree", base, head])
            if done.returncode not in (0, 1):
                raise GitFailedError(done.stderr.decode(errors="replace"))
            self._known[key] = done.stdout.decode().split("\n", 1)[0] if done.returncode == 0 else None
        tree = self._known[key]
        if tree is None:
            raise MergeConflictError
        return tree

    def merge(self, base: str, head: str, method: MergeMethod, message: str) -> str:
        """Return the commit that brings `head` into `base`; no ref moves. Raises MergeConflictError."""
        match method:
            case "merge":
                return self._commit(self.merged_tree(base, head), [base, head], message)
            case "squash":
                author = self._author(self.commits(base, head)[-1])
                return self._commit(self.merged_tree(base, head), [base], message, author)
            case "rebase":
                return self._rebase(base, head)
            case "rebase-merge":
                top = self._rebase(base, head)
                return self._commit(self.commit(top).tree, [base, top], message)
            case "fast-forward":
                if not self.is_ancestor(base, head):
                    raise MergeConflictError
                return head

    def _rebase(self, base: str, head: str) -> str:
        """Replay each commit, as the forges do: always new commits, with the forge as their committer."""
        top = base
        for rev in self.commits(base, head):
            commit = self.commit(rev)
            (parent,) = commit.parents
            top = self._commit(self._picked(top, rev, parent), [top], commit.message, self._author(rev))
        return top

    def _picked(self, top: str, rev: str, parent: str) -> str:
        # A commit on `parent` with the tree of `top`: merging `rev` with it is picking `rev` (git 2.38 has no
        # --merge-base yet).
        done = self._commit(self.commit(top).tree, [parent], "top")
        return self.merged_tree(done, rev)

    def _author(self, rev: str) -> dict[str, str]:
        author = self.commit(rev).author
        date = author.encode().decode().rpartition("> ")[2]
        return {"GIT_AUTHOR_NAME": author.name, "GIT_AUTHOR_EMAIL": author.email, "GIT_AUTHOR_DATE": date}

    def _commit(self, tree: str, parents: list[str], message: str, env: Mapping[str, str] | None = None) -> str:
        above = [part for parent in parents for part in ("-p", parent)]
        return self.git("commit-tree", tree, *above, env=env, data=message.encode())

    def _run(
        self, argv: list[str] | tuple[str, ...], env: Mapping[str, str] | None = None, data: bytes | None = None
    ) -> "subprocess.CompletedProcess[bytes]":
        where = {**environment(), **(env or {})}
        command = ["git", f"--git-dir={self.path}", *argv]
        if data is None:
            return subprocess.run(command, env=where, capture_output=True, stdin=subprocess.DEVNULL, check=False)
        return subprocess.run(command, env=where, capture_output=True, input=data, check=False)


def is_full_rev(text: str) -> bool:
    """Tell whether a text is a full commit id."""
    return _FULL_REV.fullmatch(text) is not None

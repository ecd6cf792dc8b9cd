"""What has changed in a checkout since its commit, whatever has happened to the checkout's own index and HEAD."""

import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from flakesync.git import process
from flakesync.git.repository import Repository
from flakesync.git.store.write import Entry
from flakesync.gitenv import AS_COMMITTED, NO_SYSTEM_ATTRIBUTES, without_filters
from flakesync.processes.folders import temporary_folder
from flakesync.terms import Rev

_SETTINGS = (
    *AS_COMMITTED,
    ("core.fileMode", "true"),
    ("core.ignoreCase", "false"),
    ("core.precomposeUnicode", "false"),
    ("core.protectNTFS", "false"),
    ("core.safecrlf", "false"),
    ("core.sparseCheckout", "false"),
    ("core.splitIndex", "false"),
    ("core.untrackedCache", "false"),
)
_LONGEST_S = 1800.0


class Comparison:
    """A checkout beside its commit; see `compared`."""

    def __init__(self, repository: Repository, tree: Path, rev: Rev, index: Path) -> None:
        """index: an index file of its own, where the commit's files are."""
        self._repository = repository
        self._tree = tree
        self._rev = rev
        self._env = {
            **NO_SYSTEM_ATTRIBUTES,
            "GIT_DIR": str(repository.common_dir),
            "GIT_WORK_TREE": str(tree),
            "GIT_INDEX_FILE": str(index),
        }
        self._git(["read-tree", rev])
        # Line ends that .gitattributes would have otherwise are a change to git, before anything has changed.
        self._before = {path: _content(tree / path) for path in self._listed()}

    def paths(self) -> list[str]:
        """Return the files that have changed, are new or are gone, in order.

        What the repository's own .gitignore files name is not looked at; what the user has git ignore is. A repository
        that lies in a folder is one path that ends in a slash.
        """
        return [
            path
            for path in self._listed()
            if path not in self._before or self._before[path] != _content(self._tree / path)
        ]

    def _listed(self) -> list[str]:
        self._git(["update-index", "-q", "--refresh"], check=False)
        changed = self._git(["diff-files", "--name-only", "--no-renames", "--ignore-submodules=all", "-z"])
        new = self._git(["ls-files", "--others", "--exclude-per-directory=.gitignore", "-z"])
        return sorted({*_split(changed), *_split(new)})

    def filtered(self, paths: Sequence[str]) -> list[str]:
        """Return those of some files that git keeps by way of a filter, such as Git LFS."""
        parts = [*_split(self._git(["check-attr", "-z", "--stdin", "filter"], data=_joined(paths)))]
        values = zip(parts[::3], parts[2::3], strict=True)
        return [path for path, value in values if value not in ("unspecified", "unset", "set", "")]

    def entries(self, paths: Sequence[str]) -> dict[str, Entry | None]:
        """Return mode and blob of files as a commit would hold them, None for one that is gone; blobs are written.

        Files that a commit would hold as they were are not among them.
        """
        self._git(["update-index", "--add", "--remove", "-z", "--stdin"], data=_joined(paths))
        answer = self._git(["diff-index", "--cached", "--raw", "--no-renames", "--no-abbrev", "-z", self._rev])
        parts = [*_split(answer)]
        return {path: _entry(raw) for raw, path in zip(parts[::2], parts[1::2], strict=True)}

    def _git(self, argv: Sequence[str], *, data: bytes | None = None, check: bool = True) -> str:
        settings = (*_SETTINGS, *without_filters(self._repository.config))
        answer = process.git(
            argv, cwd=self._tree, env=self._env, config=settings, data=data, timeout_s=_LONGEST_S, check=check
        )
        return answer.text


@contextmanager
def compared(repository: Repository, tree: Path, rev: Rev) -> Iterator[Comparison]:
    """Give the checkout `tree` of a commit beside that commit. Raises GitError: git cannot tell."""
    with temporary_folder("index") as folder:
        yield Comparison(repository, tree, rev, folder / "index")


def _content(file: Path) -> object:
    """Return what a file is, to be compared; None: it is no regular file."""
    try:
        status = file.lstat()
        return (status.st_mode, file.read_bytes()) if stat.S_ISREG(status.st_mode) else None
    except OSError:
        return None


def _entry(raw: str) -> Entry | None:
    """Return the new side of a line of `git diff --raw`: `:100644 100755 ID ID M`."""
    _, mode, _, oid, _ = raw.split(" ")
    return (int(mode, 8), oid) if int(mode, 8) else None


def _split(text: str) -> Iterator[str]:
    return filter(None, text.split("\0"))


def _joined(paths: Iterable[str]) -> bytes:
    return "".join(f"{path}\0" for path in paths).encode("utf-8", "surrogateescape")

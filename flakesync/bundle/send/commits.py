"""The commits of one repo as a git bundle (`gitformat-bundle`), written so that the same commits give the same bytes.

`git bundle create` takes deltas as they lie in the packs of the clone, and so gives other bytes after a repack.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from flakesync.errors import GitError
from flakesync.git.process import git, stream
from flakesync.git.scratch.alternates import lend_objects
from flakesync.git.store.objects import ObjectReader
from flakesync.processes.folders import temporary_folder
from flakesync.terms import Rev

_NO_SETTINGS = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_COUNT": "0",
    "GIT_CONFIG_PARAMETERS": "",
    "GIT_NO_REPLACE_OBJECTS": "1",
}
"""No setting of this machine, or of the clone, has a say in what the pack looks like."""
_PACK = (
    "pack-objects", "--stdout", "--revs", "--thin", "--delta-base-offset", "--no-reuse-object", "--no-sparse",
    "--threads=1", "--window=10", "--depth=50", "--compression=6", "--quiet",
)  # fmt: skip


class NewCommits(NamedTuple):
    """What of a repo has to be sent. refs: full name → tip. prerequisites: commits that the receiver must have, sorted.

    is_empty: the receiver has all of it.
    """

    refs: Mapping[str, Rev]
    prerequisites: tuple[Rev, ...]
    is_empty: bool


def new_commits(clone: Path, branches: Mapping[str, Rev], known: Collection[Rev]) -> NewCommits:
    """Return what the receiver lacks. branches: name → tip. known: commits that it has, with all before them.

    Raises:
        GitError: `shallow-clone`: the history is not all there; `missing-object`, `git`.
    """
    reader = ObjectReader.open(clone)
    if (Path(reader.common_dir) / "shallow").exists():
        raise GitError(
            "shallow-clone",
            f"{clone} is a shallow clone: it has no history to send",
            hint=f"git -C {clone} fetch --unshallow",
        )
    refs = {f"refs/heads/{name}": tip for name, tip in sorted(branches.items())}
    tips = sorted(set(refs.values()))
    have = sorted(rev for rev in known if reader.has(rev))
    if not have:
        return NewCommits(refs, (), is_empty=False)
    if set(tips) <= set(have):  # nothing has moved: no git is started
        return NewCommits(refs, tuple(tips), is_empty=True)
    argv = ["rev-list", "--boundary", *tips, *(f"^{rev}" for rev in have), "--"]
    listed = git(argv, cwd=clone, env=_NO_SETTINGS).lines
    prerequisites = sorted(Rev(line[1:]) for line in listed if line.startswith("-"))
    return NewCommits(refs, tuple(prerequisites), is_empty=len(prerequisites) == len(listed))


def bundle_pieces(clone: Path, new: NewCommits) -> Iterator[bytes]:
    """Give the git bundle of new commits. Raises: GitError."""
    reader = ObjectReader.open(clone)
    sha256 = any(len(rev) == 64 for rev in new.refs.values())
    yield b"# v3 git bundle\n@object-format=sha256\n" if sha256 else b"# v2 git bundle\n"
    # git wants a space, and takes whatever follows it for a comment.
    yield b"".join(f"-{rev} \n".encode() for rev in new.prerequisites)
    yield b"".join(f"{rev} {name}\n".encode("utf-8", "surrogateescape") for name, rev in new.refs.items())
    yield b"\n"
    with temporary_folder("bundle") as folder:
        _borrow(reader, folder, sha256=sha256)
        wanted = "\n".join([*sorted(set(new.refs.values())), "--not", *new.prerequisites]) + "\n"
        yield from stream([f"--git-dir={folder}", *_PACK], env=_NO_SETTINGS, data=wanted.encode())


def _borrow(reader: ObjectReader, folder: Path, *, sha256: bool) -> None:
    """Make an empty repository that has the objects of another, and none of its settings."""
    lend_objects(Path(reader.common_dir), folder)
    (folder / "refs").mkdir()
    (folder / "HEAD").write_text("ref: refs/heads/main\n")
    own = (
        "repositoryformatversion = 1\n[extensions]\n\tobjectformat = sha256"
        if sha256
        else "repositoryformatversion = 0"
    )
    (folder / "config").write_text(f"[core]\n\tbare = true\n\t{own}\n")


def tree_ids(clone: Path, tips: Sequence[Rev]) -> dict[Rev, str]:
    """Return the tree of each commit. Raises: GitError."""
    reader = ObjectReader.open(clone)
    return {tip: reader.tree_of(tip) for tip in tips}

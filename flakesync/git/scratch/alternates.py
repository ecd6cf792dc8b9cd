"""A throw-away repository on top of another one's objects: what is written there leaves no trace in the other."""

import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from flakesync.git.failures import refused
from flakesync.git.repository import Repository
from flakesync.terms import Rev

_KEPT_SECTIONS = ("user.", "author.", "committer.", "gpg.")


def borrow_objects(repository: Repository, tmp: Path, refs: Mapping[str, Rev]) -> Path:
    """Make a repository in `tmp` that reads the objects of `repository`, keeps its own writes and has `refs`.

    Returns its path. Who commits and how it is signed is as in `repository`, so that a commit gets the same id in both.
    It is not bare, though it has no files: Nix copies a bare one into its cache, and that would stay.

    Raises: GitError(`git`).
    """
    # Nix is told this path, and old versions read few characters as they are.
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", repository.path.name.removesuffix(".git"))[:64]
    path = tmp
    try:
        path = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=tmp))
        git_dir = path / ".git"
        lend_objects(repository.common_dir, git_dir)
        (git_dir / "refs" / "heads").mkdir(parents=True)
        (git_dir / "HEAD").write_text("ref: refs/heads/borrowed\n")  # no branch of ours: none counts as checked out
        (git_dir / "config").write_text(_config(repository.config), "utf-8", "surrogateescape")
        if (repository.common_dir / "shallow").is_file():
            shutil.copyfile(repository.common_dir / "shallow", git_dir / "shallow")
        for ref, rev in refs.items():
            (git_dir / ref).parent.mkdir(parents=True, exist_ok=True)
            (git_dir / ref).write_text(f"{rev}\n")
    except OSError as error:
        raise refused(str(path), error) from None
    return path


def lend_objects(common_dir: Path, git_dir: Path) -> None:
    """Let a new git dir have all objects of another repository, and keep what is written to it. Raises: OSError.

    common_dir: of the other repository. Its path stands in a symlink, which holds any name: git and libgit2 read a
    name with a line feed differently in objects/info/alternates, and libgit2 knows no quotes there.
    """
    (git_dir / "objects" / "info").mkdir(parents=True)
    (git_dir / "lent-objects").symlink_to(common_dir / "objects")
    (git_dir / "objects" / "info" / "alternates").write_text("../lent-objects\n")


def _config(settings: Mapping[str, str]) -> str:
    sha256 = settings.get("extensions.objectformat") == "sha256"
    lines = ["[core]", f"\trepositoryformatversion = {int(sha256)}", "\tbare = false"]
    if sha256:
        lines += ["[extensions]", "\tobjectFormat = sha256"]
    for key, value in settings.items():
        if key.startswith(_KEPT_SECTIONS) or key == "commit.gpgsign":
            section, _, rest = key.partition(".")
            middle, _, name = rest.rpartition(".")
            lines += [f"[{section} {_quote(middle)}]" if middle else f"[{section}]", f"\t{name} = {_quote(value)}"]
    return "\n".join(lines) + "\n"


def _quote(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'

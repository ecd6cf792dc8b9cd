"""`git archive` of a commit: what a forge serves where export-ignore or export-subst change the tree.

Only the attributes in the commit itself count, as on a forge: neither the settings of this machine nor
$GIT_DIR/info/attributes, line ends are left alone, and no filter is run. git works in an empty repository that borrows
the objects, so that nothing of the clone but its objects has a say.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from flakesync.errors import GitError
from flakesync.git import process
from flakesync.git.scratch.alternates import lend_objects
from flakesync.git.store.attributes import find_hazards, require_quick
from flakesync.git.store.objects import ObjectReader
from flakesync.processes.folders import temporary_folder
from flakesync.terms import Rev

_FORMAT = re.compile(rb"\$Format:([^$]*)\$")
# What does not depend on the clone: hashes in full, names and times as the commit has them, its message.
_STABLE = re.compile(rb"(?:[^%]|%(?:[HTPnsbBf%]|[ac][neilt]|[ac]I|x[0-9a-fA-F]{2}))*")
_NOTHING = os.devnull
_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": _NOTHING,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_COUNT": "0",
    "GIT_CONFIG_PARAMETERS": "",
    "GIT_ATTR_NOSYSTEM": "1",
}
_ATTRIBUTES = ("-c", f"core.attributesFile={_NOTHING}")


def archive(path: Path, rev: Rev) -> Iterator[bytes]:
    """Give the pieces of the tar archive of a commit, below one top folder, for `flakesync.nix.store.tarball.read_tar`.

    path: the repository.

    Raises:
        GitError: `unstable-archive` if export-subst or a filter may put in what differs from clone to clone
            (`%d`, `%h`, a file of git-lfs), `attributes` if it would take git for ever, `git` if git fails.
    """
    reader = ObjectReader.open(path)
    require_quick(reader, rev, None)
    hazards = find_hazards(reader, rev)
    for hazard in hazards:
        if hazard.attribute.startswith("filter"):
            raise GitError("unstable-archive", f"{hazard.file}:{hazard.line}: {hazard.attribute} is up to the server")
    with temporary_folder("archive") as folder:
        _borrowing(folder, reader, sha256=len(rev) == 64)
        if any(hazard.attribute.startswith("export-subst") for hazard in hazards):
            _check_formats(folder, reader, rev)
        argv = [
            *_ATTRIBUTES,
            f"--git-dir={folder}",
            "archive",
            "--format=tar",
            "--prefix=source/",
            "--end-of-options",
            rev,
        ]
        yield from process.stream(argv, env=_ENVIRONMENT)


def _borrowing(folder: Path, reader: ObjectReader, *, sha256: bool) -> None:
    """Make a bare repository without any settings that has the objects of another."""
    lend_objects(Path(reader.common_dir), folder)
    (folder / "refs").mkdir()
    (folder / "HEAD").write_text("ref: refs/heads/main\n")
    kind = "\trepositoryformatversion = 1\n[extensions]\n\tobjectformat = sha256\n" if sha256 else ""
    (folder / "config").write_text(f"[core]\n\tbare = true\n{kind or '	repositoryformatversion = 0'}\n")


def _check_formats(folder: Path, reader: ObjectReader, rev: Rev) -> None:
    argv = [f"--git-dir={folder}", "grep", "-lazF", "-e", "$Format:", rev, "--"]
    found = process.git(argv, env=_ENVIRONMENT, check=False)
    if found.status > 1:
        raise process.failure("grep", found)
    for line in found.out.split(b"\0"):
        file = line.removeprefix(rev.encode() + b":").decode("utf-8", "surrogateescape")
        for text in _FORMAT.findall((reader.read(rev, file) if file else None) or b""):
            if not _STABLE.fullmatch(text):
                shown = text.decode("utf-8", "replace")
                raise GitError("unstable-archive", f"{file}: $Format:{shown}$ differs from clone to clone")

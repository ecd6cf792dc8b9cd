"""`git archive` of a commit: what a forge serves where export-ignore or export-subst change the tree.

Only the attributes in the commit itself count, as on a forge: neither the settings of this machine nor
$GIT_DIR/info/attributes, line ends are left alone, and no filter is run.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from flakesync.errors import GitError
from flakesync.git import process
from flakesync.git.objects import ObjectReader
from flakesync.terms import Rev

_FORMAT = re.compile(rb"\$Format:([^$\n]*)\$")
# What does not depend on the clone: hashes in full, names and times as the commit has them, its message.
_STABLE = re.compile(rb"(?:[^%]|%(?:[HTPnsbBf%]|[ac][neilt]|[ac]I|x[0-9a-fA-F]{2}))*")
_NO_SETTINGS = (
    ("core.attributesFile", "/dev/null"),
    ("core.autocrlf", "false"),
    ("core.eol", "lf"),
    ("tar.umask", "0022"),
)


def archive(path: Path, rev: Rev) -> Iterator[bytes]:
    """Give the pieces of the tar archive of a commit below one top folder, as `flakesync.nix.tartree.read_tar` takes them.

    Raises:
        GitError: `unstable-archive` if export-subst or a filter may put in what differs from clone to clone
            (`%d`, `%h`, …), `git` if git fails.
    """
    raise NotImplementedError

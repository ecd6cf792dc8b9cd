"""Whose a repository is: git does not use one that another user owns (CVE-2022-24765), and neither does flakesync.

Files are read and written here without starting git, so what git would refuse has to be refused before: a repository
that is written to first and refused then is left half done. Mirrors `ensure_valid_ownership` of git's setup.c.
"""

import os
import shlex

from flakesync.errors import GitError


def require_owner(top: str, *found: os.stat_result) -> None:
    """Make sure that git would use the repository at `top`, though somebody else may own it.

    found: of the folders, and of the `.git` file, whose owner git looks at.

    Raises: GitError(`dubious-ownership`), or what asking git may raise.
    """
    user = os.geteuid()
    for each in found:
        if each.st_uid != user and not (user == 0 and each.st_uid == _user_before_sudo()):
            _require_exception(top)
            return


def _user_before_sudo() -> int | None:
    """Return the user whose repositories git takes for root's own too."""
    before = os.environ.get("SUDO_UID", "")
    return int(before) if before.isascii() and before.isdigit() else None


def _require_exception(top: str) -> None:
    from flakesync.git import process
    from flakesync.git.settings import read_shared_settings

    # `safe.directory = *`, as in many containers: one question for all repositories. Whatever else it may say, versions
    # of git read differently (`/*` at the end, links), so each git is asked about each repository.
    shared = read_shared_settings()
    if shared is not None and {**shared.files, **shared.environment}.get("safe.directory") == "*":
        return
    answer = process.git(["rev-parse", "--git-dir"], cwd=top, check=False)
    if answer.status != 0 and "safe.directory" in answer.err:
        # By the name that git compares with the setting.
        place = os.path.realpath(top)
        raise GitError(
            "dubious-ownership",
            f"{top}: another user owns it, and git does not use what other users own",
            hint=f"if you trust it: git config --global --add safe.directory {shlex.quote(place)}",
        )

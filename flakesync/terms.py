"""The strings that are easily mixed up, each with a type of its own, and the words that several rooms share."""

from typing import Literal, NewType

RepoName = NewType("RepoName", str)
"""The key of a repo in workspace.toml (`[repos.lib]` → `lib`)."""

PinName = NewType("PinName", str)
"""The key of a pin in workspace.toml (`[pins.nixpkgs]` → `nixpkgs`)."""

Rev = NewType("Rev", str)
"""A full commit id: 40 lower-case hex digits (64 in a SHA-256 repository)."""

NodeLabel = NewType("NodeLabel", str)
"""A key of `nodes` in a flake.lock. Labels are no identity: compare by input path."""

FlakeDir = NewType("FlakeDir", str)
"""The folder of a flake in its repo, `.` for the top, else `dev` or `a/b`."""

InputPath = tuple[str, ...]
"""The names of the inputs from the root node down: `("a", "b")` is written `a/b`."""

EdgeKind = Literal["flake", "source"]
"""How a repo takes another one: as a flake, or only its files (`flake = false`)."""

PullState = Literal["open", "closed", "merged"]
Checks = Literal["none", "pending", "passed", "failed", "unknown"]
Reviews = Literal["none", "approved", "changes-requested"]
WaitReason = Literal["checks", "reviews", "computing", "queue", "upstream", "limit", "person"]
"""What keeps a pull request from being merged, without its being a failure: checks that have not passed yet, approvals,
a forge that has not decided yet, a merge queue or train, another pull request, a limit of the forge on calls, or
anything only a person can do."""


def flake_file(dir: FlakeDir, name: str = "flake.lock") -> str:
    """Return where a file of a flake (its lock, if none is named) lies in its repo: `dev/flake.lock`."""
    return name if dir == "." else f"{dir}/{name}"


def is_lock_file(path: str) -> bool:
    """Tell whether a path in a repo is that of a lock."""
    return path == "flake.lock" or path.endswith("/flake.lock")


def iso_day(date: int | None) -> str | None:
    """Return the UTC day of a time (seconds since the epoch) as ISO 8601; None where there is none.

    A lock can hold any number, so some of them are no time of a calendar.
    """
    from datetime import UTC, datetime

    if date is None:
        return None
    try:
        return datetime.fromtimestamp(date, UTC).date().isoformat()
    except (OverflowError, OSError, ValueError):
        return None


def show_path(path: InputPath) -> str:
    """Return the way Nix writes an input path: `a/b`; the root itself is the empty string."""
    return "/".join(path)

"""The strings that are easily mixed up, each with a type of its own (see docs/terms.md)."""

from typing import NewType

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


def show_path(path: InputPath) -> str:
    """Return the way Nix writes an input path: `a/b`; the root itself is the empty string."""
    return "/".join(path)

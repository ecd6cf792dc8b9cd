"""What a flake says of its own source: flakes beside it (`path:./sub`), and how it is to be fetched (`inputs.self`).

For a relative path nothing is fetched, and no hash is noted.
"""

import posixpath
from collections.abc import Mapping

from flakesync.nix.lock.node import LockNode
from flakesync.nix.reference.flakeref import Attr
from flakesync.sync.lockers.native.values import Dialect, DisagreementError, Flake, NotNativeError
from flakesync.terms import InputPath, NodeLabel, show_path


def is_relative(original: Mapping[str, Attr] | None) -> bool:
    """Say whether a reference is a path that does not begin at the root."""
    if original is None or original.get("type") != "path":
        return False
    return not str(original.get("path")).startswith("/")


def relative_path(original: Mapping[str, Attr] | None) -> str:
    """Return the path of a relative reference. Raises: NotNativeError: there is more to it than a path."""
    unusual = sorted((original or {}).keys() - {"type", "path"})
    if original is None or unusual:
        raise NotNativeError(f"a relative path has {unusual[0] if unusual else 'no reference'} beside it")
    return str(original["path"])


def joined(folder: str, relative: str) -> str:
    """Return the folder that a relative path leads to, without slashes at its ends; above the top is the top."""
    # As CanonPath of Nix, which knows no way out of the source: `..` at the top stays there.
    return posixpath.normpath(posixpath.join("/", folder, relative)).strip("/")


class RelativeNodes:
    """Which locks have nodes that are relative; each is looked through once."""

    def __init__(self) -> None:
        self._known: dict[int, bool] = {}

    def any_in(self, nodes: Mapping[NodeLabel, LockNode]) -> bool:
        """Say whether any node of a lock, which lives as long as this, is a path relative to its flake."""
        known = self._known.get(id(nodes))
        if known is None:
            known = any(node.parent is not None or is_relative(node.original) for node in nodes.values())
            self._known[id(nodes)] = known
        return known


def with_self_attrs(path: InputPath, locked: Mapping[str, Attr], flake: Flake, dialect: Dialect) -> Mapping[str, Attr]:
    """Return `locked` of the input at `path` with what its flake asks for itself (`applySelfAttrs` in flake.cc).

    Raises:
        NotNativeError: the source is another then, or Nix would refuse.
    """
    asked = f"input {show_path(path)}: its flake.nix has `inputs.self.{min(flake.self_attrs)}`"
    # Nix up to 2.26 takes `self` for an input like any other and stops at its attributes.
    if not dialect.self_attrs:
        raise DisagreementError(f"{asked}, which {dialect.name} does not know")
    # An archive holds no submodules; Nix would write an attribute that it does not read back.
    if locked.get("type") != "git":
        raise NotNativeError(f"{asked}, which is not asked of an archive")
    # Their trees are part of the hash, and the clone does not have them.
    if flake.self_attrs.get("submodules") and flake.submodules:
        raise NotNativeError(f"{asked}, and it has submodules")
    # `UnimplementedError` in git.cc, whether there are submodules or not.
    if flake.self_attrs.get("submodules") and locked.get("exportIgnore"):
        raise NotNativeError(f"{asked}, and it is fetched with `exportIgnore`: Nix cannot do both")
    return {**locked, **flake.self_attrs}

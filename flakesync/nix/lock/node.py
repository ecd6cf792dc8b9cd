"""LockNode: one node of a flake.lock, and the types that Nix gives to what stands in it."""

import re
from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Required, TypedDict

import msgspec

from flakesync.nix.reference.source import Origin, is_relative, origin_of
from flakesync.terms import InputPath, NodeLabel

TEXT_ATTRS = frozenset({
    "dir", "dirtyRev", "dirtyShortRev", "host", "id", "keytype", "name", "narHash", "owner", "path", "publicKey",
    "publicKeys", "ref", "repo", "rev", "treeHash", "type", "url",
})  # fmt: skip
NUMBER_ATTRS = frozenset({"lastModified", "revCount"})
FLAG_ATTRS = frozenset({"allRefs", "exportIgnore", "lfs", "shallow", "submodules", "unpack", "verifyCommit"})

GREATEST_NUMBER = 2**63 - 1
"""The greatest number an attribute may have: that of a signed 64-bit time. Nix reads a little further, no time does."""

_HEX = "0123456789abcdef"
_COMMIT_ID = re.compile("[0-9a-fA-F]{40}(?:[0-9a-fA-F]{24})?")

if TYPE_CHECKING:
    Attrs = Mapping[str, str | int | bool] | None
    Parent = InputPath | None
else:
    # The decoder checks the known attributes one by one (`rev` is text) and is lenient about nothing. It passes over
    # unknown ones, which the quick reader notices. `None` is only the default: a JSON null is an error.
    _Number = Annotated[int, msgspec.Meta(ge=0, le=GREATEST_NUMBER)]
    _kinds = dict.fromkeys(TEXT_ATTRS, str) | dict.fromkeys(NUMBER_ATTRS, _Number) | dict.fromkeys(FLAG_ATTRS, bool)
    _kinds["type"] = Required[str]
    Attrs = TypedDict("Attrs", dict(sorted(_kinds.items())), total=False)  # noqa: UP013  (made from the sets above)
    Parent = InputPath

_NOTHING: Mapping[str, object] = MappingProxyType({})


def is_commit_id(value: str | int | bool) -> bool:
    """Return whether `value` is a full commit id in hex, the only kind of `rev` that Nix takes."""
    if type(value) is not str:
        return False
    # Lower-case hex, 40 long, is all but always the case and quicker to see than to match.
    return (len(value) == 40 and not value.strip(_HEX)) or _COMMIT_ID.fullmatch(value) is not None


class LockNode(msgspec.Struct, frozen=True, dict=True, forbid_unknown_fields=True, omit_defaults=True):
    """One locked input; treat its mappings as immutable, locks share them.

    flake: False for an input with `flake = false`.
    inputs: name → the label of a node of its own, or, as a tuple, the input path from the root that it follows.
    locked: the attributes of the fetched source, `type` always among them; `rev`, where there is one, is a full
    commit id in hex. None for the root only.
    original: the attributes of the reference in flake.nix. None for the root, and where the lock has none.
    parent: for a relative path input (Nix ≥ 2.26) the input path of the flake it is relative to, else None.
    """

    flake: bool = True
    inputs: Mapping[str, NodeLabel | InputPath] = {}
    locked: Attrs = None
    original: Attrs = None
    parent: Parent = None

    # Kept with the node, because locks share nodes: the same nixpkgs in a thousand locks is looked at once.
    @cached_property
    def origin(self) -> Origin:
        """Where the node is from: its source, commit and repository."""
        return origin_of(self.original, self.locked)

    @cached_property
    def is_folder(self) -> bool:
        """Whether the node is a folder of the flake that takes it: relative, in the form of any version of Nix."""
        # Nix up to 2.25 locks such a folder by its hash, and has no `parent`.
        return self.parent is not None or is_relative(self.origin.original)

    @property
    def extra(self) -> Mapping[str, object]:
        """Return the keys of the node that flakesync does not know (`buildTime` of Determinate Nix); they are kept."""
        return _NOTHING


class LockNodeWithExtra(LockNode, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A node with keys that flakesync does not know; a class of its own, so that usual nodes decode in one step."""

    unknown: Mapping[str, object] = {}

    @property
    def extra(self) -> Mapping[str, object]:
        """Return the unknown keys with their JSON values."""
        return self.unknown

    def to_dict(self) -> dict[str, object]:
        """Return the JSON object of the node."""
        known = ((name, getattr(self, name)) for name in LockNode.__struct_fields__)
        usual = LockNode()
        return {name: value for name, value in known if value != getattr(usual, name)} | dict(self.unknown)

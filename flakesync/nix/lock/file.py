"""LockFile: a flake.lock, read (versions 5 to 7), walked along input paths and follows, and written byte for byte."""

import codecs
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

import msgspec

from flakesync.nix.lock import graph as lockgraph
from flakesync.nix.lock.contents import VERSIONS, Contents
from flakesync.nix.lock.node import LockNode, LockNodeWithExtra
from flakesync.nix.lock.quick import read_quickly
from flakesync.terms import InputPath, NodeLabel, show_path

__all__ = ["LockFile", "LockNode"]

_encoder = msgspec.json.Encoder(order="sorted")
_FIELDS = ("version", "root", "nodes", "extra", "_shared", "_followed")


@dataclass(frozen=True, slots=True)
class LockFile:
    """A flake.lock; immutable, and right: every reachable input has a locked node, every follows leads to one.

    version: 5, 6 or 7. root: the label of the root node, usually `root`.
    nodes: all nodes by label, also those that nothing leads to. Labels are no identity: use input paths.
    extra: top-level keys that flakesync does not know.
    """

    version: int
    root: NodeLabel
    nodes: Mapping[NodeLabel, LockNode]
    extra: Mapping[str, object]
    _shared: bool = field(repr=False, compare=False)
    _followed: lockgraph.Followed = field(repr=False, compare=False)
    _later: tuple[bytes, str] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def parse(cls, data: bytes, *, file: str = "flake.lock") -> Self:
        """Return the lock in `data`; `file` is its name in messages.

        As tolerant as Nix: any order of keys, any layout, unreachable nodes, unknown keys and attributes (kept), a
        missing `original` or narHash. In version 5, `info` is merged into `locked`.

        Raises:
            LockError: `bad-lock`, with the place: a key path, or line and column of a syntax error.
        """
        read = _read(data, file)
        return cls(read.version, read.root, read.nodes, read.extra, read.shared, read.followed)

    @classmethod
    def parse_later(cls, data: bytes, *, file: str = "flake.lock") -> Self:
        """Return the lock in `data`, which `parse` has read before: it is read when something of it is asked for."""
        lock = object.__new__(cls)
        object.__setattr__(lock, "_later", (data, file))
        return lock

    if not TYPE_CHECKING:  # for mypy the attributes above are all

        def __getattr__(self, name: str) -> object:
            """Read a lock that was left for later; Python asks here only for what is not set yet."""
            later = object.__getattribute__(self, "_later") if name != "_later" else None
            if later is not None:
                read = _read(*later)
                values = (read.version, read.root, read.nodes, read.extra, read.shared, read.followed)
                for field_name, value in zip(_FIELDS, values, strict=True):
                    object.__setattr__(self, field_name, value)
                # Last: whoever comes from another thread meanwhile reads it too, and finds the same.
                object.__setattr__(self, "_later", None)
            return object.__getattribute__(self, name)

    def to_bytes(self) -> bytes:
        """Return the file as Nix writes it: sorted keys, two spaces, one final newline, labels as they are."""
        nodes = {
            label: node.to_dict() if isinstance(node, LockNodeWithExtra) else node for label, node in self.nodes.items()
        }
        # nlohmann::json, which Nix writes with, sorts keys by bytes and indents by two: so does this, to the byte.
        document = {**self.extra, "nodes": nodes, "root": self.root, "version": self.version}
        return msgspec.json.format(_encoder.encode(document), indent=2) + b"\n"

    @property
    def unread(self) -> bytes | None:
        """The content of a lock that was left for later; None: it is read."""
        return self._later[0] if self._later is not None else None

    @property
    def is_tree(self) -> bool:
        """Whether each node has one parent, as in what Nix writes since version 7."""
        return not self._shared

    def resolve(self, path: InputPath) -> NodeLabel | None:
        """Return the label of the node that `path` leads to, follows included; None if there is no such input."""
        return lockgraph.resolve(self.nodes, self.root, path, self._followed)

    def node(self, path: InputPath) -> LockNode | None:
        """Return the node that `path` leads to, follows included; None if there is no such input."""
        label = self.resolve(path)
        return None if label is None else self.nodes[label]

    def root_inputs(self) -> Iterator[tuple[str, NodeLabel | InputPath]]:
        """Yield the flake's own inputs in byte order: the label of a node, or the path that is followed."""
        inputs = self.nodes[self.root].inputs
        for name in sorted(inputs):
            yield name, inputs[name]

    def walk(self) -> Iterator[tuple[InputPath, NodeLabel]]:
        """Yield every input path below the root that has a node of its own (no follows), parents first, in byte order.

        A node that several inputs share (versions 5 and 6) comes once per path, but never below itself.
        """
        walk = lockgraph.walk_shared if self._shared else lockgraph.walk_tree
        return walk(self.nodes, self.root)

    def replace(
        self,
        path: InputPath,
        *,
        locked: Mapping[str, str | int | bool] | None = None,
        original: Mapping[str, str | int | bool] | None = None,
    ) -> Self:
        """Return a lock in which the node that `path` leads to has other attributes; None leaves them as they are.

        Like Nix, a change makes a lock of version 5 or 6, or with shared nodes, one of version 7: see `renamed`.

        Raises:
            KeyError: there is no such input, or it is the root.
        """
        lock = self if self.version == VERSIONS[-1] and not self._shared else self.renamed()
        label = lock.resolve(path)
        if label is None or label == lock.root:
            raise KeyError(show_path(path))
        node = lock.nodes[label]
        changed = msgspec.structs.replace(
            node,
            locked=node.locked if locked is None else dict(locked),
            original=node.original if original is None else dict(original),
        )
        return replace(lock, nodes={**lock.nodes, label: changed})

    def renamed(self) -> Self:
        """Return the lock as Nix would write it after a change: version 7, a tree, nodes named anew, no other nodes."""
        nodes = lockgraph.rename(self.nodes, self.root)
        return replace(
            self,
            version=VERSIONS[-1],
            root=lockgraph.ROOT,
            nodes=nodes,
            extra={},
            _shared=False,
            _followed={},
        )


def _read(data: bytes, file: str) -> Contents:
    """Return the contents of a lock by the reader that it takes. Raises LockError (`bad-lock`), with the place."""
    contents = read_quickly(data)
    if contents is None and data.startswith(codecs.BOM_UTF8):
        # Nix passes over one byte order mark, which some editors write, and writes none.
        data = data.removeprefix(codecs.BOM_UTF8)
        contents = read_quickly(data)
    if contents is None:
        # Imported only then: that takes 5 ms, with `json`, and a workspace of locks that Nix wrote never needs it.
        from flakesync.nix.lock.strict import read_strictly

        contents = read_strictly(data, file)
    # A tree has as many paths as nodes. Of shared nodes, forty with two inputs each have 2^40.
    if contents.shared or len(contents.nodes) > lockgraph.MAX_DEPTH:
        try:
            lockgraph.check_size(contents.nodes, contents.root)
        except lockgraph.TooBigError:
            from flakesync.nix.lock.syntax import bad_lock

            raise bad_lock(file, ("nodes",), "the input paths are too many or too deep") from None
    return contents

"""Nix's lock algorithm, `computeLocks` of `src/libflake/flake.cc`, on values and in one dialect.

Nothing is fetched here but through a Fetcher, and nothing is recursive: locks nest as deep as workspaces do.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flakesync.errors import FlakeRefError
from flakesync.nix.expression.inputs import InputSpec
from flakesync.nix.lock import graph as lockgraph
from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.nix.reference.flakeref import Attr, FlakeRef
from flakesync.sync.lockers.native.follows import check_follows
from flakesync.sync.lockers.native.new_nodes import Inputs, NewNodes
from flakesync.sync.lockers.native.values import Dialect, DisagreementError, Fetched, Fetcher, Flake, NotNativeError
from flakesync.terms import InputPath, NodeLabel, show_path

Moves = Mapping[InputPath, Fetched]
Attrs = Mapping[str, Attr] | None

# What every Nix from 2.4 on writes, whatever version it has read.
VERSION = 7


@dataclass(frozen=True, slots=True)
class _Input:
    """One input of a node that is being computed, from a flake.nix or (spec None) from a lock.

    ref: None for one that only follows, or whose reference stands in `node`. follows: from the root of the new lock.
    node: where a lock is trusted, its node.
    """

    spec: InputSpec | None
    follows: InputPath | None
    flake: bool
    node: LockNode | None = None


@dataclass(frozen=True, slots=True)
class _Frame:
    """A call of computeLocks. old, old_nodes: the node whose entries may be kept, and the graph that it is of.

    made: the inputs of the new node, to be filled. follows_prefix: what the follows of the old graph are relative to.
    trusted: the inputs were read off the lock. fresh: something above was fetched anew. parents: the references
    that are being fetched, outermost first.
    """

    inputs: Mapping[str, _Input]
    made: Inputs
    path: InputPath
    old: LockNode | None
    old_nodes: Mapping[NodeLabel, LockNode]
    follows_prefix: InputPath
    trusted: bool
    fresh: bool
    parents: tuple[FlakeRef, ...]


class Computation:
    """One run of the algorithm.

    fresh: whether there is no old lock. differs: where a dialect decided something; empty if none did.
    """

    def __init__(self, old: LockFile, moves: Moves, fetcher: Fetcher, dialect: Dialect, *, fresh: bool = False) -> None:
        self.old = old
        self.moves = moves
        self.fetcher = fetcher
        self.dialect = dialect
        self.fresh = fresh
        self.differs = ""
        self.nodes = NewNodes()
        self.overrides: dict[InputPath, tuple[InputSpec, InputPath]] = {}
        self.frames: list[_Frame] = []
        self.moved: set[InputPath] = set()
        self.above_moves = {path[:length] for path in moves for length in range(1, len(path))}
        # Every path at or below which something is overridden or moved: the rest of a trusted lock is copied as it is.
        self.touched = self.above_moves | set(moves)

    def run(self, inputs: Mapping[str, InputSpec]) -> LockFile:
        """Return the lock for these inputs of flake.nix. Raises: NotNativeError, DisagreementError."""
        made = self.nodes.root()
        root = self.old.nodes[self.old.root]
        given = self._from_flake(inputs, ())
        # A stack of frames in place of Nix's recursion; children are put on it backwards, so they come in its order.
        self.frames.append(_Frame(given, made, (), root, self.old.nodes, (), False, self.fresh, ()))
        while self.frames:
            self._compute(self.frames.pop())
        # A planned input that was not met: the lock has it, flake.nix does not. Nix would drop it and succeed.
        for path in self.moves.keys() - self.moved:
            raise DisagreementError(f"flake.nix and flake.lock disagree on whether there is an input {show_path(path)}")
        # Only the shape of the graph counts until here.
        lock = LockFile(VERSION, lockgraph.ROOT, self.nodes.named(), {}, False, {})
        check_follows(lock, once=self.dialect.follows_once)
        return lock

    def _from_flake(self, inputs: Mapping[str, InputSpec], path: InputPath) -> dict[str, _Input]:
        """Return the inputs that a flake.nix gives to the node at `path`, and note what it overrides below it."""
        for name, spec in inputs.items():
            self._add_overrides((*path, name), spec, path)
        return {
            name: _Input(spec, (*path, *spec.follows) if spec.follows is not None else None, spec.flake)
            for name, spec in inputs.items()
        }

    def _add_overrides(self, path: InputPath, spec: InputSpec, flake: InputPath) -> None:
        for name, inner in spec.inputs.items():
            below = (*path, name)
            if inner.ref is None and inner.follows is None and not self.dialect.deep_overrides:
                raise DisagreementError(f"input {show_path(below)} has nested overrides, which Nix up to 2.29 misreads")
            # The outermost flake wins: it comes first, as in Nix, whose map `insert`s and does not replace.
            if (inner.ref is not None or inner.follows is not None) and below not in self.overrides:
                self.overrides[below] = (inner, flake)
                self.touched.update(below[:length] for length in range(1, len(below) + 1))
            if inner.inputs:
                self.differs = f"overrides of the inputs of {show_path(below)}"
                if self.dialect.deep_overrides:
                    self._add_overrides(below, inner, flake)

    def _compute(self, frame: _Frame) -> None:
        children: list[_Frame] = []
        for name in sorted(frame.inputs):
            path = (*frame.path, name)
            given = frame.inputs[name]
            # Where nothing is overridden or moved, old and new are alike: copied, without a look at any flake. So one
            # input of a lock with 856 nodes moves in 7 ms (docs/benchmarks.md).
            if given.node is not None and path not in self.touched:
                frame.made[name] = self.nodes.copy(given.node, frame.old_nodes, frame.follows_prefix)
                continue
            override = self._override(path, given)
            # Before the override is followed: with `--override-input` Nix takes the reference that it was given.
            if path in self.moves:
                child = self._move(frame, path, given, override)
            elif override.follows is not None:
                frame.made[name] = override.follows
                continue
            else:
                kept = self._keep(frame, path, given, override)
                child = self._fetch(frame, path, given, override) if kept is None else kept
            children += child
        self.frames += reversed(children)

    def _override(self, path: InputPath, given: _Input) -> _Input:
        """Return what another flake says of this input, with the `flake` that it has itself; else `given`."""
        found = self.overrides.get(path)
        if found is None:
            return given
        spec, flake = found
        if spec.follows is None:
            self.differs = f"input {show_path(path)} has its reference from another flake"
        return _Input(spec, (*flake, *spec.follows) if spec.follows is not None else None, given.flake)

    # ---- the three things that can become of an input -------------------------------------------------------------

    def _keep(self, frame: _Frame, path: InputPath, given: _Input, override: _Input) -> list[_Frame] | None:
        """Take the node that the old lock has; None if it has none, or of another source."""
        old = _child(frame, path[-1])
        # Before 2.20 Nix keeps no node that has an override (`!hasOverride`): it is fetched each time.
        if old is not None and override is not given and self.dialect.overrides_refetch:
            if not frame.fresh:
                self._check_override(frame, path, given, override, old)
            return None
        if old is None or not self._is_same(old, override):
            return None
        made = self._add(frame, path, old.locked, old.original, flake=old.flake)
        # As Nix (`hasChildUpdate`): a flake is read if one of its inputs moves, because the lock does not say which
        # reference its flake.nix has by now.
        refetch = path in self.above_moves
        inputs: dict[str, _Input] = {}
        for name, target in old.inputs.items():
            if not isinstance(target, tuple):
                node = frame.old_nodes[target]
                inputs[name] = _Input(None, None, node.flake, node)
                continue
            inputs[name] = _Input(None, (*frame.follows_prefix, *target), True)
            # A follows that nobody asks for here is the input's own, or one that has been taken out of flake.nix: only
            # its own flake.nix tells.
            refetch |= not frame.trusted and (*path, name) not in self.overrides and (*path, name) not in self.moves
        if refetch:
            inputs = self._from_flake(self._flake(path, lambda: self.fetcher.at(old.locked or {})).inputs, path)
        elif not inputs:
            return []
        return [
            _Frame(
                inputs, made, path, old, frame.old_nodes, frame.follows_prefix, not refetch, frame.fresh, frame.parents
            )
        ]

    def _check_override(self, frame: _Frame, path: InputPath, given: _Input, override: _Input, old: LockNode) -> None:
        """Find out whether Nix up to 2.19 may have locked an input whose reference another flake overrides.

        It notes the reference that the input's own flake gives, or, where there is none, the override.
        """
        own = given.spec
        if own is None and frame.old is not None:
            above = frame.old.locked or {}
            own = self._flake(path[:-1], lambda: self.fetcher.at(above)).inputs.get(path[-1])
        noted = own if own is not None and own.ref is not None and given.flake else override.spec
        if not self._is_same(old, _Input(noted, None, given.flake)):
            raise DisagreementError(f"flake.nix and flake.lock disagree on what input {show_path(path)} is")

    def _move(self, frame: _Frame, path: InputPath, given: _Input, override: _Input) -> list[_Frame]:
        """Take the node to where it is to be."""
        self.moved.add(path)
        if override is not given:
            self.differs = f"input {show_path(path)} has its reference from another flake"
            if self.dialect.overrides_refetch:
                old = _child(frame, path[-1])
                if old is not None and not frame.fresh:
                    self._check_override(frame, path, given, override, old)
                raise NotNativeError(self.differs)
        if given.spec is None or given.spec.ref is None:
            raise DisagreementError(f"flake.nix and flake.lock disagree on what input {show_path(path)} is")
        old = self.old.node(path)
        original = self._original(given.spec, old.original if old is not None else None, path)
        return self._new(frame, path, original, given.flake, self.moves[path], None)

    def _fetch(self, frame: _Frame, path: InputPath, given: _Input, override: _Input) -> list[_Frame]:
        """Lock an input that the old lock does not have."""
        refetched = override is not given and self.dialect.overrides_refetch
        # An input that nobody has planned to add: what it leads to is not what was decided, so nothing is guessed.
        if not refetched and not frame.fresh:
            raise DisagreementError(f"flake.nix and flake.lock disagree on what input {show_path(path)} is")
        old = _child(frame, path[-1])
        if old is not None:
            self.differs = f"input {show_path(path)} has another reference than in the lock of its flake"
        spec = override.spec
        if spec is None or spec.ref is None or spec.relative:
            raise NotNativeError(f"input {show_path(path)} is a path relative to its flake")
        fetched = self.fetcher.newest(spec.ref)
        source = given if self.dialect.overrides_keep_original and given.flake else override
        if source.spec is not None and source.spec.ref is not None:
            original = self._original(source.spec, None, path)
        elif source.node is not None and source.node.original is not None:
            original = source.node.original
        else:
            original = self._original(spec, None, path)
        return self._new(frame, path, original, given.flake, fetched, old if self.dialect.keeps_nested else None)

    # ---- parts ----------------------------------------------------------------------------------------------------

    def _new(
        self,
        frame: _Frame,
        path: InputPath,
        original: Mapping[str, Attr],
        flake: bool,
        fetched: Fetched,
        old: LockNode | None,
    ) -> list[_Frame]:
        """Make a node for what was fetched. old: where its nested inputs may be kept; None: in its own lock."""
        # Nix before 2.24.15 keeps `?dir=` in the address as well, which canonical attributes do not.
        if self.dialect.name == "nix-2.8" and "dir" in original and "dir=" not in str(original.get("url", "dir=")):
            self.differs = f"the address of input {show_path(path)}"
            raise DisagreementError(f"{self.differs} holds no `?dir=`, as it would in {self.dialect.name}")
        if not flake:
            self._add(frame, path, fetched.locked(original), original, flake=False)
            return []
        # As Nix: a source that is being fetched further up would be fetched again without end.
        if fetched.ref in frame.parents:
            raise NotNativeError(f"input {show_path(path)} is a circular import of {fetched.ref}")
        found = self._flake(path, fetched.flake)
        locked = self._with_self_attrs(path, fetched.locked(original), found)
        made = self._add(frame, path, locked, original, flake=True)
        inputs = self._from_flake(found.inputs, path)
        parents = (*frame.parents, fetched.ref)
        if old is not None:
            return [_Frame(inputs, made, path, old, frame.old_nodes, frame.follows_prefix, False, True, parents)]
        # What is new brings the lock that lies beside it; its follows are paths from that flake, hence the prefix.
        own = found.lock
        root = own.nodes[own.root] if own is not None else None
        return [_Frame(inputs, made, path, root, own.nodes if own is not None else {}, path, False, True, parents)]

    def _with_self_attrs(self, path: InputPath, locked: Mapping[str, Attr], flake: Flake) -> Mapping[str, Attr]:
        """Return `locked` with what the flake asks for itself, as Nix fetches it a second time (`applySelfAttrs`)."""
        if not flake.self_attrs:
            return locked
        asked = f"input {show_path(path)}: its flake.nix has `inputs.self.{min(flake.self_attrs)}`"
        self.differs = asked
        if not self.dialect.self_attrs:
            raise DisagreementError(f"{asked}, which {self.dialect.name} does not know")
        if locked.get("type") != "git":
            raise NotNativeError(f"{asked}, which is not asked of an archive")
        if flake.self_attrs.get("submodules") and flake.submodules:
            raise NotNativeError(f"{asked}, and it has submodules")
        if flake.self_attrs.get("submodules") and locked.get("exportIgnore"):
            raise NotNativeError(f"{asked}, and it is fetched with `exportIgnore`: Nix cannot do both")
        return {**locked, **flake.self_attrs}

    def _flake(self, path: InputPath, read: Callable[[], Flake]) -> Flake:
        try:
            return read()
        except NotNativeError as error:
            raise NotNativeError(f"input {show_path(path)}: {error.reason}") from None

    def _add(self, frame: _Frame, path: InputPath, locked: Attrs, original: Attrs, *, flake: bool) -> Inputs:
        """Put a node into the lock; return its inputs, to be filled."""
        inputs: Inputs = {}
        frame.made[path[-1]] = self.nodes.put(LockNode(flake=flake, locked=locked, original=original, inputs=inputs))
        return inputs

    def _is_same(self, old: LockNode, given: _Input) -> bool:
        """Tell whether a node is of the source that is asked for (Nix compares references, not repositories)."""
        if given.node is not None:
            return True  # it was read off this very lock
        spec = given.spec
        if spec is None or spec.ref is None or old.original is None:
            return False
        if spec.relative:
            raise NotNativeError("an input is a path relative to its flake")
        # To the letter, nearly always: to parse `original` again costs more than to compare.
        if dict(old.original) == spec.ref.to_attrs():
            return True
        try:
            same = FlakeRef.from_attrs(old.original) == spec.ref
        except FlakeRefError:
            return False
        if same:
            self.differs = f"{spec.ref} is spelled otherwise in the lock"
        return same and not self.dialect.exact_originals

    def _original(self, spec: InputSpec, old: Mapping[str, Attr] | None, path: InputPath) -> Mapping[str, Attr]:
        """Return a reference of a flake.nix as `original`. old: as the lock has it so far."""
        if spec.ref is None or spec.relative:
            raise NotNativeError(f"input {show_path(path)} is a path relative to its flake")
        attrs = spec.ref.to_attrs()
        if spec.portable or self.dialect.name != "nix-2.8":
            self.differs = self.differs or ("" if spec.portable else f"{spec.ref} is written differently")
            return attrs
        self.differs = f"{spec.ref} is written differently"
        # 2.8 writes some URLs as they were typed, which attributes do not tell; what the lock has was written by it.
        try:
            if old is not None and FlakeRef.from_attrs(old) == spec.ref:
                return old
        except FlakeRefError:
            pass
        raise NotNativeError(f"how Nix 2.8 writes the reference {spec.ref} of input {show_path(path)}")


def _child(frame: _Frame, name: str) -> LockNode | None:
    """Return the node that the old lock has for an input; None for a follows, and where there is none."""
    # Not by path from the root: an input fetched anew brings a graph of its own, and `frame.old` is a node of that one.
    target = frame.old.inputs.get(name) if frame.old is not None else None
    return None if target is None or isinstance(target, tuple) else frame.old_nodes[target]

"""Nix's lock algorithm, `computeLocks` of `src/libflake/flake.cc`, on values and in one dialect.

Nothing is fetched here but through a Fetcher, and nothing is recursive: locks nest as deep as workspaces do.
"""

from collections.abc import Callable, Collection, Mapping

from flakesync.errors import FlakeRefError
from flakesync.nix.expression.inputs import InputSpec
from flakesync.nix.lock import graph as lockgraph
from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.nix.reference.flakeref import Attr, FlakeRef
from flakesync.sync.lockers.native.dialects import written_reference
from flakesync.sync.lockers.native.follows import check_follows
from flakesync.sync.lockers.native.frames import Attrs, Frame, Input, Moves, old_child
from flakesync.sync.lockers.native.new_nodes import Inputs, NewNodes
from flakesync.sync.lockers.native.overrides import Overrides
from flakesync.sync.lockers.native.own_source import RelativeNodes, is_relative, relative_path, with_self_attrs
from flakesync.sync.lockers.native.values import (
    Beside,
    Dialect,
    DisagreementError,
    Fetched,
    Fetcher,
    Flake,
    NotNativeError,
    nothing_beside,
)
from flakesync.terms import InputPath, show_path

# What every Nix from 2.4 on writes, whatever version it has read.
VERSION = 7


class Computation:
    """One run of the algorithm.

    fresh: whether there is no old lock. differs: where a dialect decided something; empty if none did. stale: inputs
    on which flake.nix and the old lock may disagree.
    """

    def __init__(self, old: LockFile, moves: Moves, fetcher: Fetcher, dialect: Dialect, *, fresh: bool = False) -> None:
        self.old = old
        self.moves = moves
        self.fetcher = fetcher
        self.dialect = dialect
        self.fresh = fresh
        self.differs = ""
        self.nodes = NewNodes()
        self.overrides = Overrides(moves, dialect)
        self.frames: list[Frame] = []
        self.moved: set[InputPath] = set()
        self.relative = RelativeNodes()
        self.stale: Collection[InputPath] = ()

    def run(self, flake: Flake) -> LockFile:
        """Return the lock for the inputs of this flake. Raises: NotNativeError, DisagreementError."""
        made = self.nodes.root()
        root = self.old.nodes[self.old.root]
        given = self._from_flake(flake, ())
        # A stack of frames in place of Nix's recursion; children are put on it backwards, so they come in its order.
        self.frames.append(Frame(given, made, (), root, self.old.nodes, (), False, self.fresh, (), flake.beside))
        while self.frames:
            self._compute(self.frames.pop())
        # A planned input that was not met: the lock has it, flake.nix does not. Nix would drop it and succeed.
        for path in self.moves.keys() - self.moved:
            raise DisagreementError(f"flake.nix and flake.lock disagree on whether there is an input {show_path(path)}")
        # Only the shape of the graph counts until here.
        lock = LockFile(VERSION, lockgraph.ROOT, self.nodes.named(), {}, False, {})
        check_follows(lock, once=self.dialect.follows_once)
        return lock

    def _from_flake(self, flake: Flake, path: InputPath) -> dict[str, Input]:
        """Return the inputs that a flake.nix gives to the node at `path`, and note what it overrides below it."""
        for name, spec in flake.inputs.items():
            self.overrides.add((*path, name), spec, path, flake.beside)
        self.differs = self.overrides.differs or self.differs
        return {
            name: Input(
                spec, (*path, *spec.follows) if spec.follows is not None else None, spec.flake, None, path, flake.beside
            )
            for name, spec in flake.inputs.items()
        }

    def _compute(self, frame: Frame) -> None:
        children: list[Frame] = []
        for name in sorted(frame.inputs):
            path = (*frame.path, name)
            given = frame.inputs[name]
            # Where nothing is overridden or moved, old and new are alike: copied, without a look at any flake. So one
            # input of a lock with 856 nodes moves in 7 ms (docs/benchmarks.md).
            if (
                given.node is not None
                and path not in self.overrides.touched
                and not self.relative.any_in(frame.old_nodes)
            ):
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

    def _override(self, path: InputPath, given: Input) -> Input:
        """Return what another flake says of this input, with the `flake` that it has itself; else `given`."""
        found = self.overrides.get(path)
        if found is None:
            return given
        spec = found.spec
        if spec.follows is None:
            self.differs = f"input {show_path(path)} has its reference from another flake"
        follows = (*found.flake, *spec.follows) if spec.follows is not None else None
        return Input(spec, follows, given.flake, None, found.flake, found.beside)

    # ---- the three things that can become of an input -------------------------------------------------------------

    def _keep(self, frame: Frame, path: InputPath, given: Input, override: Input) -> list[Frame] | None:
        """Take the node that the old lock has; None if it has none, or of another source."""
        old = old_child(frame, path[-1])
        # Before 2.20 Nix keeps no node that has an override (`!hasOverride`): it is fetched each time.
        if old is not None and override is not given and self.dialect.overrides_refetch:
            if not frame.fresh and path not in self.stale:
                self._check_override(frame, path, given, override, old)
            return None
        if old is None or not self._is_same(old, override) or old.parent != self._parent(override, old):
            return None
        made = self._add(frame, path, old.locked, old.original, flake=old.flake, parent=old.parent)
        # As Nix (`hasChildUpdate`): a flake is read if one of its inputs moves, because the lock does not say which
        # reference its flake.nix has by now.
        refetch = path in self.overrides.above_moves
        inputs: dict[str, Input] = {}
        for name, target in old.inputs.items():
            if not isinstance(target, tuple):
                node = frame.old_nodes[target]
                inputs[name] = Input(None, None, node.flake, node, path)
                continue
            inputs[name] = Input(None, (*frame.follows_prefix, *target), True)
            # A follows that nobody asks for here is the input's own, or one that has been taken out of flake.nix: only
            # its own flake.nix tells.
            refetch |= not frame.trusted and (*path, name) not in self.overrides and (*path, name) not in self.moves
        beside: Beside = nothing_beside
        if refetch:
            flake = self._flake(path, lambda: self._at(old, override))
            inputs, beside = self._from_flake(flake, path), flake.beside
        elif not inputs:
            return []
        kept = (old, frame.old_nodes, frame.follows_prefix)
        return [Frame(inputs, made, path, *kept, not refetch, frame.fresh, frame.parents, beside)]

    def _at(self, old: LockNode, given: Input) -> Flake:
        """Return the flake that a node is locked to; given: what names it."""
        return self.fetcher.at(old.locked or {}) if old.parent is None else given.beside(relative_path(old.original))

    def _parent(self, given: Input, old: LockNode | None) -> InputPath | None:
        """Return the flake whose folder an input is relative to; None: it is not relative, or not noted so.

        old: the node whose own reference it is, where a lock is trusted.
        """
        if given.node is None:
            relative = given.spec is not None and given.spec.relative
        else:
            relative = old is not None and is_relative(old.original)
        return given.above if relative and self.dialect.relative_inputs else None

    def _check_override(self, frame: Frame, path: InputPath, given: Input, override: Input, old: LockNode) -> None:
        """Find out whether Nix up to 2.19 may have locked an input whose reference another flake overrides.

        It notes the reference that the input's own flake gives, or, where there is none, the override.
        """
        own = given.spec
        if own is None and frame.old is not None:
            above = frame.old.locked or {}
            own = self._flake(path[:-1], lambda: self.fetcher.at(above)).inputs.get(path[-1])
        keeps = self.dialect.keeps_original(flake=given.flake)
        noted = own if own is not None and own.ref is not None and keeps else override.spec
        if not self._is_same(old, Input(noted, None, given.flake)):
            raise DisagreementError(f"flake.nix and flake.lock disagree on what input {show_path(path)} is")

    def _check_noted(self, path: InputPath, given: Input, override: Input) -> None:
        """Refuse an overridden input below a moved one if this dialect would have noted another reference so far.

        What has been moved is locked anew and its old node does not count, but it shows which Nix has written it.
        """
        old = self.old.node(path)
        over_there = {override.above[:length] for length in range(1, len(override.above) + 1)}
        if old is None or not over_there.isdisjoint(self.moves):
            return
        same = self._is_same(old, override)
        if self.dialect.keeps_original(flake=old.flake):
            own = given.node or LockNode(original=given.spec.ref.to_attrs() if given.spec and given.spec.ref else None)
            # Both are the same where the input's own flake has this very reference, or none.
            same = not same or own.original is None or self._is_same(own, override)
        if not same:
            raise DisagreementError(f"{self.dialect.name} notes another reference for input {show_path(path)}")

    def _move(self, frame: Frame, path: InputPath, given: Input, override: Input) -> list[Frame]:
        """Take the node to where it is to be."""
        self.moved.add(path)
        if override is not given:
            self.differs = f"input {show_path(path)} has its reference from another flake"
            if self.dialect.overrides_refetch:
                old = old_child(frame, path[-1])
                if old is not None and not frame.fresh:
                    self._check_override(frame, path, given, override, old)
                raise NotNativeError(self.differs)
        if given.spec is None or given.spec.ref is None:
            raise DisagreementError(f"flake.nix and flake.lock disagree on what input {show_path(path)} is")
        old = self.old.node(path)
        original = self._written(given.spec, old.original if old is not None else None, path)
        return self._new(frame, path, original, given.flake, self.moves[path], None)

    def _fetch(self, frame: Frame, path: InputPath, given: Input, override: Input) -> list[Frame]:
        """Lock an input that the old lock does not have."""
        refetched = override is not given and self.dialect.overrides_refetch
        # An input that nobody has planned to add: what it leads to is not what was decided, so nothing is guessed.
        if not refetched and not frame.fresh and path not in self.stale:
            raise DisagreementError(f"flake.nix and flake.lock disagree on what input {show_path(path)} is")
        if override is not given and frame.fresh and path not in self.stale:
            self._check_noted(path, given, override)
        old = old_child(frame, path[-1])
        if old is not None:
            self.differs = f"input {show_path(path)} has another reference than in the lock of its flake"
        spec = override.spec
        if spec is None or spec.ref is None:
            # Of a trusted lock: it is kept, but for a relative path in a lock that is not at the top.
            raise NotNativeError(f"Nix would look for the relative path of input {show_path(path)} in another flake")
        if spec.relative:
            return self._read_beside(frame, path, override, old)
        fetched = self.fetcher.newest(spec.ref)
        source = given if self.dialect.keeps_original(flake=given.flake) else override
        if source.spec is not None and source.spec.ref is not None:
            original = self._written(source.spec, None, path)
        elif source.node is not None and source.node.original is not None:
            original = source.node.original
        else:
            original = self._written(spec, None, path)
        return self._new(frame, path, original, given.flake, fetched, old if self.dialect.keeps_nested else None)

    def _read_beside(self, frame: Frame, path: InputPath, given: Input, old: LockNode | None) -> list[Frame]:
        """Lock an input that is a path relative to the flake that names it; nothing is fetched for it."""
        assert given.spec is not None
        assert given.spec.ref is not None
        if not self.dialect.relative_inputs:
            raise DisagreementError(f"input {show_path(path)} is a relative path, which {self.dialect.name} copies")
        if old is not None and old.parent is None and is_relative(old.original):
            raise NotNativeError(f"the relative path of input {show_path(path)} was locked by Nix before 2.26")
        ref = given.spec.ref
        place = relative_path(ref.to_attrs())
        found = Fetched(ref, lambda original: original, lambda: given.beside(place))
        kept = old if self.dialect.keeps_nested else None
        return self._new(frame, path, ref.to_attrs(), given.flake, found, kept, given.above)

    # ---- parts ----------------------------------------------------------------------------------------------------

    def _new(
        self,
        frame: Frame,
        path: InputPath,
        original: Mapping[str, Attr],
        flake: bool,
        fetched: Fetched,
        old: LockNode | None,
        parent: InputPath | None = None,
    ) -> list[Frame]:
        """Make a node for what was fetched. old: where its nested inputs may be kept; None: in its own lock."""
        # Nix before 2.24.15 keeps `?dir=` in the address as well, which canonical attributes do not.
        if self.dialect.old_addresses and "dir" in original and "dir=" not in str(original.get("url", "dir=")):
            self.differs = f"the address of input {show_path(path)}"
            raise DisagreementError(f"{self.differs} holds no `?dir=`, as it would in {self.dialect.name}")
        if not flake:
            self._add(frame, path, fetched.locked(original), original, flake=False, parent=parent)
            return []
        # As Nix: a source that is being fetched further up would be fetched again without end.
        if fetched.ref in frame.parents:
            raise NotNativeError(f"input {show_path(path)} is a circular import of {fetched.ref}")
        found = self._flake(path, fetched.flake)
        # A relative flake is not fetched by itself, so what it asks for is not looked at.
        locked = fetched.locked(original)
        if found.self_attrs and parent is None:
            self.differs = f"what input {show_path(path)} asks for itself"
            locked = with_self_attrs(path, locked, found, self.dialect)
        made = self._add(frame, path, locked, original, flake=True, parent=parent)
        inputs = self._from_flake(found, path)
        parents = (*frame.parents, fetched.ref)
        if old is not None:
            kept = (old, frame.old_nodes, frame.follows_prefix)
            return [Frame(inputs, made, path, *kept, False, True, parents, found.beside)]
        # What is new brings the lock that lies beside it; its follows are paths from that flake, hence the prefix.
        own = found.lock
        root = own.nodes[own.root] if own is not None else None
        nodes = own.nodes if own is not None else {}
        return [Frame(inputs, made, path, root, nodes, path, False, True, parents, found.beside)]

    def _flake(self, path: InputPath, read: Callable[[], Flake]) -> Flake:
        try:
            return read()
        except NotNativeError as error:
            raise NotNativeError(f"input {show_path(path)}: {error.reason}") from None

    def _add(
        self,
        frame: Frame,
        path: InputPath,
        locked: Attrs,
        original: Attrs,
        *,
        flake: bool,
        parent: InputPath | None = None,
    ) -> Inputs:
        """Put a node into the lock; return its inputs, to be filled."""
        inputs: Inputs = {}
        frame.made[path[-1]] = self.nodes.put(
            LockNode(flake=flake, locked=locked, original=original, inputs=inputs, parent=parent)
        )
        return inputs

    def _is_same(self, old: LockNode, given: Input) -> bool:
        """Tell whether a node is of the source that is asked for (Nix compares references, not repositories)."""
        if given.node is not None:
            return True  # it was read off this very lock
        spec = given.spec
        if spec is None or spec.ref is None or old.original is None:
            return False
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

    def _written(self, spec: InputSpec, old: Attrs, path: InputPath) -> Mapping[str, Attr]:
        """Return a reference of a flake.nix as `original`. old: as the lock has it so far."""
        assert spec.ref is not None
        if not spec.portable:
            self.differs = self.differs or f"{spec.ref} is written differently"
        return spec.ref.to_attrs() if spec.portable else written_reference(spec.ref, old, self.dialect, path)

"""The Locker that writes locks itself."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from flakesync.errors import FlakeRefError
from flakesync.nix.expression.inputs import InputSpec
from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.nix.reference.flakeref import Attr, FlakeRef
from flakesync.sync.lockers import FromClone, FromServer, Move, Request
from flakesync.sync.lockers.native.compute import compute
from flakesync.sync.lockers.native.dialects import ALL, shown_dialects
from flakesync.sync.lockers.native.sources import FORGES, Sources
from flakesync.sync.lockers.native.values import Dialect, Fetched, NotNativeError
from flakesync.sync.lockers.nix import canonical_locked, canonical_source, override_reference
from flakesync.terms import InputPath, show_path

# What Nix from 2.17 on notes of an archive whose server names the commit, and `revCount` where it says that too.
_OF_ARCHIVE = frozenset({"type", "url", "rev", "lastModified", "narHash"})


class NativeLocker:
    """A Locker that needs no Nix; may be used from several threads at once.

    dialects: those to write in, see DIALECTS; None: those that the lock at hand may be in.
    """

    name = "native"

    def __init__(self, sources: Sources, dialects: Sequence[Dialect] | None = None) -> None:
        self._sources = sources
        self._dialects = dialects

    def lock(self, request: Request) -> LockFile:
        """Return the new lock; see Locker.

        Raises:
            NotNativeError: it cannot be written exactly.
        """
        dir = None if request.dir == "." else request.dir
        flake = self._sources.flake(request.repository, request.rev, dir, served=False)
        moves = {move.input: self._fetch(move) for move in request.moves}
        dialects = self._dialects or self._shown(request.lock, flake.inputs, moves)
        return compute(request.lock, flake, moves, self._sources, dialects, request.stale)

    def _shown(
        self, lock: LockFile, inputs: Mapping[str, InputSpec], moves: Mapping[InputPath, Fetched]
    ) -> Sequence[Dialect]:
        """Return the dialects that the lock may be written in; if it shows none, those of the locks it takes in."""
        shown = shown_dialects(lock)
        # The repos of a workspace usually have one Nix: the lock of what is taken in may tell what this one does not.
        for path, fetched in moves.items() if len(shown) == len(ALL) else ():
            spec = inputs.get(path[0])
            if len(path) == 1 and spec is not None and spec.flake:
                own = fetched.flake().lock
                shown = shown_dialects(own) if own is not None else shown
                if len(shown) < len(ALL):
                    break
        return shown

    def _fetch(self, move: Move) -> Fetched:
        try:
            ref = _read_reference(override_reference(move))
        except FlakeRefError as error:
            raise NotNativeError(error.message) from error
        match move.source:
            case FromServer(locked=locked) if locked is not None and locked.keys() >= _OF_ARCHIVE:
                return self._archive(move, ref, locked)
            case FromServer():
                return _with_address(self._sources.fetch(ref))
            case FromClone(rev=rev, repository=repository) as source:
                # The node will name the forge, so the hash has to be that of the forge's archive, from a clone or not.
                served = canonical_source(move).get("type") in FORGES
                facts = self._sources.facts(repository, rev, served=served)
                try:
                    self._sources.require_plain(repository, rev, move.original)
                except NotNativeError as error:
                    raise NotNativeError(f"input {show_path(move.input)}: {error.reason}") from None
                found: dict[str, Attr] = {"narHash": facts.nar_hash, "lastModified": facts.last_modified, "type": "git"}
                if facts.rev_count is not None:
                    found["revCount"] = facts.rev_count
                dir = move.original.get("dir")
                return Fetched(
                    ref,
                    lambda original: canonical_locked(move, source, LockNode(locked=found, original=original)),
                    lambda: self._sources.flake(repository, rev, str(dir) if dir else None, served=served),
                )

    def _archive(self, move: Move, ref: FlakeRef, locked: Mapping[str, Attr]) -> Fetched:
        """Take an immutable archive as the lock that it is a target from has it: its address stands for one content."""
        if "dir" in move.original or "dir" in locked:
            raise NotNativeError(f"input {show_path(move.input)} is a folder of an archive")
        # 2.8 would write neither a commit nor a date, and not even read a lock that has them.
        if "lastModified" not in move.locked:
            raise NotNativeError(
                f"input {show_path(move.input)} was locked by a Nix that notes no commit of an archive"
            )
        node = {key: value for key, value in locked.items() if key in _OF_ARCHIVE | {"revCount"}}
        return Fetched(ref, lambda _: node, lambda: self._sources.at(node))


@lru_cache(maxsize=1024)
def _read_reference(text: str) -> FlakeRef:
    """Return the reference that a URL stands for: most repos of a workspace move to the same ones."""
    return FlakeRef.parse(text)


def _with_address(fetched: Fetched) -> Fetched:
    """Return a source with its address as `original` has it: versions differ in whether it holds `?dir=` too."""

    def locked(original: Mapping[str, Attr]) -> Mapping[str, Attr]:
        attrs = dict(fetched.locked(original))
        if "dir" in attrs and "url" in attrs and original.get("type") == attrs["type"]:
            attrs["url"] = original["url"]
        return attrs

    return Fetched(fetched.ref, locked, fetched.flake)

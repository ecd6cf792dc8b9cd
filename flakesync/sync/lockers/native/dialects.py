"""The dialects of Nix, and what a lock shows of the one that it is written in."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from flakesync.errors import FlakeRefError
from flakesync.nix.lock.file import LockFile
from flakesync.nix.lock.node import LockNode
from flakesync.nix.reference.flakeref import Attr, FlakeRef
from flakesync.sync.lockers.native.values import Dialect, SpellingError
from flakesync.terms import InputPath, show_path

# For 2.8 and 2.9; for 2.10 to 2.19; for Lix, which has branched off 2.18; for 2.20 to 2.30.0; for all since. CI
# compares the first, the fourth and the last with a real Nix on random workspaces (tests/fidelity); of the others no
# program was at hand, only the locks that they have written.
NIX_2_8 = Dialect(
    "nix-2.8", overrides_refetch=True, overrides_keep_original=True, keeps_nested=True, old_addresses=True
)
NIX_2_18 = Dialect(
    "nix-2.18",
    overrides_refetch=True,
    overrides_keep_original=True,
    files_keep_original=True,
    keeps_nested=True,
    old_addresses=True,
)
LIX = Dialect(
    "lix",
    overrides_refetch=True,
    overrides_keep_original=True,
    files_keep_original=True,
    keeps_nested=True,
    deep_overrides=True,
    old_addresses=True,
)
NIX_2_26 = Dialect(
    "nix-2.26", exact_originals=True, keeps_nested=True, follows_once=True, self_attrs=True, relative_inputs=True
)
NIX_2_34 = Dialect("nix-2.34", deep_overrides=True, follows_once=True, self_attrs=True, relative_inputs=True)

# Newest first: where all write the same, the first is the one whose lock is taken.
ALL = (NIX_2_34, NIX_2_26, LIX, NIX_2_18, NIX_2_8)
DIALECTS: Mapping[str, tuple[Dialect, ...]] = {
    "nix-2.8": (NIX_2_8,),
    "nix-2.10+": (NIX_2_18,),
    "lix": (LIX,),
    "nix-2.26+": (NIX_2_34, NIX_2_26),
}

_EVERY = frozenset(ALL)
_NIX_2_26_ON = frozenset({NIX_2_34, NIX_2_26})
_NIX_2_10_ON = _NIX_2_26_ON | {LIX, NIX_2_18}


def shown_dialects(lock: LockFile) -> Sequence[Dialect]:
    """Return the dialects that a lock may be written in, the newest first: all that nothing speaks against.

    How overridden inputs are noted speaks for and against them too, but only with the flake.nix (`Computation`).
    """
    top = {target for _, target in lock.root_inputs() if not isinstance(target, tuple)}
    readable = _writers(lock.nodes.values(), _who_reads)
    own = _writers((node for label, node in lock.nodes.items() if label in top), _who_writes)
    all_nodes = _writers(lock.nodes.values(), _who_writes)
    # What lies deeper may have been written by others, and copied from the lock of the input above it.
    for found in (readable & own & all_nodes, readable & own):
        if found:
            return [dialect for dialect in ALL if dialect in found]
    return [dialect for dialect in ALL if dialect in readable]


def _writers(nodes: Iterable[LockNode], of: Callable[[LockNode], frozenset[Dialect]]) -> frozenset[Dialect]:
    found = _EVERY
    for node in nodes:
        if node.locked is not None and node.original is not None:
            own = of(node)
            # Nearly every node speaks against none, and to cut sets down to each other hashes each dialect.
            found = found if own is _EVERY else found & own
    return found


def _who_reads(node: LockNode) -> frozenset[Dialect]:
    """Return the dialects whose Nix takes a lock with this node."""
    locked: Mapping[str, Attr] = node.locked or {}
    # Without a hash, a path is "mutable" to earlier ones; an attribute that they do not know is an error.
    if node.parent is not None or "lfs" in locked:
        return _NIX_2_26_ON
    if "dirtyRev" in locked or (locked.get("type") == "tarball" and "lastModified" in locked):
        return _NIX_2_10_ON
    return _EVERY


def _who_writes(node: LockNode) -> frozenset[Dialect]:
    """Return the dialects whose Nix writes such a node."""
    locked: Mapping[str, Attr] = node.locked or {}
    original: Mapping[str, Attr] = node.original or {}
    found = _EVERY
    if not {"exportIgnore", "allRefs"}.isdisjoint(locked):
        found &= _NIX_2_26_ON
    # Up to 2.8 a branch that nobody has named is noted without `refs/heads/`.
    if str(locked.get("ref", "")).startswith("refs/heads/") and not str(original.get("ref", "")).startswith("refs/"):
        found &= _NIX_2_10_ON
    # Before 2.24.15 `?dir=` stays in the address too.
    if "dir" in original and "dir=" in str(original.get("url")):
        found -= _NIX_2_26_ON
    return found


def written_reference(
    ref: FlakeRef, old: Mapping[str, Attr] | None, dialect: Dialect, path: InputPath
) -> Mapping[str, Attr]:
    """Return a reference that not every Nix writes as it is, as `original` of an input.

    old: as the lock has it so far.

    Raises:
        SpellingError: it is not known.
    """
    if not dialect.old_addresses:
        return ref.to_attrs()
    # They write some URLs as they were typed, which attributes do not tell; what the lock has they have written.
    try:
        if old is not None and FlakeRef.from_attrs(old) == ref:
            return old
    except FlakeRefError:
        pass
    raise SpellingError(f"how {dialect.name} writes the reference {ref} of input {show_path(path)}")

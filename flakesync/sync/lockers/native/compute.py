"""The lock that Nix would write, in all dialects of Nix that a flake may be locked with."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from flakesync.nix.expression.inputs import InputSpec
from flakesync.nix.lock import graph as lockgraph
from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.sync.lockers.native.algorithm import VERSION, Computation
from flakesync.sync.lockers.native.frames import Moves
from flakesync.sync.lockers.native.values import (
    Dialect,
    DisagreementError,
    Fetcher,
    Flake,
    NotNativeError,
    SpellingError,
)
from flakesync.terms import InputPath

_NO_LOCK = LockFile(VERSION, lockgraph.ROOT, {lockgraph.ROOT: LockNode()}, {}, False, {})


def compute(
    old: LockFile,
    flake: Flake,
    moves: Moves,
    fetcher: Fetcher,
    dialects: Sequence[Dialect],
    stale: Collection[InputPath] = (),
) -> LockFile:
    """Return the lock that Nix writes when it moves exactly `moves`; `old` itself if that changes nothing.

    old: the flake's lock. dialects: those that the lock may be written in. It is in none where it disagrees with
    flake.nix; what the others write has to agree. stale: inputs on which it may disagree: they are locked anew.

    Raises:
        NotNativeError: flake.nix and flake.lock disagree, a source is out of reach, the dialects differ, or Nix itself
            would refuse.
    """

    def make(dialect: Dialect) -> Computation:
        computation = Computation(old, moves, fetcher, dialect)
        computation.stale = stale
        return computation

    written = _with_nodes_of(old, _agreed(make, flake, dialects))
    return written if _differ(old, written) else old


def first_lock(inputs: Mapping[str, InputSpec], fetcher: Fetcher, dialects: Sequence[Dialect]) -> LockFile:
    """Return the lock that Nix writes for a flake without one: every input is locked to what it leads to now.

    Raises:
        NotNativeError: as `compute`.
    """
    return _agreed(
        lambda dialect: Computation(_NO_LOCK, {}, fetcher, dialect, fresh=True),
        Flake(inputs, None),
        dialects,
    )


def _agreed(make: "Callable[[Dialect], Computation]", flake: Flake, dialects: Sequence[Dialect]) -> LockFile:
    """Return what all dialects write that the lock may be in."""
    # Nobody has said with which Nix a repo is locked, and where all of them write the same it need not be known. The
    # fidelity tests compare each dialect with a real Nix, byte for byte.
    written: tuple[LockFile, Dialect] | None = None
    disagreement: DisagreementError | None = None
    for dialect in dialects:
        computation = make(dialect)
        try:
            lock = computation.run(flake)
        except DisagreementError as error:
            # That a reference is not known says more than that a lock is not in a dialect, which it need not be in.
            if disagreement is None or (
                isinstance(error, SpellingError) and not isinstance(disagreement, SpellingError)
            ):
                disagreement = error
            continue
        if written is None:
            written = (lock, dialect)
        elif lock.nodes != written[0].nodes:
            names = f"{written[1].name} and {dialect.name}"
            raise NotNativeError(f"{names} write different locks here: {computation.differs}")
        # Nothing was decided by the dialect, so the others need not be tried: the usual lock is computed once.
        if not computation.differs:
            break
    if written is None:
        raise disagreement or NotNativeError("there is no dialect to write in")
    return written[0]


def _with_nodes_of(old: LockFile, new: LockFile) -> LockFile:
    """Return a lock with the old one's own nodes wherever both have the same one under a label.

    What is known of a node is kept with it, and nodes that are one object need not be compared.
    """
    nodes = {label: known if (known := old.nodes.get(label)) == node else node for label, node in new.nodes.items()}
    return replace(new, nodes=nodes)


def _differ(old: LockFile, new: LockFile) -> bool:
    # A source that the old lock has nowhere tells it without another naming of the old lock's nodes.
    for label, node in new.nodes.items():
        if node is not old.nodes.get(label) and all(node.locked != each.locked for each in old.nodes.values()):
            return True
    # Nix, too, leaves a file alone that only it would have named or sorted otherwise (versions 5 and 6, say); but not
    # one in which inputs share a node.
    return not old.is_tree or (new.nodes != old.nodes and new.nodes != old.renamed().nodes)

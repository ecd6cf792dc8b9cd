"""Whether the follows of a new lock lead somewhere, as Nix finds out before it writes one."""

from flakesync.nix.lock import graph as lockgraph
from flakesync.nix.lock.file import LockFile
from flakesync.nix.lock.follows import goes_through, goes_twice
from flakesync.sync.lockers.native.values import NotNativeError
from flakesync.terms import show_path


def check_follows(lock: LockFile, *, once: bool) -> None:
    """Refuse follows that lead nowhere, as `LockFile::check` does.

    once: as Nix from 2.19 on, refuse also the way to an input that goes through the same follows twice; it takes that
    for a cycle (`doFind` in `src/libflake/lockfile.cc`). Without, as Nix up to 2.18, refuse a way that goes through any
    follows: it looks for the path among those of the nodes alone (`getAllInputs`).
    """
    for label, node in lock.nodes.items():
        for name, target in node.inputs.items():
            if not isinstance(target, tuple):
                continue
            try:
                if lock.resolve(target) is None:
                    raise NotNativeError(f"input {name} of {label} follows {show_path(target)}, which does not exist")
            except lockgraph.FollowsCycleError:
                raise NotNativeError(f"the follows of input {name} of {label} leads back to itself") from None
            if not once and goes_through(lock, target):
                raise NotNativeError(
                    f"Nix up to 2.18 does not find {show_path(target)}, which input {name} of {label} follows"
                )
            # No circle, yet Nix keeps what it has visited for one whole way, also of a follows that it is done with.
            if once and goes_twice(lock, target):
                raise NotNativeError(f"Nix takes the follows of input {name} of {label} for a cycle")

"""Whether the follows of a new lock lead somewhere, as Nix finds out before it writes one."""

from flakesync.nix.lock import graph as lockgraph
from flakesync.nix.lock.file import LockFile
from flakesync.sync.lockers.native.values import NotNativeError
from flakesync.terms import InputPath, show_path


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
            if not once and _goes_through(lock, target):
                raise NotNativeError(
                    f"Nix up to 2.18 does not find {show_path(target)}, which input {name} of {label} follows"
                )
            # No circle, yet Nix keeps what it has visited for one whole way, also of a follows that it is done with.
            if once and _goes_twice(lock, target):
                raise NotNativeError(f"Nix takes the follows of input {name} of {label} for a cycle")


def _goes_through(lock: LockFile, path: InputPath) -> bool:
    """Tell whether the way to an input that exists leads through a follows; its last step may be one."""
    node = lock.nodes[lock.root]
    for name in path[:-1]:
        target = node.inputs[name]
        if isinstance(target, tuple):
            return True
        node = lock.nodes[target]
    return False


def _goes_twice(lock: LockFile, path: InputPath) -> bool:
    """Tell whether the way to an input that exists leads through the same follows more than once."""
    # `doFind` notes the path that it starts from first, so a follows of that very path is the second time.
    seen = {path}
    node = lock.nodes[lock.root]
    names = list(reversed(path))
    while names:
        target = node.inputs[names.pop()]
        if isinstance(target, tuple):
            if target in seen:
                return True
            seen.add(target)
            # A follows starts at the root again; what is left of the way comes after it.
            node = lock.nodes[lock.root]
            names += reversed(target)
        else:
            node = lock.nodes[target]
    return False

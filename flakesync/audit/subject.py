"""The locked nodes of a lock, each once: what a lock holds twice by way of follows is one node and one finding."""

from collections.abc import Iterable, Iterator

import msgspec

from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.terms import FlakeDir, InputPath, NodeLabel, RepoName


class Subject(msgspec.Struct, frozen=True):
    """A node of a lock. path: the shortest input path to it without a follows; of several the first in byte order.

    own: whether the input is the repo's own, of the root or of a folder (`path:./sub`).
    """

    repo: RepoName
    flake: FlakeDir
    path: InputPath
    label: NodeLabel
    node: LockNode
    own: bool


def subjects(repo: RepoName, flake: FlakeDir, lock: LockFile) -> Iterator[Subject]:
    """Yield the nodes of a lock that inputs lead to, without the root, nearest first."""
    seen = {lock.root}
    queue: list[tuple[InputPath, NodeLabel, bool]] = [((), lock.root, True)]
    for above, at, inside in queue:  # grows while it is gone through: breadth first, so the first path is the shortest
        inputs = lock.nodes[at].inputs
        for name in sorted(inputs):
            label = inputs[name]
            if isinstance(label, tuple) or label in seen:
                continue
            seen.add(label)
            node = lock.nodes[label]
            path = (*above, name)
            queue.append((path, label, inside and node.is_folder))
            yield Subject(repo, flake, path, label, node, inside)


def count_sources(nodes: Iterable[Subject]) -> int:
    """Return how many different sources and commits some nodes are locked to."""
    origins = (each.node.origin for each in nodes)
    return len({(each.found, each.rev or each.locked.get("narHash")) for each in origins if each.locked})

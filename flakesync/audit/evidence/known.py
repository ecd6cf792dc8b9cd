"""The nodes of locks with all that is known of them: what flakes among them override is known once those were read."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from flakesync.audit.evidence.inputs import find_inputs, overrides_in
from flakesync.audit.evidence.model import Evidence, commit_key
from flakesync.audit.subject import Subject, all_subjects
from flakesync.nix.reference.identity import Identity
from flakesync.workspace.snapshot import RepoState

if TYPE_CHECKING:
    from flakesync.audit.evidence.inputs import Inputs

Groups = Sequence[Sequence[RepoState]]
Nodes = Sequence[Sequence[Subject]]


def find_known(
    groups: Groups,
    clones: Mapping[Identity, Path],
    gather: Callable[[Sequence[Subject]], Evidence] | None,
    fetched: Path | None,
) -> tuple[Nodes, Evidence]:
    """Return the nodes of the locks of each group of repos, and what is known of them.

    clones: repositories that are here. gather: asks servers; None: none is asked. fetched: the cache that it has
    fetched the files of all commits to; None: it has fetched none.
    """
    nodes, inputs = _overridden(groups, [all_subjects(states) for states in groups], clones, None)
    evidence = gather(_all(nodes)) if gather is not None else Evidence()
    if gather is not None and fetched is not None:
        before = nodes
        nodes, inputs = _overridden(groups, before, clones, fetched)
        # Of these a branch was asked that nobody has named.
        renewed = [
            new
            for old, new in zip(_all(before), _all(nodes), strict=True)
            if new.node.origin.original != old.node.origin.original
        ]
        if renewed:
            evidence = _joined(evidence, gather(renewed), _all(nodes))
    return nodes, msgspec.structs.replace(evidence, inputs=inputs)


def _overridden(
    groups: Groups, nodes: Nodes, clones: Mapping[Identity, Path], fetched: Path | None
) -> "tuple[Nodes, Inputs]":
    """Return the nodes as the flakes among them override them, and what those say of their inputs."""
    inputs = find_inputs((each.node for each in _all(nodes)), clones, fetched)
    below = overrides_in(inputs)
    return [all_subjects(states, below) for states in groups] if below is not None else nodes, inputs


def _all(nodes: Iterable[Sequence[Subject]]) -> list[Subject]:
    return [each for group in nodes for each in group]


def _joined(evidence: Evidence, more: Evidence, nodes: Sequence[Subject]) -> Evidence:
    """Return both, of contents what these nodes are locked to: they are counted."""
    locked = {commit_key(each.node) for each in nodes}
    contents = {**more.contents, **evidence.contents}
    return Evidence(
        histories={**more.histories, **evidence.histories},
        contents={key: what for key, what in contents.items() if key in locked},
        signatures={**more.signatures, **evidence.signatures},
        repositories={**more.repositories, **evidence.repositories},
    )

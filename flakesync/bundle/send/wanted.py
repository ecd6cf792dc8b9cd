"""What the locks of the chosen repos need: each source once, however many locks name it and in whatever way."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from flakesync.documents.airgap.bundled import UnbundledSource
from flakesync.documents.airgap.manifest import SourceUse
from flakesync.errors import FlakeRefError
from flakesync.nix.lock.node import LockNode
from flakesync.nix.reference.flakeref import Attr, FlakeRef
from flakesync.nix.store.narhash import sha256_of, sri
from flakesync.secrets import hide_secrets
from flakesync.terms import FlakeDir, InputPath, RepoName, Rev
from flakesync.workspace.snapshot import FlakeState, RepoAtCommit

Attrs = Mapping[str, Attr]

_NOTED = frozenset({"narHash", "lastModified", "revCount", "lastModifiedDate", "treeHash", "dirtyRev", "dirtyShortRev"})
"""What a lock notes of a source; none of it says where it is."""


class Head(NamedTuple):
    """A branch of a repo that is sent, and its flakes as they are there."""

    state: RepoAtCommit
    branch: str
    tip: Rev
    flakes: tuple[FlakeState, ...]


@dataclass(slots=True)
class WantedSource:
    """A source that locks need. nar_hash: SRI. places: each different way in which a lock names it, with a head."""

    nar_hash: str
    uses: list[SourceUse] = field(default_factory=list)
    places: dict[str, tuple[Attrs, Head]] = field(default_factory=dict)

    @property
    def inputs(self) -> list[str]:
        """The inputs that are locked to it, `repo:flake#a/b`, each once."""
        return sorted({shown_input(use.repo, use.flake, use.input) for use in self.uses})


def wanted_sources(heads: Iterable[Head]) -> tuple[list[WantedSource], list[UnbundledSource]]:
    """Return the sources of all locked inputs, sorted by narHash, and the inputs that no narHash holds.

    A folder of the flake that takes it (a relative path) is part of its parent and needs none.
    """
    found: dict[str, WantedSource] = {}
    unlocked: dict[str, UnbundledSource] = {}
    for head in heads:
        for flake in head.flakes:
            for path, node in _nodes(flake):
                use = _use(head, flake.dir, path, node)
                digest = sha256_of(str(node.locked.get("narHash", ""))) if node.locked is not None else None
                if digest is None:
                    if not node.is_folder:
                        shown = shown_input(use.repo, use.flake, use.input)
                        unlocked[shown] = _unlocked(shown, node)
                    continue
                source = found.setdefault(sri(digest), WantedSource(sri(digest)))
                source.uses.append(use)
                assert node.locked is not None
                source.places.setdefault(_key(node, head), (node.locked, head))
    return [found[hash] for hash in sorted(found)], [unlocked[shown] for shown in sorted(unlocked)]


def shown_input(repo: str, flake: str, path: str) -> str:
    """Return how an input is named: `repo#a/b`, or `repo:folder#a/b`."""
    return f"{repo}#{path}" if flake == "." else f"{repo}:{flake}#{path}"


def shown_reference(attrs: Attrs) -> str:
    """Return the flake reference of a lock node, without logins and tokens."""
    try:
        return hide_secrets(FlakeRef.from_attrs(source_attrs(attrs)).to_url())
    except FlakeRefError:
        return f"a source of type {hide_secrets(str(attrs.get('type')))}"


def source_attrs(attrs: Attrs) -> dict[str, Attr]:
    """Return the attributes of a lock node that say where the source is."""
    return {key: value for key, value in attrs.items() if key not in _NOTED}


def _nodes(flake: FlakeState) -> Iterable[tuple[InputPath, LockNode]]:
    """Give the locked nodes of a flake, each once, by the first path that leads to it."""
    if flake.lock is None:
        return
    seen = {flake.lock.root}
    for path, label in flake.lock.walk():
        if label not in seen:
            seen.add(label)
            yield path, flake.lock.nodes[label]


def _use(head: Head, flake: FlakeDir, path: InputPath, node: LockNode) -> SourceUse:
    ref = shown_reference(node.locked or {})
    return SourceUse(repo=head.state.name, branch=head.branch, flake=flake, input="/".join(path), ref=ref)


def _key(node: LockNode, head: Head) -> str:
    """Return what nodes have in common that name the same place; a relative path is one within its repo."""
    attrs = sorted((key, str(value)) for key, value in source_attrs(node.locked or {}).items() if key != "dir")
    return repr((attrs, (head.state.name, head.tip) if node.is_folder else None))


def _unlocked(shown: str, node: LockNode) -> UnbundledSource:
    noted = "" if node.locked is None else str(node.locked.get("narHash", ""))
    what = f"its narHash {noted[:80]} is no SHA-256" if noted else "its lock has no narHash"
    return UnbundledSource(
        nar_hash=None,
        inputs=[shown],
        code="unlocked",
        message=f"{shown}: {what}, so that nothing can be proven to be its source",
        hint="lock it with `nix flake update`, or `flakesync sync`",
    )


def repo_names(heads: Iterable[Head]) -> list[RepoName]:
    """Return the repos of some heads, sorted, each once."""
    return sorted({head.state.name for head in heads})

"""Every locked copy of a source in a workspace: which repo has it, where in its lock, at which ref and commit."""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet

import msgspec

from flakesync.documents.inputs import CopyDocument, InputsDocument, SourceDocument
from flakesync.errors import FlakesyncError
from flakesync.nix.lock.file import LockFile
from flakesync.nix.reference.flakeref import FlakeRef, Identity
from flakesync.survey.pins import last_modified, pin_source
from flakesync.terms import FlakeDir, InputPath, NodeLabel, RepoName, Rev, show_path
from flakesync.workspace.inputs import own_input
from flakesync.workspace.manifest import Workspace
from flakesync.workspace.snapshot import FlakeState, RepoState, UnreadableRepo
from flakesync.workspace.values import did_you_mean

States = Mapping[RepoName, RepoState]
"""The repos of a workspace as they were read."""


class LockedCopy(msgspec.Struct, frozen=True):
    """One node of one lock, at any depth, that is a copy of a source.

    source: the repository; None for what has no place of its own (a path, say), which is in no answer. ref: what the
    input tracks; None: the default branch. input: the path without a follows that leads to it. rev: None where the lock
    names no commit. last_modified: seconds since the epoch. followed_by: the other input paths of this lock that end at
    this node, in byte order.
    """

    source: Identity
    ref: str | None
    repo: RepoName
    flake: FlakeDir
    input: InputPath
    rev: Rev | None
    last_modified: int | None
    followed_by: tuple[InputPath, ...] = ()


def find_copies(
    states: States, selected: AbstractSet[RepoName], wanted: AbstractSet[Identity] | None = None
) -> list[LockedCopy]:
    """Return the copies of the wanted sources (None: of all) in the locks of the selected repos.

    By source, then by repo, flake and input path.
    """
    found = [
        copy
        for state in states.values()
        if state.name in selected
        for flake in state.flakes
        for copy in _copies_in(state.name, flake, wanted)
    ]
    return sorted(found, key=lambda copy: (copy.source, copy.repo, copy.flake, copy.input))


def _copies_in(repo: RepoName, flake: FlakeState, wanted: AbstractSet[Identity] | None) -> Iterator[LockedCopy]:
    lock = flake.lock
    if lock is None:
        return
    ends = _paths_by_end(lock)
    for path, label in lock.walk():
        node = lock.nodes[label]
        if node.locked is None or node.is_folder:
            continue
        item = own_input(path, node)
        identity = item.source[0] if item.source is not None else item.found
        if identity is not None and (wanted is None or identity in wanted):
            ref = item.source[1] if item.source is not None else None
            date = last_modified(item.locked)
            followers = tuple(sorted(ends.get(label, ())))
            yield LockedCopy(identity, ref, repo, flake.dir, path, item.rev, date, followers)


def _paths_by_end(lock: LockFile) -> Mapping[NodeLabel, list[InputPath]]:
    """Return the input paths that are a follows, by the node that they lead to; those of the root itself too."""
    ends: dict[NodeLabel, list[InputPath]] = {}
    for path, label in [((), lock.root), *lock.walk()]:
        for name, target in lock.nodes[label].inputs.items():
            if isinstance(target, tuple) and (end := lock.resolve(target)) is not None:
                ends.setdefault(end, []).append((*path, name))
    return ends


def find_sources(workspace: Workspace, states: States, word: str) -> frozenset[Identity]:
    """Return the repositories that a word means: a pin, a repo, a flake reference, a place, or the last part of one.

    A pin and a repo go before a place that only ends in the word, so that `nixpkgs` is the pin where there is one.

    Raises:
        FlakesyncError: `unknown-source`, no lock that was read has anything that is called so.
    """
    for pin in workspace.pins:
        if pin.name == word:
            return frozenset({pin_source(pin)[0]})
    named = {identity for repo in workspace.repos if repo.name == word for identity in repo.identities}
    if named:
        return frozenset(named)
    known = {identity for state in states.values() for flake in state.flakes for identity in flake.copies}
    if ":" in word:
        wanted = FlakeRef.parse(word).identity
        if wanted is not None and wanted in known:
            return frozenset({wanted})
    found = frozenset(identity for identity in known if word.lower() in (_last_part(identity), str(identity).lower()))
    if not found:
        unread = any(isinstance(state, UnreadableRepo) for state in states.values())
        names = (
            {_last_part(identity) for identity in known} | {pin.name for pin in workspace.pins} | set(workspace.names)
        )
        raise FlakesyncError(
            "unknown-source",
            f"no lock {'that could be read' if unread else 'of the workspace'} has a source called `{word}`",
            hint=did_you_mean(word, names) or "without a name, `flakesync inputs` lists all sources",
        )
    return found


def _last_part(identity: Identity) -> str:
    return identity.path.rstrip("/").rpartition("/")[2].lower()


def inputs_document(copies: Iterable[LockedCopy]) -> InputsDocument:
    """Return the JSON form of copies that are in the order of `find_copies`."""
    sources: dict[Identity, list[CopyDocument]] = {}
    for copy in copies:
        document = CopyDocument(
            repo=copy.repo,
            flake=copy.flake,
            input=show_path(copy.input),
            ref=copy.ref,
            rev=copy.rev,
            last_modified=copy.last_modified,
            followed_by=[show_path(path) for path in copy.followed_by],
        )
        sources.setdefault(copy.source, []).append(document)
    return InputsDocument(sources=[SourceDocument(source=str(each), copies=found) for each, found in sources.items()])

"""In which line of its flake.lock a finding is."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from flakesync.audit.subject import subjects
from flakesync.documents.audit import AuditFinding
from flakesync.errors import FlakesyncError
from flakesync.git.store.objects import ObjectReader
from flakesync.nix.lock.file import LockFile
from flakesync.nix.lock.lines import node_lines
from flakesync.terms import FlakeDir, NodeLabel, RepoName, flake_file, show_path
from flakesync.workspace.snapshot import PlainFolder, RepoAtCommit, RepoState


def with_lines(findings: Iterable[AuditFinding], states: Iterable[RepoState]) -> Sequence[AuditFinding]:
    """Return the findings with their lines, where those can be found. states: of the repos that the findings are of.

    Only the locks of these inputs are read again, and each once: locks are not kept as they were read.
    """
    by_name = {state.name: state for state in states}
    known: dict[tuple[str, str], _Flake | None] = {}
    found: list[AuditFinding] = []
    for each in findings:
        state = by_name.get(RepoName(each.repo))
        if each.flake is None or each.input is None or state is None:
            found.append(each)
            continue
        key = (each.repo, each.flake)
        if key not in known:
            known[key] = _read_flake(state, FlakeDir(each.flake))
        flake = known[key]
        line = flake.line(each.input) if flake is not None else None
        found.append(msgspec.structs.replace(each, line=line))
    return found


class _Flake(NamedTuple):
    """A lock, and the lines of its nodes. labels: by input paths as they are shown, where these say less than paths."""

    lock: LockFile
    labels: Mapping[str, NodeLabel]
    lines: Mapping[NodeLabel, int]

    def line(self, shown: str) -> int | None:
        """Return the line of an input; None: the lock has no such input, as where flake.nix alone has it."""
        # Where names have slashes in them, only what no path of its own leads to is looked up part by part.
        label = self.labels.get(shown) or self.lock.resolve(tuple(shown.split("/")))
        return self.lines.get(label) if label is not None else None


def _read_flake(state: RepoState, dir: FlakeDir) -> _Flake | None:
    lock = next((each.lock for each in state.flakes if each.dir == dir), None)
    data = _read(state, dir) if lock is not None else None
    if lock is None or data is None:
        return None
    labels: dict[str, NodeLabel] = {}
    if any("/" in name for node in lock.nodes.values() for name in node.inputs):
        for each in subjects(state.name, dir, lock):
            labels.setdefault(show_path(each.path), each.label)
    return _Flake(lock, labels, node_lines(data))


def _read(state: RepoState, dir: FlakeDir) -> bytes | None:
    """Return a lock; None: it is not there (any more), or cannot be read, which is no reason to lose its findings."""
    file = flake_file(dir)
    try:
        match state:
            case RepoAtCommit():
                return ObjectReader.open(state.clone).read(state.rev, file)
            case PlainFolder(repo=repo) if repo.path is not None:
                return (repo.path / file).read_bytes()
            case _:
                return None
    except (FlakesyncError, OSError):
        return None

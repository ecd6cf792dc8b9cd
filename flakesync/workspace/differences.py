"""What two commits of one repo differ in, as far as it decides whether those that take it move: locks, or more.

Asked beside `workspace.history`, and kept by the ids of the commits, which name their trees for ever.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import msgspec

from flakesync.cache.keep import keep
from flakesync.errors import GitError, LockError, within
from flakesync.git.store.objects import GITLINK, SYMLINK, TREE, ObjectReader
from flakesync.git.store.trees import changed_paths, only_files_called, show_path, walk
from flakesync.nix.lock.file import LockFile
from flakesync.nix.lock.moved import MovedInputs, moved_inputs
from flakesync.terms import FlakeDir, RepoName, Rev, flake_file, is_lock_file
from flakesync.workspace.settings.after import may_write
from flakesync.workspace.snapshot import RepoAtCommit, Snapshot

_FORMAT = "flakesync/differences/1"
_MOST_BYTES = 64 << 20
_UNUSED_SHARE = 2
"""How many times as much as a run has used is kept beside it: each run reads it all, and it must not grow for years."""
_LEFT_OUT = frozenset({"test", "tests", "template", "templates", "example", "examples"})
"""Folders whose files are not what a dependent evaluates."""
_OLD_ENTRANCES = frozenset({"default.nix", "shell.nix"})
"""Files at the top that are for those who do not use flakes: they read the lock to do what Nix does."""

_FEW = 1000
"""A run that has used fewer keeps as much beside them as one that has used so many."""

Key = TypeVar("Key")
Pair = tuple[Rev, Rev]
"""Two commits of one repo, the older one first."""


class LockDifference(msgspec.Struct, frozen=True, dict=True):
    """One lock at two commits. None: there is no such file."""

    before: LockFile | None
    after: LockFile | None

    @cached_property
    def moved(self) -> MovedInputs:
        """The inputs that differ."""
        return moved_inputs(self.before, self.after)


class LockOnly(msgspec.Struct, frozen=True, dict=True):
    """Two commits that differ in flake.lock files alone. files: each of these, before and after; None: not there."""

    files: Mapping[str, tuple[bytes | None, bytes | None]]

    @cached_property
    def _locks(self) -> dict[str, LockDifference | None]:
        return {}

    def locks(self, dir: FlakeDir) -> LockDifference | None:
        """Return the two locks of a flake whose lock differs; None: one of them cannot be read."""
        file = flake_file(dir)
        if file not in self._locks:
            try:
                before, after = (LockFile.parse(data) if data is not None else None for data in self.files[file])
                self._locks[file] = LockDifference(before, after)
            except LockError:
                self._locks[file] = None
        return self._locks[file]


class Differences(msgspec.Struct, frozen=True):
    """What is known of commits.

    lock_only: pairs that differ in locks alone; of a pair that is not there, it is not known, or the files differ.
    readers: the place (`nix/pins.nix:4`) where a commit's own files read its flake.lock; of a commit that is not there,
    none does, or it was not asked.
    written: pairs that differ in locks and in what the repo's commands of `after` write, as far as it was asked.
    """

    lock_only: Mapping[Pair, LockOnly] = {}
    readers: Mapping[Rev, str] = {}
    written: frozenset[Pair] = frozenset()


_Files = dict[str, tuple[memoryview | None, memoryview | None]]
_decoder = msgspec.msgpack.Decoder(tuple[str, list[tuple[Rev, Rev, _Files | None]], dict[Rev, str]])


class KeptDifferences:
    """What earlier runs have found. Where the cache cannot be read or written, or holds anything else, nothing is."""

    def __init__(self, place: Path | None) -> None:
        """place: the file it is kept in; it need not exist. None: nothing is kept."""
        self._place = place
        self.pairs: dict[Pair, LockOnly | None] = {}
        self.readers: dict[Rev, str] = {}
        self._used: set[Pair] = set()
        self._used_readers: set[Rev] = set()
        self._grown = False
        if place is None:
            return
        try:
            version, pairs, readers = _decoder.decode(place.read_bytes())
        except (OSError, ValueError):
            return
        if version == _FORMAT:
            self.readers = readers
            self.pairs = {(old, new): _lock_only(files) for old, new, files in pairs}

    def add_pair(self, pair: Pair, found: LockOnly | None) -> None:
        """Note what was found of two commits; None: they differ in more than locks."""
        self._grown = True
        self.pairs[pair] = found

    def add_reader(self, rev: Rev, place: str) -> None:
        """Note where a commit's files read its lock; an empty text: nowhere."""
        self._grown = True
        self.readers[rev] = place

    def use(self, pair: Pair) -> None:
        """Note that this run wanted it: it is the last to be left out when room is short."""
        self._used.add(pair)

    def use_reader(self, rev: Rev) -> None:
        """Note that this run wanted to know where a commit's files read its lock."""
        self._used_readers.add(rev)

    def write(self) -> None:
        """Keep for the next run what this run used, and the latest of the rest, as far as there is room."""
        if self._place is None or not self._grown:
            return
        room = _MOST_BYTES
        pairs = []
        for old, new in _latest(self.pairs, self._used):
            found = self.pairs[old, new]
            files = found.files if found is not None else None
            room -= 100 + sum(len(data) for both in (files or {}).values() for data in both if data is not None)
            if room < 0:
                break
            pairs.append((old, new, files))
        # As they are read again: the latest last.
        pairs.reverse()
        readers = {rev: self.readers[rev] for rev in reversed(_latest(self.readers, self._used_readers))}
        keep(self._place, msgspec.msgpack.encode((_FORMAT, pairs, readers)))


def _latest(known: Mapping[Key, object], used: AbstractSet[Key]) -> list[Key]:
    """Return what is used, and then of the rest, the latest first, so many times as much."""
    rest = [key for key in reversed([*known]) if key not in used]
    return [*(key for key in known if key in used), *rest[: _UNUSED_SHARE * max(len(used), _FEW)]]


def _lock_only(files: _Files | None) -> LockOnly | None:
    if files is None:
        return None
    return LockOnly({name: (_bytes(both[0]), _bytes(both[1])) for name, both in files.items()})


def _bytes(data: memoryview | None) -> bytes | None:
    return bytes(data) if data is not None else None


class DifferenceReader:
    """Finds out what commits of the repos of a snapshot differ in; each repository is opened once."""

    def __init__(self, snapshot: Snapshot, kept: KeptDifferences) -> None:
        """kept: what is known already, and is added to."""
        self._snapshot = snapshot
        self._kept = kept
        self._open: dict[RepoName, ObjectReader] = {}

    def lock_only(self, pairs: Iterable[tuple[RepoName, Rev, Rev]]) -> dict[Pair, LockOnly]:
        """Return the pairs that differ in locks alone; what cannot be compared (objects are missing) is not there."""
        found: dict[Pair, LockOnly] = {}
        for name, old, new in pairs:
            key = old, new
            if key not in self._kept.pairs and (reader := self._reader(name)) is not None:
                try:
                    with within(name):
                        self._kept.add_pair(key, _compare(reader, old, new))
                except GitError:
                    continue
            self._kept.use(key)
            if (known := self._kept.pairs.get(key)) is not None:
                found[key] = known
        return found

    def written(self, pairs: Iterable[tuple[RepoName, Rev, Rev]]) -> frozenset[Pair]:
        """Return the pairs that differ in locks, and in files that the repo's commands of `after` may write.

        What cannot be compared is not there. The manifest decides it, so it is found anew in each run.
        """
        return frozenset((old, new) for name, old, new in pairs if self._is_written(name, old, new))

    def _is_written(self, name: RepoName, old: Rev, new: Rev) -> bool:
        commands, reader = self._snapshot.states[name].repo.after, self._reader(name)
        if reader is None:
            return False
        try:
            changed = changed_paths(reader, old, new)
        except GitError:
            return False
        return all(is_lock_file(path) or may_write(commands, path) for path in changed)

    def readers(self, commits: Iterable[tuple[RepoName, Rev]]) -> dict[Rev, str]:
        """Return the commits whose own files read their flake.lock, and where.

        One that cannot be looked through counts as such, with that as the place.
        """
        found: dict[Rev, str] = {}
        for name, rev in commits:
            if rev not in self._kept.readers and (reader := self._reader(name)) is not None:
                try:
                    with within(name):
                        self._kept.add_reader(rev, _find_reader(reader, rev))
                except GitError:
                    found[rev] = "perhaps: not all of its files are here"
                    continue
            self._kept.use_reader(rev)
            if place := self._kept.readers.get(rev):
                found[rev] = place
        return found

    def _reader(self, name: RepoName) -> ObjectReader | None:
        if name not in self._open:
            state = self._snapshot.states[name]
            if not isinstance(state, RepoAtCommit):
                return None
            with within(name):
                self._open[name] = ObjectReader.open(state.clone)
        return self._open[name]


def _compare(reader: ObjectReader, old: Rev, new: Rev) -> LockOnly | None:
    paths = only_files_called(reader, old, new, name="flake.lock")
    if paths is None:
        return None
    return LockOnly({path: (reader.read(old, path), reader.read(new, path)) for path in paths})


def _find_reader(reader: ObjectReader, rev: Rev) -> str:
    """Return the first place where a file of the commit reads the lock; an empty text: none does."""
    from flakesync.nix.expression.own_lock import line_that_reads_lock  # its patterns take a millisecond

    for raw, mode, oid in walk(reader, reader.tree_of(rev)):
        if not raw.endswith(b".nix") or mode in (TREE, SYMLINK, GITLINK):
            continue
        path = show_path(raw)
        if _is_left_out(path):
            continue
        if not reader.has(oid):  # of a partial clone: it is not fetched for this
            raise GitError("missing-object", f"{reader.path}: {path} is not here")
        data = reader.blob(oid)
        if b"flake.lock" in data and (number := line_that_reads_lock(data.decode("utf-8", "replace"))) is not None:
            return f"{path}:{number}"
    return ""


def _is_left_out(path: str) -> bool:
    parts = path.split("/")
    return path in _OLD_ENTRANCES or "compat" in path or not _LEFT_OUT.isdisjoint(parts[:-1])

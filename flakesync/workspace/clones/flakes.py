"""One flake as it was read: its lock, what it takes, and where its flake.nix and its lock disagree."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Literal

import msgspec

from flakesync.cache.files import KeptFiles
from flakesync.errors import LockError, plain
from flakesync.git.store.links import link_target, read_through
from flakesync.git.store.objects import ObjectReader
from flakesync.nix.expression.nested import Overrides, overrides_of
from flakesync.nix.expression.stale import Disagreement, disagreements
from flakesync.nix.lock.file import LockFile
from flakesync.nix.lock.outline import Outline, Place, decode_outline, encode_outline
from flakesync.nix.reference.flakeref import Identity
from flakesync.terms import FlakeDir, NodeLabel, RepoName, Rev, flake_file
from flakesync.workspace.clones.edits import FlakeEdit, Unedited
from flakesync.workspace.inputs import Following, OwnInput, copies, following_inputs, own_input, own_inputs

ProblemKind = Literal["no-lock", "bad-lock"]

_Compared = tuple[tuple[Disagreement, ...], str | None, Overrides, bool]
"""`stale`, `uncompared`, `overrides` and `is_flake` of a flake."""

# Changes with the rules of `disagreements`: what an older flakesync has kept is then found anew.
_FORMAT = "disagreements/9"
_AGREED = msgspec.msgpack.encode(((), None, {}, True))
_OUTLINE = "outline/2"
_COMPARED = ("stale", "uncompared", "overrides", "is_flake")
_decoder = msgspec.msgpack.Decoder(_Compared)


class Problem(msgspec.Struct, frozen=True):
    """Why a flake has no usable lock."""

    kind: ProblemKind
    detail: str


class FlakeState(msgspec.Struct, frozen=True, dict=True):
    """One flake of a repo: `lock` is None where it has no inputs, or where there is a `problem`.

    stale: where flake.nix and the lock disagree; empty too where that cannot be told. uncompared: why not, as a phrase
    (flake.nix has to be evaluated, or leads nowhere); None where they were compared, or one is not there. overrides:
    inputs of inputs of which flake.nix says where they lead; none where that cannot be told. is_flake: False: there is
    a lock without a flake.nix, which no Nix reads. edits: of flake.nix, that the manifest asks for; with any, `stale`
    and `overrides` are those of the edited file (survey/edits/). unedited: what it asks for beside them. outline: of
    the lock, where an earlier run has found that one says all; None: the lock has to be looked at.
    """

    dir: FlakeDir
    lock: LockFile | None
    problem: Problem | None = None
    stale: tuple[Disagreement, ...] = ()
    uncompared: str | None = None
    overrides: Overrides = {}
    is_flake: bool = True
    edits: tuple[FlakeEdit, ...] = ()
    unedited: tuple[Unedited, ...] = ()
    outline: Outline | None = None

    @cached_property
    def inputs(self) -> tuple[OwnInput, ...]:
        """The flake's own inputs that have nodes of their own, those of the repo's folders that it takes among them."""
        if self.outline is not None and self.lock is not None:
            lock = self.lock
            return tuple([self._own_input(self.outline, lock, number) for number in range(len(self.outline.names))])
        return tuple(own_inputs(self.lock)) if self.lock is not None else ()

    def inputs_of(self, repositories: Collection[Place]) -> Sequence[OwnInput]:
        """Return those of `inputs` whose sources are of these repositories."""
        if not repositories:
            return ()
        if self.outline is not None and self.lock is not None:
            outline, lock = self.outline, self.lock
            return [self._own_input(outline, lock, number) for number in outline.numbers_of(repositories)]
        return [item for item in self.inputs if item.source is not None and item.source[0] in repositories]

    @cached_property
    def _own_inputs(self) -> dict[int, OwnInput]:
        """The inputs that were asked for, by their number in the outline."""
        return {}

    def _own_input(self, outline: Outline, lock: LockFile, number: int) -> OwnInput:
        known = self._own_inputs.get(number)
        if known is None:
            name, node = outline.node(lock, number)
            known = self._own_inputs[number] = own_input((name,), node)
        return known

    @property
    def unusual_inputs(self) -> tuple[OwnInput, ...]:
        """All of `inputs`; none where each is known to be a commit of the repository that flake.nix names."""
        if self.outline is not None and not any(len(path) == 1 for path in self.overrides):
            return ()
        return self.inputs

    @property
    def taken(self) -> Iterator[Place]:
        """The repositories that the sources of `inputs` are of, in their order."""
        if self.outline is not None:
            return iter(self.outline.places)
        return (item.source[0] for item in self.inputs if item.source is not None)

    def has_below(self, repositories: Collection[Place]) -> bool:
        """Tell whether a node that is no input of the flake's own may be of one of these repositories."""
        return self.outline is None or not set(self.outline.below).isdisjoint(repositories)

    @cached_property
    def following(self) -> tuple[Following, ...]:
        """The flake's own inputs that follow others."""
        if self.outline is not None:
            return ()
        return tuple(following_inputs(self.lock)) if self.lock is not None else ()

    @cached_property
    def copies(self) -> Mapping[Identity, Sequence[NodeLabel]]:
        """The nodes of the lock by the repository that they are of, at any depth."""
        return copies(self.lock) if self.lock is not None else {}


def read_flake(
    repo: RepoName, dir: FlakeDir, files: Mapping[str, bytes | memoryview | None], links: Mapping[str, str]
) -> FlakeState:
    """Return the state of a flake, with `stale` if its flake.nix is asked for among the files.

    files: its flake.lock; where there is none, its flake.nix; None: it is not there. links: where those of the files
    lead that are symlinks.
    """
    data, flake_nix = files[flake_file(dir)], files.get(flake_file(dir, "flake.nix"))
    if (link := links.get(flake_file(dir))) is not None:
        what = f"is a symlink to {plain(link)}, which Nix 2.26 and later refuse: put the file itself there"
        return FlakeState(dir, None, Problem("bad-lock", f"{repo}/{flake_file(dir)}: {what}"))
    if data is None:
        file = flake_file(dir, "flake.nix")
        if flake_nix is None:
            return FlakeState(dir, None, Problem("no-lock", f"there is no {file}"))
        from flakesync.nix.expression.need_of_lock import may_have_inputs

        needed = may_have_inputs(bytes(flake_nix))
        return FlakeState(dir, None, Problem("no-lock", f"{file} has inputs but no flake.lock") if needed else None)
    try:
        lock = LockFile.parse(bytes(data), file=f"{repo}/{flake_file(dir)}")
    except LockError as error:
        return FlakeState(dir, None, Problem("bad-lock", error.message))
    if flake_file(dir, "flake.nix") not in files:
        return FlakeState(dir, lock)
    is_link = flake_file(dir, "flake.nix") in links
    nix = bytes(flake_nix) if flake_nix is not None else None
    return FlakeState(dir, lock, None, *_compare(dir, nix, lock, is_link=is_link))


def read_flakes(
    repo: RepoName,
    dirs: Sequence[FlakeDir],
    reader: ObjectReader,
    rev: Rev,
    locks: Mapping[str, bytes | memoryview | None],
    kept: KeptFiles | None,
    *,
    compared: bool = True,
) -> tuple[FlakeState, ...]:
    """Return the flakes of a commit. locks: its flake.lock files. kept: see `_with_stale`.

    compared: whether each flake.nix is compared with its lock, so that `stale` says where they disagree.

    Raises:
        GitError: the commit cannot be read.
    """
    known = _read_known(repo, dirs, rev, locks, kept, compared=compared) if kept is not None else None
    if known is not None:
        return known
    flakes = _read_locks(repo, dirs, reader, rev, locks, kept)
    return _with_stale(flakes, reader, rev, kept) if compared else tuple(flakes)


def _read_locks(
    repo: RepoName,
    dirs: Sequence[FlakeDir],
    reader: ObjectReader,
    rev: Rev,
    locks: Mapping[str, bytes | memoryview | None],
    kept: KeptFiles | None,
) -> list[FlakeState]:
    """Read the locks of a commit, and keep their outlines. Raises GitError."""
    without = [flake_file(dir, "flake.nix") for dir in dirs if locks[flake_file(dir)] is None]
    files, links = locks, {}
    if without:  # flake.nix only tells whether a lock is missing
        files = {**locks, **{file: read_through(reader, rev, file) for file in without}}
        links = {file: link for file in locks if (link := link_target(reader, rev, file)) is not None}
    flakes = [read_flake(repo, dir, files, links) for dir in dirs]
    if kept is not None:
        for each in flakes:
            if each.lock is not None and (data := locks[flake_file(each.dir)]) is not None:
                kept.add(rev, outline_of(each.dir, each.lock, bytes(data)))
    return flakes


def _read_known(
    repo: RepoName,
    dirs: Sequence[FlakeDir],
    rev: Rev,
    locks: Mapping[str, bytes | memoryview | None],
    kept: KeptFiles,
    *,
    compared: bool,
) -> tuple[FlakeState, ...] | None:
    """Return the flakes of a commit of which an earlier run has kept all; None: there is more to be read.

    compared: how flake.nix and lock compare is of it. A lock with an outline is not decoded before its nodes are asked
    for.
    """
    kinds = (_outline_name, _stale_name) if compared else (_outline_name,)
    names = [name(dir) for dir in dirs for name in kinds]
    found = kept.views(rev, names)
    if found is None:
        return None
    flakes: list[FlakeState] = []
    for dir in dirs:
        file, outline = flake_file(dir), found[_outline_name(dir)]
        differs = found[_stale_name(dir)] if compared else _AGREED
        data = locks[file]
        if data is None or outline is None or differs is None:
            return None
        read = decode_outline(outline)
        # A copy: what is kept of all repos is then freed as a whole, and of a lock that is read its file too.
        whole, place = bytes(data), f"{repo}/{file}"
        try:
            lock = LockFile.parse_later(whole, file=place) if read is not None else LockFile.parse(whole, file=place)
        except LockError:
            return None
        flake = FlakeState(dir, lock, outline=read)
        flakes.append(flake if differs == _AGREED else _with_compared(flake, differs))
    return tuple(flakes)


def outline_of(dir: FlakeDir, lock: LockFile, data: bytes) -> dict[str, bytes]:
    """Return the outline of the lock in `data`, by the name that `read_flakes` looks for among what is kept."""
    return {_outline_name(dir): encode_outline(lock, data)}


def _outline_name(dir: FlakeDir) -> str:
    return f"{flake_file(dir)}\0{_OUTLINE}"


def _stale_name(dir: FlakeDir) -> str:
    return f"{flake_file(dir, 'flake.nix')}\0{_FORMAT}"


def _with_stale(
    flakes: Sequence[FlakeState], reader: ObjectReader, rev: Rev, kept: KeptFiles | None
) -> tuple[FlakeState, ...]:
    """Return the flakes of a commit with `stale`.

    reader: of the repository that has the commit. kept: asked before anything is parsed: that takes a millisecond a
    flake.

    Raises:
        GitError: the commit cannot be read.
    """
    locks = {flake.dir: flake.lock for flake in flakes if flake.lock is not None}
    names = {dir: _stale_name(dir) for dir in locks}
    known = kept.files(rev, names.values()) if kept is not None else None
    if known is None:
        known = {names[dir]: msgspec.msgpack.encode(_find(reader, rev, dir, lock)) for dir, lock in locks.items()}
        if kept is not None:
            kept.add(rev, known)
    differ = {dir: data for dir, name in names.items() if (data := known[name]) is not None and data != _AGREED}
    if not differ:
        return tuple(flakes)
    return tuple(_with_compared(flake, differ[flake.dir]) if flake.dir in differ else flake for flake in flakes)


def _with_compared(flake: FlakeState, data: bytes | memoryview) -> FlakeState:
    return msgspec.structs.replace(flake, **dict(zip(_COMPARED, _decoder.decode(data), strict=True)))


def _find(reader: ObjectReader, rev: Rev, dir: FlakeDir, lock: LockFile) -> _Compared:
    file = flake_file(dir, "flake.nix")
    flake_nix = read_through(reader, rev, file)
    is_link = flake_nix is None and link_target(reader, rev, file) is not None
    return _compare(dir, flake_nix, lock, is_link=is_link)


def _compare(dir: FlakeDir, flake_nix: bytes | None, lock: LockFile, *, is_link: bool) -> _Compared:
    """Compare a lock with its flake.nix; None: that cannot be read. is_link: it is there, and a symlink."""
    from flakesync.nix.expression.inputs import NotStatic, read_inputs

    if flake_nix is None and not is_link:
        return (), None, {}, False
    if flake_nix is None:
        return (), f"{flake_file(dir, 'flake.nix')} is a symlink that leads to no file of the repo", {}, True
    read = read_inputs(flake_nix)
    if isinstance(read, NotStatic):
        return (), f"only Nix can tell the inputs: {read.reason}", {}, True
    return disagreements(read.inputs, lock), None, overrides_of(read.inputs), True

"""The commits of a guilty pin or external source, as far as somebody has had them: known tips of its branch, and locks.

Most commits of a large repository were never built by anybody, and are in no binary cache: they are walked only on
demand.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from flakesync.cache.layout import window_folder
from flakesync.cooldown.seen import read_seen, seen_place, source_name
from flakesync.errors import INTERRUPTED, FlakeRefError, FlakesyncError
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.nix.reference.source import resolved, rev_of, source_of
from flakesync.survey.newest import claims_of
from flakesync.survey.survey import Survey
from flakesync.sync.bisect.commits import CommitRow, moves_of
from flakesync.sync.bisect.units import Unit
from flakesync.sync.job import BumpJob, PlannedMove
from flakesync.sync.lockers import FromServer
from flakesync.terms import Rev, iso_day

if TYPE_CHECKING:
    from flakesync.git.remotes.remote import Address
    from flakesync.git.remotes.window.commits import Window
    from flakesync.workspace.hosts import Hosts


class Tips:
    """Finds the rows of pins and external sources.

    hosts: how servers are asked; None: none is. cache: the cache directory. every: whether all commits of the branch
    are in a row, along its first parents, and not only those that are known to have been its tips or that a lock of the
    workspace has.
    """

    def __init__(self, survey: Survey, hosts: "Hosts | None", cache: Path, *, every: bool) -> None:
        self._survey = survey
        self._hosts = hosts
        self._cache = cache
        self._every = every

    def row(self, job: BumpJob, unit: Unit) -> CommitRow | str:
        """Return the commits that a unit moves over, or why there is no such row, as a phrase.

        Inputs that begin at different commits all go through the newest of them.

        Raises: FlakesyncError(`interrupted`).
        """
        from flakesync.git.remotes.remote import parse_remote

        moves = moves_of(job, unit)
        reference = self._reference(moves)
        url = reference.git_url() if reference is not None else None
        if len(moves) < len(unit.moves) or reference is None or url is None:
            return "its inputs are not of one branch of a git repository"
        olds = {rev for each in moves if (rev := rev_of(each.move.locked)) is not None}
        if not olds:
            return "its lock names no commit"
        try:
            address = self._hosts.remote(url) if self._hosts is not None else url
            whole = self._line(address, reference.ref, olds, moves[0].rev)
            if isinstance(whole, str):
                return whole
            oldest, *_ = revs = [*whole]
            line = {rev: whole[rev] for rev in revs[max(map(revs.index, olds)) :]}
            known = [*line] if self._every else self._known(moves, reference, line)
            subjects = _subjects(window_folder(self._cache, parse_remote(address).url), known)
        except FlakesyncError as error:
            if error.code in INTERRUPTED:
                raise
            return error.message
        if len(line) == len(olds) == 1:
            return "it moves to no newer commit"
        if len(known) == 2 < len(line):
            return "none between the two is known to have been a tip (`--all-commits` looks at all)"
        tips = len(known) < len(line)
        place = {rev: number for number, rev in enumerate(line)}
        direct = [place[new] - place[old] == 1 for old, new in pairwise(known)]
        if len(olds) > 1:
            # Inputs at older commits than the newest of them: that one, too, is new to them.
            known, direct, subjects = [oldest, *known], [False, *direct], ("", *subjects)
        days = tuple(iso_day(line[rev]) for rev in known[1:])
        return CommitRow(known[0], tuple(known[1:]), subjects[1:], days, tips, tuple(direct))

    def _reference(self, moves: Sequence[PlannedMove]) -> FlakeRef | None:
        """Return the branch that all these inputs move on, to one commit; None: there is no such one."""
        if any(not isinstance(each.move.source, FromServer) or each.move.source.locked is not None for each in moves):
            return None
        found = {
            source_name(each) + f"#{each.ref}": each for each in map(self._reference_of, moves) if each is not None
        }
        return next(iter(found.values())) if len(found) == 1 and len({each.rev for each in moves}) == 1 else None

    def _reference_of(self, move: PlannedMove) -> FlakeRef | None:
        """Return the branch that an input is on: that of its pin, however its flake.nix spells it."""
        sources = {pin.name: pin.source for pin in self._survey.snapshot.workspace.pins}
        if move.pin is not None:
            return sources.get(move.pin)
        try:
            return FlakeRef.from_attrs(resolved(move.move.original, move.move.locked))
        except FlakeRefError:
            return None

    def _line(self, address: "Address", ref: str | None, olds: Collection[Rev], new: Rev) -> Mapping[Rev, int] | str:
        """Return the commits of a branch from the oldest of `olds` to `new`, oldest first, with their times.

        Or why they are not known, as a phrase. Raises: GitError.
        """
        from flakesync.git.remotes.window.fetch import read_window

        def is_enough(window: "Window") -> bool:
            return all(rev in window.commits for rev in olds)

        window = read_window(address, ref, new, self._cache, is_enough, offline=self._hosts is None)
        if window is None:
            return "the history of its branch is not here (`--offline`)"
        line = window.first_parents
        places = [line.index(rev) for rev in olds if rev in line]
        if new not in line or len(places) < len(olds):
            return "its commits are not all on one line of its branch" if window.note is None else window.note
        return {rev: window.commits[rev].time for rev in reversed(line[line.index(new) : max(places) + 1])}

    def _known(self, moves: Sequence[PlannedMove], reference: FlakeRef, line: Mapping[Rev, int]) -> list[Rev]:
        """Return those of a line that somebody has had, its two ends too."""
        snapshot = self._survey.snapshot
        seen = read_seen(seen_place(snapshot.workspace, self._cache)).first_seen(source_name(reference), reference.ref)
        sources = {source for each in moves if (source := source_of(each.move.original, each.move.locked)) is not None}
        sources |= {source for source in [source_of(reference.to_attrs())] if source is not None}
        locked = {rev for claims in claims_of(snapshot, sources).values() for rev in claims}
        ends = [*line][:1] + [*line][-1:]
        return [rev for rev in line if rev in seen or rev in locked or rev in ends]


def _subjects(path: Path, revs: Sequence[Rev]) -> tuple[str, ...]:
    """Return the first lines of the messages of commits that the repository at `path` has. Raises: GitError."""
    from flakesync.git.store.objects import ObjectReader

    reader = ObjectReader.open(path)
    return tuple(reader.commit(rev).message.partition("\n")[0] for rev in revs)

"""The commits of a guilty unit, from the one that was locked to the one it should move to: which broke the checks."""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from flakesync.errors import FlakesyncError
from flakesync.git.repository import Repository
from flakesync.sync.bisect.halving import Stretch, Verdict, halve
from flakesync.sync.bisect.units import Unit
from flakesync.sync.job import BumpJob, PlannedMove
from flakesync.sync.lockers import FromClone
from flakesync.terms import Rev, iso_day


class CommitRow(msgspec.Struct, frozen=True):
    """Commits on a line of first parents, from one that passes to one that does not.

    revs, subjects, days: of all but the first, oldest first. tips: whether it is not the whole line, but what is known
    to have been the tip of its branch, or is in a lock of the workspace. direct: of each of `revs` whether it comes
    right after the one before it; empty: each does.
    """

    good: Rev
    revs: tuple[Rev, ...]
    subjects: tuple[str, ...]
    days: tuple[str | None, ...]
    tips: bool = False
    direct: tuple[bool, ...] = ()


class CommitStretch(msgspec.Struct, frozen=True):
    """Where the checks begin to fail. good, bad: the last commit that passes, and the first one known that fails.

    exact: whether the one comes right after the other. subject, day: of `bad`. tips: as of its row.
    """

    good: Rev
    bad: Rev
    subject: str
    day: str | None
    exact: bool
    tips: bool = False


def is_of_clone(job: BumpJob, unit: Unit) -> bool:
    """Tell whether a unit's commits are in a clone or a mirror: it is a repo of the workspace."""
    moves = moves_of(job, unit)
    return bool(moves) and all(isinstance(each.move.source, FromClone) for each in moves)


def commit_row(job: BumpJob, unit: Unit) -> CommitRow | str:
    """Return the commits that a repo of the workspace moves over, or why there is no such row, as a phrase."""
    moves = moves_of(job, unit)
    sources = [each.move.source for each in moves]
    olds = {each.move.locked.get("rev") for each in moves}
    if not sources or not isinstance(source := sources[0], FromClone):
        return "it is no repo of the workspace"
    if len(olds) != 1:
        return "its inputs begin at different commits"
    old = Rev(str(olds.pop()))
    try:
        with Repository.open(source.repository) as repository:
            newer = {commit.rev: commit for commit in repository.history.log(source.rev, not_in=[old])}
    except FlakesyncError as error:
        return error.message  # a shallow clone: the locked commit is not in it
    line = []
    at = source.rev
    while at in newer:
        line.append(newer[at])
        if not newer[at].parents:
            break
        at = newer[at].parents[0]
    line.reverse()
    if not line:
        return "it moves to no newer commit"
    return CommitRow(
        old,
        tuple(commit.rev for commit in line),
        tuple(commit.message.partition("\n")[0] for commit in line),
        tuple(iso_day(commit.committer.time) for commit in line),
    )


def at_commit(job: BumpJob, unit: Unit, rev: Rev) -> BumpJob:
    """Return the job in which a unit moves to another commit of its repo."""
    keys = {each.key for each in moves_of(job, unit)}
    moves = tuple(_to(each, rev) if each.key in keys else each for each in job.moves)
    return msgspec.structs.replace(job, moves=moves)


def _to(planned: PlannedMove, rev: Rev) -> PlannedMove:
    source = msgspec.structs.replace(planned.move.source, rev=rev)
    return msgspec.structs.replace(planned, move=msgspec.structs.replace(planned.move, source=source))


def moves_of(job: BumpJob, unit: Unit) -> list[PlannedMove]:
    """Return the moves of a unit."""
    return [each for each in job.moves if each.key in unit.moves]


CommitProbe = tuple[int, int]
"""The place of a commit in its row, from 1 on, and how often it had been run before."""


def next_commits(
    row: CommitRow,
    known: Mapping[int, Sequence[Verdict]],
    *,
    width: int,
    running: Collection[CommitProbe],
) -> Stretch | tuple[CommitProbe, ...] | None:
    """Return where the checks begin to fail, or what to run next; None: they fail now and then.

    known: by place, in the order of the runs; the first commit that fails is run twice. The last one is known to fail.
    """
    last = len(row.revs)
    places = [place for place, time in running if time == 0]
    found = halve(last, {at: verdicts[0] for at, verdicts in known.items()}, width=width, running=places)
    if not isinstance(found, Stretch):
        return tuple((place, 0) for place in found)
    if found.first_fail < last:
        again = known[found.first_fail][1:]
        if not again:
            return ((found.first_fail, 1),)
        if again[0] != "fail":
            return None
    return found


def stretch_of(row: CommitRow, found: Stretch) -> CommitStretch:
    """Return a stretch of a row by its commits."""
    at = found.first_fail - 1
    good = row.good if found.last_pass == 0 else row.revs[found.last_pass - 1]
    exact = found.is_exact and (not row.direct or row.direct[at])
    return CommitStretch(good, row.revs[at], row.subjects[at], row.days[at], exact, row.tips)

"""Which CI jobs carry a plan out: as many at once as the repos allow, and no more than a forge takes.

As in the ready queue of sync, a job waits for the upstreams of its repos and for nothing else; git carries what it
needs from one to the other. Where a pipeline may have fewer jobs than there are repos, repos of one wave share a job.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from flakesync.errors import FlakesyncError
from flakesync.terms import RepoName

_LONGEST_NAME = 100
"""Characters of a job's name. GitLab took 128 in `needs` before it took the 255 of a job's name."""


class Job(msgspec.Struct, frozen=True):
    """One CI job. repos: updated one after the other; empty for a job that only waits for others. needs: names of the
    jobs that it waits for, in the order of the jobs."""

    name: str
    repos: tuple[RepoName, ...]
    needs: tuple[str, ...] = ()


def make_waves(
    upstreams: Mapping[RepoName, frozenset[RepoName]], most_jobs: int
) -> tuple[tuple[tuple[RepoName, ...], ...], ...]:
    """Return the repos of each job, wave by wave: no job has two repos of which one waits for the other.

    upstreams: of each repo those that have to have been updated before, upstreams first. most_jobs: in all waves
    together. Repos with the same upstreams come into one job.

    Raises:
        FlakesyncError: `too-many-waves`, one job a wave is more than that already.
    """
    waves = _waves(upstreams)
    if len(waves) > most_jobs:
        raise _too_many(len(waves), most_jobs)
    return _shared(waves, upstreams, most_jobs)


def make_jobs(
    upstreams: Mapping[RepoName, frozenset[RepoName]], most_jobs: int, most_needs: int
) -> tuple[tuple[Job, ...], ...]:
    """Return the jobs of each wave; those that only wait for others come before the job that needs them.

    upstreams, most_jobs: as of `make_waves`; most_jobs counts the jobs that only wait, too. most_needs: of one job.

    Raises:
        FlakesyncError: `too-many-waves`.
    """
    plain = _waves(upstreams)
    working = most_jobs
    while working >= len(plain):
        waves = _with_needs(_shared(plain, upstreams, working), upstreams, most_needs)
        over = sum(len(wave) for wave in waves) - most_jobs
        if over <= 0:
            return waves
        working -= over
    raise _too_many(len(plain), most_jobs)


def _too_many(waves: int, most_jobs: int) -> FlakesyncError:
    return FlakesyncError(
        "too-many-waves",
        f"the plan has {waves} waves, and the pipeline may have {most_jobs} jobs",
        hint="allow more with --max-jobs, or run `flakesync sync` on one machine",
    )


def _shared(
    waves: Sequence[Sequence[RepoName]], upstreams: Mapping[RepoName, frozenset[RepoName]], most_jobs: int
) -> tuple[tuple[tuple[RepoName, ...], ...], ...]:
    """Return the repos of each job; most_jobs: not less than there are waves."""
    size = max(1, -(-len(upstreams) // max(most_jobs, 1)))
    while sum(-(-len(wave) // size) for wave in waves) > most_jobs:
        size += 1
    return tuple(_share(wave, upstreams, size) for wave in waves)


def _waves(upstreams: Mapping[RepoName, frozenset[RepoName]]) -> list[list[RepoName]]:
    number: dict[RepoName, int] = {}
    waves: list[list[RepoName]] = []
    for name, above in upstreams.items():
        number[name] = at = max((number[each] for each in above), default=-1) + 1
        if at == len(waves):
            waves.append([])
        waves[at].append(name)
    return waves


def _share(
    wave: Sequence[RepoName], upstreams: Mapping[RepoName, frozenset[RepoName]], size: int
) -> tuple[tuple[RepoName, ...], ...]:
    """Return a wave in groups of at most `size` repos; those with the same upstreams are neighbours."""
    names = sorted(wave) if size == 1 else sorted(wave, key=lambda name: (sorted(upstreams[name]), name))
    return tuple(tuple(names[at : at + size]) for at in range(0, len(names), size))


def _with_needs(
    waves: Sequence[Sequence[tuple[RepoName, ...]]], upstreams: Mapping[RepoName, frozenset[RepoName]], most_needs: int
) -> tuple[tuple[Job, ...], ...]:
    place = {name: (wave, at) for wave, jobs in enumerate(waves) for at, job in enumerate(jobs) for name in job}
    named = {(wave, at): _name(job) for wave, jobs in enumerate(waves) for at, job in enumerate(jobs)}
    names = dict(zip(named, _distinct(named.values()), strict=True))
    found: list[tuple[Job, ...]] = []
    for wave, jobs in enumerate(waves):
        made: list[Job] = []
        for at, repos in enumerate(jobs):
            needed = sorted({place[up] for name in repos for up in upstreams[name]})
            made += _joined(Job(names[wave, at], repos, tuple(names[each] for each in needed)), most_needs)
        found.append(tuple(made))
    return tuple(found)


def _joined(job: Job, most_needs: int) -> list[Job]:
    """Return a job with so many needs, and before it jobs that wait for some of them each, where it has more."""
    joins: list[Job] = []
    needs = job.needs
    while len(needs) > most_needs:
        parts = [needs[at : at + most_needs] for at in range(0, len(needs), most_needs)]
        made = [Job(f"{job.name}, wait {len(joins) + number}", (), part) for number, part in enumerate(parts, 1)]
        joins += made
        needs = tuple(each.name for each in made)
    return [*joins, msgspec.structs.replace(job, needs=needs)]


def _name(repos: Sequence[RepoName]) -> str:
    more = f" +{len(repos) - 1}" if len(repos) > 1 else ""
    return f"update {repos[0][:_LONGEST_NAME]}{more}"


def _distinct(names: Iterable[str]) -> list[str]:
    """Return names that tell jobs apart: two that are cut off may be the same."""
    seen: dict[str, int] = {}
    found: list[str] = []
    for name in names:
        seen[name] = count = seen.get(name, 0) + 1
        found.append(name if count == 1 else f"{name} ({count})")
    return found

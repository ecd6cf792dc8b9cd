"""The jobs of a pipeline: each repo once, after its upstreams, and no more of anything than a forge takes."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakesync.errors import FlakesyncError
from flakesync.pipeline.jobs import Job, make_jobs, make_waves
from flakesync.terms import RepoName
from tests.support.graphs import Upstreams, graphs, large_graph

A, B, C, D = (RepoName(name) for name in "abcd")


def names(*repos: str) -> frozenset[RepoName]:
    return frozenset(map(RepoName, repos))


@contextmanager
def refused_for_its_waves() -> Iterator[None]:
    """Pass over a graph that has more waves, and more jobs that only wait, than the pipeline may have jobs."""
    try:
        yield
    except FlakesyncError as error:
        if error.code != "too-many-waves":
            raise


def require_order(waves: tuple[tuple[Job, ...], ...], upstreams: Upstreams) -> None:
    """Every repo is in one job, and a job begins after those of all upstreams of its repos, and only after those."""
    jobs = [job for wave in waves for job in wave]
    assert sorted(name for job in jobs for name in job.repos) == sorted(upstreams)
    assert len({job.name for job in jobs}) == len(jobs)
    before: dict[str, frozenset[RepoName]] = {}
    for job in jobs:
        assert set(job.needs) <= before.keys()  # it is written after those that it needs
        by_name = {each.name: each for each in jobs}
        needed = frozenset[RepoName]().union(
            *(before[each] if not by_name[each].repos else by_name[each].repos for each in job.needs)
        )
        wanted = {up for name in job.repos for up in upstreams[name]}
        if job.repos:
            assert wanted <= needed
            groups = {each.repos for each in jobs if each.repos and not wanted.isdisjoint(each.repos)}
            assert needed <= {name for group in groups for name in group}
        before[job.name] = needed


@given(graphs(), st.integers(1, 12), st.integers(2, 5))
def test_each_repo_has_one_job_after_those_of_its_upstreams(upstreams: Upstreams, most: int, needs: int) -> None:
    with refused_for_its_waves():
        waves = make_jobs(upstreams, most, needs)
        require_limits(waves, upstreams, most, needs)


def require_limits(waves: tuple[tuple[Job, ...], ...], upstreams: Upstreams, most: int, needs: int) -> None:
    require_order(waves, upstreams)
    assert sum(len(wave) for wave in waves) <= most
    assert all(len(job.needs) <= needs for wave in waves for job in wave)


@given(graphs())
def test_where_there_are_jobs_enough_each_repo_has_its_own(upstreams: Upstreams) -> None:
    waves = make_jobs(upstreams, 1_000, 49)
    assert {job.repos for wave in waves for job in wave} == {(name,) for name in upstreams}
    for job in (job for wave in waves for job in wave):
        assert job.name == f"update {job.repos[0]}"
        assert set(job.needs) == {f"update {name}" for name in upstreams[job.repos[0]]}


@given(graphs(), st.integers(1, 12))
def test_no_job_of_a_wave_waits_within_the_wave(upstreams: Upstreams, most: int) -> None:
    if len(make_jobs(upstreams, 1_000, 1_000)) > most:
        with pytest.raises(FlakesyncError):
            make_waves(upstreams, most)
        return
    waves = make_waves(upstreams, most)
    assert sum(len(wave) for wave in waves) <= most
    done: set[RepoName] = set()
    for wave in waves:
        for job in wave:
            assert all(upstreams[name] <= done for name in job)
        done |= {name for job in wave for name in job}
    assert done == upstreams.keys()


def test_repos_with_the_same_upstreams_share_a_job() -> None:
    upstreams = {A: names(), B: names(), **{RepoName(f"x{n}"): names("ab"[n % 2]) for n in range(8)}}
    shared = make_waves(upstreams, 4)
    assert shared == ((("a", "b"),), (("x0", "x2", "x4"), ("x6", "x1", "x3"), ("x5", "x7")))
    assert make_waves(upstreams, 10)[1] == tuple((RepoName(f"x{n}"),) for n in range(8))


def test_a_repo_with_many_upstreams_waits_for_jobs_that_wait() -> None:
    many = {RepoName(f"up-{n:03}"): names() for n in range(120)}
    waves = make_jobs({**many, A: frozenset(many)}, 500, 49)
    last = waves[1]
    assert [(job.name, len(job.needs)) for job in last] == [
        ("update a, wait 1", 49),
        ("update a, wait 2", 49),
        ("update a, wait 3", 22),
        ("update a", 3),
    ]


def test_long_names_are_cut_off_and_stay_distinct() -> None:
    waves = make_jobs({RepoName("x" * 120 + end): names() for end in "abc"}, 500, 49)
    found = [job.name for job in waves[0]]
    assert found == [f"update {'x' * 100}", f"update {'x' * 100} (2)", f"update {'x' * 100} (3)"]


def test_a_pipeline_with_fewer_jobs_than_waves_is_refused() -> None:
    with pytest.raises(FlakesyncError, match="the plan has 3 waves, and the pipeline may have 2 jobs") as caught:
        make_jobs({A: names(), B: names("a"), C: names("b")}, 2, 49)
    assert (caught.value.code, "--max-jobs" in (caught.value.hint or "")) == ("too-many-waves", True)
    with pytest.raises(FlakesyncError):
        make_waves({A: names(), B: names("a")}, 1)


@pytest.mark.parametrize("most", [2_000, 500, 250])
def test_a_thousand_repos_keep_the_limits(most: int) -> None:
    upstreams = large_graph(1_000)
    waves = make_jobs(upstreams, most, 49)
    require_order(waves, upstreams)
    jobs = [job for wave in waves for job in wave]
    assert len(jobs) <= most
    assert max(len(job.needs) for job in jobs) <= 49

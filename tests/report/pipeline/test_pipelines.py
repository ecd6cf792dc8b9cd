"""What is written for GitLab and GitHub: valid for their schemas, within their limits, and names are text."""

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from flakesync.pipeline.jobs import make_jobs, make_waves
from flakesync.report.pipeline.github import MOST_JOBS, render_github, render_matrix
from flakesync.report.pipeline.gitlab import MOST_JOBS as MOST_GITLAB_JOBS
from flakesync.report.pipeline.gitlab import MOST_NEEDS, render_gitlab
from flakesync.terms import RepoName
from tests.nightly.schemas import faults
from tests.support.graphs import Upstreams, graphs, large_graph

TOP = Path(__file__).parents[3]
EXAMPLES = TOP / "examples" / "pipeline"
PLAN = {"pipeline": "$PARENT_PIPELINE_ID", "job": "plan"}

# What YAML takes for something else than text, what GitLab reserves, and what means something to a shell or to git.
ODD = ["null", "true", "on", "y", "NO", "1", "1e3", "0x1f", "0o17", "1_000", "2026-11-29", "12.5", "5.", "_"]
ODD += ["default", "include", "stages", "variables", "pages", "workflow", "image", "HEAD", "a..b", "a.lock", "x" * 200]


def load(text: str) -> Any:
    return YAML(typ="safe").load(text)


def gitlab(upstreams: Upstreams, most: int = MOST_GITLAB_JOBS) -> dict[str, Any]:
    text = render_gitlab(make_jobs(upstreams, most, MOST_NEEDS), "0123456789ab")
    document = load(text)
    assert isinstance(document, dict)
    return document


def gitlab_jobs(document: dict[str, Any]) -> dict[str, Any]:
    return {name: job for name, job in document.items() if name not in ("include", "stages")}


def words(text: str) -> list[str]:
    """Return the words that a shell makes of an unquoted variable."""
    argv = ["sh", "-c", 'for each in $REPOS; do printf "%s\\n" "$each"; done']
    ran = subprocess.run(argv, env={"REPOS": text}, capture_output=True, text=True, check=True)
    return ran.stdout.splitlines()


@pytest.mark.parametrize("count", [0, 1, 30, 1_000])
def test_a_child_pipeline_is_valid_within_the_limits(count: int) -> None:
    upstreams = large_graph(count)
    text = render_gitlab(make_jobs(upstreams, MOST_GITLAB_JOBS, MOST_NEEDS), "0123456789ab")
    document = load(text)
    task = {".flakesync-task": {"script": ["true"]}}
    assert faults("gitlab-ci", {**document, **task}) == []
    jobs = gitlab_jobs(document)
    assert 1 <= len(jobs) <= MOST_GITLAB_JOBS
    assert max(len(job["needs"]) for job in jobs.values()) <= 50
    assert max(map(len, jobs)) <= 128
    assert len(text.encode()) <= 500_000
    assert sorted(name for job in jobs.values() for name in job["variables"].get("FLAKESYNC_REPOS", "").split()) == [
        *upstreams
    ]


@pytest.mark.parametrize("waves", [1, 4, 40])
def test_a_workflow_is_valid_within_the_limits(waves: int) -> None:
    text = render_github(waves)
    document = load(text)
    document["on"] = document.pop(True) if True in document else document["on"]
    assert faults("github-workflows", document) == []
    assert len(text.encode()) <= 500_000
    jobs = document["jobs"]
    assert list(jobs) == ["plan", *(f"wave-{number}" for number in range(1, waves + 1)), "collect"]
    assert jobs["collect"]["needs"] == ["plan", f"wave-{waves}"]


@pytest.mark.parametrize("count", [0, 1, 30, 1_000])
def test_the_matrices_are_small_and_have_every_repo_in_the_order_of_the_waves(count: int) -> None:
    upstreams = large_graph(count)
    line = render_matrix(make_waves(upstreams, MOST_JOBS), 20)
    assert (line.startswith("waves="), line.endswith("\n"), line.count("\n")) == (True, True, 1)
    assert len(line) < 1_000_000
    waves = json.loads(line.removeprefix("waves="))
    assert sum(len(wave) for wave in waves) <= MOST_JOBS
    done: set[str] = set()
    for wave in waves:
        repos = [name for job in wave for name in job["repos"].split()]
        assert all(upstreams[RepoName(name)] <= done for name in repos)
        done |= {*repos}
    assert done == upstreams.keys()


def test_waves_that_a_workflow_lacks_come_into_one_job_of_its_last_in_their_order() -> None:
    a, b, c, d = (RepoName(name) for name in "abcd")
    upstreams = {a: frozenset[RepoName](), b: frozenset({a}), c: frozenset({b}), d: frozenset({c})}
    waves = make_waves(upstreams, 250)
    assert json.loads(render_matrix(waves, 2).removeprefix("waves=")) == [[{"repos": "a"}], [{"repos": "b c d"}]]
    assert json.loads(render_matrix(waves, 1).removeprefix("waves=")) == [[{"repos": "a b c d"}]]
    assert len(json.loads(render_matrix(waves, 4).removeprefix("waves="))) == 4


def test_a_job_of_several_repos_lets_its_dependents_go_on() -> None:
    upstreams = {RepoName(f"r{number}"): frozenset[RepoName]() for number in range(4)}
    jobs = gitlab_jobs(gitlab(upstreams, 2))
    assert [job.get("allow_failure") for job in jobs.values()] == [True, True]
    assert all("allow_failure" not in job for job in gitlab_jobs(gitlab(upstreams)).values())


def test_an_empty_plan_is_a_pipeline_that_does_nothing() -> None:
    document = gitlab({})
    assert list(gitlab_jobs(document)) == ["nothing to update"]
    assert document["nothing to update"]["script"] == ["true"]
    assert render_matrix((), 5) == "waves=[]\n"


def test_odd_names_are_text_and_one_word_of_a_shell() -> None:
    upstreams = {RepoName(name): frozenset[RepoName]() for name in ODD}
    last = RepoName("last")
    jobs = gitlab_jobs(gitlab({**upstreams, last: frozenset(upstreams)}))
    assert [words(job["variables"]["FLAKESYNC_REPOS"]) for job in jobs.values()] == [
        [name] for name in [*sorted(ODD), last]
    ]
    assert jobs["update last"]["needs"] == [PLAN, *(f"update {name[:100]}" for name in sorted(ODD))]
    waves = json.loads(render_matrix(make_waves(upstreams, 250), 5).removeprefix("waves="))
    assert sorted(job["repos"] for job in waves[0]) == sorted(ODD)


@given(graphs(), st.sampled_from([3, 500]))
def test_any_names_and_any_graph_come_back_as_they_were(upstreams: Upstreams, most: int) -> None:
    jobs = gitlab_jobs(gitlab(upstreams, max(most, len(upstreams) if most == 3 else most)))
    found = {name: job for job in jobs.values() for name in job["variables"].get("FLAKESYNC_REPOS", "").split()}
    assert found.keys() == upstreams.keys()
    for name, above in upstreams.items():
        assert shlex.split(name) == [name]
        assert found[name]["extends"] == ".flakesync-task"
        assert {f"update {up}" for up in above} == {each for each in found[name]["needs"] if isinstance(each, str)}


def test_the_workflow_of_the_examples_is_what_is_written_for_four_waves() -> None:
    assert (EXAMPLES / "github-workflow.yml").read_text() == render_github(4)

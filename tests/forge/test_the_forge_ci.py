"""Checks of the tests' forge that report by themselves: late, in their time, or never."""

import pytest

from flakesync.demo.forge.model import Job, Kind
from tests.support.forge import Forge
from tests.support.forge.client import HOSTS, Client, branch, client_of, pushed
from tests.support.forge.clock import Clock

Kinds = pytest.mark.parametrize("kind", list(HOSTS))


def started(forge: Forge, kind: Kind, *jobs: Job) -> tuple[Client, Clock]:
    client, clock = client_of(forge, kind), Clock()
    client.site.clock = clock
    client.site.thinks_for = 0
    client.project.ci = [*jobs]
    return client, clock


def seen(client: Client, rev: str) -> dict[str, str]:
    """Return name → state of a commit, as the API tells it."""
    if client.kind == "gitlab":
        found = client.call("GET", f"/repository/commits/{rev}/statuses").data
        assert isinstance(found, list)
        return {each["name"]: each["status"] for each in found}
    statuses = client.call("GET", f"/commits/{rev}/status")["statuses"] or []
    runs: object = client.call("GET", f"/commits/{rev}/check-runs")["check_runs"] if client.kind == "github" else []
    assert isinstance(statuses, list)
    assert isinstance(runs, list)
    key = "status" if client.kind == "forgejo" else "state"
    return {each["context"]: each[key] for each in statuses} | {
        each["name"]: each["conclusion"] or each["status"] for each in runs
    }


@Kinds
def test_a_job_is_unknown_then_pending_then_done(forge: Forge, kind: Kind) -> None:
    client, clock = started(forge, kind, Job("ci", after_s=5, takes_s=10))
    client.open()
    rev = client.project.pulls[0].head_rev
    told = []
    for clock.now in (104.9, 105.0, 114.9, 115.0):
        told.append(seen(client, rev))
    pending = "running" if kind == "gitlab" else "pending"
    assert told == [{}, {"ci": pending}, {"ci": pending}, {"ci": "success"}]


@Kinds
def test_a_job_may_fail_and_another_never_report(forge: Forge, kind: Kind) -> None:
    client, clock = started(forge, kind, Job("ci", state="failure"), Job("silent", after_s=None))
    client.open()
    clock.now += 10_000
    failed = "failed" if kind == "gitlab" else "failure"
    assert seen(client, client.project.pulls[0].head_rev) == {"ci": failed}


@Kinds
def test_each_new_head_is_checked_and_no_other_commit(forge: Forge, kind: Kind) -> None:
    client, clock = started(forge, kind, Job("ci", takes_s=10))
    client.open()
    clock.now += 4
    branch(client.project, "elsewhere", {"f": "1"})
    new = branch(client.project, "update", {"flake.lock": "3"})
    pushed(client)
    clock.now += 7
    old = client.project.storage.parents(new)[0]
    pending = "running" if kind == "gitlab" else "pending"
    assert (seen(client, old), seen(client, new)) == ({"ci": "success"}, {"ci": pending})
    assert seen(client, str(client.project.storage.branch("elsewhere"))) == {}


def test_a_check_run_of_github_changes_in_its_place(forge: Forge) -> None:
    client, clock = started(forge, "github", Job("build", takes_s=10, run=True), Job("ci"))
    client.project.protect("main", checks=["build", "ci"])
    client.open()
    rev = client.project.pulls[0].head_rev
    assert seen(client, rev) == {"build": "in_progress", "ci": "success"}
    assert client.merge()["message"] == 'Required status check "build" is in progress.'
    clock.now += 10
    assert client.call("GET", f"/commits/{rev}/check-runs")["total_count"] == 1
    assert client.merge().status == 200


@Kinds
def test_a_person_approves_in_their_time(forge: Forge, kind: Kind) -> None:
    client, clock = started(forge, kind)
    client.project.protect("main", approvals=1)
    client.site.approve_after_s = 60
    client.open()
    clock.now += 59
    assert client.merge().status == 405
    clock.now += 1
    assert client.merge().status == 200
    assert [review.by.login for review in client.project.pulls[0].reviews] == ["approver"]


def test_a_person_approves_of_each_head_where_an_approval_is_lost(forge: Forge) -> None:
    client, clock = started(forge, "forgejo")
    client.project.protect("main", approvals=1)
    client.project.dismiss_stale = True
    client.site.approve_after_s = 60
    client.open()
    clock.now += 60
    client.get()
    branch(client.project, "update", {"flake.lock": "3"})
    pushed(client)
    clock.now += 59
    assert client.merge().status == 405
    clock.now += 1
    assert client.merge().status == 200
    assert len(client.project.pulls[0].reviews) == 2

"""What many repos have alike is shown twenty times, and counted; the documents have all of it."""

import pytest

from flakesync.documents.doctor import DoctorDocument, DoctorRow
from flakesync.documents.drift import DriftReport, Finding, FindingKind
from flakesync.documents.pulls.status import RepoStatus, StatusDocument
from flakesync.documents.sync import ErrorDocument
from flakesync.report.alike.capped import MOST_ALIKE, capped, likeness
from flakesync.report.doctor.text import render_doctor
from flakesync.report.drift.text import render_drift
from flakesync.report.status import render_status
from flakesync.report.text import by_detail, to_text

MANY = [f"r{number}" for number in range(1000)]


def failed(repo: str, message: str) -> RepoStatus:
    return RepoStatus(
        repo=repo,
        stage="failed",
        base="main",
        branch=None,
        local=None,
        remote=None,
        commit=None,
        pull=None,
        landed=False,
        waits_for=[],
        error=ErrorDocument(code="corrupt", message=message, hint=f"delete /x/{repo}"),
    )


def test_of_a_thousand_repos_that_fail_alike_twenty_are_named_and_the_others_counted() -> None:
    repos = [failed(repo, f"/x/{repo}: refs/heads/main does not hold an object id") for repo in MANY]
    text = to_text(render_status(StatusDocument(branch="b", repos=repos), width=200))
    lines = text.splitlines()
    assert len(lines) < 3 * (MOST_ALIKE + 2)
    assert "980 repos: r20, r21, r22 and 977 more" in text
    assert "error[corrupt]: alike (--json has each)" in text
    assert lines[-1] == "1000 failed"


def test_another_reason_among_them_is_shown() -> None:
    repos = [failed(repo, f"/x/{repo}: no such folder") for repo in MANY]
    repos[700] = failed("r700", "/x/r700: permission denied")
    text = to_text(render_status(StatusDocument(branch="b", repos=repos), width=200))
    assert "/x/r700: permission denied" in text
    assert "979 repos: r20" in text


def test_of_twenty_one_all_are_shown() -> None:
    details = [(repo, f"/x/{repo}: no such folder") for repo in MANY[: MOST_ALIKE + 1]]
    assert by_detail(details) == details
    assert by_detail([*details, ("z", "/x/z: no such folder")])[-1] == ("r20, z", "alike (--json has each)")


def test_drift_counts_repos_that_cannot_be_read_and_no_others() -> None:
    def finding(repo: str, kind: FindingKind, detail: str) -> Finding:
        return Finding(kind=kind, repo=repo, flake=None, input=None, locked_rev=None, wanted_rev=None, detail=detail)

    unread = [finding(repo, "unreachable", f"/x/{repo}: no such folder") for repo in MANY]
    report = DriftReport(pins=[], findings=unread)
    short = to_text(render_drift(report, now=0, repos=1000, width=200))
    assert len(short.splitlines()) < 2 * (MOST_ALIKE + 3)
    assert "alike (-v has each)" in short
    assert "1000 unreachable" in short
    assert "/x/r999: no such folder" in to_text(render_drift(report, now=0, repos=1000, width=200, full=True))
    old = DriftReport(pins=[], findings=[finding(repo, "age", "too old") for repo in MANY])
    assert to_text(render_drift(old, now=0, repos=1000, width=200)).count("too old") == 1000


def test_doctor_counts_the_same_fault_of_many_repos() -> None:
    rows = [
        DoctorRow(group="manifest", what="workspace.toml", how="fails", detail=f"repos.{repo}.path: `./{repo}` is gone")
        for repo in MANY
    ]
    document = DoctorDocument(manifest=None, rows=rows)
    text = to_text(render_doctor(document, width=200))
    assert len(text.splitlines()) < 2 * MOST_ALIKE + 8
    assert "980 more, alike (-v has each)" in text
    assert "1000 will fail" in text
    assert len(to_text(render_doctor(document, width=200, full=True)).splitlines()) > 1000


@pytest.mark.parametrize(("one", "other"), [
    ("/a/x: no such folder", "/b/y: no such folder"),
    ("https://h.example/a.git: access denied", "https://h.example/b.git: access denied"),
    ("there is no commit 0123abc4", "there is no commit 5678def0"),
    ("repos.x.path: `./x` does not exist", "repos.y.path: `./y` does not exist"),
    ("x has no server", "y has no server"),
])  # fmt: skip
def test_names_paths_addresses_and_commits_make_no_difference(one: str, other: str) -> None:
    assert likeness(one, "x") == likeness(other, "y")


def test_other_words_make_a_difference() -> None:
    assert likeness("/a/x: no such folder", "x") != likeness("/a/x: permission denied", "x")
    assert likeness("the exit", "x") == "the exit"


def test_every_item_comes_once_and_in_order() -> None:
    groups = capped(range(100), lambda number: number % 3)
    assert sorted(number for each in groups for number in each) == [*range(100)]
    firsts = [each[0] for each in groups]
    assert firsts == sorted(firsts)
    assert sorted(map(len, groups))[-3:] == [13, 13, 14]

"""The checks of a commit, asked for once: what is final is kept, and where nobody can be asked that is said."""

import pytest

from flakesync.cooldown.model import CommitChecks
from flakesync.demo.forge import pulls
from flakesync.demo.forge.model import Kind
from flakesync.errors import FlakesyncError
from flakesync.processes.stop import stopping
from flakesync.terms import Rev
from tests.cooldown.evidence.conftest import MakePlace, Place, ago
from tests.support.forge.client import HOSTS
from tests.support.history import line

Kinds = pytest.mark.parametrize("kind", list(HOSTS))


def check(place: Place, rev: Rev, name: str, state: str, *, run: bool = False) -> None:
    assert place.site is not None
    assert place.project is not None
    state = {"failure": "failed"}.get(state, state) if place.site.kind == "gitlab" else state
    pulls.add_check(place.site, place.project, rev, name, state, place.site.ci_account, run=run)


def made(place: Place) -> Rev:
    return place.make(line(1, start=ago(9), step_s=60))["c0"]


@Kinds
def test_what_has_passed_is_kept_and_not_asked_for_again(make_place: MakePlace, kind: Kind) -> None:
    place = make_place(kind)
    rev = made(place)
    check(place, rev, "build", "success")
    found = place.checks(rev)
    assert found.by_name["build"] == "passed"
    asked = len(place.api_calls())
    assert asked <= 2
    check(place, rev, "build", "failure")
    assert place.checks(rev) == place.checks(rev, online=False) == found
    assert len(place.api_calls()) == asked


def test_what_is_pending_or_not_there_is_asked_for_again(github: Place) -> None:
    rev = made(github)
    assert github.checks(rev) == CommitChecks({})
    check(github, rev, "build", "pending")
    assert github.checks(rev) == CommitChecks({"build": "pending"})
    check(github, rev, "build", "success")
    assert github.checks(rev) == CommitChecks({"build": "passed"})


def test_what_has_failed_is_believed_for_the_day_as_it_may_be_run_once_more(
    github: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [ago(0)]
    monkeypatch.setattr("flakesync.cooldown.forge_checks.time.time", lambda: clock[0])
    rev = made(github)
    check(github, rev, "build", "failure")
    assert github.checks(rev).by_name == {"build": "failed"}
    check(github, rev, "build", "success")
    clock[0] += 3600
    assert github.checks(rev).by_name == {"build": "failed"}
    clock[0] += 86_400
    assert github.checks(rev).by_name == {"build": "passed"}


def test_of_several_checks_with_one_name_the_worst_counts(github: Place) -> None:
    rev = made(github)
    check(github, rev, "build", "failure")
    check(github, rev, "build", "success", run=True)
    assert github.project is not None
    # The forge keeps one result a name; a status and a run of one name are two in what a real one answers.
    results = {str(place): each for place, each in enumerate(github.project.checks[rev])}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(github.project), "results", lambda *_: results)
        assert github.checks(rev).by_name == {"build": "failed"}


def test_what_was_skipped_or_is_neutral_proves_nothing(github: Place) -> None:
    rev = made(github)
    check(github, rev, "docs", "skipped", run=True)
    check(github, rev, "style", "neutral", run=True)
    assert github.checks(rev).by_name == {"docs": "none", "style": "none"}


def test_names_are_shown_without_what_a_terminal_would_obey(github: Place) -> None:
    rev = made(github)
    check(github, rev, "bu\x1b[31mild\n\x07 x" + "y" * 500, "success")
    (name,) = github.checks(rev).by_name
    assert name.isprintable()
    assert len(name) <= 200


def test_a_token_that_may_not_read_them_says_so(make_place: MakePlace) -> None:
    place = make_place("github", lacks=["checks"])
    found = place.checks(made(place))
    assert found.by_name == {}
    assert found.why_unknown is not None
    assert "status 403" in found.why_unknown


def test_offline_what_was_not_kept_is_unknown(github: Place) -> None:
    rev = made(github)
    found = github.checks(rev, online=False)
    assert found.why_unknown is not None
    assert "--offline" in found.why_unknown
    assert github.api_calls() == []


def test_where_no_forge_is_that_is_said(plain: Place) -> None:
    found = plain.checks(made(plain))
    assert found.why_unknown is not None
    assert "is on no forge" in found.why_unknown


def test_a_run_that_is_interrupted_ends(github: Place) -> None:
    rev = made(github)
    with stopping(), pytest.raises(FlakesyncError):
        github.checks(rev)


def test_many_questions_share_one_connection(github: Place) -> None:
    revs = github.make(line(20, start=ago(9), step_s=60))
    for rev in revs.values():
        github.checks(rev)
    assert github.forge is not None
    assert github.forge.connections() == 1

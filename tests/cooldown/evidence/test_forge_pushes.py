"""Candidates by the forge's record of pushes: only tips, one call, and what happens where it cannot be read."""

import pytest

from flakesync.demo.forge.model import Kind
from flakesync.demo.forge.web.messages import Answer, Request
from flakesync.errors import FlakesyncError
from flakesync.processes.stop import stopping
from tests.cooldown.evidence.conftest import NOW, MakePlace, Place, ago, names, told
from tests.support.forge import faults
from tests.support.forge.client import HOSTS
from tests.support.history import line

Kinds = pytest.mark.parametrize("kind", list(HOSTS))


def test_of_900_commits_in_100_pushes_only_the_tips_are_candidates_and_one_call_is_made(github: Place) -> None:
    revs = github.make(line(900, start=ago(90), step_s=8000))
    tips = [f"c{number}" for number in range(8, 900, 9)]
    github.moves(*((revs[name], 60 - place * 0.6) for place, name in enumerate(tips)))
    assert github.forge is not None
    github.forge.forget_log()
    found = github.find(revs["c899"], tips=True)
    assert names(found, revs) == tips[::-1]
    assert {each.dated_by for each in found.commits} == {"forge"}
    assert all(each.was_tip for each in found.commits)
    assert found.note is None
    assert github.api_calls() == ["/api/v3/repos/acme/lib/activity"]
    assert github.fetches() == 0


@Kinds
def test_every_forge_tells_when_a_commit_came_to_the_branch(make_place: MakePlace, kind: Kind) -> None:
    place = make_place(kind)
    revs = place.make(line(6, start=ago(100), step_s=60))
    place.moves((revs["c1"], 20), (revs["c3"], 9), (revs["c5"], 2))
    found = place.find(revs["c5"])
    assert told(found, revs) == [("c5", 2, "forge"), ("c3", 9, "forge"), ("c1", 20, "forge")]
    assert found.note is None


def test_a_commit_that_is_dated_back_is_as_old_as_its_push(github: Place) -> None:
    revs = github.make({"old": (ago(30), ()), "honest": (ago(1), ("old",)), "backdated": (ago(9), ("honest",))})
    github.moves((revs["old"], 29), (revs["honest"], 1), (revs["backdated"], 0))
    found = github.find(revs["backdated"])
    assert told(found, revs) == [("backdated", 0, "forge"), ("honest", 1, "forge"), ("old", 29, "forge")]


def test_what_was_pushed_after_the_tip_was_asked_for_is_for_the_next_run(github: Place) -> None:
    revs = github.make(line(4, start=ago(100), step_s=60))
    github.moves((revs["c0"], 20), (revs["c2"], 9), (revs["c3"], 0))
    assert names(github.find(revs["c2"]), revs) == ["c2", "c0"]


def test_for_checks_alone_nothing_is_fetched_where_the_forge_tells_of_pushes(github: Place) -> None:
    revs = github.make(line(4, start=ago(100), step_s=60))
    github.moves((revs["c1"], 9), (revs["c3"], 2))
    assert names(github.find(revs["c3"], cooldown_days=0, require_ci=()), revs) == ["c3", "c1"]
    assert github.fetches() == 0


def test_the_record_is_joined_and_the_earlier_time_counts(github: Place) -> None:
    revs = github.make(line(4, start=ago(100), step_s=60))
    github.moves((revs["c1"], 9), (revs["c3"], 2))
    found = github.find(revs["c3"], {revs["c3"]: ago(1), revs["c1"]: ago(12)})
    assert told(found, revs) == [("c3", 2, "forge"), ("c1", 12, "seen")]


def test_the_default_branch_is_found_out(github: Place) -> None:
    github.ref = None
    revs = github.make(line(3, start=ago(100), step_s=60))
    github.moves((revs["c0"], 9), (revs["c2"], 1))
    github.moves((revs["c1"], 3), branch="other")
    assert names(github.find(revs["c2"]), revs) == ["c2", "c0"]


# ---- forced pushes -----------------------------------------------------------------------------------------------


@Kinds
def test_a_tip_that_a_forced_push_took_away_is_no_candidate(make_place: MakePlace, kind: Kind) -> None:
    place = make_place(kind)
    shape = {"a": (ago(40), ()), "bad": (ago(20), ("a",)), "b": (ago(19), ("a",)), "c": (ago(3), ("b",))}
    revs = place.make(shape)
    place.moves((revs["a"], 40), (revs["bad"], 20), (revs["b"], 15, "force_push"), (revs["c"], 3))
    found = place.find(revs["c"], {revs["bad"]: ago(20)}, cooldown_days=18)
    assert names(found, revs) == ["c", "b", "a"]
    assert found.note is not None
    assert f"rewritten: its history does not have {revs['bad'][:7]} any more" in found.note


def test_a_record_that_does_not_know_the_tip_proves_nothing(github: Place) -> None:
    revs = github.make({"a": (ago(40), ()), "bad": (ago(20), ("a",)), "tip": (ago(1), ("a",))})
    github.moves((revs["a"], 40), (revs["bad"], 20))
    found = github.find(revs["tip"])
    assert told(found, revs) == [("tip", 0, "seen"), ("a", 40, "forge")]


def test_on_github_nothing_is_fetched_while_what_came_after_the_forced_push_is_old_enough(github: Place) -> None:
    shape = {"a": (ago(40), ()), "bad": (ago(20), ("a",)), "b": (ago(19), ("a",)), "c": (ago(3), ("b",))}
    revs = github.make(shape)
    github.moves((revs["a"], 40), (revs["bad"], 20), (revs["b"], 15, "force_push"), (revs["c"], 3))
    assert names(github.find(revs["c"]), revs) == ["c", "b"]
    assert github.fetches() == 0


# ---- where it cannot be read -------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
def test_a_record_of_pushes_that_cannot_be_read_leaves_the_seen_record(
    github: Place, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flakesync.forge.client._PAUSES_S", (0.0, 0.0, 0.0))
    revs = github.make(line(4, start=ago(100), step_s=60))
    github.moves((revs["c1"], 30))

    def refuse(request: Request, perform: object) -> Answer:
        return Answer(status, {"message": "no"})

    assert github.forge is not None
    github.forge.faults.add(refuse, path="/activity", times=9)
    found = github.find(revs["c3"], {revs["c1"]: ago(8)})
    assert told(found, revs) == [("c3", 0, "seen"), ("c1", 8, "seen")]
    assert found.note is not None
    assert found.note.endswith(f" does not tell of pushes (status {status}: no)")


def test_a_rate_limit_is_not_waited_out(github: Place) -> None:
    revs = github.make(line(4, start=ago(100), step_s=60))
    assert github.forge is not None
    github.forge.faults.add(faults.primary_limit(60), path="/activity")
    found = github.find(revs["c3"], {revs["c1"]: ago(8)})
    assert names(found, revs) == ["c3", "c1"]
    assert found.note is not None
    assert "rate limit" in found.note


def test_without_a_token_it_is_asked_for_what_everybody_may_read(make_place: MakePlace) -> None:
    place = make_place("github", token=None)
    revs = place.make(line(4, start=ago(100), step_s=60))
    place.moves((revs["c1"], 9), (revs["c3"], 2))
    assert told(place.find(revs["c3"]), revs) == [("c3", 2, "forge"), ("c1", 9, "forge")]


def test_a_run_that_is_interrupted_ends(github: Place) -> None:
    revs = github.make(line(2, start=ago(100), step_s=60))
    with stopping(), pytest.raises(FlakesyncError) as caught:
        github.find(revs["c1"])
    assert "interrupted" in caught.value.code


def test_a_clock_of_the_forge_that_runs_ahead_makes_nothing_younger_than_now(github: Place) -> None:
    revs = github.make(line(2, start=ago(100), step_s=60))
    github.moves((revs["c0"], 9), (revs["c1"], -3))
    assert max(each.time for each in github.find(revs["c1"]).commits) <= NOW

"""The commits of a guilty pin: known tips of its branch and what locks have, or all that the branch has had."""

import time
from pathlib import Path

import pytest

from flakesync.analysis.plan import make_plan
from flakesync.cache.layout import cache_dir
from flakesync.cooldown.seen import SeenRecord, keep_seen, seen_place, source_name
from flakesync.documents.bisect import BisectDocument
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.survey.read import read_survey
from flakesync.sync.bisect.commits import CommitStretch
from flakesync.sync.bisect.documents import bisect_document
from flakesync.sync.bisect.run import Bisection
from flakesync.terms import Rev
from flakesync.workspace.manifest import load_workspace, select
from tests.support.nixspace import Take
from tests.sync.bisect.bisecting import Bisecting, guilty


@pytest.fixture(autouse=True)
def _without_nix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAKESYNC_NIX", "no-nix-here")


class Pinned:
    """An app whose pin has moved on by many commits; from `bad` on they break the check."""

    def __init__(self, root: Path, number: int, bad: int) -> None:
        """bad: the first bad commit, from 1 on."""
        self.made = Bisecting(root, 1)
        self.old = self.made.space.tip("nixpkgs")
        self.revs = [
            self.made.space.commit("nixpkgs", {"note": str(each)}, message=f"Note {each}")
            for each in range(1, number + 1)
        ]
        self.made.bad.write_text("".join(f"{rev}\n" for rev in self.revs[bad - 1 :]))

    def see(self, *numbers: int) -> None:
        """Keep in the record that the branch was seen at these commits."""
        source = source_name(FlakeRef.parse(f"git+{self.made.space.url('nixpkgs')}?ref=main"))
        times = {self.revs[each - 1]: int(time.time()) - 1000 + each for each in numbers}
        place = seen_place(load_workspace(self.made.manifest), cache_dir())
        assert keep_seen(place, SeenRecord().with_tips(source, "main", times)) is None

    def lock(self, *numbers: int) -> None:
        """Let another repo of the workspace be locked to each of these commits."""
        for each in numbers:
            self.made.space.add(f"at{each}", {"nixpkgs": Take(at=self.revs[each - 1])})
        self.made.manifest = self.made.space.manifest(tables={"app": {"checks": ["sh check.sh"]}})

    def document(self, found: Bisection) -> BisectDocument:
        workspace = load_workspace(self.made.manifest)
        plan = make_plan(read_survey(workspace), select(workspace, (), (), ()))
        return bisect_document(found, dict(plan.changes())[found.repo])

    def stretch(self, found: Bisection) -> CommitStretch:
        assert guilty(found) == ["nixpkgs"]
        (only,) = found.commits.values()
        return only


def walked(found: Bisection) -> list[Rev]:
    return [each.at[1] for each in found.probes if each.at is not None]


def test_what_was_seen_or_is_in_a_lock_is_walked_and_the_range_between_two_is_named(tmp_path: Path) -> None:
    pinned = Pinned(tmp_path, 12, 7)
    pinned.see(3, 8)
    pinned.lock(5, 10)
    found = pinned.made.bisect(commits=True)
    at = pinned.stretch(found)
    assert (at.good, at.bad, at.exact, at.tips) == (pinned.revs[4], pinned.revs[7], False, True)
    assert {pinned.revs.index(rev) + 1 for rev in walked(found)} <= {3, 5, 8, 10}
    (told,) = pinned.document(found).guilty
    assert (told.first_bad, told.range, told.walked) == (None, [at.good, at.bad], "tips")


def test_all_commits_of_the_branch_are_walked_on_demand(tmp_path: Path) -> None:
    pinned = Pinned(tmp_path, 12, 7)
    pinned.see(3)
    at = pinned.stretch(found := pinned.made.bisect(commits=True, every_commit=True))
    assert (at.good, at.bad, at.exact, at.subject) == (pinned.revs[5], pinned.revs[6], True, "Note 7")
    (told,) = pinned.document(found).guilty
    assert told.first_bad is not None
    assert (told.first_bad.rev, told.walked) == (at.bad, "commits")


def test_where_nothing_between_is_known_it_says_so_and_runs_nothing(tmp_path: Path) -> None:
    pinned = Pinned(tmp_path, 5, 2)
    found = pinned.made.bisect(commits=True)
    assert (found.commits, walked(found)) == ({}, [])
    (told,) = pinned.document(found).guilty
    assert told.not_walked == "none between the two is known to have been a tip (`--all-commits` looks at all)"


def test_a_limit_among_the_commits_is_no_complete_answer_and_the_next_run_goes_on(tmp_path: Path) -> None:
    pinned = Pinned(tmp_path, 40, 7)
    whole = pinned.made.bisect()
    first = pinned.made.bisect(commits=True, every_commit=True, max_checks=2)
    document = pinned.document(first)
    assert (document.outcome, document.complete, first.ran) == ("found", False, 2)
    assert document.guilty[0].not_walked == "the limit was reached"
    then = pinned.made.bisect(commits=True, every_commit=True)
    assert pinned.stretch(then).bad == pinned.revs[6]
    assert then.ran == len(walked(then)) - 2
    assert pinned.document(whole).complete


def test_of_two_known_tips_that_follow_each_other_the_first_bad_commit_is_told(tmp_path: Path) -> None:
    pinned = Pinned(tmp_path, 9, 5)
    pinned.see(4, 5, 8)
    at = pinned.stretch(pinned.made.bisect(commits=True))
    assert (at.good, at.bad, at.exact, at.tips) == (pinned.revs[3], pinned.revs[4], True, True)


@pytest.mark.parametrize(("bad", "exact"), [(6, True), (3, False)])
def test_inputs_that_begin_at_different_commits_all_go_through_the_newer_one(
    tmp_path: Path,
    bad: int,
    exact: bool,
) -> None:
    pinned = Pinned(tmp_path, 6, 3)
    app = {"nixpkgs": Take(at=pinned.old), "newer": Take("nixpkgs", at=pinned.revs[4]), "r0": Take()}
    pinned.made.space.lock("app", {".": app})
    # Two inputs at `bad` or after it break the check: one of them is there before the update where bad is 3.
    late = tmp_path / "late"
    late.write_text("".join(f"{rev}\n" for rev in pinned.revs[bad - 1 :]))
    checks = (("sh", "-c", f'[ "$(grep -of {late} flake.lock | wc -l)" -lt 2 ]'),)
    at = pinned.stretch(pinned.made.bisect(commits=True, every_commit=True, checks=checks))
    good, first = (pinned.revs[4], pinned.revs[5]) if exact else (pinned.old, pinned.revs[4])
    assert (at.good, at.bad, at.exact) == (good, first, exact)


@pytest.mark.nix
@pytest.mark.usefixtures("use_nix")
def test_nix_locks_each_step_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLAKESYNC_NIX")
    pinned = Pinned(tmp_path, 5, 3)
    at = pinned.stretch(pinned.made.bisect(commits=True, every_commit=True, locker="nix"))
    assert (at.good, at.bad, at.exact) == (pinned.revs[1], pinned.revs[2], True)

"""The commit of a guilty repo that broke the checks: found by halving, or the range in which it lies."""

from pathlib import Path

import pytest

from flakesync.sync.bisect.commits import CommitStretch
from flakesync.sync.bisect.run import Bisection
from flakesync.terms import Rev
from tests.sync.bisect.bisecting import Bisecting, guilty


@pytest.fixture(autouse=True)
def _without_nix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAKESYNC_NIX", "no-nix-here")


class Commits:
    """An app that takes two repos, one of which has moved on by many commits; from `bad` on they break the check."""

    def __init__(self, root: Path, number: int, bad: int) -> None:
        """bad: the first bad commit, from 1 on."""
        self.made = Bisecting(root, 2)
        self.good = self.made.space.tip("r0")
        self.revs = [self.made.space.tip("r1")]
        self.old = self.made.space.locked("app", "r1", rev=self.made.space.tip("app"))["rev"]
        self.revs += [
            self.made.space.commit("r1", {"note": str(each)}, message=f"Note {each}") for each in range(2, number + 1)
        ]
        self.made.bad.write_text("".join(f"{rev}\n" for rev in self.revs[bad - 1 :]))

    def bisect(self, *, jobs: int = 1, checks: tuple[tuple[str, ...], ...] | None = None) -> Bisection:
        return self.made.bisect(jobs=jobs, commits=True, checks=checks)


def at_commits(found: Bisection) -> int:
    """Return how many probes there were of single commits."""
    return sum(each.at is not None for each in found.probes)


def stretch(found: Bisection) -> CommitStretch:
    assert guilty(found) == ["r1"]
    (only,) = found.commits.values()
    return only


@pytest.mark.parametrize(
    ("bad", "jobs"),
    [pytest.param(1, 1, marks=pytest.mark.slow), (37, 1), pytest.param(100, 1, marks=pytest.mark.slow), (64, 4)],
)
def test_of_a_hundred_commits_the_first_bad_one_is_found_in_eight_checks(tmp_path: Path, bad: int, jobs: int) -> None:
    commits = Commits(tmp_path, 100, bad)
    found = commits.bisect(jobs=jobs)
    before = commits.old if bad == 1 else commits.revs[bad - 2]
    at = stretch(found)
    assert (at.good, at.bad, at.exact) == (before, commits.revs[bad - 1], True)
    assert at.subject == ("Change" if bad == 1 else f"Note {bad}")
    assert at_commits(found) <= 8 * jobs


def test_a_stretch_that_fails_otherwise_is_named_and_never_a_wrong_commit(tmp_path: Path) -> None:
    commits = Commits(tmp_path, 40, 20)
    broken = tmp_path / "broken"
    broken.write_text("".join(f"{rev}\n" for rev in commits.revs[10:30]))
    checks = (("sh", "-c", f"! grep -qf {broken} flake.lock"), ("sh", "check.sh"))
    at = stretch(commits.bisect(checks=checks))
    assert not at.exact
    assert commits.revs.index(Rev(at.good)) + 1 < 20 <= commits.revs.index(Rev(at.bad)) + 1


def test_the_commits_are_in_the_journal_too(tmp_path: Path) -> None:
    commits = Commits(tmp_path, 20, 7)
    first = commits.bisect()
    runs = commits.made.runs
    assert commits.bisect().commits == first.commits
    assert commits.made.runs == runs


def test_one_commit_is_the_first_bad_one_and_nothing_is_run_for_it(tmp_path: Path) -> None:
    commits = Commits(tmp_path, 1, 1)
    found = commits.bisect()
    at = stretch(found)
    assert (at.good, at.bad, at.exact, at_commits(found)) == (commits.old, commits.revs[0], True, 0)

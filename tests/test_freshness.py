"""What drift and plan say of clones that are behind their servers, old, or cut off."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import tomli_w

from flakesync.analysis.drift import find_drift
from flakesync.analysis.plan import make_plan
from flakesync.documents.drift import Finding
from flakesync.survey.missing import ages, ago
from flakesync.survey.read import read_survey
from flakesync.survey.survey import Survey
from flakesync.terms import RepoName, Rev
from flakesync.workspace.clones.branches import BranchRefs
from flakesync.workspace.manifest import load_workspace
from flakesync.workspace.snapshot import RepoAtCommit, Snapshot
from tests.support import forked, locks, repos
from tests.support.workspaces import everything, flake_nix, repo, workspace

FLAKE = {"flake.nix": "{ outputs = _: { }; }"}
DAY_S = 86_400


@dataclass
class Ground:
    """`lib` on a server with a clone, and `app`, a repository without a server that takes it from there."""

    root: Path

    @property
    def server(self) -> Path:
        return self.root / "server/lib.git"

    @property
    def clone(self) -> Path:
        return self.root / "lib"

    def make(self, *clone: str) -> Rev:
        """Make the server with one commit, and the clone, with these options; return the commit."""
        first = repos.make_bare(self.server, FLAKE)
        self.clone_again(*clone)
        return first

    def clone_again(self, *options: str) -> None:
        repos.run_git("clone", "-q", *options, f"file://{self.server}", str(self.clone), cwd=self.root)

    def commit(self, branch: str | None = None, *, date: int = repos.DATE + DAY_S) -> Rev:
        """Commit to a branch of the server, which begins at main."""
        known = repos.run_git("branch", "--format=%(refname:short)", cwd=self.server).split()
        above = repos.run_git("rev-parse", branch if branch in known else "main", cwd=self.server)
        return repos.commit(self.server, {"new": f"{date}"}, branch=branch, parents=[Rev(above)], date=date)

    def lock(self, rev: Rev, ref: str | None = None, *, date: int = repos.DATE) -> None:
        """Make `app`, which locks lib at `rev`. date: of that commit."""
        taken = locks.git(f"file://{self.server}", rev=rev, ref=ref, last_modified=date)
        files = {
            "flake.nix": flake_nix({"lib": taken}),
            "flake.lock": locks.to_bytes(locks.lock({"lib": taken})).decode(),
        }
        repos.make_repo(self.root / "app", files)

    def survey(self, read: str = "server", *, url: bool = True, offline: bool = False) -> tuple[Survey, list[str]]:
        lib = {"path": "lib"} | ({"url": f"git+file://{self.server}"} if url else {})
        alias = {} if url else {"aliases": [f"file://{self.server}"]}
        tables = {"lib": {**lib, **alias}, "app": {"path": "app"}}
        (self.root / "workspace.toml").write_text(tomli_w.dumps({"workspace": {"read": read}, "repos": tables}))
        notes: list[str] = []
        return read_survey(load_workspace(self.root / "workspace.toml"), offline=offline, note=notes.append), notes

    def finding(self, read: str = "server", *, url: bool = True, offline: bool = False) -> Finding | None:
        """Return the one finding that there is, if there is one."""
        survey, _ = self.survey(read, url=url, offline=offline)
        found = find_drift(survey, everything(survey)).findings
        assert len(found) <= 1, found
        held = make_plan(survey, everything(survey)).held
        assert [each.reason for each in held] == [each.detail for each in found if each.kind == "unknown-rev"]
        return found[0] if found else None


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def set_fetched(clone: Path, seconds: int) -> None:
    """Make a clone look as if it had last been fetched then."""
    for log in (clone / ".git/logs/refs/remotes/origin").iterdir():
        log.write_text(re.sub(r"> \d+ ", f"> {seconds} ", log.read_text()))
    for path in (*(clone / ".git/refs/remotes/origin").iterdir(), clone / ".git/FETCH_HEAD"):
        if path.exists():
            os.utime(path, (seconds, seconds))


def test_a_clone_that_is_behind_its_server_does_not_make_a_dependent_be_in_step(ground: Ground) -> None:
    ground.lock(ground.make())
    assert ground.finding() is None
    new = ground.commit()
    assert ground.finding("local") is None
    found = ground.finding()
    assert found is not None
    assert (found.kind, found.repo, found.wanted_rev) == ("upstream", "app", new)


def test_a_dependent_that_was_pulled_is_not_ahead_of_an_upstream_that_was_not(ground: Ground) -> None:
    ground.make()
    new = ground.commit()
    ground.lock(new)
    assert ground.finding() is None


def test_a_branch_that_an_input_tracks_is_as_fresh_as_the_base(ground: Ground) -> None:
    first = ground.make("--single-branch")
    ground.commit("stable")
    ground.lock(first, "stable")
    new = ground.commit("stable", date=repos.DATE + 2 * DAY_S)
    found = ground.finding()
    assert found is not None
    assert (found.kind, found.wanted_rev) == ("upstream", new)


def test_a_branch_that_the_server_has_deleted_is_gone_though_a_clone_still_has_it(ground: Ground) -> None:
    ground.make()
    tip = ground.commit("stable")
    repos.run_git("fetch", "-q", cwd=ground.clone)
    ground.lock(tip, "stable")
    assert ground.finding() is None
    repos.run_git("update-ref", "-d", "refs/heads/stable", cwd=ground.server)
    survey, _ = ground.survey()
    (found,) = find_drift(survey, everything(survey)).findings
    assert found.detail.startswith("lib has no branch stable")


def test_offline_a_commit_that_is_newer_than_the_clone_is_said_to_be(ground: Ground) -> None:
    ground.make()
    ground.lock(ground.commit(), date=repos.DATE + DAY_S)
    survey, _ = ground.survey(offline=True)
    set_fetched(ground.clone, survey.now - 3 * DAY_S - 60)
    found = ground.finding(offline=True)
    assert found is not None
    assert found.detail == (
        "lib does not have this commit, which is newer than this clone, last fetched 3 days ago: run without --offline"
    )


@pytest.mark.parametrize(
    ("read", "url", "advice"),
    [
        ("local", True, "git -C {clone} pull, or run without --local"),
        ("server", False, "git -C {clone} pull, or give the repo a `url`"),
    ],
)
def test_a_clone_that_is_read_as_it_lies_says_how_to_renew_it(
    ground: Ground, read: str, url: bool, advice: str
) -> None:
    ground.make()
    ground.lock(ground.commit(), date=repos.DATE + DAY_S)
    found = ground.finding(read, url=url)
    assert found is not None
    assert found.detail.endswith(f"which is newer than this clone: {advice.format(clone=ground.clone)}")


def test_an_old_commit_that_nobody_has_is_not_said_to_be_newer(ground: Ground) -> None:
    ground.make()
    ground.lock(Rev("1" * 40), date=repos.DATE - DAY_S)
    for offline in (False, True):
        survey, _ = ground.survey(offline=offline)
        assert [found.detail for found in find_drift(survey, everything(survey)).findings] == [
            "lib does not have this commit"
        ]


@pytest.mark.parametrize("read", ["server", "local"])
@pytest.mark.parametrize("kept", ["cut off", "without its history"])
def test_a_shallow_clone_is_named_as_such_and_not_in_step(ground: Ground, read: str, kept: str) -> None:
    first = repos.make_bare(ground.server, FLAKE)
    ground.commit()
    ground.lock(first)
    if kept == "without its history":  # the commit is there as the end of another branch
        repos.run_git("branch", "old", first, cwd=ground.server)
    ground.clone_again("--depth=1", "--no-single-branch")
    found = ground.finding(read)
    assert found is not None
    words = "does not have" if kept == "cut off" else "lacks the history of"
    assert found.detail == f"lib is a shallow clone that {words} this commit: git -C {ground.clone} fetch --unshallow"
    for command in ("drift", "plan", "sync"):
        done = forked.flakesync(command, cwd=ground.root, env=dict(os.environ))
        told = " ".join((done.stdout + done.stderr).split())
        assert (done.returncode, "fetch --unshallow" in told) == (1, True), command
    repos.run_git("fetch", "-q", "--unshallow", cwd=ground.clone)
    found = ground.finding(read)
    assert found is not None
    assert found.kind == "upstream"


def test_offline_the_answer_says_how_old_its_knowledge_is(ground: Ground) -> None:
    ground.lock(ground.make())
    survey, notes = ground.survey()
    assert notes == []
    set_fetched(ground.clone, survey.now - 5 * 3600)
    assert ground.survey(offline=True)[1] == ["lib: last fetched just now"]  # a run has asked since
    for stamp in (Path(os.environ["HOME"]) / ".cache/flakesync/fetched").iterdir():
        stamp.unlink()
    assert ground.survey(offline=True)[1] == ["lib: last fetched 5 hours ago"]
    repos.run_git("remote", "remove", "origin", cwd=ground.clone)
    (note,) = ground.survey(offline=True)[1]
    assert note == "lib: nothing of the server was fetched yet, the clone's own branches count"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "just now"), (59, "just now"), (60, "1 minute ago"), (7200, "2 hours ago"), (DAY_S, "1 day ago")],
)
def test_an_age_is_told_in_its_largest_unit(seconds: int, words: str) -> None:
    assert ago(seconds) == words


def test_offline_the_ages_of_many_repos_are_one_sentence(tmp_path: Path) -> None:
    def state(name: str, fetched: int) -> RepoAtCommit:
        branches = BranchRefs(of_server=True, fetched=fetched)
        return RepoAtCommit(repo(name), tmp_path, "main", Rev("1" * 40), Rev("1" * 40), (), branches)

    old = {RepoName(f"r{number}"): state(f"r{number}", 10 * DAY_S) for number in range(5)}
    read = Snapshot(workspace([]), "base", old)
    assert list(ages(read, 13 * DAY_S)) == ["5 repos: last fetched 3 days ago"]
    newer = {**old, RepoName("new"): state("new", 13 * DAY_S - 7200)}
    (text,) = ages(Snapshot(workspace([]), "base", newer), 13 * DAY_S)
    assert text == "6 repos: last fetched between 3 days ago (r0) and 2 hours ago"

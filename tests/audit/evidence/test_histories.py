"""Where locked commits stand: asked of clones first, then of servers, each host and each repository for itself."""

import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from flakesync.audit.evidence.histories import find_histories
from flakesync.audit.evidence.model import CommitKey, HistoryEvidence, Unknown
from flakesync.git import process
from flakesync.git.remotes import tries
from flakesync.nix.reference.identity import Identity
from flakesync.terms import Rev
from tests.support import repos

UPDATE = "flakesync/update"


class Place:
    """A repository `lib` as its server has it, with a commit on a pull request alone, and a clone of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / "lib.git"
        self.url = f"file://{self.path}"
        self.old = repos.make_bare(self.path, {"f": "0"})
        self.tip = repos.commit(self.path, {"f": "1"}, date=repos.DATE + 5)
        self.stray = repos.commit(self.path, {"f": "2"}, branch="stray", parents=[self.old])
        self.pulled = repos.commit(self.path, {"f": "3"}, branch="pull", parents=[self.old])
        repos.run_git("update-ref", "refs/pull/1/head", self.pulled, cwd=self.path)
        repos.run_git("update-ref", "-d", "refs/heads/pull", cwd=self.path)

    def clone(self, *argv: str) -> Path:
        repos.run_git("clone", "--quiet", *argv, self.url, "clone", cwd=self.root)
        return self.root / "clone"

    def key(self, rev: Rev, *, ref: str | None = "main", url: str | None = None, **flags: bool) -> CommitKey:
        at = url or self.url
        wanted = {"any_ref": False, "counted": False, **flags}
        # As for a repository that is known by the address of its server.
        where = Identity("", str(self.path)) if url is None else Identity("example.com", at)
        return CommitKey(where, at, ref, wanted["any_ref"], rev, wanted["counted"], served=False, submodules=False)

    def find(
        self, *keys: CommitKey, clone: Path | None = None, offline: bool = False, jobs: int = 2
    ) -> list[HistoryEvidence | Unknown]:
        clones: Mapping[Identity, Path] = {key.identity: clone for key in keys} if clone is not None else {}
        claims = dict.fromkeys(keys, repos.DATE)
        found = find_histories(
            keys, claims, clones, None, self.root / "cache", jobs=jobs, offline=offline, update_branch=UPDATE
        )
        assert set(found) == set(keys)
        return [found[key] for key in keys]

    def standings(self, *keys: CommitKey, clone: Path | None = None) -> list[str]:
        return [getattr(each, "standing", "unknown") for each in self.find(*keys, clone=clone)]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    tries.forget()
    yield Place(tmp_path)
    tries.forget()


def test_each_commit_has_its_own_answer(place: Place) -> None:
    keys = [place.key(rev) for rev in (place.old, place.tip, place.stray, place.pulled, Rev("e" * 40))]
    assert place.standings(*keys) == ["on-branch", "on-branch", "on-other", "nowhere", "nowhere"]
    other = place.find(place.key(place.stray))[0]
    assert other == HistoryEvidence("on-other", branches=("stray",), last_modified=repos.DATE)


def test_one_commit_by_several_names_has_an_answer_to_each(place: Place) -> None:
    keys = [
        place.key(place.stray),
        place.key(place.stray, ref="stray"),
        place.key(place.stray, any_ref=True),
        place.key(place.stray, ref="gone"),
        place.key(place.tip, ref=None, counted=True),
        place.key(place.tip, ref=None),
    ]
    found = place.find(*keys)
    standings = [each.standing for each in found if isinstance(each, HistoryEvidence)]
    assert standings == ["on-other", "on-branch", "on-branch", "on-other", "on-branch", "on-branch"]
    gone = [each.ref_gone for each in found if isinstance(each, HistoryEvidence)]
    assert gone == [False, False, False, True, False, False]
    counts = [each.rev_count for each in found if isinstance(each, HistoryEvidence)]
    assert counts == [None, None, None, None, 2, None]


def test_a_clone_is_asked_before_its_server(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = place.clone()
    keys = [place.key(place.tip, counted=True), place.key(place.old, ref=None), place.key(place.stray, ref="stray")]
    place.path.rename(place.root / "away")
    counts = [each.rev_count for each in place.find(*keys, clone=clone) if isinstance(each, HistoryEvidence)]
    assert counts == [2, None, None]


def test_what_a_clone_does_not_vouch_for_its_server_is_asked_for(place: Place) -> None:
    clone = place.clone()
    later = repos.commit(place.path, {"f": "4"})
    keys = [place.key(later), place.key(place.pulled), place.key(place.stray)]
    assert place.standings(*keys, clone=clone) == ["on-branch", "nowhere", "on-other"]


def test_pull_requests_that_a_clone_has_fetched_are_no_branches(place: Place) -> None:
    clone = place.clone()
    repos.run_git("fetch", "--quiet", "origin", "refs/pull/*/head:refs/remotes/origin/pr/*", cwd=clone)
    repos.run_git("update-ref", "refs/heads/mine", place.pulled, cwd=clone)
    assert place.standings(place.key(place.pulled), clone=clone) == ["nowhere"]


@pytest.mark.parametrize("ref", [f"refs/heads/{UPDATE}", f"refs/remotes/origin/{UPDATE}"])
def test_what_is_only_on_the_update_branch_has_not_landed_and_is_no_finding(place: Place, ref: str) -> None:
    clone = place.clone()
    updated = repos.commit(clone, {"f": "5"}, branch="other", checkout=False, parents=[place.tip])
    repos.run_git("update-ref", ref, updated, cwd=clone)
    repos.run_git("update-ref", "-d", "refs/heads/other", cwd=clone)
    assert place.standings(place.key(updated), clone=clone) == ["on-branch"]


def test_a_shallow_clone_says_nothing_false(place: Place) -> None:
    clone = place.clone("--depth=1")
    keys = [place.key(place.old, counted=True), place.key(place.tip, counted=True)]
    found = place.find(*keys, clone=clone)
    assert [each.rev_count for each in found if isinstance(each, HistoryEvidence)] == [1, 2]


def test_a_shallow_clone_without_its_server_knows_nothing_of_what_is_below(place: Place) -> None:
    clone = place.clone("--depth=1")
    place.path.rename(place.root / "away")
    assert place.standings(place.key(place.old), place.key(place.tip), clone=clone) == ["unknown", "on-branch"]


def test_offline_what_earlier_runs_have_found_is_all_there_is(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    known = [place.key(place.tip), place.key(place.stray), place.key(place.pulled)]
    before = place.find(*known)
    monkeypatch.setattr(process, "git", None)
    *again, new = place.find(*known, place.key(place.old), offline=True)
    assert again == before
    assert isinstance(new, Unknown)
    assert "offline" in new.reason


def test_what_was_on_its_branch_starts_no_process_in_the_next_run(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [place.key(place.tip, counted=True), place.key(place.old)]
    before = place.find(*keys)
    monkeypatch.setattr(process, "git", None)
    assert place.find(*keys) == before


def test_a_repository_that_is_not_there_is_not_known_and_spoils_no_other(place: Place) -> None:
    good, bad = place.key(place.tip), place.key(place.tip, url=f"file://{place.root}/none")
    refused = place.key(place.tip, url="ext::sh -c true")
    strange = place.key(place.tip, ref="a..b")
    found = place.find(bad, good, refused, strange)
    assert [isinstance(each, Unknown) for each in found] == [True, False, True, True]
    assert f"{place.root}/none" in str(found[0])
    assert "a..b" in str(found[3])


def test_a_host_that_refuses_is_asked_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:  # bound, and listening to nobody
        taken.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        started: list[str] = []
        real = process.git

        def note(argv: "list[str]", **kwargs: object) -> process.Answer:
            started.append(argv[0])
            return real(argv, **kwargs)  # type: ignore[arg-type]

        monkeypatch.setattr(process, "git", note)
        monkeypatch.setattr(tries, "PAUSES_S", ())
        keys = [place.key(place.tip, url=f"http://{host}/{name}") for name in range(9)]
        found = place.find(*keys, place.key(place.tip), jobs=4)
    assert all(isinstance(each, Unknown) and host in each.reason for each in found[:-1])
    assert isinstance(found[-1], HistoryEvidence)
    assert started.count("ls-remote") == 2


def test_no_keys_no_answers(place: Place) -> None:
    assert place.find() == []
    assert not (place.root / "cache").exists()

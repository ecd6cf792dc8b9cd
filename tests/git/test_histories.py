"""Where a commit stands in the history of a server, and what is fetched to find that out."""

from pathlib import Path

import pytest

from flakesync.cache.layout import answers_file
from flakesync.errors import GitError
from flakesync.git import process
from flakesync.git.remotes import branch_history
from flakesync.git.remotes.branch_history import HistoryAnswer
from flakesync.git.remotes.server_history import HistoryQuestion, ask_history, known_history
from flakesync.terms import Rev
from tests.support import repos

DAY_S = 86_400
OTHER = Rev("e" * 40)


class Server:
    """A repository with a commit a day on `main`, two on `stable`, one on a pull request alone, and tags."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cache = path.parent / "cache"
        self.url = f"file://{path}"
        self.days = [repos.make_bare(path, {"f": "0"}, date=repos.DATE)]
        for day in range(1, 10):
            self.days.append(repos.commit(path, {"f": f"{day}"}, date=self.date(day)))
        self.stable = repos.commit(path, {"f": "s"}, branch="stable", parents=[self.days[3]], date=self.date(4))
        self.pulled = self.only_on("refs/pull/1/head", "p")
        self.off_tag = self.only_on("refs/tags/old", "o", at=1)
        self.git("tag", "-a", "-m", "t", "v1", self.days[2])
        self.git("config", "uploadpack.allowFilter", "true")
        self.git("config", "uploadpack.allowAnySHA1InWant", "true")

    def only_on(self, ref: str, content: str, *, at: int = 5) -> Rev:
        rev = repos.commit(self.path, {"f": content}, branch="passing", parents=[self.days[at]], date=self.date(at))
        self.git("update-ref", ref, rev)
        self.git("update-ref", "-d", "refs/heads/passing")
        return rev

    def git(self, *argv: str) -> str:
        return repos.run_git(*argv, cwd=self.path)

    def date(self, day: int) -> int:
        return repos.DATE + day * DAY_S

    def asks(self, rev: Rev, ref: str | None = "main", day: int = 5, **more: bool) -> HistoryQuestion:
        return HistoryQuestion(ref, rev, more.get("any_ref", False), self.date(day), more.get("counted", False))

    def answers(self, *questions: HistoryQuestion) -> list[HistoryAnswer | GitError]:
        found = ask_history(self.url, questions, self.cache)
        return [found[each] for each in questions]

    def answer(self, rev: Rev, ref: str | None = "main", day: int = 5, **more: bool) -> HistoryAnswer:
        (found,) = self.answers(self.asks(rev, ref, day, **more))
        assert isinstance(found, HistoryAnswer), found
        return found

    def own(self) -> Path:
        """Return the repository of ours."""
        (found,) = (path for path in (self.cache / "branches").iterdir() if path.is_dir())
        return found


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path / "server.git")


@pytest.mark.parametrize("ref", ["main", None, "refs/heads/main"])
@pytest.mark.parametrize("day", [-9000, 0, 4, 9, 3000, 10**15])
def test_what_is_on_the_branch_is_found_whatever_date_is_claimed(server: Server, ref: str | None, day: int) -> None:
    assert server.answer(server.days[4], ref, day) == HistoryAnswer(named=True, time=server.date(4))


def test_what_is_only_on_another_branch_is_named_with_it(server: Server) -> None:
    found = server.answer(server.stable, "main", 4)
    assert found == HistoryAnswer(named=False, others=("refs/heads/stable",), time=server.date(4))
    assert server.answer(server.off_tag).others == ("refs/tags/old",)


@pytest.mark.parametrize("day", [0, 5, 30])
def test_what_only_a_pull_request_has_is_nowhere_though_the_server_hands_it_out(server: Server, day: int) -> None:
    assert server.answer(server.pulled, "main", day) == HistoryAnswer(named=False)
    assert server.answer(server.pulled, "refs/pull/1/head", day) == HistoryAnswer(named=False, gone=True)
    assert server.answer(OTHER, None, day) == HistoryAnswer(named=False)


def test_a_commit_of_a_branch_that_was_merged_and_deleted_is_on_the_branch(server: Server) -> None:
    side = repos.commit(server.path, {"g": "1"}, branch="side", parents=[server.days[9]], date=server.date(10))
    repos.commit(server.path, {"g": "1"}, parents=[server.days[9], side], date=server.date(11))
    server.git("update-ref", "-d", "refs/heads/side")
    assert server.answer(side, "main", 10).named


def test_a_commit_of_a_branch_that_was_squashed_and_deleted_is_nowhere(server: Server) -> None:
    side = repos.commit(server.path, {"g": "1"}, branch="side", parents=[server.days[9]], date=server.date(10))
    assert server.answer(side, "main", 10).others == ("refs/heads/side",)
    repos.commit(server.path, {"g": "1"}, date=server.date(11))
    server.git("update-ref", "-d", "refs/heads/side")
    assert server.answer(side, "main", 10) == HistoryAnswer(named=False)


def test_where_the_branch_is_gone_that_is_said(server: Server) -> None:
    assert server.answer(server.days[4], "master") == HistoryAnswer(
        named=False, others=("refs/heads/main",), gone=True, time=server.date(4)
    )


def test_a_server_whose_head_names_no_branch_is_asked_for_the_others(server: Server) -> None:
    server.git("symbolic-ref", "HEAD", "refs/heads/none")
    there, nowhere = server.answers(server.asks(server.days[4], None), server.asks(OTHER, None))
    assert there == HistoryAnswer(named=False, others=("refs/heads/main",), gone=True, time=server.date(4))
    assert nowhere == HistoryAnswer(named=False, gone=True)


def test_a_tag_has_its_commit_whether_the_lock_has_that_or_the_tag_itself(server: Server) -> None:
    tag = Rev(server.git("rev-parse", "v1"))
    assert tag != server.days[2]
    for ref in ("v1", "refs/tags/v1", "main"):
        for rev in (tag, server.days[2]):
            assert server.answer(rev, ref, 2) == HistoryAnswer(named=True, time=server.date(2))


def test_a_tag_that_is_a_tree_harms_nobody(server: Server) -> None:
    server.git("tag", "tree", f"{server.days[1]}^{{tree}}")
    assert server.answer(server.stable).others == ("refs/heads/stable",)
    assert server.answer(OTHER) == HistoryAnswer(named=False)


def test_a_commit_with_an_old_date_hides_nothing_behind_it(server: Server) -> None:
    repos.commit(server.path, {"f": "old"}, date=1000)
    repos.commit(server.path, {"f": "new"}, date=server.date(12))
    assert server.answer(server.days[8], "main", 8).named


def test_commits_are_counted_where_that_is_asked_on_whatever_branch(server: Server) -> None:
    asked = [server.asks(server.days[6], day=6, counted=True), server.asks(server.stable, day=4, counted=True)]
    found = server.answers(*asked, server.asks(server.days[7], day=7))
    assert [each.count for each in found if isinstance(each, HistoryAnswer)] == [7, 5, None]


def test_only_commits_since_that_day_are_fetched(server: Server) -> None:
    assert server.answer(server.days[7], "main", 7).named
    told = repos.run_git("cat-file", "--batch-all-objects", "--batch-check", cwd=server.own())
    assert sorted(line.split()[:2] for line in told.splitlines()) == sorted([rev, "commit"] for rev in server.days[6:])


def test_what_was_found_on_its_branch_is_not_asked_for_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [
        server.asks(server.days[7], day=7, counted=True),
        server.asks(server.days[2], None),
        server.asks(server.stable, any_ref=True),
    ]
    first = server.answers(*asked)
    monkeypatch.setattr(process, "git", None)
    assert server.answers(*asked) == first
    assert known_history(server.url, asked, server.cache, final=True) == dict(zip(asked, first, strict=True))


def test_what_was_on_no_branch_is_asked_for_again_and_known_without_a_server(server: Server) -> None:
    asked = server.asks(server.pulled)
    assert server.answers(asked) == [HistoryAnswer(named=False)]
    assert known_history(server.url, [asked], server.cache, final=True) == {}
    assert known_history(server.url, [asked], server.cache, final=False) == {asked: HistoryAnswer(named=False)}
    server.git("update-ref", "refs/heads/main", server.pulled)
    assert server.answer(server.pulled).named


def test_a_server_without_filters_says_the_same(server: Server) -> None:
    server.git("config", "uploadpack.allowFilter", "false")
    assert server.answer(server.days[4], "main", 4).named
    assert server.answer(server.stable, "main", 4).others == ("refs/heads/stable",)
    assert server.answer(server.pulled) == HistoryAnswer(named=False)


def test_a_shallow_server_is_believed_where_it_has_something_and_not_where_it_has_not(server: Server) -> None:
    part = server.path.with_name("part.git")
    server.git("clone", "--quiet", "--bare", "--depth=3", server.url, str(part))
    asked = [server.asks(server.days[8], day=8, counted=True), server.asks(server.days[2]), server.asks(OTHER, day=9)]
    found = ask_history(f"file://{part}", asked, server.cache)
    assert found[asked[0]] == HistoryAnswer(named=True, time=server.date(8))
    for each in asked[1:]:
        error = found[each]
        assert isinstance(error, GitError)
        assert error.code == "shallow"


def test_repositories_of_sha256_are_read_too(tmp_path: Path) -> None:
    path = tmp_path / "new.git"
    repos.run_git(
        "init", "--quiet", "--bare", "--object-format=sha256", "--initial-branch=main", str(path), cwd=tmp_path
    )
    tree = repos.run_git("hash-object", "-w", "-t", "tree", "/dev/null", cwd=path)
    rev = Rev(repos.run_git("commit-tree", "-m", "one", tree, cwd=path))
    other = Rev(repos.run_git("commit-tree", "-m", "two", tree, cwd=path))
    repos.run_git("update-ref", "refs/heads/main", rev, cwd=path)
    asked = [HistoryQuestion("main", each, any_ref=False, date=repos.DATE, counted=False) for each in (rev, other)]
    found = ask_history(f"file://{path}", asked, tmp_path / "cache")
    assert [answer.named for answer in found.values() if isinstance(answer, HistoryAnswer)] == [True, False]


def test_a_repository_that_has_changed_its_kind_of_names_is_fetched_anew(server: Server) -> None:
    assert server.answer(server.days[4]).named
    (server.own() / "config").write_text(
        "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tobjectformat = sha256\n"
    )
    assert server.answer(server.stable).others


@pytest.mark.parametrize("day", [2, 6])
def test_a_repository_of_ours_that_lacks_commits_gives_no_wrong_answer_and_is_made_anew(
    server: Server, day: int
) -> None:
    assert server.answer(server.days[1], "main", 1).named
    own = server.own()
    for pack in (own / "objects/pack").glob("*.pack"):
        run = ["unpack-objects", "-q"]
        data = pack.read_bytes()
        for file in (own / "objects/pack").glob(f"{pack.stem}.*"):
            file.unlink()
        process.git(run, cwd=own, data=data)
    (own / "objects" / server.days[5][:2] / server.days[5][2:]).unlink()
    (found,) = server.answers(server.asks(server.days[day], day=day))
    assert isinstance(found, GitError) or found.named
    assert server.answer(server.days[day], day=day).named
    assert server.answer(server.pulled) == HistoryAnswer(named=False)


def test_an_empty_server_has_nothing(tmp_path: Path) -> None:
    repos.run_git("init", "--quiet", "--bare", str(tmp_path / "empty"), cwd=tmp_path)
    asked = HistoryQuestion(None, OTHER, any_ref=False, date=repos.DATE, counted=False)
    found = ask_history(f"file://{tmp_path}/empty", [asked], tmp_path / "cache")
    assert found == {asked: HistoryAnswer(named=False, gone=True)}


def test_a_server_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    asked = HistoryQuestion(None, OTHER, any_ref=False, date=repos.DATE, counted=False)
    with pytest.raises(GitError) as error:
        ask_history(f"file://{tmp_path}/none", [asked], tmp_path / "cache")
    assert error.value.code == "unreachable"


def test_a_history_that_git_cannot_make_whole_again_is_fetched_anew(server: Server, started: list[str]) -> None:
    assert server.answer(server.days[8], "main", 8).named
    own = server.own()
    # git then tells the server that it has this commit, and looks for it when it is sent what is below.
    (own / "shallow").write_text(f"{(own / 'shallow').read_text()}{server.days[3]}\n")
    failed = process.git(["fetch", "--depth=2147483647", server.url, "main"], cwd=own, check=False)
    assert "unshallow" in failed.err
    started.clear()
    found = server.answers(server.asks(server.days[1], day=9, counted=True), server.asks(OTHER, day=9))
    assert found == [HistoryAnswer(named=True, time=server.date(1), count=2), HistoryAnswer(named=False)]
    assert "init" in started


@pytest.mark.parametrize("depth", ["1", "2", "8"])
def test_what_lies_below_the_end_of_a_shallow_repository_is_not_known_and_not_nowhere(
    server: Server, depth: str
) -> None:
    assert server.answer(server.days[9], "main", 9).named
    whole = server.path.rename(server.path.with_name("whole.git"))
    repos.run_git("clone", "--quiet", "--bare", f"--depth={depth}", f"file://{whole}", str(server.path), cwd=whole)
    (found,) = server.answers(server.asks(server.days[0], day=9))
    assert isinstance(found, GitError), found
    repos.run_git("fetch", "--quiet", "--unshallow", f"file://{whole}", "+refs/*:refs/*", cwd=server.path)
    assert server.answer(server.days[0], "main", 9).named


def test_a_repository_of_ours_that_was_cut_off_by_depth_is_made_whole_before_it_answers(server: Server) -> None:
    assert server.answer(server.days[9], "main", 9).named
    own = server.own()
    repos.run_git("fetch", "--quiet", "--depth=1", server.url, "+refs/heads/*:refs/flakesync/heads/*", cwd=own)
    assert server.answer(server.days[0], "main", 9).named
    assert server.answer(server.stable, "main", 9).others == ("refs/heads/stable",)
    assert server.answer(server.pulled, "main", 9) == HistoryAnswer(named=False)


def test_of_what_has_been_found_the_latest_is_kept_and_no_more(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branch_history, "_MOST_ANSWERS", 3)
    asked = [server.asks(rev) for rev in server.days]
    for each in asked:
        server.answers(each)
    known = known_history(server.url, asked, server.cache, final=True)
    assert list(known) == asked[-3:]
    (file,) = (server.cache / "branches").glob("*.answers")
    assert file == answers_file(server.own())

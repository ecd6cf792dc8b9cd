"""The newest commits of a branch by depth: how much is fetched, what is kept, and what can be told by them."""

import os
import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from flakesync.cache.layout import window_folder
from flakesync.errors import GitError
from flakesync.git.remotes.branch_history import fetch_commits
from flakesync.git.remotes.window import fetch
from flakesync.git.remotes.window.commits import Window, WindowCommit
from flakesync.git.remotes.window.fetch import read_window
from flakesync.terms import Rev
from tests.support.history import line, make_history
from tests.support.repos import run_git

DAY = 86_400
NOW = 1_790_000_000


def deep(count: int) -> Callable[[Window], bool]:
    return lambda window: len(window.first_parents) >= count


def url_of(path: Path) -> str:
    return f"file://{path}"


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@pytest.fixture
def server(tmp_path: Path) -> Path:
    return tmp_path / "server.git"


def read(server: Path, tip: Rev, cache: Path, enough: Callable[[Window], bool]) -> Window:
    window = read_window(url_of(server), "main", tip, cache, enough)
    assert window is not None
    return window


def test_it_goes_as_deep_as_is_enough(server: Path, tmp_path: Path) -> None:
    revs = make_history(server, line(300, start=NOW - 300 * DAY, step_s=DAY))
    few = read(server, revs["c299"], tmp_path, deep(20))
    assert [len(few.first_parents), few.is_whole, few.first_parents[0]] == [32, False, revs["c299"]]
    more = read(server, revs["c299"], tmp_path, deep(200))
    assert [len(more.first_parents), more.is_whole] == [256, False]
    whole = read(server, revs["c299"], tmp_path, deep(1000))
    assert [len(whole.first_parents), whole.is_whole, whole.note] == [300, True, None]


def test_what_is_here_is_not_fetched_again(server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    revs = make_history(server, line(100, start=NOW, step_s=1))
    first = read(server, revs["c99"], tmp_path, deep(20))
    monkeypatch.setattr(fetch, "fetch_commits", pytest.fail)
    assert read(server, revs["c99"], tmp_path, deep(20)) == first
    older = read(server, revs["c80"], tmp_path, deep(5))
    assert older.first_parents == first.first_parents[19:]


def test_offline_it_is_what_an_earlier_run_has_fetched(server: Path, tmp_path: Path) -> None:
    revs = make_history(server, line(100, start=NOW, step_s=1))
    assert read_window(url_of(server), "main", revs["c99"], tmp_path, deep(50), offline=True) is None
    first = read(server, revs["c99"], tmp_path, deep(20))
    assert read_window(url_of(server), "main", revs["c99"], tmp_path, deep(50), offline=True) == first


def test_no_files_come_and_a_new_tip_is_little_more(server: Path, tmp_path: Path) -> None:
    revs = make_history(server, line(300, start=NOW, step_s=1), file_bytes=5000)
    read(server, revs["c299"], tmp_path, deep(20))
    folder = window_folder(tmp_path, url_of(server))
    assert size(folder / "objects") < 40_000
    new = make_history(server, {"d": (NOW + 500, (revs["c299"],))}, file_bytes=5000)
    assert read(server, new["d"], tmp_path, deep(20)).first_parents[:2] == (new["d"], revs["c299"])
    assert size(folder / "objects") < 60_000


def test_a_server_without_filters_is_told_and_bounded(
    server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    revs = make_history(server, line(60, start=NOW, step_s=1), filters=False, file_bytes=100_000)
    window = read(server, revs["c59"], tmp_path / "one", deep(20))
    assert window.note is not None
    assert "sends whole trees: 32 commits are" in window.note
    monkeypatch.setattr(fetch, "MOST_BYTES", 1 << 20)
    with pytest.raises(GitError) as caught:
        read(server, revs["c59"], tmp_path / "two", deep(20))
    assert caught.value.code == "too-large"
    assert "too big without filter: over 1 MB" in caught.value.message
    assert size(tmp_path / "two") < 100_000, "nothing of it is kept"
    monkeypatch.setattr(fetch, "fetch_commits", pytest.fail)
    with pytest.raises(GitError) as caught:
        read(server, revs["c59"], tmp_path / "two", deep(20))
    assert caught.value.code == "too-large", "nobody finds it out each night"


def test_a_few_large_files_are_bounded_too(server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "MOST_BYTES", 1 << 20)
    revs = make_history(server, line(8, start=NOW, step_s=1), filters=False, file_bytes=200_000)
    with pytest.raises(GitError) as caught:
        read(server, revs["c7"], tmp_path / "cache", deep(5))
    assert caught.value.code == "too-large"


def test_a_bound_on_the_commits_is_named(server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    revs = make_history(server, line(600, start=NOW, step_s=1))
    monkeypatch.setattr(fetch, "MOST_COMMITS", 100)
    window = read(server, revs["c599"], tmp_path, deep(500))
    assert window.note == "no more than the 256 newest commits of its history were looked at"


def test_a_branch_that_lost_the_tip_is_an_error(server: Path, tmp_path: Path) -> None:
    make_history(server, line(10, start=NOW, step_s=1))
    with pytest.raises(GitError) as caught:
        read(server, Rev("1" * 40), tmp_path, deep(5))
    assert caught.value.code == "no-such-commit"


def test_a_branch_that_moved_on_meanwhile_is_read_below_the_tip(server: Path, tmp_path: Path) -> None:
    revs = make_history(server, line(50, start=NOW, step_s=1))
    window = read(server, revs["c40"], tmp_path, deep(5))
    assert window.first_parents[:2] == (revs["c40"], revs["c39"])


def test_a_rewritten_branch_has_the_new_history_alone(server: Path, tmp_path: Path) -> None:
    revs = make_history(server, line(50, start=NOW, step_s=1))
    read(server, revs["c49"], tmp_path, deep(20))
    new = make_history(server, {"x": (NOW + 99, (revs["c45"],))})
    window = read(server, new["x"], tmp_path, deep(20))
    assert revs["c49"] not in window.commits
    assert revs["c45"] in window.commits


def test_a_new_tip_is_fetched_as_deep_as_the_last_one_was(
    server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    revs = make_history(server, line(400, start=NOW, step_s=1))
    read(server, revs["c399"], tmp_path, deep(200))
    new = make_history(server, {"d": (NOW + 500, (revs["c399"],))})
    asked: list[object] = []

    def noted(*values: object, **more: object) -> bool:
        asked.append(values[3])
        return fetch_commits(*values, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(fetch, "fetch_commits", noted)
    assert len(read(server, new["d"], tmp_path, deep(200)).first_parents) == 256
    assert asked == [["--depth=256"]]
    read(server, new["d"], tmp_path, deep(300))
    assert asked[1:] == [["--depth=2048"]]


def test_many_small_packs_do_not_pile_up(server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "_MOST_PACKS", 3)
    revs = make_history(server, line(40, start=NOW, step_s=1))
    tip = revs["c39"]
    for number in range(7):
        read(server, tip, tmp_path, deep(20))
        tip = make_history(server, {"d": (NOW + 500 + number, (tip,))})["d"]
    packs = window_folder(tmp_path, url_of(server)) / "objects" / "pack"
    assert len([*packs.glob("*.pack")]) <= 4


def test_a_server_that_has_all_or_nothing_says_so(server: Path, tmp_path: Path) -> None:
    revs = make_history(server, line(5, start=NOW, step_s=1))
    run_git("update-server-info", cwd=server)
    handler = partial(SimpleHTTPRequestHandler, directory=str(server))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as files:
        threading.Thread(target=files.serve_forever, daemon=True).start()
        with pytest.raises(GitError) as caught:
            read_window(f"http://127.0.0.1:{files.server_port}/", "main", revs["c4"], tmp_path / "cache", deep(3))
        files.shutdown()
    assert caught.value.code == "no-history"


def test_commits_may_have_names_of_sha256(server: Path, tmp_path: Path) -> None:
    revs = make_history(server, line(50, start=NOW, step_s=1), sha256=True)
    assert read(server, revs["c49"], tmp_path, deep(20)).first_parents[:2] == (revs["c49"], revs["c48"])


def test_what_a_fetch_that_was_cut_off_has_left_is_fetched_anew(server: Path, tmp_path: Path) -> None:
    revs = make_history(server, line(50, start=NOW, step_s=1))
    read(server, revs["c49"], tmp_path, deep(20))
    folder = window_folder(tmp_path, url_of(server))
    (folder / "shallow").unlink()
    (folder / "shallow.lock").touch()
    (folder / "objects" / "pack" / "tmp_pack_x").write_bytes(b"half")
    fetch._parsed.cache_clear()
    assert len(read(server, revs["c49"], tmp_path, deep(20)).first_parents) >= 32
    assert not [*folder.glob("objects/pack/tmp_*"), *folder.glob("*.lock")]


def test_two_branches_share_a_repository(server: Path, tmp_path: Path) -> None:
    revs = make_history(server, line(100, start=NOW, step_s=1))
    other = make_history(server, {"x": (NOW + 200, (revs["c50"],))}, branch="stable")
    read(server, revs["c99"], tmp_path, deep(100))
    stable = read_window(url_of(server), "stable", other["x"], tmp_path, deep(20))
    assert stable is not None
    assert stable.first_parents[:2] == (other["x"], revs["c50"])
    assert len(read(server, revs["c99"], tmp_path, deep(100)).first_parents) == 100


def test_a_repository_as_large_as_home_manager_is_a_hundred_kilobytes_and_a_second(
    server: Path, tmp_path: Path
) -> None:
    shape = line(7000, start=NOW - 7000 * 7200, step_s=7200)
    revs = make_history(server, shape, file_bytes=400)
    begin = os.times()
    window = read(server, revs["c6999"], tmp_path, deep(240))
    end = os.times()
    took_s = sum(end[:4]) - sum(begin[:4])
    assert len(window.first_parents) == 256
    assert size(window_folder(tmp_path, url_of(server)) / "objects" / "pack") <= 100_000
    assert took_s < 1, "of processor time, git's too"


def window_of(**commits: tuple[int, str]) -> Window:
    """Return a window; of each commit its time and, in one word, its parents."""
    known = {
        Rev(name): WindowCommit(date, tuple(map(Rev, parents.split()))) for name, (date, parents) in commits.items()
    }
    return Window(Rev(next(iter(commits))), known, frozenset())


def test_a_commit_is_as_young_as_the_youngest_of_its_history() -> None:
    window = window_of(tip=(100, "mid side"), mid=(900, "root"), side=(50, "root"), root=(10, ""))
    assert window.youngest(1000) == {"tip": 900, "mid": 900, "side": 50, "root": 10}


def test_a_date_in_the_future_is_nobodys_word() -> None:
    window = window_of(tip=(700, "mid"), mid=(5000, "old"), old=(100, ""))
    assert window.youngest(1000) == {"tip": 700, "mid": 700, "old": 100}
    window = window_of(tip=(5000, "old"), old=(100, ""))
    assert window.youngest(1000) == {"tip": 1000, "old": 100}


def test_what_leaves_the_window_is_not_told_unless_dates_do() -> None:
    a_day = 86_400
    commits = window_of(tip=(9 * a_day, "mid fix"), fix=(5 * a_day, ""), mid=(3 * a_day, "")).commits
    window = Window(Rev("tip"), commits, frozenset([Rev("mid"), Rev("fix")]))
    assert window.contains(Rev("tip"), Rev("fix")) is True
    assert window.contains(Rev("mid"), Rev("fix")) is False, "what mid is cut off from is older"
    assert window.contains(Rev("fix"), Rev("mid")) is None
    assert window.contains(Rev("tip"), Rev("elsewhere")) is None
    assert window.contains(Rev("elsewhere"), Rev("tip")) is None
    assert Window(Rev("tip"), commits, frozenset()).contains(Rev("mid"), Rev("elsewhere")) is False

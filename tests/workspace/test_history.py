"""Where a locked commit stands, asked of real repositories."""

from pathlib import Path

import msgspec
import pytest

from flakesync.cache.records import KeptRecords
from flakesync.git.repository import Repository
from flakesync.survey.graph import build_graph
from flakesync.survey.survey import questions
from flakesync.terms import RepoName, Rev
from flakesync.workspace.history import HISTORY_FORMAT, Answer, Question, ask
from flakesync.workspace.snapshot import At, Snapshot, read_snapshot
from tests.support import repos
from tests.support.locks import Inputs
from tests.support.workspaces import UPDATE_BRANCH, Scene, commit_id, repo, takes, workspace

LIB = RepoName("lib")
NOWHERE = commit_id("nowhere")


@pytest.fixture
def lib(tmp_path: Path) -> dict[str, Rev]:
    """A repository: a ← b ← c on main, a ← s on stable, b ← u on the update branch, b tagged v1."""
    path = tmp_path / "lib"
    a = repos.make_repo(path, {"x": "a"}, checkout=False)
    repos.commit(path, {"x": "s"}, branch="stable", parents=[a])
    b = repos.commit(path, {"x": "b"}, checkout=False)
    u = repos.commit(path, {"x": "u"}, branch=UPDATE_BRANCH, parents=[b])
    c = repos.commit(path, {"x": "c"}, checkout=False)
    (path / ".git/refs/tags/v1").write_text(f"{b}\n")
    s = Rev((path / ".git/refs/heads/stable").read_text().strip())
    return {"a": a, "b": b, "c": c, "s": s, "u": u}


def snapshot(tmp_path: Path, at: At = "base", **values: object) -> Snapshot:
    found = workspace([msgspec.structs.replace(repo("lib"), path=tmp_path / "lib", **values)])
    return read_snapshot(found, at=at, cache=tmp_path / "cache")


def answer(found: Snapshot, branch: str | None, rev: Rev) -> Answer:
    question: Question = (LIB, branch, rev)
    return ask(found, [question])[question]


@pytest.mark.parametrize(
    ("branch", "rev", "position", "tip", "behind"),
    [
        (None, "c", "at", "c", 0),
        ("main", "c", "at", "c", 0),
        (None, "b", "behind", "c", 1),
        ("main", "a", "behind", "c", 2),
        (None, "u", "unlanded", "c", 1),
        (None, "s", "ahead", "c", 2),
        (None, "nowhere", "unknown", "c", None),
        ("stable", "s", "at", "s", 0),
        ("stable", "a", "behind", "s", 1),
        ("stable", "c", "ahead", "s", 1),
        ("gone", "a", "unknown", None, None),
        ("v1", "b", "tag", None, None),
        ("v1", "a", "tag", None, None),
    ],
)
def test_a_commit_stands_somewhere(
    tmp_path: Path,
    lib: dict[str, Rev],
    branch: str | None,
    rev: str,
    position: str,
    tip: str | None,
    behind: int | None,
) -> None:
    commits = {**lib, "nowhere": NOWHERE}
    found = answer(snapshot(tmp_path), branch, commits[rev])
    assert (found.position, found.tip, found.behind) == (position, commits[tip] if tip else None, behind)
    assert found.on_base == (branch in (None, "main"))


@pytest.mark.parametrize(
    "branch", ["-x", "a..b", "x^", "", "refs/pull/1/head", "x\x1b[31m", "/etc/passwd", "../../HEAD"]
)
def test_a_name_that_no_branch_can_have_is_unknown_and_no_error(
    tmp_path: Path, lib: dict[str, Rev], branch: str
) -> None:
    assert answer(snapshot(tmp_path), branch, lib["a"]).position == "unknown"


def test_a_base_that_is_not_the_default_branch_is_what_its_own_branch_is_compared_with(
    tmp_path: Path, lib: dict[str, Rev]
) -> None:
    found = snapshot(tmp_path, base="stable")
    assert answer(found, "stable", lib["a"]) == Answer("behind", lib["s"], 1, on_base=True)
    assert answer(found, None, lib["b"]) == Answer("behind", lib["c"], 1, on_base=False, default="main")


def test_the_default_branch_is_named_where_it_is_not_the_base(tmp_path: Path, lib: dict[str, Rev]) -> None:
    found = snapshot(tmp_path, base="stable")
    assert answer(found, None, lib["b"]).default == "main"
    assert answer(found, "main", lib["b"]).default is None
    assert answer(snapshot(tmp_path), None, lib["b"]).default is None


def test_at_update_the_tip_is_the_update_branchs(tmp_path: Path, lib: dict[str, Rev]) -> None:
    found = snapshot(tmp_path, "update")
    assert answer(found, None, lib["u"]) == Answer("at", lib["u"], 0, on_base=True)
    assert answer(found, None, lib["b"]) == Answer("behind", lib["u"], 1, on_base=True)
    assert answer(found, "stable", lib["a"]) == Answer("behind", lib["s"], 1, on_base=False)


def test_a_plain_folder_knows_nothing(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/flake.nix").write_text("{ outputs = _: { }; }")
    assert answer(snapshot(tmp_path), None, NOWHERE) == Answer("unknown", None, None, on_base=True)


def test_a_branch_that_only_the_remote_has_counts(tmp_path: Path, lib: dict[str, Rev]) -> None:
    git_dir = tmp_path / "lib/.git"
    (git_dir / "refs/remotes/origin").mkdir(parents=True)
    (git_dir / "refs/heads/stable").rename(git_dir / "refs/remotes/origin/stable")
    assert answer(snapshot(tmp_path), "stable", lib["a"]) == Answer("behind", lib["s"], 1, on_base=False)


def test_many_questions_have_an_answer_each(tmp_path: Path, lib: dict[str, Rev]) -> None:
    asked = [(LIB, branch, rev) for branch in (None, "main", "stable", "gone") for rev in lib.values()]
    answers = ask(snapshot(tmp_path), asked)
    assert set(answers) == set(asked)
    assert all(answers[LIB, None, rev] == answers[LIB, "main", rev] for rev in lib.values())


def test_a_scene_of_values_answers_as_real_git_does(tmp_path: Path, lib: dict[str, Rev]) -> None:
    """The contract of the stand-in that the tests of drift and plan use."""
    branches = {
        "main": [lib["a"], lib["b"], lib["c"]],
        "stable": [lib["a"], lib["s"]],
        UPDATE_BRANCH: [lib["a"], lib["b"], lib["u"]],
    }
    inputs: Inputs = {
        f"{rev}-{branch or 'main'}": takes("lib", rev={**lib, "x": NOWHERE}[rev], ref=branch)
        for rev in "abcsux" for branch in (None, "main", "stable", "gone")
    }  # fmt: skip
    ats: tuple[At, ...] = ("base", "update")
    for at in ats:
        scene = Scene(workspace([repo("app"), repo("lib")]), {"app": inputs}, {"lib": branches}, at)
        stub = scene.snapshot()
        graph = build_graph(stub)
        real = snapshot(tmp_path, at)
        answers = ask(msgspec.structs.replace(real, states={**stub.states, **real.states}), questions(graph))
        wanted = scene.history(graph, stub)
        assert answers.keys() == wanted.keys()
        for question, found in answers.items():
            assert (found.position, found.tip, found.on_base) == (
                wanted[question].position, wanted[question].tip, wanted[question].on_base
            ), question  # fmt: skip
            if found.position in ("at", "behind"):
                assert found.behind == wanted[question].behind


# ---- what is kept ----------------------------------------------------------------------------------------------------


def ask_kept(tmp_path: Path, *questions: tuple[str | None, Rev]) -> list[Answer]:
    """Ask as a run does that keeps what it finds for the next."""
    kept = KeptRecords(tmp_path / "history", HISTORY_FORMAT)
    asked: list[Question] = [(LIB, branch, rev) for branch, rev in questions]
    found = ask(snapshot(tmp_path), asked, kept)
    kept.write()
    return [found[each] for each in asked]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The repositories whose histories are looked at."""
    found: list[Path] = []
    usual = Repository.open.__func__  # type: ignore[attr-defined]

    def note(cls: type[Repository], path: Path) -> Repository:
        found.append(path)
        return usual(cls, path)  # type: ignore[no-any-return]

    monkeypatch.setattr(Repository, "open", classmethod(note))
    return found


def test_how_far_a_commit_is_behind_is_found_out_once(tmp_path: Path, lib: dict[str, Rev], opened: list[Path]) -> None:
    first = ask_kept(tmp_path, (None, lib["a"]), ("main", lib["b"]))
    assert [(each.position, each.behind) for each in first] == [("behind", 2), ("behind", 1)]
    assert len(opened) == 1
    assert ask_kept(tmp_path, (None, lib["a"]), ("main", lib["b"])) == first
    assert len(opened) == 1


def test_what_is_not_behind_the_base_is_looked_at_each_time(
    tmp_path: Path, lib: dict[str, Rev], opened: list[Path]
) -> None:
    asked = ((None, lib["u"]), (None, lib["s"]), ("stable", lib["a"]), (None, NOWHERE))
    assert ask_kept(tmp_path, *asked) == ask_kept(tmp_path, *asked)
    assert len(opened) == 2


def test_a_base_that_has_moved_is_another_question(tmp_path: Path, lib: dict[str, Rev], opened: list[Path]) -> None:
    ask_kept(tmp_path, (None, lib["a"]))
    repos.commit(tmp_path / "lib", {"x": "d"}, checkout=False)
    assert ask_kept(tmp_path, (None, lib["a"]))[0].behind == 3
    assert len(opened) == 2


def test_a_history_that_is_cut_off_is_looked_at_each_time(
    tmp_path: Path, lib: dict[str, Rev], opened: list[Path]
) -> None:
    assert ask_kept(tmp_path, (None, lib["a"]))[0].behind == 2
    (tmp_path / "lib/.git/shallow").write_text(f"{lib['b']}\n")
    ask_kept(tmp_path, (None, lib["a"]))
    ask_kept(tmp_path, (None, lib["a"]))
    assert len(opened) == 3


@pytest.mark.parametrize("record", [0, -1, "2", None, 1.5, [1]])
def test_a_record_that_cannot_be_is_not_believed(tmp_path: Path, lib: dict[str, Rev], record: object) -> None:
    kept = KeptRecords(tmp_path / "history", HISTORY_FORMAT)
    kept.add(f"{lib['a']} {lib['c']}", msgspec.Raw(msgspec.msgpack.encode(record)))
    kept.write()
    assert ask_kept(tmp_path, (None, lib["a"]))[0].behind == 2

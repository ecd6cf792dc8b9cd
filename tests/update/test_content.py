"""What an update branch holds: what was planned, what moved along below it, and by which run."""

from dataclasses import replace
from pathlib import Path

import pytest

from flakesync.errors import LockError
from flakesync.git.repository import Repository
from flakesync.git.values import Signature
from flakesync.nix.lock.file import LockNode
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.terms import FlakeDir, PinName, RepoName, Rev
from flakesync.update.commit import message, write_update
from flakesync.update.content import Move, Update, has_content, locked_repos, own_commits, read_update
from tests.support import locks, repos

BOT = Signature("Bot", "bot@test.example")
RUN = "0123456789ab"
OLD, NEW = locks.rev_of("old nixpkgs"), locks.rev_of("new nixpkgs")


def nixpkgs(rev: str) -> locks.Input:
    return locks.github("NixOS", "nixpkgs", rev=rev)


def tool(word: str, below: str) -> locks.Input:
    return locks.git("https://acme.example/tool", rev=locks.rev_of(word), inputs={"nixpkgs": nixpkgs(below)})


def data(**inputs: locks.Input) -> bytes:
    return locks.to_bytes(locks.lock(inputs))


BEFORE = data(tool=tool("one", OLD), lib=locks.git("https://acme.example/lib"))
AFTER = data(tool=tool("two", NEW), lib=locks.git("https://acme.example/lib"))


def updated(
    path: Path,
    before: dict[str, bytes | None],
    after: dict[str, bytes],
    *more: dict[str, bytes],
    text: str | None = None,
) -> Update:
    """Return what an update branch holds that changes these files; each of `more` is another commit on it."""
    base = repos.make_repo(path, {"flake.nix": "{}", **before})
    text = text or message(RUN, ["• Updated"], {PinName("nixpkgs"): Rev(NEW)})
    with Repository.open(path) as repository:
        tip = Rev(base)
        for files in (after, *more):
            tip = write_update(repository, tip, files, text, BOT, [repos.DATE])
        return read_update(repository, own_commits(repository, "flakesync/update", tip, [Rev(base)]))


def test_what_lies_below_a_move_has_moved_along_and_was_not_planned(tmp_path: Path) -> None:
    update = updated(tmp_path / "r", {"flake.lock": BEFORE}, {"flake.lock": AFTER})
    (move,) = update.moves
    assert (move.flake, move.path) == (".", ("tool",))
    assert (move.old, move.new) == (locks.rev_of("one"), locks.rev_of("two"))
    assert update.below == 1
    assert [(node.locked or {}).get("rev") for node in update.nodes] == [NEW]
    assert (update.run, update.pins) == (RUN, {"nixpkgs": NEW})


def test_inputs_two_levels_below_count_and_each_commit_of_a_repository_is_named_once(tmp_path: Path) -> None:
    def deep(word: str, below: str) -> locks.Input:
        more = {"tool": tool(word, below), "nixpkgs": nixpkgs(below)}
        return locks.git("https://acme.example/app", rev=locks.rev_of(f"app {word}"), inputs=more)

    update = updated(
        tmp_path / "r", {"flake.lock": data(app=deep("one", OLD))}, {"flake.lock": data(app=deep("two", NEW))}
    )
    assert [move.path for move in update.moves] == [("app",)]
    assert update.below == 3
    assert sorted(str((node.locked or {}).get("rev")) for node in update.nodes) == sorted([NEW, locks.rev_of("two")])


def test_an_input_that_moves_alone_below_another_is_a_move_of_its_own(tmp_path: Path) -> None:
    update = updated(tmp_path / "r", {"flake.lock": BEFORE}, {"flake.lock": BEFORE.replace(OLD.encode(), NEW.encode())})
    assert [move.path for move in update.moves] == [("tool", "nixpkgs")]
    assert (update.below, update.nodes) == (0, ())


def test_the_moves_of_several_flakes_are_told_apart_and_counted_together(tmp_path: Path) -> None:
    update = updated(
        tmp_path / "r",
        {"flake.lock": BEFORE, "dev/flake.lock": BEFORE},
        {"flake.lock": AFTER, "dev/flake.lock": AFTER},
    )
    assert [(move.flake, move.path) for move in update.moves] == [("dev", ("tool",)), (".", ("tool",))]
    assert (update.below, len(update.nodes)) == (2, 1)


def test_a_lock_that_is_new_has_all_of_its_inputs_moved(tmp_path: Path) -> None:
    update = updated(tmp_path / "r", {}, {"dev/flake.lock": AFTER})
    assert [(move.flake, move.path, move.old) for move in update.moves] == [
        ("dev", ("lib",), None),
        ("dev", ("tool",), None),
    ]
    assert update.below == 1


def test_a_lock_that_is_taken_away_moves_nothing(tmp_path: Path) -> None:
    base = repos.make_repo(tmp_path / "r", {"flake.nix": "{}", "flake.lock": BEFORE})
    text = message(RUN, ["• Removed"], {})
    gone = repos.commit(tmp_path / "r", {"flake.lock": None}, message=text)
    with Repository.open(tmp_path / "r") as repository:
        update = read_update(repository, own_commits(repository, "flakesync/update", gone, [Rev(base)]))
    assert (update.moves, update.below, update.run) == ((), 0, RUN)


def test_several_commits_are_one_update_by_the_run_of_the_last(tmp_path: Path) -> None:
    between = BEFORE.replace(locks.rev_of("one").encode(), locks.rev_of("between").encode())
    update = updated(tmp_path / "r", {"flake.lock": BEFORE}, {"flake.lock": between}, {"flake.lock": AFTER})
    assert [(move.path, move.old, move.new) for move in update.moves] == [
        (("tool",), locks.rev_of("one"), locks.rev_of("two"))
    ]


@pytest.mark.parametrize("pin", ["nixpkgs", "nixpkgs ", ""])
def test_a_pin_without_a_commit_is_none(tmp_path: Path, pin: str) -> None:
    text = f"flake.lock: Update\n\nFlakesync-Run: {RUN}\nFlakesync-Pin: {pin}\n"
    assert updated(tmp_path / "r", {"flake.lock": BEFORE}, {"flake.lock": AFTER}, text=text).pins == {}


def test_what_is_locked_below_is_named_after_what_was_moved_and_once(tmp_path: Path) -> None:
    update = updated(tmp_path / "r", {"flake.lock": BEFORE}, {"flake.lock": AFTER})
    identities = {node.origin.found: RepoName("nixpkgs") for node in update.nodes if node.origin.found is not None}
    found = locked_repos(update, identities, "flakesync/update")
    assert [(each.repo, each.rev, each.move) for each in found] == [("nixpkgs", NEW, None)]


@pytest.mark.parametrize(
    ("base", "has"),
    [
        (AFTER, True),
        (BEFORE, False),
        (AFTER.replace(NEW.encode(), OLD.encode()), True),  # what lies below was not planned
        (data(tool=replace(tool("two", NEW), locked={**tool("two", NEW).locked, "ref": "other"})), True),
        (data(tool=replace(tool("two", NEW), inputs={})), True),
        (b"{", False),
        (data(lib=locks.git("https://acme.example/lib")), False),
        (data(tool=replace(tool("two", NEW), locked={"type": "path", "path": "/x"})), False),
    ],
)
def test_a_base_has_an_update_when_it_has_each_planned_input_where_that_has_it(
    tmp_path: Path, base: bytes, has: bool
) -> None:
    update = updated(tmp_path / "r", {"flake.lock": BEFORE}, {"flake.lock": AFTER})
    new = repos.commit(tmp_path / "r", {"flake.lock": base.decode()}, message="Base")
    with Repository.open(tmp_path / "r") as repository:
        assert has_content(repository, new, update) is has


def test_a_base_without_the_lock_does_not_have_the_update(tmp_path: Path) -> None:
    update = updated(tmp_path / "r", {"flake.lock": BEFORE}, {"flake.lock": AFTER})
    new = repos.commit(tmp_path / "r", {"flake.lock": None}, message="Base")
    with Repository.open(tmp_path / "r") as repository:
        assert not has_content(repository, new, update)


def test_an_input_without_a_commit_is_told_by_its_hash(tmp_path: Path) -> None:
    one = locks.tarball("https://acme.example/x.tar.gz")
    two = replace(one, locked={**one.locked, "narHash": locks.nar_hash_of("two")})
    update = updated(tmp_path / "r", {"flake.lock": data(x=one)}, {"flake.lock": data(x=two)})
    with Repository.open(tmp_path / "r") as repository:
        base = repository.branch("main")
        assert base is not None
        assert has_content(repository, update.commit, update)
        assert not has_content(repository, base, update)


def test_an_input_that_follows_now_is_there_when_the_base_follows_the_same(tmp_path: Path) -> None:
    def follows(path: tuple[str, ...]) -> bytes:
        return locks.to_bytes(locks.lock({"nixpkgs": nixpkgs(NEW), "other": nixpkgs(OLD), "lib": locks.git(
            "https://acme.example/lib", inputs={"nixpkgs": path})}))  # fmt: skip

    update = updated(tmp_path / "r", {"flake.lock": follows(("other",))}, {"flake.lock": follows(("nixpkgs",))})
    assert [(move.flake, move.path, move.after) for move in update.moves] == [
        (FlakeDir("."), ("lib", "nixpkgs"), ("nixpkgs",))
    ]
    with Repository.open(tmp_path / "r") as repository:
        base = repository.branch("main")
        assert base is not None
        assert has_content(repository, update.commit, update)
        assert not has_content(repository, base, update)
    without = repos.commit(tmp_path / "r", {"flake.lock": None}, message="No lock any more")
    with Repository.open(tmp_path / "r") as repository:
        assert not has_content(repository, without, update)


@pytest.mark.parametrize("before", [b"{", BEFORE, None])
def test_a_lock_that_cannot_be_read_is_named_by_its_place_in_the_repo(tmp_path: Path, before: bytes | None) -> None:
    known: dict[str, bytes | None] = {"dev/flake.lock": before} if before is not None else {}
    with pytest.raises(LockError, match=r"dev/flake\.lock"):
        updated(tmp_path / "r", known, {"dev/flake.lock": AFTER if before == b"{" else b"{"})


# ---- the commits of other repos --------------------------------------------------------------------------------------

LIB, APP = RepoName("lib"), RepoName("app")
OWNERS = {
    identity: name
    for name in (LIB, APP)
    if (identity := FlakeRef.parse(f"git+https://acme.example/{name}").identity) is not None
}
BRANCH = "flakesync/update"


def node(
    name: str, word: str, *, ref: str | None = None, locked_ref: str | None = None, fixed: bool = False
) -> LockNode:
    """Return a node of a repo at some commit. ref, fixed: what flake.nix names. locked_ref: the branch in the lock."""
    known = locks.git(f"https://acme.example/{name}", rev=locks.rev_of(word))
    original = {**known.original, **({"ref": ref} if ref else {}), **({"rev": locks.rev_of(word)} if fixed else {})}
    return LockNode(
        locked={**known.locked, **({"ref": locked_ref} if locked_ref else {})},
        original={key: value for key, value in original.items() if key != "ref" or ref is not None},
    )


def holding(moved: dict[str, LockNode | tuple[str, ...] | None], *below: LockNode) -> Update:
    moves = tuple(Move(FlakeDir("."), (name,), None, after) for name, after in moved.items())
    return Update(Rev("c" * 40), Rev("b" * 40), RUN, {}, moves, len(below), below)


def found(update: Update) -> list[tuple[str, str, str | None]]:
    """Return each commit with its repo and the input that is moved to it; None: it is below one."""
    locked = locked_repos(update, OWNERS, BRANCH)
    return [(each.repo, each.rev, each.move[1][0] if each.move is not None else None) for each in locked]


def test_what_is_moved_is_named_with_its_move_and_what_is_below_only_where_no_move_names_it() -> None:
    one, two = locks.rev_of("one"), locks.rev_of("two")
    moved = {"a": node("lib", "one"), "b": node("lib", "one"), "c": node("app", "one")}
    below = (node("lib", "one"), node("lib", "two"), node("app", "one"))
    assert found(holding({**moved}, *below)) == [
        ("lib", one, "a"),
        ("lib", one, "b"),
        ("app", one, "c"),
        ("lib", two, None),
    ]
    assert found(holding({}, *below)) == [("lib", one, None), ("lib", two, None), ("app", one, None)]


def test_inputs_that_go_or_follow_or_are_nobodys_or_have_no_commit_lock_none() -> None:
    nameless = replace_locked(node("lib", "one"), without="rev")
    nobodys = LockNode(locked=nixpkgs(NEW).locked, original=nixpkgs(NEW).original)
    assert found(holding({"gone": None, "follows": ("lib",), "nameless": nameless, "nixpkgs": nobodys}, nobodys)) == []


def replace_locked(known: LockNode, *, without: str) -> LockNode:
    locked = {key: value for key, value in (known.locked or {}).items() if key != without}
    return LockNode(locked=locked, original=known.original)


def test_a_repo_is_known_by_what_flake_nix_says_where_the_lock_has_another_address() -> None:
    lib, mirror = node("lib", "one"), locks.git("https://mirror.example/lib", rev=locks.rev_of("one"))
    assert found(holding({"lib": LockNode(locked=mirror.locked, original=lib.original)}))[0][0] == "lib"
    assert found(holding({"lib": LockNode(locked=lib.locked, original=mirror.original)}))[0][0] == "lib"
    assert found(holding({"lib": LockNode(locked=lib.locked)}))[0][0] == "lib"


@pytest.mark.parametrize(
    ("what", "ref", "chosen", "own_branch"),
    [
        (node("lib", "one"), None, False, False),
        (node("lib", "one", ref="stable", locked_ref="stable"), "stable", False, False),
        (node("lib", "one", ref="main", locked_ref=BRANCH), "main", False, True),
        (node("lib", "one", locked_ref=f"refs/heads/{BRANCH}"), None, False, True),
        (node("lib", "one", fixed=True), None, True, False),
        (node("lib", "one", ref="refs/tags/v1"), "refs/tags/v1", True, False),
    ],
)
def test_of_each_is_known_what_flake_nix_tracks_and_whether_it_is_an_update_commit(
    what: LockNode, ref: str | None, chosen: bool, own_branch: bool
) -> None:
    (locked,) = locked_repos(holding({"lib": what}), OWNERS, BRANCH)
    assert (locked.ref, locked.chosen, locked.own_branch) == (ref, chosen, own_branch)

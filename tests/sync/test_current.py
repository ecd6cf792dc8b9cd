"""Which update branch is as planned already, and stays; and where the commits of a plan come from."""

from pathlib import Path

import pytest

from flakesync.analysis.moves import Change, ToRev
from flakesync.git.repository import Repository
from flakesync.git.values import Signature
from flakesync.land.server_state import _targets
from flakesync.nix.lock.file import LockNode
from flakesync.sync.job import PlannedMove, plan_move
from flakesync.sync.lockers import FromServer
from flakesync.terms import FlakeDir, RepoName, Rev
from flakesync.update.commit import is_ours, write_update
from flakesync.update.content import Move, Update
from tests.support import locks, repos
from tests.support.nixspace import UPDATE, UPDATE_BRANCH, Space, chain, read, run_sync


@pytest.fixture
def space(tmp_path: Path) -> Space:
    space = chain(tmp_path / "space", 1)
    assert run_sync(space.manifest(), locker="native").statuses == {"r0": "updated"}
    return space


def put(space: Space, tip: Rev) -> None:
    repos.run_git("update-ref", UPDATE, tip, cwd=space.path("r0"))


def test_an_update_branch_of_two_commits_is_made_anew_as_one_though_it_ends_as_planned(space: Space) -> None:
    """It would be merged with a commit between that nobody has tested."""
    made, base = space.tip("r0", UPDATE_BRANCH), space.tip("r0")
    planned = read(space.path("r0"), made, "flake.lock")
    with Repository.open(space.path("r0")) as repository:
        real = repository.commit(made)
        who = Signature(real.author.name, real.author.email)
        time = repository.commit(base).committer.time
        between = write_update(repository, base, {"flake.lock": planned[:-1]}, real.message, who, [time])
        above = write_update(repository, between, {"flake.lock": planned}, real.message, who, [real.committer.time])
        assert repository.reader.tree_of(above) == repository.reader.tree_of(made)
        assert all(is_ours(repository, repository.commit(rev)) for rev in (between, above))
    put(space, above)
    assert run_sync(space.root / "workspace.toml", locker="native").statuses == {"r0": "updated"}
    assert space.tip("r0", UPDATE_BRANCH) == made


def test_a_merge_that_changes_locks_alone_is_somebodys(space: Space) -> None:
    made, base = space.tip("r0", UPDATE_BRANCH), space.tip("r0")
    with Repository.open(space.path("r0")) as repository:
        real = repository.commit(made)
    fake = repos.commit(
        space.path("r0"), {"flake.lock": read(space.path("r0"), made, "flake.lock")}, message=real.message,
        parents=[base, made], branch="fake", date=real.committer.time,
    )  # fmt: skip
    with Repository.open(space.path("r0")) as repository:
        assert repository.commit(fake).author == repository.commit(fake).committer
        assert not is_ours(repository, repository.commit(fake))


@pytest.mark.parametrize("upstream", [None, RepoName("a-plain-folder")])
def test_what_is_of_a_repo_without_a_clone_comes_from_its_server(upstream: RepoName | None) -> None:
    node = locks.git("https://acme.example/lib")
    change = Change(
        RepoName("app"),
        FlakeDir("."),
        ("lib",),
        node.original,
        node.locked,
        ToRev(Rev("a" * 40), upstream, "main"),
        "it",
    )
    move = plan_move(change, UPDATE_BRANCH, {}, {})
    assert isinstance(move, PlannedMove)
    assert move.move.source == FromServer(Rev("a" * 40), "main", None)


def test_what_an_update_has_locked_is_the_target_of_landing_an_archive_as_a_whole() -> None:
    archive = locks.tarball("https://acme.example/x.tar.gz")
    archive.locked["rev"] = "b" * 40
    git = locks.git("https://acme.example/lib")
    moves = tuple(
        Move(FlakeDir("."), (name,), None, LockNode(locked=node.locked, original=node.original))
        for name, node in (("archive", archive), ("git", git))
    )
    update = Update(Rev("1" * 40), Rev("2" * 40), "run", {}, moves, 0)
    assert [(target.rev, target.locked) for _, target in _targets(update)] == [
        ("b" * 40, archive.locked),
        (git.locked["rev"], None),
    ]


def test_an_input_that_goes_or_follows_since_is_no_target_of_landing() -> None:
    node = LockNode(locked=locks.git("https://acme.example/lib").locked)
    moves = tuple(Move(FlakeDir("."), (name,), node, after) for name, after in (("gone", None), ("follows", ("lib",))))
    assert list(_targets(Update(Rev("1" * 40), Rev("2" * 40), "run", {}, moves, 0))) == []

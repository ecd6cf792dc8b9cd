"""Which repositories of the cache are packed, by whom and when; and who is never disturbed."""

import multiprocessing
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flakesync.cache.in_use import alone, use_repositories
from flakesync.cache.lock import exclusive
from flakesync.git.remotes.mirror import mirror
from flakesync.git.store.objects import ObjectReader
from flakesync.git.upkeep import tidy as module
from flakesync.git.upkeep.pack import count_files
from flakesync.git.upkeep.tidy import tidy
from tests.git.upkeep.grown import UPDATE, Grown, age, make_grown, make_update
from tests.support.repos import run_git


@pytest.fixture
def grown(tmp_path: Path) -> Grown:
    """A mirror that is due."""
    return make_grown(tmp_path, nights=5, commits=30)


@contextmanager
def somebody_at_work(cache: Path) -> Iterator[None]:
    """Let another process work in the repositories of a cache until the block ends."""
    forked = multiprocessing.get_context("fork")
    ready, done = forked.Event(), forked.Event()

    def work() -> None:
        use_repositories(cache)
        ready.set()
        done.wait()
        os._exit(0)

    process = forked.Process(target=work)
    process.start()
    try:
        assert ready.wait(60)
        yield
    finally:
        done.set()
        process.join()


def test_a_mirror_of_many_files_is_packed_and_then_left_alone(grown: Grown) -> None:
    assert count_files(grown.path).need > 1
    first, second = tidy(grown.cache), tidy(grown.cache)
    assert (first.packed, second.packed) == (1, 0)
    assert grown.files() < 30
    assert ObjectReader.open(grown.path).ref(UPDATE) == grown.update


def test_a_mirror_of_many_objects_that_nothing_refers_to_yet_is_not_packed_in_vain_every_night(grown: Grown) -> None:
    blobs = (f"{number}".encode() for number in range(400))
    files = [grown.remote / f"{number}" for number in range(400)]
    for file, blob in zip(files, blobs, strict=True):
        file.write_bytes(blob)
    run_git("hash-object", "-w", *map(str, files), cwd=grown.path)
    assert tidy(grown.cache).packed == 1
    assert tidy(grown.cache).packed == 0
    grown.let_pass(days=15)
    for number in range(400):
        file = files[number]
        file.write_text(f"new {number}")
    run_git("hash-object", "-w", *map(str, files), cwd=grown.path)
    assert tidy(grown.cache).packed == 1
    assert 300 < grown.files() < 500


def test_while_another_process_works_there_nothing_is_packed(grown: Grown) -> None:
    before = grown.files()
    # As this process would be: it has said that it works there, and takes that back.
    with alone(grown.cache) as mine:
        assert mine
    with somebody_at_work(grown.cache):
        done = tidy(grown.cache)
        assert (done.packed, done.left, grown.files()) == (0, 1, before)
    assert tidy(grown.cache).packed == 1


def test_who_reads_a_mirror_keeps_what_has_just_lost_its_name(grown: Grown) -> None:
    old = grown.update
    make_update(grown.path, "in its place")
    grown.let_pass(days=15)
    with somebody_at_work(grown.cache):
        tidy(grown.cache)
        assert ObjectReader.open(grown.path).has(old)
    tidy(grown.cache)
    assert not ObjectReader.open(grown.path).has(old)


def test_whoever_comes_while_a_mirror_is_packed_waits_and_goes_before_the_next_one(
    grown: Grown, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(grown.path, grown.path.with_name("other"))
    with alone(grown.cache):
        pass  # the process below is forked, and would hold what this one has said
    forked = multiprocessing.get_context("fork")
    go, has_it, done = forked.Event(), forked.Event(), forked.Event()

    def come() -> None:
        go.wait()
        use_repositories(grown.cache)
        has_it.set()
        done.wait()
        os._exit(0)

    comer = forked.Process(target=come)
    comer.start()
    real = module._pack

    def pack(*given: object) -> None:
        go.set()
        assert not has_it.wait(0.2)
        real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_pack", pack)
    monkeypatch.setattr("flakesync.cache.in_use._TURN_S", 5.0)
    try:
        found = tidy(grown.cache)
        assert (found.packed, found.left) == (1, 1)
        assert has_it.wait(60)
    finally:
        done.set()
        comer.join()


def test_the_neediest_is_first_and_the_time_of_a_run_is_bounded(grown: Grown, monkeypatch: pytest.MonkeyPatch) -> None:
    needier = grown.path.with_name("needier")
    shutil.copytree(grown.path, needier)
    for number in range(2000):
        file = needier / "objects" / f"{number % 256:02x}" / f"{number:038x}"
        file.parent.mkdir(exist_ok=True)
        file.touch()
    order: list[str] = []
    monkeypatch.setattr(module, "_pack", lambda path, *_: order.append(path.name))
    tidy(grown.cache)
    assert order == ["needier", grown.path.name]
    order.clear()
    assert tidy(grown.cache, budget_s=-1).left == 2
    assert order == []


def test_a_mirror_that_is_being_fetched_and_one_that_is_damaged_keep_no_other_from_its_turn(grown: Grown) -> None:
    for name in ("busy", "damaged"):
        shutil.copytree(grown.path, grown.path.with_name(name))
    damaged = grown.path.with_name("damaged")
    tip = run_git("rev-parse", "refs/remotes/origin/trunk", cwd=damaged)
    (damaged / "objects" / tip[:2] / tip[2:]).unlink()
    with exclusive(grown.path.with_name("busy.lock"), wait=False):
        done = tidy(grown.cache)
    assert done.packed == 1
    assert list(done.failed) == [damaged]
    assert grown.files() < 30


def test_a_clone_of_a_person_is_never_touched(grown: Grown, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    run_git("clone", "-q", "--no-local", str(grown.remote), str(clone), cwd=tmp_path)
    (grown.cache / "mirrors" / "linked").symlink_to(clone / ".git")
    before = {path: path.stat().st_mtime_ns for path in clone.rglob("*")}
    tidy(grown.cache)
    assert {path: path.stat().st_mtime_ns for path in clone.rglob("*")} == before


def test_what_is_no_repository_or_not_whole_yet_is_nothing_to_pack(tmp_path: Path) -> None:
    (tmp_path / "mirrors/half.new/objects").mkdir(parents=True)
    (tmp_path / "mirrors/a.lock").touch()
    (tmp_path / "commits").write_text("a file")
    assert tidy(tmp_path).packed == 0
    assert tidy(tmp_path / "nothing").packed == 0


def test_a_commit_that_nobody_has_used_for_90_days_is_dropped_with_its_ref(grown: Grown) -> None:
    sources = grown.cache / "sources"
    sources.mkdir()
    path = sources / "x"
    grown.path.rename(path)
    used, unused = (run_git("rev-parse", f"refs/remotes/origin/trunk~{back}", cwd=path) for back in (5, 1))
    for rev in (used, unused):
        run_git("update-ref", f"refs/flakesync/{rev}", rev, cwd=path)
    run_git("update-ref", "refs/flakesync/0123456789abcdef", unused, cwd=path)  # a branch, which moves on
    for each in (unused, "0123456789abcdef"):
        age(path / "refs/flakesync" / each, days=91)
    done = tidy(grown.cache)
    assert done.removed == 1
    left = {file.name for file in (path / "refs/flakesync").iterdir()}
    assert left == {used, "0123456789abcdef"}


def test_reading_never_packs(grown: Grown) -> None:
    before = grown.files()
    mirror(str(grown.remote), grown.cache, offline=False)
    mirror(str(grown.remote), grown.cache, offline=True)
    assert grown.files() == before

"""A repository of flakesync's own is packed, and nothing that somebody may still want goes."""

import subprocess
from pathlib import Path

import pytest

from flakesync.errors import GitError
from flakesync.git.store.objects import ObjectReader
from flakesync.git.store.refs import refs_below
from flakesync.git.upkeep.pack import MOST_LOOSE, MOST_PACKS, count_files, pack
from tests.git.upkeep.grown import UPDATE, Grown, make_grown, make_update
from tests.support.repos import commit, run_git

TIMEOUT_S = 60


@pytest.fixture
def grown(tmp_path: Path) -> Grown:
    return make_grown(tmp_path, nights=5)


def sound(path: Path) -> bool:
    return subprocess.run(["git", "fsck", "--strict"], cwd=path, capture_output=True).returncode == 0


def test_objects_and_refs_become_a_few_files_and_all_of_them_is_still_there(grown: Grown) -> None:
    for number in range(50):
        run_git("tag", f"v{number}", cwd=grown.remote)
    grown.fetch()
    refs, objects = run_git("show-ref", cwd=grown.path), run_git("rev-list", "--all", "--objects", cwd=grown.path)
    assert grown.files() > 300
    pack(grown.path, whole=False, refs=True, timeout_s=TIMEOUT_S)
    assert grown.files() < 30
    assert run_git("show-ref", cwd=grown.path) == refs
    assert sorted(run_git("rev-list", "--all", "--objects", cwd=grown.path).split()) == sorted(objects.split())
    assert sound(grown.path)
    reader = ObjectReader.open(grown.path)
    assert reader.ref(UPDATE) == grown.update
    assert len(refs_below(reader, "refs/tags") or {}) == 50


def test_a_packed_mirror_is_brought_up_to_date_and_gets_update_branches_like_any_other(grown: Grown) -> None:
    pack(grown.path, whole=True, refs=True, timeout_s=TIMEOUT_S)
    tip = commit(grown.remote, {"more": "more"})
    run_git("branch", "side", cwd=grown.remote)
    grown.fetch()
    new = make_update(grown.path, "new")
    reader = ObjectReader.open(grown.path)
    assert (reader.ref("refs/remotes/origin/trunk"), reader.ref(UPDATE)) == (tip, new)
    run_git("branch", "-D", "side", cwd=grown.remote)
    pack(grown.path, whole=False, refs=True, timeout_s=TIMEOUT_S)
    grown.fetch()
    assert ObjectReader.open(grown.path).ref("refs/remotes/origin/side") is None
    assert sound(grown.path)


@pytest.mark.parametrize("whole", [False, True])
def test_update_commits_that_were_replaced_go_after_two_weeks_and_not_before(grown: Grown, whole: bool) -> None:
    old = grown.update
    make_update(grown.path, "in its place")
    grown.let_pass(days=13)
    pack(grown.path, whole=whole, refs=True, timeout_s=TIMEOUT_S)
    assert ObjectReader.open(grown.path).has(old)
    grown.let_pass(days=15)
    pack(grown.path, whole=whole, refs=True, timeout_s=TIMEOUT_S)
    assert not ObjectReader.open(grown.path).has(old)
    assert sound(grown.path)


def test_an_update_that_was_packed_and_then_replaced_goes_when_all_becomes_one_pack(grown: Grown) -> None:
    old = grown.update
    pack(grown.path, whole=False, refs=True, timeout_s=TIMEOUT_S)
    make_update(grown.path, "in its place")
    grown.let_pass(days=15)
    pack(grown.path, whole=False, refs=True, timeout_s=TIMEOUT_S)
    assert ObjectReader.open(grown.path).has(old)
    grown.let_pass(days=15)
    pack(grown.path, whole=True, refs=True, timeout_s=TIMEOUT_S)
    assert not ObjectReader.open(grown.path).has(old)


def test_an_update_branch_that_nobody_has_pushed_stays_however_old_it_is(grown: Grown) -> None:
    for _ in range(2):
        grown.let_pass(days=400)
        pack(grown.path, whole=True, refs=True, timeout_s=TIMEOUT_S)
    assert run_git("cat-file", "blob", f"{UPDATE}:flake.lock", cwd=grown.path) == "4"


def test_reflogs_that_somebody_wants_everywhere_keep_replaced_commits_for_two_weeks(grown: Grown) -> None:
    run_git("config", "core.logAllRefUpdates", "always", cwd=grown.path)
    old = make_update(grown.path, "logged")
    make_update(grown.path, "in its place")
    log = grown.path / "logs" / UPDATE
    pack(grown.path, whole=False, refs=True, timeout_s=TIMEOUT_S)
    assert old in log.read_text()
    log.write_text(log.read_text().replace("> 1", "> 0"))  # decades ago
    grown.let_pass(days=15)
    pack(grown.path, whole=True, refs=True, timeout_s=TIMEOUT_S)
    assert old not in log.read_text()
    assert not ObjectReader.open(grown.path).has(old)


def test_a_graph_of_commits_that_git_was_told_to_write_names_none_that_have_gone(grown: Grown) -> None:
    make_update(grown.path, "in its place")
    run_git("commit-graph", "write", "--reachable", cwd=grown.path)
    run_git("update-ref", "-d", UPDATE, cwd=grown.path)
    grown.let_pass(days=15)
    pack(grown.path, whole=True, refs=True, timeout_s=TIMEOUT_S)
    assert sound(grown.path)
    assert not (grown.path / "objects/info/commit-graph").exists()


def test_what_a_killed_git_has_left_is_in_nobodys_way(grown: Grown) -> None:
    for name in ("packed-refs.lock", "gc.pid", "objects/pack/tmp_pack_x", "objects/pack/.tmp-1-pack-x.pack"):
        (grown.path / name).touch()
    pack(grown.path, whole=True, refs=True, timeout_s=TIMEOUT_S)
    assert grown.files() < 30


def test_a_damaged_mirror_is_left_as_it_is_and_said_so(grown: Grown) -> None:
    tip = run_git("rev-parse", "refs/remotes/origin/trunk", cwd=grown.path)
    file = grown.path / "objects" / tip[:2] / tip[2:]
    file.chmod(0o644)
    file.write_bytes(b"no object")
    before = grown.files()
    with pytest.raises(GitError) as caught:
        pack(grown.path, whole=False, refs=False, timeout_s=TIMEOUT_S)
    assert caught.value.code == "git"
    assert grown.files() == before


def test_a_sample_tells_how_many_objects_have_a_file_of_their_own(grown: Grown) -> None:
    real = len(list((grown.path / "objects").glob("??/*")))
    assert real / 2 < count_files(grown.path).loose < real * 2


@pytest.mark.parametrize(("loose", "packs", "due"), [(MOST_LOOSE, MOST_PACKS, False), (MOST_LOOSE + 32, 0, True),
                                                     (0, MOST_PACKS + 1, True)])  # fmt: skip
def test_a_repository_of_many_files_is_due(tmp_path: Path, loose: int, packs: int, due: bool) -> None:
    for number in range(loose):
        file = tmp_path / "objects" / f"{number % 256:02x}" / f"{number:038x}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (tmp_path / "objects/pack").mkdir(parents=True, exist_ok=True)
    for number in range(packs):
        (tmp_path / f"objects/pack/pack-{number}.pack").touch()
    files = count_files(tmp_path)
    assert (files.need >= 1, files.is_whole_due) == (due, packs > MOST_PACKS)

"""What an import takes in, and what it leaves alone."""

import random
import shutil
from pathlib import Path

import msgspec
import pytest

from flakesync.bundle.receive.run import verify_bundle
from flakesync.documents.airgap.receipt import Receipt
from flakesync.errors import FlakesyncError
from flakesync.git.repository import Repository
from flakesync.nix.store.static_cache import StaticCache
from tests.bundle.receive.made import Made, hash_of, nar_of, narinfos, raw_hash, stem_of, take
from tests.support import repos

FORMS = pytest.mark.parametrize("name", ["bundle", "bundle.tar"])


def code_of(place: Path, root: Path) -> str:
    with pytest.raises(FlakesyncError) as caught:
        take(place, root)
    return caught.value.code


def tip(path: Path, branch: str = "main") -> str | None:
    with Repository.open(path) as repository:
        return repository.ref(f"refs/heads/{branch}")


def everything(tmp_path: Path) -> Made:
    """A bundle with blobs, a repo with two branches, and a source that is made of one of its commits."""
    app = tmp_path / "clones" / "app"
    first = repos.make_repo(app, {"flake.nix": "{ }", "a/b": "text"})
    repos.commit(app, {"c": "more"})
    repos.run_git("branch", "other", first, cwd=app)
    made = Made()
    made.add(b"one")
    made.add(b"two" * 100_000)
    made.add_repo(app)
    made.add_from(raw_hash(app, first), "app", first)
    return made


@FORMS
def test_a_bundle_comes_to_a_cache_and_to_repositories_and_a_second_time_to_nothing_new(
    tmp_path: Path, name: str
) -> None:
    place = everything(tmp_path).write(tmp_path / name)
    first = take(place, tmp_path / "in")
    assert (first.sources.new, first.sources.rebuilt, first.failed) == (3, 1, [])
    assert {(each.name, each.branch, each.status) for each in first.repos} == {
        ("app", "main", "new"),
        ("app", "other", "new"),
    }
    assert StaticCache(tmp_path / "in/cache").verify(deep=True).faults == ()
    assert tip(tmp_path / "in/git/app.git") == tip(tmp_path / "clones/app")
    assert repos.run_git("for-each-ref", "refs/flakesync", cwd=tmp_path / "in/git/app.git") == ""
    again = take(place, tmp_path / "in")
    assert (again.sources.new, again.sources.there, again.failed) == (0, 3, [])
    assert {each.status for each in again.repos} == {"unchanged"}


def test_the_same_bundle_as_a_folder_and_as_an_archive_comes_to_the_same_cache(tmp_path: Path) -> None:
    made = everything(tmp_path)
    for name in ("bundle", "bundle.tar"):
        take(made.write(tmp_path / name), tmp_path / f"in-{name}", with_repos=False)
    one, other = (
        {file.name: file.read_bytes() for file in (tmp_path / f"in-{name}" / "cache").rglob("*") if file.is_file()}
        for name in ("bundle", "bundle.tar")
    )
    assert one == other


def test_sources_are_made_of_commits_without_repositories_too(tmp_path: Path) -> None:
    place = everything(tmp_path).write(tmp_path / "bundle")
    done = take(place, tmp_path / "in", with_repos=False)
    assert (done.sources.new, done.sources.rebuilt, done.repos, done.failed) == (3, 1, [], [])
    assert not (tmp_path / "in/git").exists()


@FORMS
@pytest.mark.parametrize("at", range(4))
def test_no_flipped_bit_of_a_bundle_is_missed_and_none_gets_into_the_cache(tmp_path: Path, name: str, at: int) -> None:
    made = everything(tmp_path)
    place = made.write(tmp_path / name)
    chance = random.Random(at)
    files = [place] if place.is_file() else [file for file in sorted(place.rglob("*")) if file.is_file()]
    for turn in range(25):  # 200 with all parameters
        file = chance.choice(files)
        before = file.read_bytes()
        data = bytearray(before)
        where = chance.randrange(len(data))
        data[where] ^= 1 << chance.randrange(8)
        file.write_bytes(data)
        root = tmp_path / f"in{turn}"
        try:
            codes = {failed.code for failed in take(place, root).failed}
        except FlakesyncError as error:
            codes = {error.code}
            assert not root.exists()
        assert codes
        assert codes <= {"bad-blob", "bad-bundle"}, (file, where)
        assert StaticCache(root / "cache").verify(deep=True).faults == () or not root.exists()
        assert narinfos(root) <= {stem_of(source.nar_hash) for source in made.sources}
        file.write_bytes(before)


def test_a_damaged_source_is_left_out_with_the_repo_that_needs_it_and_the_rest_comes(tmp_path: Path) -> None:
    app, lib = (tmp_path / "clones" / name for name in ("app", "lib"))
    for clone in (app, lib):
        repos.make_repo(clone, {"flake.nix": "{ }"})
    made = Made()
    bad = made.add(b"one", nar=nar_of(b"ONE"))
    good = made.add(b"two", repo="lib")
    made.add_repo(app)
    made.add_repo(lib)
    done = take(made.write(tmp_path / "bundle"), tmp_path / "in")
    assert [(failed.what, failed.code, failed.inputs) for failed in done.failed] == [(bad, "bad-blob", ["app:.#lib"])]
    assert narinfos(tmp_path / "in") == {stem_of(good)}
    assert {(each.name, each.status) for each in done.repos} == {("app", "failed"), ("lib", "new")}
    assert tip(tmp_path / "in/git/app.git") is None
    receipt = msgspec.json.decode((tmp_path / "in/cache/receipt.json").read_bytes(), type=Receipt)
    assert receipt.sources == [good]
    assert (receipt.bundles, [repo.name for repo in receipt.repos]) == ([], ["lib"])


def test_what_decompresses_to_more_than_it_should_stops_there(tmp_path: Path) -> None:
    made = Made()
    made.add(b"one", nar=bytes(1 << 22))
    done = take(made.write(tmp_path / "bundle"), tmp_path / "in")
    assert [failed.code for failed in done.failed] == ["bad-blob"]
    assert "larger" in done.failed[0].message
    assert list((tmp_path / "in/cache/nar").iterdir()) == []


@pytest.mark.parametrize("blob", [b"no zstd", b"\x28\xb5\x2f\xfd" + b"\xff" * 20])
def test_what_is_no_zstd_is_a_bad_blob(tmp_path: Path, blob: bytes) -> None:
    made = Made()
    made.add(b"one", blob=blob)
    done = take(made.write(tmp_path / "bundle"), tmp_path / "in")
    assert [failed.code for failed in done.failed] == ["bad-blob"]


def test_a_commit_that_does_not_make_the_source_is_refused(tmp_path: Path) -> None:
    made = everything(tmp_path)
    rev = tip(tmp_path / "clones/app")
    assert rev is not None
    wrong = hash_of(nar_of(b"something else"))
    made.add_from(wrong, "app", rev)
    made.add_from(hash_of(nar_of(b"and more")), "app", "0" * 40)
    done = take(made.write(tmp_path / "bundle"), tmp_path / "in")
    assert [failed.code for failed in done.failed] == ["bad-blob", "bad-blob"]
    assert stem_of(wrong) not in narinfos(tmp_path / "in")
    assert {each.status for each in done.repos} == {"failed"}


# ---- what a bundle builds on -----------------------------------------------------------------------------------


def test_a_bundle_whose_base_is_not_here_writes_nothing(tmp_path: Path) -> None:
    made = Made(base=["sha256:" + "1" * 64])
    made.add(b"new")
    made.add_in_base(b"old")
    place = made.write(tmp_path / "second")
    assert code_of(place, tmp_path / "in") == "missing-base"
    assert not (tmp_path / "in").exists()
    first = Made()
    first.add(b"old")
    take(first.write(tmp_path / "first"), tmp_path / "in")
    done = take(place, tmp_path / "in")
    assert (done.sources.new, done.sources.there, done.failed) == (1, 1, [])


def test_a_thin_bundle_needs_the_commits_of_the_one_before(tmp_path: Path) -> None:
    app = tmp_path / "clones" / "app"
    old = repos.make_repo(app, {"flake.nix": "{ }"})
    first = Made()
    first.add_repo(app)
    first.write(tmp_path / "first")
    new = repos.commit(app, {"b": "more"})
    second = Made()
    second.add_repo(app, without=old)
    second.add_from(raw_hash(app, new), "app", new)
    place = second.write(tmp_path / "second")
    assert code_of(place, tmp_path / "in") == "missing-base"
    assert not (tmp_path / "in").exists()
    unproven = verify_bundle(place, None)
    assert (unproven.sources.unproven, unproven.failed) == (1, [])
    take(tmp_path / "first", tmp_path / "in")
    proven = verify_bundle(place, tmp_path / "in/git")
    assert (proven.sources.unproven, proven.sources.rebuilt, proven.failed) == (0, 1, [])
    assert tip(tmp_path / "in/git/app.git") == old
    done = take(place, tmp_path / "in")
    assert [(each.from_, each.to, each.status) for each in done.repos] == [(old, new, "moved")]
    receipt = msgspec.json.decode((tmp_path / "in/cache/receipt.json").read_bytes(), type=Receipt)
    assert ([repo.tips for repo in receipt.repos], len(receipt.bundles)) == ([[new]], 2)


def test_a_full_disk_is_asked_for_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = everything(tmp_path).write(tmp_path / "bundle")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 90, 10))
    assert code_of(place, tmp_path / "in") == "no-space"
    assert not (tmp_path / "in").exists()


def test_two_imports_into_one_cache_do_not_meet(tmp_path: Path) -> None:
    place = everything(tmp_path).write(tmp_path / "bundle")
    with StaticCache(tmp_path / "in/cache").writing():
        assert code_of(place, tmp_path / "in") == "cache-busy"


# ---- branches --------------------------------------------------------------------------------------------------


def prepare(tmp_path: Path) -> tuple[Path, Path]:
    """Return a clone, and the repository that an import of it has made."""
    app = tmp_path / "clones" / "app"
    repos.make_repo(app, {"flake.nix": "{ }"})
    made = Made()
    made.add_repo(app)
    take(made.write(tmp_path / "first"), tmp_path / "in")
    return app, tmp_path / "in/git/app.git"


def test_a_base_branch_with_commits_of_its_own_stays_and_the_bundles_commit_is_kept_for_a_merge(
    tmp_path: Path,
) -> None:
    app, there = prepare(tmp_path)
    own = repos.commit(there, {"own": "work"})
    new = repos.commit(app, {"b": "more"})
    made = Made()
    made.add_repo(app)
    done = take(made.write(tmp_path / "second"), tmp_path / "in")
    assert [(failed.what, failed.code) for failed in done.failed] == [("repo app", "not-forward")]
    assert [(each.from_, each.to, each.status) for each in done.repos] == [(own, own, "failed")]
    assert tip(there) == own
    assert repos.run_git("rev-parse", "refs/flakesync/import/main", cwd=there) == new
    repos.run_git("gc", "--prune=now", "--quiet", cwd=there)
    assert repos.run_git("cat-file", "-t", new, cwd=there) == "commit"


def test_a_branch_that_is_further_on_stays_without_an_error(tmp_path: Path) -> None:
    _, there = prepare(tmp_path)
    own = repos.commit(there, {"own": "work"})
    done = take(tmp_path / "first", tmp_path / "in")
    assert (done.failed, [(each.to, each.status) for each in done.repos]) == ([], [(own, "unchanged")])


def test_an_update_branch_with_somebodys_commit_is_never_replaced(tmp_path: Path) -> None:
    app, there = prepare(tmp_path)
    base = repos.run_git("rev-parse", "main", cwd=app)
    repos.run_git("branch", "flakesync/update", base, cwd=there)
    own = repos.commit(there, {"own": "work"}, branch="flakesync/update")
    repos.run_git("branch", "flakesync/update", base, cwd=app)
    repos.commit(app, {"b": "more"}, branch="flakesync/update")
    made = Made()
    made.add_repo(app)
    done = take(made.write(tmp_path / "second"), tmp_path / "in")
    assert [failed.code for failed in done.failed] == ["foreign-branch"]
    assert tip(there, "flakesync/update") == own


def test_the_default_branch_is_not_replaced_whatever_the_bundle_calls_it(tmp_path: Path) -> None:
    app, there = prepare(tmp_path)
    own = repos.commit(there, {"own": "work"})
    repos.commit(app, {"b": "more"})
    made = Made()
    made.add_repo(app, updates=("main",))
    done = take(made.write(tmp_path / "second"), tmp_path / "in")
    assert [failed.code for failed in done.failed] == ["not-forward"]
    assert tip(there) == own


def test_a_file_in_the_place_of_a_repository_fails_that_repo_alone(tmp_path: Path) -> None:
    app, lib = (tmp_path / "clones" / name for name in ("app", "lib"))
    made = Made()
    for clone in (app, lib):
        repos.make_repo(clone, {"flake.nix": "{ }"})
        made.add_repo(clone)
    (tmp_path / "in/git").mkdir(parents=True)
    (tmp_path / "in/git/app.git").write_text("mine")
    done = take(made.write(tmp_path / "bundle"), tmp_path / "in")
    assert [failed.what for failed in done.failed] == ["repo app"]
    assert {(each.name, each.status) for each in done.repos} == {("app", "failed"), ("lib", "new")}
    assert (tmp_path / "in/git/app.git").read_text() == "mine"


def test_a_repository_with_a_working_tree_is_not_moved_under_it(tmp_path: Path) -> None:
    app = tmp_path / "clones" / "app"
    repos.make_repo(app, {"flake.nix": "{ }"})
    made = Made()
    made.add_repo(app)
    repos.make_repo(tmp_path / "in/git/app.git", {"own": "work"})
    old = tip(tmp_path / "in/git/app.git")
    done = take(made.write(tmp_path / "bundle"), tmp_path / "in")
    assert [failed.what for failed in done.failed] == ["repo app"]
    assert tip(tmp_path / "in/git/app.git") == old

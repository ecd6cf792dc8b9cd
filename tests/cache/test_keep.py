"""The cache is for its user alone, whatever the umask."""

import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from flakesync.cache import layout
from flakesync.cache.keep import keep, make_folder
from flakesync.cache.lock import exclusive
from flakesync.git.remotes.commit_cache import fetch_commit
from flakesync.git.remotes.mirror import mirror
from tests.support import repos


@pytest.fixture(params=[0o000, 0o022, 0o077])
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("_umask")
def test_folders_and_files_are_for_their_user_alone(tmp_path: Path) -> None:
    cache = tmp_path / "a/cache"
    keep(cache / "files/x", b"1")
    with exclusive(cache / "runs/x.lock", wait=True):
        pass
    rev = repos.make_bare(tmp_path / "lib.git", {"x": "1"})
    url = f"file://{tmp_path}/lib.git"
    repositories = {mirror(url, cache, offline=False), fetch_commit(url, None, rev, cache)}
    # What git makes in a repository is behind the repository's folder.
    shown = [path for path in cache.rglob("*") if not repositories & set(path.parents)]
    assert {path.name for path in shown if path.is_dir()} >= {"files", "runs", "mirrors", "commits"}
    assert {mode(path) for path in (tmp_path / "a", cache, *shown) if path.is_dir()} == {0o700}
    assert {mode(path) for path in shown if path.is_file()} == {0o600}


@pytest.mark.usefixtures("_umask")
def test_what_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old").chmod(0o755)
    make_folder(tmp_path / "old/new")
    assert (mode(tmp_path / "old"), mode(tmp_path / "old/new")) == (0o755, 0o700)
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        make_folder(tmp_path / "file/new")


def test_what_cannot_be_kept_is_not_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    keep(tmp_path / "place", b"1")
    assert [path.name for path in tmp_path.iterdir()] == ["place"]
    assert list((tmp_path / "place").iterdir()) == []


def test_the_paths_are_those_of_earlier_versions() -> None:
    cache, url, manifest = Path("/c"), "https://forge.test/acme/lib.git", Path("/w/workspace.toml")
    commits = "/c/commits/d5ea07f3bf1266a8a876070a55841cab"
    archives = "/c/archives/3b0d94b52f70738796f23a06539bd0aab9c8074e96a78695cba9aa25279a21fc.json"
    assert str(layout.mirror_folder(cache, url, "forge.test/acme/lib")) == (
        "/c/mirrors/forge.test-acme-lib-d5ea07f3bf1266a8"
    )
    assert str(layout.commits_folder(cache, url)) == commits
    assert str(layout.archive_file(cache, "github", "github.com", "o", "r", "a" * 40, "")) == archives
    assert layout.facts_file(cache, Path(commits), "r") == Path("/c/facts/r.json")
    assert layout.facts_file(cache, Path("/elsewhere"), "r") is None
    assert str(layout.commit_files(cache, manifest)) == "/c/files/9c32d9d4"
    assert str(layout.run_file(manifest, cache, "lock")) == "/c/runs/cd42de4c15ed1faa.lock"


def test_what_a_killed_run_has_left_half_written_is_gone_with_the_next(tmp_path: Path) -> None:
    place = tmp_path / "place"
    (tmp_path / "place.part").write_bytes(b"the half of something longer")
    keep(place, b"1")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"place": b"1"}


def test_what_another_process_is_writing_is_left_to_it(tmp_path: Path) -> None:
    with (tmp_path / "place.part").open("wb") as part:
        fcntl.flock(part, fcntl.LOCK_EX)
        keep(tmp_path / "place", b"1")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"place.part": b""}

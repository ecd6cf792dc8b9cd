"""What a commit's files held, kept between runs."""

from pathlib import Path

import pytest

from flakesync.cache import files as kept
from flakesync.cache.files import KeptFiles
from flakesync.git.store.base import read_base
from flakesync.git.store.objects import ObjectReader
from flakesync.terms import Rev
from tests.support import repos

ONE, TWO, THREE = (Rev(digit * 40) for digit in "123")
FILES = {"flake.lock": b"{}", "none": None}


def keep(place: Path, *found: tuple[Rev, dict[str, bytes | None]]) -> KeptFiles:
    files = KeptFiles(place)
    for rev, of_rev in found:
        files.add(rev, of_rev)
    files.write()
    return KeptFiles(place)


def test_what_was_read_is_known_to_the_next_run(tmp_path: Path) -> None:
    assert keep(tmp_path / "a/b", (ONE, FILES)).files(ONE, FILES) == FILES
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_a_file_that_was_not_read_is_not_known(tmp_path: Path) -> None:
    files = keep(tmp_path / "kept", (ONE, FILES))
    assert files.files(ONE, ["flake.lock", "dev/flake.lock"]) is None
    assert files.files(TWO, ["flake.lock"]) is None


def test_more_files_of_a_commit_are_kept_beside_the_others(tmp_path: Path) -> None:
    keep(tmp_path / "kept", (ONE, FILES))
    more: dict[str, bytes | None] = {"dev/flake.lock": b"1"}
    assert keep(tmp_path / "kept", (ONE, more)).files(ONE, [*FILES, *more]) == FILES | more


def test_runs_that_read_other_commits_leave_what_is_kept(tmp_path: Path) -> None:
    keep(tmp_path / "kept", (ONE, FILES))
    files = keep(tmp_path / "kept", (TWO, FILES))
    assert files.files(ONE, FILES) == files.files(TWO, FILES) == FILES


def test_what_no_run_uses_any_more_goes_first_when_there_is_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "_MOST_UNUSED_BYTES", 50)
    data: dict[str, bytes | None] = {"flake.lock": b"x" * 100}
    files = keep(tmp_path / "kept", (ONE, data), (TWO, data))
    assert files.files(TWO, data) == data
    files.add(THREE, data)
    files.write()
    files = KeptFiles(tmp_path / "kept")
    assert [files.files(rev, data) is not None for rev in (ONE, TWO, THREE)] == [False, True, True]


def test_nights_in_which_everything_moves_do_not_let_it_grow(tmp_path: Path) -> None:
    place, sizes = tmp_path / "kept", []
    for night in range(10):
        files = KeptFiles(place)
        for number in range(20):
            files.add(Rev(f"{night:020}{number:020}"), {"flake.lock": b"x" * 100})
        files.write()
        sizes.append(place.stat().st_size)
    assert sizes[2:] == [sizes[2]] * 8
    assert sizes[2] < 3.5 * sizes[0]


def test_all_that_one_run_uses_is_kept_however_much_that_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_MOST_UNUSED_BYTES", 50)
    revs = [Rev(f"{number:040}") for number in range(30)]
    keep(tmp_path / "kept", *((rev, FILES) for rev in revs))
    files = KeptFiles(tmp_path / "kept")
    assert all(files.files(rev, FILES) == FILES for rev in revs)
    files.add(ONE, FILES)
    files.write()
    files = KeptFiles(tmp_path / "kept")
    assert all(files.files(rev, FILES) == FILES for rev in (*revs, ONE))


@pytest.mark.parametrize("content", [b"", b"{}", b"\x92\xa1x\x80", b"\x92\xb0flakesync/kept/0\x80", b"\xff" * 99])
def test_anything_else_in_its_place_is_no_error_and_is_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "kept").write_bytes(content)
    assert KeptFiles(tmp_path / "kept").files(ONE, FILES) is None
    assert keep(tmp_path / "kept", (ONE, FILES)).files(ONE, FILES) == FILES


def test_a_place_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert keep(tmp_path / "file/kept", (ONE, FILES)).files(ONE, FILES) is None


def test_objects_are_not_read_for_what_is_known(tmp_path: Path) -> None:
    rev = repos.make_repo(tmp_path / "lib", {"flake.lock": "{}"})
    known = KeptFiles(tmp_path / "kept")
    first = read_base(ObjectReader.open(tmp_path / "lib"), None, ["flake.lock"], kept=known)
    known.write()
    (tmp_path / "lib/.git/objects" / rev[:2] / rev[2:]).unlink()
    assert (
        read_base(ObjectReader.open(tmp_path / "lib"), None, ["flake.lock"], kept=KeptFiles(tmp_path / "kept")) == first
    )

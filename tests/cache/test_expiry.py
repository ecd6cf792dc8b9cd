"""What nobody has used for a long time goes; what is used stays, however long ago it was found out."""

import fcntl
import os
import time
from pathlib import Path

import pytest

from flakesync.cache.expiry import mark_used, read_used, remove_unused
from flakesync.cache.layout import tidied_file

DAY_S = 86_400


def file(cache: Path, name: str, *, days: float) -> Path:
    place = cache / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"x")
    then = time.time() - days * DAY_S
    os.utime(place, (then, then))
    return place


def test_what_has_not_been_used_for_90_days_goes_and_all_else_stays(tmp_path: Path) -> None:
    old = [file(tmp_path, f"{room}/old.json", days=91) for room in ("contents", "archives", "facts", "checks", "files")]
    new = [file(tmp_path, f"{room}/new.json", days=89) for room in ("contents", "archives", "facts", "checks", "files")]
    others = [
        file(tmp_path, name, days=400) for name in ("seen.json", "runs/x.lock", "mirrors/m/HEAD", "bisect/a.jsonl")
    ]
    assert remove_unused(tmp_path) == 5
    assert [place.exists() for place in old] == [False] * 5
    assert all(place.exists() for place in (*new, *others))


def test_reading_counts_as_use_and_is_written_down_once_a_day(tmp_path: Path) -> None:
    read = file(tmp_path, "facts/read.json", days=91)
    fresh = file(tmp_path, "facts/fresh.json", days=0.5)
    before = fresh.stat().st_mtime_ns
    assert (read_used(read), read_used(fresh)) == (b"x", b"x")
    assert fresh.stat().st_mtime_ns == before
    assert remove_unused(tmp_path) == 0
    with pytest.raises(FileNotFoundError):
        read_used(tmp_path / "facts/none.json")


def test_a_time_in_the_future_is_corrected_by_the_next_use(tmp_path: Path) -> None:
    ahead = file(tmp_path, "facts/ahead.json", days=-400)
    mark_used(ahead)
    assert ahead.stat().st_mtime <= time.time() + 60


def test_it_is_looked_for_once_a_week(tmp_path: Path) -> None:
    assert remove_unused(tmp_path) == 0
    old = file(tmp_path, "facts/old.json", days=91)
    assert remove_unused(tmp_path) is None
    assert old.exists()
    os.utime(tidied_file(tmp_path), (time.time() - 8 * DAY_S,) * 2)
    assert remove_unused(tmp_path) == 1


def test_a_lock_that_is_held_stays_and_neither_links_nor_folders_are_followed(tmp_path: Path) -> None:
    held = file(tmp_path, "archives/a.lock", days=91)
    target = file(tmp_path, "elsewhere", days=91)
    (tmp_path / "archives/link").symlink_to(target)
    (tmp_path / "archives/folder").mkdir()
    with held.open() as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert remove_unused(tmp_path) == 0
    assert held.exists()
    assert target.exists()

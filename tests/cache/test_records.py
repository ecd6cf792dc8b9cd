"""Small records that one run keeps for the next."""

import fcntl
from pathlib import Path

import msgspec
import pytest

from flakesync.cache import records as kept
from flakesync.cache.records import KeptRecords

HEAD = ("format", "update")
ONE = msgspec.Raw(msgspec.msgpack.encode(1))


def keep(place: Path, *keys: str) -> None:
    records = KeptRecords(place, HEAD)
    for key in keys:
        records.add(key, ONE)
    records.write()


def test_a_record_is_found_by_the_next_run(tmp_path: Path) -> None:
    keep(tmp_path / "records", "a")
    records = KeptRecords(tmp_path / "records", HEAD)
    assert records.has("a")
    assert not records.has("b")
    assert bytes(records.get("a") or b"") == bytes(ONE)
    assert KeptRecords(tmp_path / "records", ("format", "other")).get("a") is None


def test_what_a_run_uses_stays_and_of_the_rest_the_latest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_MOST_OTHERS", 0)
    keep(tmp_path / "records", "a", "b", "c", "d")
    records = KeptRecords(tmp_path / "records", HEAD)
    records.get("a")
    records.add("e", ONE)
    records.write()
    later = KeptRecords(tmp_path / "records", HEAD)
    assert [key for key in "abcde" if later.has(key)] == ["a", "c", "d", "e"]


@pytest.mark.parametrize("content", [b"", b"{}", b"\x92\xa1x\x80", b"\xff" * 99])
def test_a_file_that_holds_anything_else_is_written_over(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "records").write_bytes(content)
    assert not KeptRecords(tmp_path / "records", HEAD).has("a")
    keep(tmp_path / "records", "a")
    assert KeptRecords(tmp_path / "records", HEAD).has("a")


def test_without_a_place_nothing_is_kept() -> None:
    records = KeptRecords(None, HEAD)
    records.add("a", ONE)
    records.write()
    assert records.has("a")


def test_what_a_killed_run_was_about_to_keep_goes_unless_somebody_writes_it(tmp_path: Path) -> None:
    keep(tmp_path / "records", "a")
    part = tmp_path / "records.part"
    part.write_bytes(b"cut off")
    with part.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        keep(tmp_path / "records")
        assert part.exists()
    keep(tmp_path / "records")
    assert not part.exists()
    assert KeptRecords(tmp_path / "records", HEAD).has("a")

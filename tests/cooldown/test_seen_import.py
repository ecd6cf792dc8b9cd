"""Lines of a commit and a time, as git and other tools write them."""

import time

import pytest

from flakesync.cooldown.model import DAY_S
from flakesync.cooldown.seen_import import read_tips
from flakesync.errors import FlakesyncError
from flakesync.terms import Rev

NOW = 1_790_000_000
REV = Rev("a" * 40)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1789000000", 1_789_000_000),
        ("2026-09-21T14:13:20Z", NOW),
        ("2026-09-21 14:13:20", NOW),
        ("2026-09-20T16:13:20+02:00", NOW - DAY_S),
        ("2026-09-20 16:13:20 +0200", NOW - DAY_S),
        ("2026-09-21T14:13:20.5Z", NOW),
        ("2026-09-20", 1_789_862_400),
        ("main@{1789000000}", 1_789_000_000),
        ("refs/heads/main@{2026-09-20 16:13:20 +0200}", NOW - DAY_S),
        ("1790000001", NOW),
        ("2099-01-01", NOW),
    ],
)
def test_times_of_many_shapes(written: str, read: int) -> None:
    assert read_tips(f"{REV} {written}\n".encode(), "x", now=NOW) == ({REV: read}, 0)


def test_a_time_without_a_zone_is_utc_wherever_this_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "EST5")
    time.tzset()
    try:
        assert read_tips(f"{REV} 2026-09-20 14:13:20\n".encode(), "x", now=NOW)[0] == {REV: NOW - DAY_S}
    finally:
        monkeypatch.undo()
        time.tzset()


def test_of_two_times_the_earlier_counts_and_remarks_do_not() -> None:
    data = f"# rev time\n\n{REV} 1789000000\r\n  {REV}\t1788000000  \n{'b' * 64} 1789000000"
    assert read_tips(data.encode(), "x", now=NOW)[0] == {REV: 1_788_000_000, "b" * 64: 1_789_000_000}


def test_what_is_too_old_to_be_kept_is_counted() -> None:
    data = f"{REV} {NOW - 401 * DAY_S}\n{'b' * 40} {NOW - 400 * DAY_S}\n"
    assert read_tips(data.encode(), "x", now=NOW) == ({"b" * 40: NOW - 400 * DAY_S}, 1)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("abc123 1789000000", "`abc123` is not a full rev"),
        (REV.upper() + " 1789000000", f"`{'A' * 40}` is not a full rev"),
        (REV, "there is no time"),
        (f"{REV} yesterday", "`yesterday` is no time"),
        (f"{REV} 2026-13-01", "`2026-13-01` is no time"),
        (f"{REV} -5", "`-5` is no time"),
        (f"{REV} {'9' * 5_000}", f"`{'9' * 70}` is no time"),
        (f"{REV} 1789000000 more", "`1789000000 more` is no time"),
        (f"{REV} ١٧٨٩", "`١٧٨٩` is no time"),
        (f"{REV} 0001-01-01T00:00:00+23:59", None),
    ],
)
def test_what_is_no_line_is_refused_with_its_place(line: str, said: str | None) -> None:
    data = f"{REV} 1789000000\n{line}\n".encode()
    if said is None:
        assert read_tips(data, "x", now=NOW)[1] == 1
        return
    with pytest.raises(FlakesyncError) as caught:
        read_tips(data, "log", now=NOW)
    assert caught.value.code == "seen-import"
    assert caught.value.message == f"log:2: {said}"
    assert caught.value.hint is not None


def test_bytes_are_no_text() -> None:
    with pytest.raises(FlakesyncError, match="log:2: is no text"):
        read_tips(f"{REV} 1789000000\n".encode() + b"\xff", "log", now=NOW)

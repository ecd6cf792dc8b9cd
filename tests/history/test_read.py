"""The lines of a history, read back from what anybody may have written."""

import json
from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakesync.documents.history import HistoryLine
from flakesync.history.read import notes_on, one_a_day, read_history
from tests.support.pages import page_documents

LINE = page_documents(8, nights=1).history[-1]


def at(time: str, **values: object) -> HistoryLine:
    return msgspec.structs.replace(LINE, at=time, **values)


def written(*lines: HistoryLine) -> bytes:
    return b"".join(msgspec.json.encode(each) + b"\n" for each in lines)


def changed(values: Mapping[str, object]) -> bytes:
    return json.dumps({**json.loads(msgspec.json.encode(LINE)), **values}).encode() + b"\n"


def test_lines_read_back_as_they_were_written() -> None:
    lines = page_documents(30, nights=9).history
    found = read_history(written(*lines))
    assert (list(found.lines), list(found.left_out), found.torn) == (list(lines), [], False)
    assert notes_on(found, "history.jsonl") == []


def test_a_torn_last_line_is_left_out_and_told() -> None:
    whole = written(LINE, LINE)
    for size in range(len(written(LINE)) + 1, len(whole) - 1):
        found = read_history(whole[:size])
        assert (found.lines, found.torn) == ([LINE], True)
    assert notes_on(found, "out/history.jsonl") == [
        "out/history.jsonl: left out: the last line, which was not written to its end"
    ]


def test_a_last_line_that_lacks_its_line_feed_alone_counts() -> None:
    found = read_history(written(LINE, LINE).rstrip(b"\n"))
    assert (found.lines, found.torn) == ([LINE, LINE], False)


OTHERS = {
    "foreign": b"<!doctype html>\n",
    "another version": changed({"schema": "flakesync/history/2"}),
    "another document": changed({"schema": "flakesync/drift/1"}),
    "no schema": b'{"at":"2026-11-28T03:17:00Z","run":"","repos":1,"in_step":1,"findings":{},"pins":{}}\n',
    "no time": changed({"at": "yesterday"}),
    "no day": changed({"at": "2026-02-31T03:17:00Z"}),
    "a time with an offset": changed({"at": "2026-02-03T03:17:00+01:00"}),
    "a number below nothing": changed({"repos": -1}),
    "a number beyond all": changed({"repos": 10**400}),
    "seconds that are no number": changed({"seconds": float("nan")}),
    "half a line": written(LINE)[:40] + b"\n",
    "no UTF-8": b"\xff\xfe\n",
    "deep": b'"flakesync/history/1"' + b"[" * 100_000 + b"\n",
    "long": changed({"run": "x" * (2 << 20)}),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_a_line_that_is_none_is_left_out_and_the_others_count(kind: str) -> None:
    found = read_history(written(LINE) + OTHERS[kind] + written(LINE))
    assert (found.lines, found.left_out, found.torn) == ([LINE, LINE], [2], False)
    (note,) = notes_on(found, "h")
    assert note == "h: left out: line 2, not of a history that this flakesync knows"


def test_there_is_one_note_whatever_the_number_of_lines_that_are_left_out() -> None:
    found = read_history(b"\n".join(OTHERS.values()) + b"torn")
    (note,) = notes_on(found, "h")
    words = f"{len(OTHERS)} lines, the first is line 1, not of a history that this flakesync knows"
    assert note == f"h: left out: {words}; the last line, which was not written to its end"


def test_a_kind_of_finding_and_a_field_that_are_not_known_yet_do_not_cost_the_line() -> None:
    found = read_history(changed({"findings": {"pin": 3, "of-tomorrow": 4}, "more": [1]}))
    assert found.lines[0].findings == {"pin": 3}


@given(st.binary(max_size=300))
def test_whatever_is_in_the_file_reading_ends_well(data: bytes) -> None:
    found = read_history(written(LINE) + data)
    assert found.lines[0] == LINE
    assert len(notes_on(found, "h")) <= 1


def test_the_last_line_of_a_day_is_the_days() -> None:
    days = one_a_day([
        at("2026-11-02T01:00:00Z"),
        at("2026-11-01T23:59:59Z", in_step=1),
        at("2026-11-02T03:00:00Z", in_step=2),
        at("2026-11-02T02:00:00Z", in_step=3),  # a clock that was put back
    ])  # fmt: skip
    assert [(each.at[:10], each.in_step) for each in days] == [("2026-11-01", 1), ("2026-11-02", 3)]

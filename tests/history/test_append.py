"""The file of a history grows by whole lines, and by nothing else."""

import errno
import multiprocessing
import os
from pathlib import Path

import msgspec
import pytest

from flakesync.history.append import append, read_file
from flakesync.history.read import LIMIT_BYTES, read_history
from tests.history.test_read import LINE

ENCODED = msgspec.json.encode(LINE) + b"\n"


def test_a_line_is_one_write_to_a_file_that_is_open_for_appending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[bytes] = []
    flags: list[int] = []
    real_write, real_open = os.write, os.open

    def write(handle: int, data: bytes) -> int:
        writes.append(data)
        return real_write(handle, data)

    def opened(path: Path, how: int, mode: int) -> int:
        flags.append(how)
        return real_open(path, how, mode)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        patch.setattr(os, "open", opened)
        append(tmp_path / "h", LINE, 0o644)
        append(tmp_path / "h", LINE, 0o644)
    assert writes == [ENCODED, ENCODED]
    assert all(each & os.O_APPEND and not each & os.O_TRUNC for each in flags)
    assert (tmp_path / "h").read_bytes() == ENCODED * 2


def test_what_is_there_stays_to_the_byte_and_a_torn_line_does_not_spoil_the_next(tmp_path: Path) -> None:
    place = tmp_path / "h"
    before = b"foreign\n" + ENCODED + ENCODED[:50]
    place.write_bytes(before)
    append(place, LINE, 0o644)
    append(place, LINE, 0o644)
    assert place.read_bytes() == before + b"\n" + ENCODED + ENCODED
    assert read_history(place.read_bytes()).lines == [LINE, LINE, LINE]


def _many(place: Path) -> None:
    for _ in range(50):
        append(place, LINE, 0o644)


def test_runs_at_the_same_time_write_whole_lines(tmp_path: Path) -> None:
    place = tmp_path / "h"
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_many, args=(place,)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert place.read_bytes() == ENCODED * 200


def test_a_disk_that_takes_a_part_of_the_line_is_an_error_and_the_next_line_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda handle, data: write(handle, data[:60]))
        with pytest.raises(OSError) as caught:
            append(tmp_path / "h", LINE, 0o644)
    assert caught.value.errno == errno.ENOSPC
    append(tmp_path / "h", LINE, 0o644)
    found = read_history((tmp_path / "h").read_bytes())
    assert (found.lines, found.left_out) == ([LINE], [1])


def test_no_symlink_is_followed_and_nothing_but_a_file_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "else").write_bytes(b"mine\n")
    (tmp_path / "link").symlink_to("else")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("link", "pipe", "folder"):
        with pytest.raises(OSError):
            append(tmp_path / name, LINE, 0o644)
    assert (tmp_path / "else").read_bytes() == b"mine\n"
    for name in ("pipe", "folder"):
        with pytest.raises(OSError):
            read_file(tmp_path / name)
    assert read_file(tmp_path / "link") == b"mine\n"
    with pytest.raises(OSError):
        read_file(tmp_path / "link", follow=False)
    assert read_file(tmp_path / "none") is None


def test_of_a_file_that_is_too_long_its_end_is_read_from_a_whole_line_on(tmp_path: Path) -> None:
    place = tmp_path / "h"
    with place.open("wb") as file:
        file.truncate(2 * LIMIT_BYTES)
    with place.open("ab") as file:
        file.write(b"\n" + ENCODED * 3)
    found = read_history(read_file(place) or b"")
    assert (found.lines, found.left_out) == ([LINE] * 3, [])

"""What the machine refuses has one code and one advice, whoever ran into it."""

import errno
import os
from pathlib import Path

import pytest

from flakesync.system import cause_in, cause_of


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "disk-full"),
        (errno.EDQUOT, "disk-full"),
        (errno.EROFS, "disk-full"),
        (errno.EACCES, "no-permission"),
        (errno.EMFILE, "too-many-files"),
        (errno.ENFILE, "too-many-files"),
        (errno.ENOMEM, "no-memory"),
        (errno.EAGAIN, "no-threads"),
        (errno.EIO, "system"),
    ],
)
def test_an_error_of_the_system_is_known_by_its_number_and_names_the_file(number: int, code: str) -> None:
    found = cause_of(OSError(number, os.strerror(number), "/srv/cache/x"))
    assert found is not None
    assert found.code == code
    assert found.message.startswith("/srv/cache/x: ")
    assert cause_of(OSError(number, os.strerror(number)), where="/srv") == found._replace(
        message=found.message.replace("/srv/cache/x", "/srv")
    )


def test_a_real_full_disk_is_known() -> None:
    with pytest.raises(OSError, match="No space") as caught, Path("/dev/full").open("wb", buffering=0) as full:
        full.write(b"x")
    found = cause_of(caught.value, where="/dev/full")
    assert found is not None
    assert (found.code, found.message) == ("disk-full", "/dev/full: no space left on device")
    assert found.hint is not None


@pytest.mark.parametrize(
    ("error", "code"),
    [(MemoryError(), "no-memory"), (RuntimeError("can't start new thread"), "no-threads")],
)
def test_what_python_says_without_a_number_is_known_too(error: Exception, code: str) -> None:
    found = cause_of(error)
    assert found is not None
    assert found.code == code


@pytest.mark.parametrize("error", [ValueError("x"), RuntimeError("no more"), KeyError("too many open files")])
def test_any_other_exception_is_not_the_machines(error: Exception) -> None:
    assert cause_of(error) is None


@pytest.mark.parametrize(
    ("said", "code"),
    [
        # git
        ("fatal: write error: No space left on device\nfatal: index-pack failed", "disk-full"),
        ("error: file write error: No space left on device\nfatal: unable to write loose object file", "disk-full"),
        ("fatal: couldn't create '/r/objects/pack': Disk quota exceeded", "disk-full"),
        ("error: cannot lock ref 'refs/x': Unable to create '/r/x.lock': Read-only file system", "disk-full"),
        ("fatal: cannot create pipe: Too many open files", "too-many-files"),
        ("error: cannot fork() for index-pack: Resource temporarily unavailable", "no-threads"),
        ("fatal: unable to create thread: Resource temporarily unavailable", "no-threads"),
        ("fatal: Out of memory, malloc failed (tried to allocate 1 bytes)", "no-memory"),
        # Nix, and its SQLite
        ("error: writing to file: No space left on device", "disk-full"),
        ("error: executing SQLite statement 'insert': database or disk is full (in '/nix/var/db.sqlite')", "disk-full"),
        ("error: unable to fork: Resource temporarily unavailable", "no-threads"),
    ],
)
def test_programs_say_it_in_the_words_of_the_system(said: str, code: str) -> None:
    found = cause_in(said, "/cache/mirrors/x")
    assert found is not None
    assert found.code == code
    assert found.message.startswith("/cache/mirrors/x: ")


@pytest.mark.parametrize(
    "said",
    [
        "remote: fatal: write error: No space left on device\nfatal: the remote end hung up unexpectedly",
        "fatal: unable to access 'https://h/r/': Recv failure: Resource temporarily unavailable",
        "fatal: repository 'https://h/r/' not found",
        "error: cannot run ssh: No such file or directory\nfatal: unable to fork",
        "",
    ],
)
def test_a_servers_own_trouble_is_not_this_machines(said: str) -> None:
    assert cause_in(said) is None

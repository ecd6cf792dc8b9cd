"""What the machine refuses, and not a repo, a server or a bug of ours: full disks, rights, limits.

One table for our own calls, whose errors have numbers, and for git and Nix, which print the system's words: the same
cause has the same code and the same advice wherever it is met.
"""

import errno
import os
import re
from typing import NamedTuple

_DISK = "disk-full"
_FEWER = "or let fewer repos be worked on at once: `--jobs 1`"
_PROCESSES = f"raise the limit on processes and threads (`ulimit -u`, `TasksMax` of systemd), {_FEWER}"


class _Cause(NamedTuple):
    """A cause as users are told it. code: of the error. hint: what to do about it; None: nothing is known."""

    code: str
    hint: str | None


_CAUSES = {
    errno.ENOSPC: _Cause(_DISK, "make room there (`df`; where that shows some, `df -i`), then run again"),
    errno.EDQUOT: _Cause(_DISK, "the quota there is used up: make room, then run again"),
    errno.EROFS: _Cause(
        _DISK, "nothing can be written there: FLAKESYNC_CACHE and TMPDIR name the folders that flakesync writes to"
    ),
    errno.EACCES: _Cause("no-permission", None),
    errno.EPERM: _Cause("no-permission", None),
    errno.EMFILE: _Cause("too-many-files", f"raise the limit on open files (`ulimit -n 1024`), {_FEWER}"),
    errno.ENFILE: _Cause("too-many-files", "the whole machine has too many files open"),
    errno.ENOMEM: _Cause("no-memory", f"give it more memory, {_FEWER}"),
    errno.EAGAIN: _Cause("no-threads", _PROCESSES),
}
_SAID = {
    re.compile(words, re.IGNORECASE): number
    for words, number in (
        ("no space left on device|database or disk is full", errno.ENOSPC),
        ("disk quota exceeded", errno.EDQUOT),
        ("read-only file ?system", errno.EROFS),
        ("too many open files", errno.EMFILE),
        (r"cannot allocate memory|out of memory|memory exhausted|bad_alloc|failed to map segment", errno.ENOMEM),
        (r"(?:fork|thread)\b.*resource temporarily unavailable|fork: retry", errno.EAGAIN),
    )
}


class SystemCause(NamedTuple):
    """Why the machine would not do something. message: a sentence, with the file or folder where it is known."""

    code: str
    message: str
    hint: str | None


def cause_of(error: BaseException, *, where: str | None = None) -> SystemCause | None:
    """Return what the machine has refused; None: the exception is of another kind.

    where: the file or folder that was worked on, for an exception that names none. Code `system`: none of the causes
    that are known better.
    """
    if isinstance(error, MemoryError):
        return _cause(errno.ENOMEM, "out of memory", where)
    if isinstance(error, RuntimeError) and "start new thread" in str(error):  # that is all Python says
        return _cause(errno.EAGAIN, "no thread can be started", where)
    if isinstance(error, ImportError):  # of a library: in the words of what loads it
        return cause_in(str(error), where)
    if not isinstance(error, OSError):
        return None
    place = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else where
    what = error.strerror or str(error) or type(error).__name__
    if place is None and _is_lost(error):
        return SystemCause("no-folder", f"the current folder cannot be used: {what.lower()}", "cd to one that is there")
    return _cause(error.errno or 0, what[:1].lower() + what[1:], place)


def cause_in(text: str, where: str | None = None) -> SystemCause | None:
    """Return what the machine has refused to a program of which this is standard error; None: it does not say so.

    where: the folder that it worked in, for words that name none. What a server says of itself (`remote: …`) is not
    this machine's.
    """
    for line in text.splitlines():
        if not line.startswith("remote:"):
            for words, number in _SAID.items():
                if words.search(line):
                    said = re.sub(r"^(?:fatal|error): *", "", line.strip())
                    return _cause(number, said, where)
    return None


def _is_lost(error: OSError) -> bool:
    """Tell whether an error that names no file is about the current folder: somebody has deleted or closed it."""
    try:
        os.getcwd()  # noqa: PTH109 -- in every start that fails
    except OSError as lost:
        return lost.errno == error.errno
    return False


def _cause(number: int, what: str, where: str | None) -> SystemCause:
    known = _CAUSES.get(number, _Cause("system", None))
    return SystemCause(known.code, f"{where}: {what}" if where else what, known.hint)

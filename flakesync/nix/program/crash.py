"""When Nix does not fail but crashes: what it says then, and where, instead of the addresses on its stack."""

import re
import signal
from collections.abc import Sequence

from flakesync.errors import NixError
from flakesync.system import cause_in

_SIGNALS = frozenset({signal.SIGILL, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV, signal.SIGTRAP})
"""Those that end a program that has a bug."""

_SAID = re.compile(
    r"terminating due to unexpected unrecoverable internal error|(?:Nix|Lix) crashed\b"
    r"|terminate called|std::terminate\(\)"
    r"|\bAssertion .* failed"  # of C; an `assert` in Nix's language is an `assertion`
    r"|\bSegmentation fault\b|\b(?:Aborted|Bus error|Illegal instruction) \(core dumped\)"
    r"|\*\*\* .* \*\*\*: terminated|thread '[^']*' panicked"
)
_REASONS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"terminating due to unexpected unrecoverable internal error: *(.*\S)",
        r"(.*\bAssertion .* failed.*)",
        r"Exception: *(.*\S)",
        r"\s*what\(\): *(.*\S)",
        r"(terminate called after throwing an instance of .*\S)",
        r"(thread '[^']*' panicked.*\S)",
        r"(?:error: *)?(.*\b(?:out of memory|bad_alloc|cannot allocate memory)\b.*)",
        r"((?:free|malloc|realloc|munmap_chunk|calloc)\(\): .*|double free .*|corrupted .*|\*\*\* .*: terminated)",
        r"(?:error: *)?(.*stack overflow.*)",
        r"(terminate called.*\S)",
        r"\s*error: *(\S.*)",
        r"(std::terminate\(\) called.*\S)",
    )
)
"""What says best why it crashed comes first; group 1 is what is shown."""

_FRAME = re.compile(
    r"\s*#?\d+[#:]?\s+(?:0x[0-9a-f]+\b|\S+\(.*\) (?:in|at) |.* in /)|\s*(?:stack trace|stack backtrace|backtrace):\s*$",
    re.IGNORECASE,
)


def without_frames(lines: Sequence[str]) -> list[str]:
    """Return the lines of stderr without those of a stack trace."""
    return [line for line in lines if not _FRAME.match(line)]


def crash_of(lines: Sequence[str], status: int | None, where: str) -> NixError | None:
    """Return the error of a Nix that crashed or was killed; None: it failed in its own words.

    lines: of stderr. status: its exit status, negative for the signal that ended it; None: not known. where: what it
    was doing (` while …`), or empty.
    """
    ended_by = _signal_of(status)
    if ended_by in (signal.SIGKILL, signal.SIGTERM):
        memory = "the system does that where memory runs out: see `dmesg`; fewer `--jobs` need less"
        hint = memory if ended_by is signal.SIGKILL else None
        return NixError("nix-killed", f"nix was killed ({ended_by.name}){where}", hint=hint)
    if ended_by not in _SIGNALS and not any(map(_SAID.search, lines)):
        return None
    name = f" ({ended_by.name})" if ended_by is not None else ""
    reason = _reason(without_frames(lines))
    hint = "this is a bug of Nix: another version may not have it; `--locker native` does without Nix"
    if reason is not None and (cause := cause_in(reason)) is not None:
        hint = cause.hint or hint
    return NixError("nix-crashed", f"nix crashed{name}{where}" + (f": {reason}" if reason else ""), hint=hint)


def _reason(lines: Sequence[str]) -> str | None:
    for pattern in _REASONS:
        for line in lines:
            found = pattern.match(line)
            if found is not None:
                return found[1].strip()
    return None


def _signal_of(status: int | None) -> signal.Signals | None:
    """Return the signal that ended it, or that a shell around it reports (128 + its number); None: none did."""
    if status is None or 0 <= status <= 128:
        return None
    try:
        return signal.Signals(-status if status < 0 else status - 128)
    except ValueError:
        return None

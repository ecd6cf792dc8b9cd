"""Changed files as a patch that `git apply` takes."""

import difflib
import re
from collections.abc import Iterable

_ODD = re.compile(r'[\x00-\x1f\x7f"\\]')
_NO_END = b"\\ No newline at end of file\n"


def unified_diff(file: str, old: bytes, new: bytes) -> bytes:
    """Return what differs in a regular file, empty for nothing. file: its path in the repository."""
    if old == new:
        return b""
    lines = difflib.diff_bytes(difflib.unified_diff, _lines(old), _lines(new), b"", b"", lineterm=b"")
    head, tail = f"a/{file}", f"b/{file}"
    # git ends a name with blanks in it by a tab there, as every other patch may have a date after it.
    end = "\t" if " " in file else ""
    names = f"diff --git {_name(head)} {_name(tail)}\n--- {_name(head)}{end}\n+++ {_name(tail)}{end}\n"
    body = [_whole(line) for number, line in enumerate(lines) if number > 1]
    return names.encode("utf-8", "surrogateescape") + b"".join(body)


def patch(title: str, files: Iterable[tuple[str, bytes, bytes]]) -> bytes:
    """Return a patch for some files, as (path, old, new). title: a line for people, which git passes over."""
    first = " ".join(title.split())
    return f"{first}\n\n".encode() + b"".join(unified_diff(*each) for each in files)


def _lines(data: bytes) -> list[bytes]:
    """Return lines with their ends: a carriage return belongs to its line, as git sees it."""
    return re.findall(rb"[^\n]*\n|[^\n]+\Z", data)


def _whole(line: bytes) -> bytes:
    return line if line.endswith(b"\n") else line + b"\n" + (b"" if line.startswith(b"@@") else _NO_END)


def _name(path: str) -> str:
    """Return a path as git quotes it."""
    if _ODD.search(path) is None:
        return path
    return '"' + _ODD.sub(lambda found: f"\\{ord(found[0]):03o}", path) + '"'

"""Where a Nix file reads the flake.lock of its own flake. A look at the text, not an evaluation."""

import re

_LOCK = "flake.lock"
# A string in quotes is passed over whole, so that a `#` in it begins no comment.
_PIECES = re.compile(
    r"""
    "(?:[^"\\]|\\.)*+(?:"|\Z)
    | ''(?:[^'] | '(?!') | ''['$] | ''\\.)*+(?:''|\Z)
    | (?P<comment> \#[^\n]* | /\*.*?(?:\*/|\Z) )
    """,
    re.VERBOSE | re.DOTALL,
)
_READERS = r"(?:readFile|importJSON|fromJSON)"
_STATEMENT = re.compile(r"[^;]+")
_A_LOCK = re.compile(r"flake\.lock(?![\w-])")
_APPENDED = re.compile(r'\+\s*"/(?:[\w.-]+/)*flake\.lock"')
_A_READER = re.compile(rf"\b{_READERS}\b")
_NAMED = re.compile(r'=\s*(?:\.\.?/[\w./-]*flake\.lock|"[^"\n]*/flake\.lock")\s*;')


def line_that_reads_lock(text: str) -> int | None:
    """Return the number of the line on which the file reads a flake.lock, from 1; None: it does not, so far as is seen.

    A comment does not count. `getFlake`, and a name that comes from another file, are not seen.
    """
    if _LOCK not in text:
        return None
    code = _PIECES.sub(_without_comment, text)
    reading, appended = _read_by_name(code), _APPENDED.search(code)
    places = [*([reading] if reading is not None else []), *([appended.start()] if appended is not None else [])]
    if not places and _A_READER.search(code) is not None and (named := _NAMED.search(code)) is not None:
        places = [named.start()]
    if not places:
        return None
    return code.count("\n", 0, code.index(_LOCK, min(places))) + 1


def _read_by_name(code: str) -> int | None:
    """Return where a function that reads files begins a statement which names a flake.lock; None: nowhere."""
    # Statement by statement: one pattern for all would look to the end of one from each reader in it.
    for statement in _STATEMENT.finditer(code):
        reader = _A_READER.search(code, *statement.span())
        if reader is not None and _A_LOCK.search(code, reader.end(), statement.end()) is not None:
            return reader.start()
    return None


def _without_comment(found: re.Match[str]) -> str:
    # The line feeds stay: they are counted.
    return "".join(char for char in found[0] if char == "\n") if found["comment"] is not None else found[0]

"""Where a Nix file reads the flake.lock of its own flake. A look at the text, not an evaluation."""

import re

_LOCK = "flake.lock"
# A string in quotes is passed over whole, so that a `#` in it begins no comment.
_PIECES = re.compile(
    r"""
    "(?:[^"\\]|\\.)*"
    | ''(?:[^'] | '(?!') | ''['$] | ''\\.)*''
    | (?P<comment> \#[^\n]* | /\*.*?(?:\*/|\Z) )
    """,
    re.VERBOSE | re.DOTALL,
)
_READERS = r"(?:readFile|importJSON|fromJSON)"
_READ = re.compile(
    rf"""
    \b{_READERS}\b [^;]*? flake\.lock(?![\w-])
    | \+ \s* "/(?:[\w.-]+/)*flake\.lock"
    """,
    re.VERBOSE,
)
_A_READER = re.compile(rf"\b{_READERS}\b")
_NAMED = re.compile(r'=\s*(?:\.\.?/[\w./-]*flake\.lock|"[^"\n]*/flake\.lock")\s*;')


def line_that_reads_lock(text: str) -> int | None:
    """Return the number of the line on which the file reads a flake.lock, from 1; None: it does not, so far as is seen.

    A comment does not count. `getFlake`, and a name that comes from another file, are not seen.
    """
    if _LOCK not in text:
        return None
    code = _PIECES.sub(_without_comment, text)
    found = _READ.search(code)
    if found is None and _A_READER.search(code) is not None:
        found = _NAMED.search(code)
    if found is None:
        return None
    return code.count("\n", 0, code.index(_LOCK, found.start())) + 1


def _without_comment(found: re.Match[str]) -> str:
    # The line feeds stay: they are counted.
    return "".join(char for char in found[0] if char == "\n") if found["comment"] is not None else found[0]

"""What an audit shows of what others wrote: nothing in it is unseen, or looks like something else.

Other reports take control characters away (`errors.plain`). Here that would hide what the audit is about: an owner that
differs from another one by a character without a width.
"""

import re
from collections.abc import Mapping

from flakesync.errors import FlakeRefError
from flakesync.nix.reference.flakeref import Attr, FlakeRef
from flakesync.secrets import hide_secrets

_OF_ONE_COMMIT = frozenset(
    {"rev", "ref", "dir", "narHash", "lastModified", "revCount", "dirtyRev", "dirtyShortRev", "treeHash"}
)
_GAPS = re.compile(r"[ \t\r\n]+")
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Letters and marks that Unicode lets be drawn as nothing (Default_Ignorable_Code_Point), and a blank of Braille."""
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def shown_source(attrs: Mapping[str, Attr]) -> str:
    """Return a source as a flake reference, `github:NixOS/nixpkgs`; what is no reference, by its attributes.

    Without commit, branch and folder, and as `clean` shows it.
    """
    kept = {key: value for key, value in attrs.items() if key not in _OF_ONE_COMMIT}
    try:
        text = FlakeRef.from_attrs(kept).to_url()
    except FlakeRefError:
        text = ", ".join(f"{key}={value}" for key, value in sorted(kept.items()))
    return clean(text)


def clean(text: str) -> str:
    r"""Return what comes from a lock as it may be shown: without logins, every character that nobody sees as an escape.

    These are control and format characters (directions, joiners), separators but for the blank, what is for private
    use, unassigned or drawn as nothing: `\x1b`, `\u200b`. A byte that is no UTF-8 is `\xff`.
    """
    # Nearly every text goes no further than this line.
    if not (text.isprintable() and (text.isascii() or _UNSEEN.search(text) is None)):
        text = "".join(map(_seen, text))
    return hide_secrets(text)


def clean_message(text: str) -> str:
    """Return a sentence as it may be shown, in one line: as `clean`, but that line feeds and tabs are blanks."""
    return clean(_GAPS.sub(" ", text))


def _seen(char: str) -> str:
    if char.isprintable() and _UNSEEN.match(char) is None:
        return char
    code = ord(char)
    if code < 0x80:
        return _SHORT.get(char, f"\\x{code:02x}")
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code & 0xFF:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

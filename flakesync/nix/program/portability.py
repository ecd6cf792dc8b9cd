"""On which references the versions of Nix agree: said of what is written in a flake.nix, a URL or a set of attributes.

`FlakeRef` reads as Nix 2.32 does. Found by asking the versions (see the tests); in doubt they do not agree.
"""

import re
from collections.abc import Mapping

from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.patterns import pattern

_ID = "[a-zA-Z][a-zA-Z0-9_-]*"
_REV = "[0-9a-f]{40}"
_WORD = r"[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9][A-Za-z0-9_-]*)*(?<!\.lock)"
_REF = rf"{_WORD}(?:/{_WORD})*"
_PATH = r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+"
_HOST = r"[a-z0-9][a-z0-9.-]*(?::[1-9][0-9]{0,3})?"
_OLD_HOST = r"[a-z0-9]+(?:\.[a-z0-9]+)*"
_URL = rf"(?:https?://{_HOST}|ssh://(?:[a-z]+@)?{_HOST}|file://){_PATH}"
_FORGE_QUERY = rf"(?:ref={_REF}|rev={_REV}|dir={_REF}|host={_OLD_HOST})"
_GIT_QUERY = rf"(?:ref={_REF}|rev={_REV}|(?:submodules|shallow)=1)"
_PORTABLE_URL = pattern(
    rf"{_ID}(?:/{_REF})?(?:/{_REV})?"
    rf"|(?:github|gitlab|sourcehut):~?{_WORD}/{_WORD}(?:/{_REF})?(?:\?{_FORGE_QUERY})?"
    rf"|git(?:\+{_URL}|://{_HOST}{_PATH})(?:\?{_GIT_QUERY}(?:&{_GIT_QUERY})*)?"
    rf"|https?://{_HOST}{_PATH}\.(?:zip|tar|tgz|tar\.(?:gz|xz|bz2|zst))"
    rf"|path:{_PATH}",
    re.ASCII,
)
_PORTABLE_TEXTS = {
    "id": _ID,
    "owner": rf"~?{_WORD}(?:%2F{_WORD})*",
    "repo": _WORD,
    "ref": _REF,
    "rev": _REV,
    "dir": _REF,
    "host": _OLD_HOST,
    "url": _URL,
    "path": _PATH,
}
_FORGE_KEYS = frozenset({"owner", "repo", "ref", "rev", "dir", "host"})
_PORTABLE_KEYS = {
    **dict.fromkeys(("github", "gitlab", "sourcehut"), _FORGE_KEYS),
    "git": frozenset({"url", "ref", "rev", "submodules", "shallow"}),
    "indirect": frozenset({"id", "ref", "rev"}),
    "path": frozenset({"path"}),
}
_AMBIGUOUS_URL = pattern(
    r"""%(?!2[0ABab])              # escapes: decoded at different times
    | (?<!:)(?<!:/)//              # slashes in a row
    | ^(?:git\+)?file:(?!///)      # relative to the working directory
    | ["\[\s\\\#] | [^\x00-\x7f]
    | [?&](?:lfs|type)=
    | ://(?!(?:[A-Za-z0-9._~-]+@)?[A-Za-z0-9._-]*(?::[0-9]+)?(?:[/?]|\Z))  # passwords, odd hosts, empty ports
    | ^git\+(?:git|ftp)""",
    re.VERBOSE,
)
_ANY_REF = pattern(r"[a-zA-Z0-9@][a-zA-Z0-9_./@+-]*", re.ASCII)
_AMBIGUOUS_TEXT = pattern(r"[^\x21-\x7e]|//")

Attrs = Mapping[str, str | int | bool]


def is_portable(attrs: Attrs) -> bool:
    """Say whether every Nix since 2.8 understands a reference, and writes it into a lock to the letter as 2.32 does.

    attrs: as written, with a `type`; or a `url` alone, in URL form.
    """
    if "type" not in attrs:
        return _PORTABLE_URL.fullmatch(str(attrs["url"])) is not None
    known = _PORTABLE_KEYS.get(str(attrs["type"]), frozenset())
    return all(key == "type" or (key in known and _is_portable_value(key, attrs[key])) for key in attrs)


def _is_portable_value(key: str, value: str | int | bool) -> bool:
    portable = _PORTABLE_TEXTS.get(key)
    return value is True if portable is None else re.fullmatch(portable, str(value), re.ASCII) is not None


def ambiguous(attrs: Attrs, ref: FlakeRef) -> str | None:
    """Return the attribute that not every Nix since 2.26 reads as 2.32 does; None if they agree.

    attrs: as written. ref: what they mean.
    """
    for key, value in attrs.items():
        unclear = _AMBIGUOUS_URL if key == "url" else _AMBIGUOUS_TEXT
        if key == "lfs" or (isinstance(value, str) and unclear.search(value)):
            return key
    if "type" in attrs and attrs.get("url") != ref.attrs.get("url"):
        return "url"  # older versions leave an attribute as it is
    if ref.ref is not None and not _ANY_REF.fullmatch(ref.ref):
        return "ref"
    if ref.rev is not None and all(ref.rev not in value for value in attrs.values() if isinstance(value, str)):
        return "rev"  # in upper case
    return None

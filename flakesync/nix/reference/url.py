"""URLs as Nix reads and writes them: RFC 3986 with a few liberties (`src/libutil/url.cc`, `url-parts.hh`).

The canonical text is the one of Nix 2.32 and later: path segments are decoded and encoded again (`*` becomes `%2A`),
the query is a sorted map. Nix 2.18–2.31 differ in an encoded slash (`%2F` in a path is decoded there), Nix up to 2.17
keeps the path as it was written and encodes queries with lower-case hex.
"""

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote, unquote

import msgspec

from flakesync.patterns import pattern

_HEX = r"%[0-9A-Fa-f]{2}"
_PCHAR = rf"[A-Za-z0-9\-._~!$&'()*+,;=:@]++|{_HEX}"
_NAME = rf"[A-Za-z0-9\-._~!$&'()*+,;=]++|{_HEX}"
# Nothing is given back (`++`, `*+`): what ends a part cannot be in it, so a long text takes no longer for that.
_AUTHORITY = pattern(
    rf"(?:(?P<user>(?:{_NAME})*+)(?P<password>:(?:{_NAME}|:)*+)?@)?"
    rf"(?P<host>\[[0-9A-Fa-f:.]++\]|(?:{_NAME})*+)"
    r"(?::(?P<port>[0-9]*+))?",
    re.ASCII,
)
# A space and `"` in a query, and `[` `]` too, are Nix's own liberty.
_URL = pattern(
    r"(?P<scheme>[a-z][a-z0-9+.-]*):(?://(?P<authority>[^/?#]*)|(?!//))"
    rf"(?P<path>(?:{_PCHAR}|/)*+)"
    rf'(?:\?(?P<query>(?:{_PCHAR}|[/?\[\] "])*+))?'
    r"(?:#(?P<fragment>.*))?",
    re.ASCII | re.DOTALL,
)


class Url(msgspec.Struct, frozen=True):
    """A URL in its canonical parts.

    authority: canonical text between `//` and the path; None where there is no `//`. path: canonical, percent-encoded.
    query: decoded; a key without `=` is not in it.
    """

    scheme: str
    authority: str | None
    path: str
    query: Mapping[str, str]

    @property
    def transport(self) -> str:
        """The scheme without what stands before its first plus sign: `https` of `git+https`."""
        return self.scheme.partition("+")[2] or self.scheme

    @property
    def application(self) -> str | None:
        """What stands before the first plus sign of the scheme, or None."""
        before, plus, _ = self.scheme.partition("+")
        return before if plus else None

    @property
    def host(self) -> str:
        """The host without user and port; empty where there is none."""
        found = _AUTHORITY.fullmatch(self.authority or "")
        return found["host"] if found else ""

    def segments(self) -> list[str]:
        """Return the decoded parts of the path between its slashes."""
        return [decode(part) for part in self.path.split("/")]

    def with_(self, scheme: str, query: Mapping[str, str]) -> "Url":
        """Return the same place under another scheme and query."""
        return msgspec.structs.replace(self, scheme=scheme, query=query)

    def __str__(self) -> str:
        """Return the canonical text."""
        authority = "" if self.authority is None else f"//{self.authority}"
        return f"{self.scheme}:{authority}{self.path}{encode_query(self.query)}"


@lru_cache(maxsize=4096)
def parse_url(text: str) -> Url:
    """Return the parts of a URL. Raises ValueError with a reason for what Nix refuses, and for a fragment."""
    found = _URL.fullmatch(text)
    if found is None:
        raise ValueError("not a valid URL")
    if found["fragment"]:
        raise ValueError(f"unexpected fragment {found['fragment']!r}")
    scheme, path = found["scheme"], found["path"]
    authority = None if found["authority"] is None else _authority(found["authority"])
    if scheme.rpartition("+")[2] == "file":
        if authority:
            raise ValueError(f"a file URL has no host ({authority!r})")
        path = path or "/"
    encoded = "/".join(encode_segment(decode(part)) for part in path.split("/"))
    return Url(scheme, authority, encoded, decode_query(found["query"] or ""))


def parse_git_url(text: str) -> Url:
    """Return the URL of a `git` input's `url` attribute, as `fixGitURL` of Nix mends it.

    `git@host:path` is ssh, a bare path is a file, a superfluous `git+` goes. Raises ValueError.
    """
    if (scp := _split_scp(text)) is not None:
        text = "ssh://{}@{}/{}".format(*scp)
    if "://" not in text and not text.startswith(("file:", "git+file:")):
        if ":" in text.split("/", 1)[0]:
            raise ValueError("not a URL that git input schemes know (for ssh write ssh://host/path)")
        path = "/".join(encode_segment(part) for part in text.split("/"))
        return Url("file", "" if text.startswith("/") else None, path, {})
    url = parse_url(text)
    return url.with_(url.transport, url.query) if url.application == "git" else url


def _split_scp(text: str) -> tuple[str, str, str] | None:
    """Return user, host and path of `user@host:path`, of which Nix's pattern takes each as long as it can; or None."""
    colon = text.rfind(":")
    at = text.partition("/")[0].rfind("@", 0, max(colon, 0))
    if at < 0 or "\n" in text[at:]:
        return None
    return text[:at], text[at + 1 : colon], text[colon + 1 :]


def decode_query(text: str) -> dict[str, str]:
    """Return the decoded pairs; the first of equal keys wins, and what has no `=` is not a pair, as in Nix."""
    pairs: dict[str, str] = {}
    for pair in text.split("&"):
        key, equals, value = pair.partition("=")
        if equals:
            pairs.setdefault(decode(key), decode(value))
    return pairs


def encode_query(pairs: Mapping[str, str]) -> str:
    """Return `?a=b&c=d`, sorted as Nix sorts; empty for no pairs."""
    encoded = "&".join(f"{_encode(key, ':@/?')}={_encode(pairs[key], ':@/?')}" for key in sorted(pairs))
    return f"?{encoded}" if encoded else ""


def decode(text: str) -> str:
    """Return `text` with its percent escapes decoded; bytes that are no UTF-8 become lone surrogates."""
    return unquote(text, errors="surrogateescape") if "%" in text else text


def encode_segment(text: str) -> str:
    """Return one decoded path segment as it stands in a URL; a slash in it becomes `%2F`."""
    return _encode(text, ":@")


def file_url(path: str | Path) -> str:
    """Return the `file:` URL of an absolute path: all of it is path, whatever its name holds, also what is no UTF-8."""
    return f"file://{quote(os.fsencode(path))}"


@lru_cache(maxsize=4096)
def _encode(text: str, keep: str) -> str:
    return quote(text, safe=keep, errors="surrogateescape")


def _authority(text: str) -> str:
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        raise ValueError("the host or port is not valid")
    shown = ""
    if found["user"] is not None:
        password = found["password"]
        secret = "" if password is None else ":" + _encode(decode(password[1:]), "")
        shown = f"{_encode(decode(found['user']), '')}{secret}@"
    host = found["host"]
    shown += host if host.startswith("[") else _encode(decode(host), "")
    if found["port"]:
        port = int(found["port"]) if len(found["port"]) <= 5 else 0
        if not 0 < port < 65536:
            raise ValueError(f"the port {found['port']} is not valid")
        shown += f":{port}"
    return shown

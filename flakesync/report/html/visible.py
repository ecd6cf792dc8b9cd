"""Text from locks, repos and forges as the page may show it, addresses that may be links, and the ids of sections."""

import hashlib
import re
from urllib.parse import parse_qs, unquote, urlsplit

from flakesync.secrets import hide_secrets

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters; tabs and line feeds are blanks in HTML
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks and overrides that change the direction of what follows
    "\ud800-\udfff]"  # half a character, which no encoding can write
)
_PLAIN_NAME = re.compile(r"[A-Za-z0-9._-]+")
_LIKE_HASHED = re.compile(r"-[0-9a-f]{8}\Z")
_HOSTS = {"github": "github.com", "gitlab": "gitlab.com", "sourcehut": "git.sr.ht"}
_NOT_IN_LINKS = re.compile(r"[\s\"'<>\\^`{|}]")


def visible(text: str) -> str:
    """Return `text` with `�` for each character that is not seen or turns others around, and without secrets."""
    if not text.isprintable():
        text = _HIDDEN.sub("�", text)
    return hide_secrets(text)


def web_link(address: str | None) -> str | None:
    """Return what a link to `address` leads to, without a login; None where it is no plain http or https address."""
    if address is None:
        return None
    address = hide_secrets(address)
    if not address.startswith(("https://", "http://")) or address != visible(address) or _NOT_IN_LINKS.search(address):
        return None
    try:
        host = urlsplit(address).hostname
    except ValueError:  # `https://[`
        return None
    return address if host else None


def repo_link(url: str | None) -> str | None:
    """Return where a repo, named by a flake reference's URL, is looked at in a browser; None where nobody knows."""
    if url is None:
        return None
    try:
        scheme, _, rest = url.partition(":")
        parts = urlsplit(f"//host/{rest}" if scheme in _HOSTS else url.removeprefix("git+"))
        host = parse_qs(parts.query).get("host", [_HOSTS.get(scheme, "")])[0]
    except ValueError:
        return None
    if scheme in _HOSTS:
        return web_link(f"https://{host}/{unquote('/'.join(parts.path.split('/')[1:3]))}")
    return web_link(parts._replace(query="", fragment="").geturl())


def section_id(name: str, prefix: str = "r") -> str:
    """Return the id of a repo's section: `r-` and the name, which is so the same every night.

    A name that cannot stand in an id, or could be taken for one that cannot, has eight digits of its SHA-256 behind it.
    """
    if _PLAIN_NAME.fullmatch(name) and not _LIKE_HASHED.search(name):
        return f"{prefix}-{name}"
    digits = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    slug = "-".join(_PLAIN_NAME.findall(visible(name)))[:40] or "repo"
    return f"{prefix}-{slug}-{digits}"

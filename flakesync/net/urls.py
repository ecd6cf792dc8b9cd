"""Addresses on the web: which server one leads to, where a reference on a page leads, and the login in one."""

import base64
from urllib.parse import unquote_to_bytes, urljoin, urlsplit, urlunsplit

WEB = ("http", "https")
_PORTS = {"https": 443, "http": 80}

Origin = tuple[str, str | None, int | None]


def origin(url: str) -> Origin:
    """Return the server that a URL leads to: scheme, host and port; of what is no URL, something that no URL has."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return "", None, None


def joined(url: str, reference: str) -> str:
    """Return where a reference on a page leads; the reference itself where that is no URL."""
    try:
        return urljoin(url, reference)
    except ValueError:
        return reference


def basic(name: bytes, password: bytes) -> str:
    """Return a login as the header `Authorization` has it."""
    return f"Basic {base64.b64encode(b'%s:%s' % (name, password)).decode()}"


def split_login(url: str) -> tuple[str, str | None]:
    """Return a URL without the login in it, and that as the header that curl would make of it; None: it has none."""
    parts = urlsplit(url)
    who, at, place = parts.netloc.rpartition("@")
    if not at:
        return url, None
    name, _, password = who.partition(":")
    return urlunsplit(parts._replace(netloc=place)), basic(unquote_to_bytes(name), unquote_to_bytes(password))

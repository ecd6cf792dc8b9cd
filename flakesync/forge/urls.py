"""Addresses of an API: what is put into them, how they are shown, and where a list goes on."""

import re
from collections.abc import Mapping
from urllib.parse import quote

_NEXT = re.compile(r"<([^<>]*)>\s*;[^,<]*\brel=\"?next\"?(?=[\s;,]|$)")


def segment(text: str) -> str:
    """Return a text as one part of a URL's path: with its slashes encoded."""
    return quote(text, safe="")


def repository(path: str) -> str:
    """Return `owner/name` as two parts of a URL's path."""
    return "/".join(segment(part) for part in path.split("/"))


def shown(url: str) -> str:
    """Return a URL without its query."""
    return url.partition("?")[0]


def next_page(headers: Mapping[str, str]) -> str | None:
    """Return the address of the page of a list that comes after this one, by the header `Link`; None: it names none."""
    found = _NEXT.search(headers.get("link", ""))
    return found[1] if found is not None else None


def length_of_list(headers: Mapping[str, str]) -> int:
    """Return how many items a list has on all its pages; 0: the server does not say."""
    text = headers.get("x-total-count", "")
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0

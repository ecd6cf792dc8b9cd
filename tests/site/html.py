"""A page of HTML, as far as links go."""

from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

_ADDRESSES = {"href", "src", "srcset", "action", "poster", "data"}


class Page(NamedTuple):
    """links: what its elements lead to or load. anchors: the ids in it. text: what is read."""

    links: frozenset[str]
    anchors: frozenset[str]
    text: str


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note addresses and ids."""
        for name, value in attrs:
            if name in _ADDRESSES and value is not None:
                self.links.add(value)
            if name in ("id", "name") and value:
                self.anchors.add(value)

    def handle_data(self, data: str) -> None:
        """Note the text."""
        self.texts.append(data)


def read_page(file: Path) -> Page:
    """Return what a file of HTML has."""
    reader = _Reader()
    reader.feed(file.read_text("utf-8"))
    return Page(frozenset(reader.links), frozenset(reader.anchors), "".join(reader.texts))

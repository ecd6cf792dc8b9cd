"""When a forge says no, or nothing: the two errors an adapter decides by, and what the server said."""

from collections.abc import Iterator

import msgspec

from flakesync.errors import plain
from flakesync.forge.model import ForgeError

_WORDS_MAX = 300


class Refused(ForgeError):  # noqa: N818 - it says what happened, like the errors around it
    """The server understood, and said no. status: of the answer. words: the server's own, in one line."""

    def __init__(self, code: str, message: str, *, status: int, words: str, hint: str | None = None) -> None:
        """Keep what an adapter decides by."""
        super().__init__(code, message, hint=hint)
        self.status = status
        self.words = words


class Unclear(ForgeError):  # noqa: N818
    """Nobody knows whether a POST was carried out; look before doing it again."""


def said_in(content: bytes) -> str:
    """Return what a server says about a refusal, in one line; empty where it is no JSON, or absurd."""
    try:
        said = list(dict.fromkeys(_told(msgspec.json.decode(content))))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return plain(" ".join("; ".join(said).split()))[:_WORDS_MAX]


def _told(document: object, key: str = "") -> Iterator[str]:
    """Give the sentences in a forge's error: `message` (text, list or map of lists), `error`, and `errors`."""
    match document:
        case str():
            if document.strip():
                yield f"{key} {document}" if key else document
        case list():
            for item in document:
                yield from _told(item, key)
        case dict():
            known = [name for name in ("message", "error", "error_description", "errors") if name in document]
            for name in known:
                yield from _told(document[name])
            if not known and key == "" and "code" in document:
                yield " ".join(str(document[name]) for name in ("resource", "field", "code") if document.get(name))
            elif not known:
                for name, value in document.items():
                    yield from _told(value, str(name))

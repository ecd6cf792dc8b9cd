"""When a forge says no, or nothing: the two errors an adapter decides by, and what the server said."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager

import msgspec

from flakesync.errors import FlakesyncError, plain
from flakesync.forge.model import ForgeError

_WORDS_MAX = 300
_LINES_MAX = 20


class Refused(ForgeError):  # noqa: N818 - it says what happened, like the errors around it
    """The server understood, and said no. status: of the answer. lines: the server's own words, line by line."""

    def __init__(
        self, code: str, message: str, *, status: int, lines: Sequence[str] = (), hint: str | None = None
    ) -> None:
        """Keep what an adapter decides by."""
        super().__init__(code, message, hint=hint)
        self.status = status
        self.lines = tuple(lines)

    @property
    def words(self) -> str:
        """The server's own words, in one line."""
        return in_one_line(self.lines)


def reason_of(error: FlakesyncError, host: str) -> str:
    """Return why a question to a forge has no answer, as a phrase that follows the name of the host."""
    if isinstance(error, Refused):
        return f"status {error.status}" + (f": {error.words}" if error.words else "")
    return error.message.removeprefix(f"{host}: ")


class refused_with(AbstractContextManager[None]):  # noqa: N801 - used like contextlib.suppress
    """Goes on after the block where the server said no with one of these statuses."""

    def __init__(self, *statuses: int) -> None:
        """statuses: of HTTP."""
        self._statuses = statuses

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        return isinstance(error, Refused) and error.status in self._statuses


class Unclear(ForgeError):  # noqa: N818
    """Nobody knows whether a POST was carried out; look before doing it again. refused: the 5xx answer, if any."""

    def __init__(self, code: str, message: str, *, hint: str | None = None, refused: Refused | None = None) -> None:
        """Keep the answer that left it open."""
        super().__init__(code, message, hint=hint)
        self.refused = refused


class Moved(ForgeError):  # noqa: N818
    """The repository that was asked for is known by another name now; nothing was done."""


def lines_in(content: bytes) -> tuple[str, ...]:
    """Return what a server says about a refusal, line by line; nothing where it is no JSON, or absurd."""
    try:
        said = list(dict.fromkeys(_told(msgspec.json.decode(content))))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    lines = (" ".join(plain(line).split())[:_WORDS_MAX] for text in said[:_LINES_MAX] for line in text.splitlines())
    return tuple(line for line in lines if line)[:_LINES_MAX]


def in_one_line(lines: Sequence[str]) -> str:
    """Return lines as one; a sentence that has ended needs nothing between it and the next."""
    text = ""
    for line in lines:
        text += f"{'' if not text else ' ' if text[-1] in '.:!?' else '; '}{line}"
    return text[:_WORDS_MAX]


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

"""Requests and answers of the forge, as values."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

Json = dict[str, object]

_JSON = "application/json; charset=utf-8"


class AnswerError(Exception):
    """What ends a request at once, wherever it is raised: with this answer."""

    def __init__(self, answer: "Answer") -> None:
        """answer: such as 404."""
        super().__init__(answer.status)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Request:
    """One request. host: the name before the port, in lower case. path: as sent, percent-encoded, without the query.

    headers: with names in lower case. body: decoded from chunks.
    """

    method: str
    authority: str
    path: str
    query_text: str
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def of(cls, method: str, target: str, headers: Mapping[str, str], body: bytes) -> "Request":
        """Return the request for a request target such as `/a?b=c`."""
        parts = urlsplit(target)
        return cls(method, headers.get("host", "").lower(), parts.path, parts.query, headers, body)

    @property
    def host(self) -> str:
        return self.authority.rpartition(":")[0] if self.authority.rpartition(":")[2].isdigit() else self.authority

    @property
    def target(self) -> str:
        return f"{self.path}?{self.query_text}" if self.query_text else self.path

    @property
    def query(self) -> dict[str, str]:
        """The query's keys, each with its last value."""
        return dict(parse_qsl(self.query_text, keep_blank_values=True))

    @property
    def secret(self) -> str | None:
        """The token or password that came along, in any of the ways that the forges know; None: nobody says who."""
        if token := self.headers.get("private-token"):
            return token
        scheme, _, rest = self.headers.get("authorization", "").partition(" ")
        match scheme.lower():
            case "bearer" | "token":
                return rest.strip()
            case "basic":
                try:
                    user, _, password = base64.b64decode(rest, validate=True).decode().partition(":")
                except (binascii.Error, UnicodeDecodeError):
                    return ""
                return password or user
        return None

    def fields(self) -> Json:
        """Return the body's JSON object ({} if there is no body). Raises AnswerError for anything else."""
        if not self.body:
            return {}
        found = self.document()
        if not isinstance(found, dict):
            raise _no_json()
        return found

    def document(self) -> object:
        """Return the body's JSON. Raises AnswerError if it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise _no_json() from None


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; body: bytes as they are, anything else as JSON, None for no content."""

    status: int
    body: object = None
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = _JSON

    def content(self) -> bytes:
        match self.body:
            case None:
                return b""
            case bytes(data):
                return data
            case other:
                return json.dumps(other).encode()

    def plus(self, *headers: tuple[str, str]) -> "Answer":
        """Return the answer with more headers."""
        return Answer(self.status, self.body, (*self.headers, *headers), self.content_type)


def moved(location: str, request: Request, *, status: int = 301, body: object = b"") -> Answer:
    """Return a redirect to another address, with the query of the request."""
    target = f"{location}?{request.query_text}" if request.query_text else location
    return Answer(status, body, (("Location", target),), "text/html" if isinstance(body, bytes) else _JSON)


def _no_json() -> AnswerError:
    return AnswerError(Answer(400, {"message": "Problems parsing JSON"}))

"""Descriptions of the forges' APIs, made strict: every request a client makes is held against them.

GitHub's and Forgejo's are their own, cut down to what flakesync calls; GitLab's is written by hand.
"""

import copy
import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from werkzeug.datastructures import Headers, ImmutableMultiDict

HERE = Path(__file__).parent / "descriptions"

_HOST = "https://forge.test"
_NOT_OF_FORGEJO = r"/orgs/[^/]+/labels|/repos/.*/issues/\d+/dependencies"


class Asked:
    """A request as openapi-core wants it."""

    host_url = _HOST
    content_type: str

    def __init__(self, method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> None:
        self.method = method.lower()
        self.path = path
        self.content_type = headers.get("content-type", "")
        self.body = body or None
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(parse_qsl(query, keep_blank_values=True)), header=Headers(headers)
        )


class Answered:
    """An answer as openapi-core wants it."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status_code = status
        self.content_type = headers.get("content-type", "").partition(";")[0]
        self.headers = Headers(headers)
        self.data = body


class Description:
    """One API. prefix: what stands before the described paths. lacks: paths that the description leaves out."""

    def __init__(self, document: dict[str, Any], prefix: str, lacks: str = r"(?!)") -> None:
        self._prefix = prefix
        self._lacks = re.compile(lacks)
        self._passed: set[tuple[object, ...]] = set()  # what has been looked at: to do it again takes 30 ms
        self._queries = {path: _query_names(document, operations) for path, operations in document["paths"].items()}
        document = {**document, "servers": [{"url": _HOST}]}
        self._api = OpenAPI.from_dict(document, config=Config(spec_validator_cls=None))

    def check(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        """Fail unless the request is one that the description knows. target: path and query."""
        known = (method, target, _without_host(headers), body)
        asked = self._asked(method, target, headers, body)
        if asked is None or known in self._passed:
            return
        # To make values of it (`unmarshal_request`) would look at each part again, and again at the parts of that.
        errors = list(self._api.request_validator.iter_errors(asked))
        if errors:
            raise AssertionError(f"{method} {target}: {_all(errors)}\n{body.decode()}")
        self._check_query(asked)
        self._passed.add(known)

    def check_answer(
        self, method: str, target: str, headers: dict[str, str], status: int, answer: dict[str, str], body: bytes
    ) -> None:
        """Fail unless an answer that says "done" is one that the description knows."""
        known = (method, target, _without_host(headers), status, _without_host(answer), body)
        asked = self._asked(method, target, headers, b"")
        if asked is None or status not in (200, 201) or known in self._passed:
            return
        errors = list(self._api.response_validator.iter_errors(asked, Answered(status, answer, body)))
        if errors:
            raise AssertionError(f"answer to {method} {target}: {_all(errors)}\n{body.decode()[:2000]}")
        self._passed.add(known)

    def _asked(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Asked | None:
        parts = urlsplit(target)
        path = parts.path.removeprefix(self._prefix)
        if self._lacks.fullmatch(path):
            return None
        return Asked(method, path, parts.query, {name.lower(): value for name, value in headers.items()}, body)

    def _check_query(self, asked: Asked) -> None:
        known: set[str] = set()
        for path, queries in self._queries.items():
            if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", path), asked.path):
                known |= queries.get(asked.method, set())
        unknown = set(asked.parameters.query) - known
        if unknown:
            raise AssertionError(f"{asked.method} {asked.path}: unknown in the query: {unknown}")


def _without_host(headers: dict[str, str]) -> frozenset[tuple[str, str]]:
    """Return headers for comparison; where the forge of a test listens matters to no description."""
    return frozenset((name.lower(), value) for name, value in headers.items() if name.lower() != "host")


@cache
def github() -> Description:
    """GitHub's, cut down; its request bodies are strict in the file. What it calls deprecated need not be there."""
    document = json.loads((HERE / "github.json").read_text())
    _without_the_deprecated(document)
    return Description(document, "/api/v3", r"/repositories/.*|(/api)?/graphql")


@cache
def gitlab() -> Description:
    """GitLab's, with what it has in paid tiers alone; its answers are as strict as its requests."""
    return Description(_strict(json.loads((HERE / "gitlab.json").read_text())), "")


@cache
def forgejo() -> Description:
    """Forgejo's, which demands nothing of a new pull request; organisations are not in the file."""
    document = _strict(json.loads((HERE / "forgejo.json").read_text()))
    document["components"]["schemas"]["CreatePullRequestOption"]["required"] = ["title", "head", "base"]
    return Description(document, "/api/v1", _NOT_OF_FORGEJO)


@cache
def forgejo_answers() -> Description:
    """Forgejo's for its answers: it does not say what may be null, nor that it has no other fields."""
    document = json.loads((HERE / "forgejo.json").read_text())
    _with_nulls_and_nothing_else(document)
    return Description(document, "/api/v1", rf"{_NOT_OF_FORGEJO}|/repositories/.*")


def _with_nulls_and_nothing_else(schema: object) -> None:
    if isinstance(schema, list):
        for item in schema:
            _with_nulls_and_nothing_else(item)
    elif isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            schema |= {"additionalProperties": False, "nullable": True}
        elif "type" in schema:
            schema["nullable"] = True
        for value in schema.values():
            _with_nulls_and_nothing_else(value)


def _without_the_deprecated(schema: object) -> None:
    if isinstance(schema, list):
        for item in schema:
            _without_the_deprecated(item)
    elif isinstance(schema, dict):
        described = schema.get("properties")
        if isinstance(described, dict) and isinstance(schema.get("required"), list):
            kept = [name for name in schema["required"] if not described.get(name, {}).get("deprecated")]
            schema["required"] = kept
        for value in schema.values():
            _without_the_deprecated(value)


def _query_names(document: dict[str, Any], operations: dict[str, Any]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for method, operation in operations.items():
        names = found.setdefault(method, set())
        for parameter in operation.get("parameters", []):
            if "$ref" in parameter:
                parameter = document["components"]["parameters"][parameter["$ref"].rpartition("/")[2]]
            if parameter["in"] == "query":
                names.add(parameter["name"])
    return found


def _strict(document: dict[str, Any]) -> dict[str, Any]:
    """Let request bodies have only the properties that are described."""
    document = copy.deepcopy(document)
    bodies = [operation.get("requestBody", {}) for path in document["paths"].values() for operation in path.values()]
    bodies += document["components"].get("requestBodies", {}).values()
    for body in bodies:
        for content in body.get("content", {}).values():
            schema = content["schema"]
            if "$ref" in schema:
                schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            schema.setdefault("additionalProperties", False)
    return document


def _all(errors: Iterable[BaseException]) -> str:
    told = []
    for error in errors:
        told.append(f"{type(error).__name__}: {str(error)[:200]}")
        cause = error.__cause__
        told += [f"  {_place(detail)}" for detail in getattr(cause, "schema_errors", [cause] if cause else [])]
    return "\n".join(told)


def _place(error: BaseException) -> str:
    """Return what is wrong and where, without the schema around it."""
    path = getattr(error, "json_path", "")
    return f"{path}: {getattr(error, 'message', error)}"

"""A forge that answers from a script, one answer after the other, and holds each request against the description."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx2

from flakesync.forge.client import Client, Endpoint
from tests.forge.described import Description

Check = Callable[[httpx2.Request], None]


@dataclass
class Script:
    """told: `METHOD path?query` of each request so far. bodies: their JSON. pauses: how long the client slept."""

    api: str
    description: Description | None
    answers: list[httpx2.Response | Exception] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    bodies: list[object] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def then(self, status: int, body: object = None, **headers: str) -> "Script":
        """Add an answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, str):
            answer = httpx2.Response(status, text=body, headers=named)
        elif body is None:
            answer = httpx2.Response(status, headers=named)
        else:
            answer = httpx2.Response(status, json=body, headers=named)
        self.answers.append(answer)
        return self

    def breaks(self, error: Exception | None = None) -> "Script":
        """Let the connection break where an answer was due."""
        self.answers.append(error or httpx2.ReadError("connection reset by peer"))
        return self

    def client(
        self, headers: dict[str, str], host: str = "forge.test", token: str | None = "s3cret", *, public: bool = False
    ) -> Client:
        endpoint = Endpoint(host, self.api, token, ("THE_TOKEN",), public=public)
        transport = httpx2.MockTransport(self._answer)
        return Client(endpoint, headers, transport=transport, sleep=self.pauses.append, clock=lambda: 1000.0)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        target = request.url.raw_path.decode()
        if self.description is not None:
            self.description.check(request.method, target, dict(request.headers), request.content)
        base = httpx2.URL(self.api).raw_path.decode().rstrip("/")
        self.told.append(f"{request.method} {target.removeprefix(base)}")
        self.bodies.append(json.loads(request.content) if request.content else None)
        self.headers.append(dict(request.headers))
        if not self.answers:
            raise AssertionError(f"no answer is left for {self.told[-1]}")
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

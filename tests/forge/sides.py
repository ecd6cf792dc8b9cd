"""An adapter against the loopback forge; every request, and GitHub's answers, are held to the descriptions."""

from collections.abc import Callable
from dataclasses import dataclass

import httpx2

from flakesync.demo.forge.model import Kind
from flakesync.forge.model import Forge, Project
from flakesync.terms import Rev
from tests.forge import described
from tests.forge.described import Description
from tests.support.forge.client import Client as Hand

KINDS: list[Kind] = ["github", "gitlab", "forgejo"]


class Held(httpx2.BaseTransport):
    """Passes requests on, and holds them, and GitHub's answers, against a description. calls: how many there were."""

    def __init__(self, inner: httpx2.BaseTransport, description: Description) -> None:
        self._inner = inner
        self._description = description
        self.calls = 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.calls += 1
        target, headers = request.url.raw_path.decode(), dict(request.headers)
        self._description.check(request.method, target, headers, request.read())
        answer = self._inner.handle_request(request)
        answer.read()
        # The others do not describe all that the forge answers with: GitLab's lacks fields, Forgejo's the nulls.
        if self._description is described.github() and "json" in answer.headers.get("content-type", ""):
            told = dict(answer.headers)
            self._description.check_answer(request.method, target, headers, answer.status_code, told, answer.content)
        return answer

    def close(self) -> None:
        self._inner.close()


@dataclass
class Side:
    """One project on one kind of forge. forge: our adapter. hand: another way in."""

    forge: Forge
    project: Project
    hand: Hand
    held: Held
    pauses: list[float]

    def calls(self) -> int:
        """Return how many calls there have been since the last time."""
        count, self.held.calls = self.held.calls, 0
        return count

    def tip(self, name: str) -> Rev:
        found = self.hand.project.storage.branch(name)
        assert found is not None
        return Rev(found)


Make = Callable[..., Side]

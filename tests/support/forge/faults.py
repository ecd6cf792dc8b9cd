"""Things that go wrong, as a script: which requests are hit, how often, and what happens to them."""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from flakesync.demo.forge.web.messages import Answer, Json, Request

Perform = Callable[[], Answer]
Action = Callable[[Request, Perform], Answer | None]
"""What becomes of a request that is hit. The second argument carries it out; None closes the connection."""


@dataclass
class Fault:
    """A fault that has been scripted. hits: how often it has struck. seen: how many requests it was for."""

    matches: Callable[[Request], bool]
    action: Action
    times: int | None
    skip: int
    every: int
    hits: int = field(default=0)
    seen: int = field(default=0)

    def strikes(self) -> bool:
        """Count a request that matches, and tell whether this one is hit."""
        self.seen += 1
        due = self.seen > self.skip and (self.seen - self.skip - 1) % self.every == 0
        if not due or (self.times is not None and self.hits >= self.times):
            return False
        self.hits += 1
        return True


@dataclass
class RateLimit:
    """Lets so many requests through in any `per_s` seconds; `action` is what becomes of the others."""

    requests: int
    per_s: float
    action: Action
    clock: Callable[[], float] = time.monotonic
    refused: int = 0
    passed: list[float] = field(default_factory=list)

    def __call__(self, request: Request, perform: Perform) -> Answer | None:
        """Carry the request out, or refuse it."""
        now = self.clock()
        self.passed = [at for at in self.passed if now - at < self.per_s]
        if len(self.passed) < self.requests:
            self.passed.append(now)
            return perform()
        self.refused += 1
        return self.action(request, perform)


class Faults:
    """The script of a forge; the first fault that strikes has its way."""

    def __init__(self) -> None:
        """Nothing goes wrong."""
        self._script: list[Fault] = []
        self._guard = threading.Lock()

    def add(
        self,
        action: Action,
        *,
        method: str | None = None,
        host: str | None = None,
        path: str = "",
        times: int | None = 1,
        skip: int = 0,
        every: int = 1,
    ) -> Fault:
        """Let requests go wrong: of a method, to a host, with a target that `path` (a pattern) is found in.

        times: how many of them (None: always). skip: the first ones that get through. every: every how many-th.
        """
        pattern = re.compile(path)

        def matches(request: Request) -> bool:
            return (
                (method is None or method == request.method)
                and (host is None or host == request.host)
                and pattern.search(request.target) is not None
            )

        fault = Fault(matches, action, times, skip, every)
        with self._guard:
            self._script.append(fault)
        return fault

    def limit(self, limit: RateLimit, *, method: str | None = None, host: str | None = None, path: str = "") -> None:
        """Limit the requests of a method, to a host, with a target that `path` is found in."""
        self.add(limit, method=method, host=host, path=path, times=None)

    def clear(self) -> None:
        """Let everything go right again."""
        with self._guard:
            self._script.clear()

    def find(self, request: Request) -> Action | None:
        """Return what is to become of a request; None: nothing out of the ordinary."""
        with self._guard:
            return next((fault.action for fault in self._script if fault.matches(request) and fault.strikes()), None)


def answer(status: int, body: object = None, *, headers: tuple[tuple[str, str], ...] = ()) -> Action:
    """Return: that answer, and nothing is done."""
    return lambda _request, _perform: Answer(status, body or {"message": "out of order"}, headers)


def answer_after_acting(status: int) -> Action:
    """Return: it is done, and then the answer is an error page, as of a proxy that lost patience."""

    def action(_request: Request, perform: Perform) -> Answer:
        perform()
        return _page(status)

    return action


def html(status: int = 200) -> Action:
    """Return: a web page where JSON was expected, as a login wall or a proxy sends it."""
    return lambda _request, _perform: _page(status)


def drop_before(_request: Request, _perform: Perform) -> None:
    """Close the connection; nothing is done."""


def drop_after(_request: Request, perform: Perform) -> None:
    """Do it, and close the connection without a word."""
    perform()


def drop_now_act_later(seconds: float) -> Action:
    """Return: the connection is closed without a word, and only then it is done, as behind a proxy that gave up."""

    def action(_request: Request, perform: Perform) -> None:
        threading.Timer(seconds, perform).start()

    return action


def delay(seconds: float) -> Action:
    """Return: it takes that long."""

    def action(_request: Request, perform: Perform) -> Answer:
        time.sleep(seconds)
        return perform()

    return action


def act_and_hang(until: threading.Event) -> Action:
    """Return: it is done, and nothing comes until the event is set."""

    def action(_request: Request, perform: Perform) -> None:
        perform()
        until.wait()

    return action


def hang(until: threading.Event) -> Action:
    """Return: nothing comes until the event is set (a Forge's `stopping`, at the latest)."""

    def action(_request: Request, _perform: Perform) -> None:
        until.wait()

    return action


def too_many_requests(retry_after_s: int = 1) -> Action:
    """Return: 429 with Retry-After, as GitLab and Forgejo (behind its proxy) say it."""
    return answer(429, {"message": "429 Too Many Requests"}, headers=(("Retry-After", str(retry_after_s)),))


def secondary_limit(retry_after_s: int | None = 1) -> Action:
    """Return: GitHub's answer to too many pull requests in a short time: 403, and only Retry-After tells why.

    retry_after_s: None for the answers without it: only the words tell.
    """
    body: Json = {
        "documentation_url": "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api"
        "#about-secondary-rate-limits",
        "message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
    }
    asked = (("Retry-After", str(retry_after_s)),) if retry_after_s is not None else ()
    return answer(403, body, headers=(*asked, ("X-RateLimit-Remaining", "4990")))


def primary_limit(reset_in_s: int = 1, clock: Callable[[], float] = time.time) -> Action:
    """Return: GitHub's answer when the hour's requests are used up: 403, no Retry-After, the time of the reset."""

    def action(_request: Request, _perform: Perform) -> Answer:
        body = {
            "message": "API rate limit exceeded for user ID 1.",
            "documentation_url": "https://docs.github.com/rest",
        }
        reset = str(int(clock()) + reset_in_s)
        headers = (
            ("X-RateLimit-Limit", "5000"),
            ("X-RateLimit-Remaining", "0"),
            ("X-RateLimit-Used", "5000"),
            ("X-RateLimit-Reset", reset),
            ("X-RateLimit-Resource", "core"),
        )
        return Answer(403, body, headers)

    return action


def _page(status: int) -> Answer:
    page = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Sign in</h1></body></html>"
    return Answer(status, page, content_type="text/html; charset=utf-8")

"""One HTTP client per forge host: one call at a time, patient within bounds, and no secret in anything it says.

What may be asked twice is asked again when the server stumbles. A POST is not: where nobody can tell whether the
server has acted (a timeout, a dropped connection, 5xx) it ends in `Unclear`, and the adapter looks before acting again.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict, TypeVar, Unpack, assert_never
from urllib.parse import urlencode

import msgspec

from flakesync.forge.endpoint import Endpoint as Endpoint
from flakesync.forge.limits.limits import Limits, Waits
from flakesync.forge.model import ForgeError
from flakesync.forge.refusals import Moved, Refused, Unclear, in_one_line, lines_in
from flakesync.forge.urls import length_of_list, next_page, shown
from flakesync.net.http import MOVED, NoAnswerError, Web
from flakesync.net.urls import joined, origin

if TYPE_CHECKING:
    from flakesync.net.http import Transport

T = TypeVar("T")

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 30.0
PATIENCE_S = 600.0
"""How long one call may wait for a server's rate limit, all in all."""
DOWN_FOR_S = 60.0
"""How long a host that did not answer is taken to be down: a hundred repos must not wait for it one after the other."""

_PAUSES_S = (0.5, 1.0, 2.0)
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "PATCH", "DELETE"})
_REDIRECTS = 5
_LARGEST_BYTES = 16 << 20
_PAGES = 200
_CODES = {401: "forge-token", 403: "forge-rights", 404: "forge-not-found", 423: "forge-archived"}
_DOWN = frozenset({502, 503, 504})

GRAPHQL = "../graphql"
"""Where GitHub's GraphQL is: beside the REST API, also where that is below /api/v3."""

Query = Mapping[str, str | int]
Body = Mapping[str, object]


class CallOptions(TypedDict, total=False):
    """What a call sends, and how.

    again: a POST that does no harm when done twice. lone: it is tried once, waits for no limit, and its failure says
    nothing of other calls: there is another way. makes: something, of which some forges allow only so many.
    """

    query: Query | None
    body: Body | None
    again: bool
    lone: bool
    makes: bool


@dataclass(frozen=True, slots=True)
class _Counted:
    """What a call counts as for the server's limits: the API, and whether it makes something."""

    resource: str = "core"
    makes: bool = False


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    headers: Mapping[str, str]
    content: bytes
    url: str


class Client:
    """Calls to one API. Threads may share it; the calls of all of them go one after the other."""

    def __init__(
        self,
        endpoint: Endpoint,
        headers: Mapping[str, str],
        *,
        transport: "Transport | None" = None,
        sleep: Callable[[float], object] | None = None,
        clock: Callable[[], float] = time.time,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """headers: those that every call has, the one with the token among them. transport: for tests.

        sleep: None for one that `stop` ends.
        """
        self.host = endpoint.host
        self._stopped = threading.Event()
        self.sleep = self._stopped.wait if sleep is None else sleep
        self._endpoint = endpoint
        self._base = endpoint.api.rstrip("/")
        self._headers = headers
        self._web = Web(endpoint.ca_file, connect_s=CONNECT_TIMEOUT_S, read_s=READ_TIMEOUT_S, transport=transport)
        self._clock = clock
        self.limits = Limits(self.host, self.sleep, clock, Waits(lambda: patience_s), self._stopped.is_set)
        self._turn = threading.Lock()
        self._down: tuple[float, ForgeError] | None = None

    def close(self) -> None:
        """Close the connections."""
        with self._turn:
            self._web.close()

    def stop(self) -> None:
        """Wake up whoever waits to call the server again; from now on there are no more calls."""
        self._stopped.set()

    def call(
        self, method: str, path: str, expect: type[T], *, follow: bool = True, **options: Unpack[CallOptions]
    ) -> T:
        """Make a call and return its answer.

        path: below the API's base, encoded (`urls.segment`). follow: False raises Moved where the server names another
        address, instead of going there.

        Raises: Refused, Unclear, Moved, or ForgeError (`forge-token` | `forge-tls` | `forge-unreachable` |
        `forge-timeout` | `forge-answer` | `forge-rate-limit`).
        """
        return self._read(method, path, self._ask(method, path, options, follow=follow), expect)

    def tell(self, method: str, path: str, *, follow: bool = True, **options: Unpack[CallOptions]) -> None:
        """Make a call whose answer is of no interest; raises as `call` does."""
        self._ask(method, path, options, follow=follow)

    def each(self, path: str, item: type[T], *, query: Query | None = None, follow: bool = True) -> Iterator[T]:
        """Give the items of a list, page by page as far as they are asked for; raises as `call` does."""
        reply = self._ask("GET", path, {"query": query}, follow=follow)
        seen = 0
        for page in range(2, _PAGES + 2):
            items = self._read("GET", path, reply, list[item])  # type: ignore[valid-type]
            yield from items
            seen += len(items)
            if "link" not in reply.headers and items and seen < length_of_list(reply.headers):
                # Of some lists Gitea and Forgejo tell how long they are, and not where they go on.
                reply = self._ask("GET", path, {"query": {**(query or {}), "page": page}})
                continue
            further = next_page(reply.headers)
            if further is None:
                return
            url = joined(reply.url, further)
            if origin(url) != origin(self._base):
                raise self._error("forge-answer", f"the next page of {path} is said to be at {shown(url)}")
            with self._turn:
                reply = self._patiently("GET", url, None, _Counted(), repeatable=True)

    def clean(self, text: str) -> str:
        """Return `text` without the token, control characters and bidirectional overrides."""
        return self._endpoint.clean(text)

    def _ask(self, method: str, path: str, options: CallOptions, *, follow: bool = True) -> _Reply:
        if self._endpoint.token is None and not self._endpoint.public:
            raise ForgeError(
                "forge-token", f"{self.host}: there is no token for it", hint=self._endpoint.how_to_give_one()
            )
        # GraphQL of a GitHub Enterprise Server lies beside its REST API.
        url = joined(f"{self._base}/", path) if path.startswith("../") else f"{self._base}{path}"
        if query := options.get("query"):
            url = f"{url}?{urlencode(query)}"
        repeatable = options.get("again", False) or method in _REPEATABLE
        counted = _Counted("graphql" if path == GRAPHQL else "core", options.get("makes", False))
        with self._turn:
            if options.get("lone", False):
                return self._once(method, url, options.get("body"), counted)
            return self._patiently(method, url, options.get("body"), counted, repeatable=repeatable, follow=follow)

    def _once(self, method: str, url: str, body: Body | None, counted: _Counted) -> _Reply:
        """Make a call that may fail: another way is left then."""
        self.limits.require_free(counted.resource)
        began = self._clock()
        try:
            reply = self._follow(method, url, body, follow=False)
        except _Broken as broken:
            raise broken.error from None
        if self._is_limited(reply, counted, began):
            self.limits.require_free(counted.resource)
        if reply.status >= 400:
            raise self._refusal(method, reply)
        return reply

    def _is_limited(self, reply: _Reply, counted: _Counted, began: float) -> bool:
        """Take note of an answer; tell whether a limit turned the call away."""
        if self.limits.hit(counted.resource, reply.status, reply.headers, reply.content):
            return True
        self.limits.count(began, makes=counted.makes)
        return False

    def _patiently(
        self, method: str, url: str, body: Body | None, counted: _Counted, *, repeatable: bool, follow: bool = True
    ) -> _Reply:
        """Make a call as often as its kind and the server's limits allow; return a good answer."""
        if self._down is not None and self._clock() < self._down[0]:
            down = self._down[1]
            raise ForgeError(down.code, down.message, hint=down.hint)
        failures = 0
        self.limits.begin()
        while True:
            self.limits.wait(counted.resource, makes=counted.makes)
            if self._stopped.is_set():
                raise ForgeError("interrupted", f"{self.host}: interrupted")
            began = self._clock()
            try:
                reply = self._follow(method, url, body, follow=follow)
            except _Broken as broken:
                if broken.sent and not repeatable:
                    raise Unclear(broken.error.code, broken.error.message, hint=broken.error.hint) from None
                failures += 1
                if not broken.passing or failures > broken.tries:
                    self._down = (self._clock() + DOWN_FOR_S, broken.error) if broken.passing else None
                    raise broken.error from None
                self.sleep(_PAUSES_S[failures - 1])
                continue
            self._down = None
            if self._is_limited(reply, counted, began):
                continue
            if reply.status >= 500:
                refusal = self._refusal(method, reply)
                if not repeatable:
                    raise Unclear(refusal.code, refusal.message, refused=refusal)
                failures += 1
                if failures > len(_PAUSES_S):
                    raise refusal
                self.sleep(_PAUSES_S[failures - 1])
                continue
            if reply.status >= 400:
                raise self._refusal(method, reply)
            return reply

    def _follow(self, method: str, url: str, body: Body | None, *, follow: bool) -> _Reply:
        """Send a request, and after a redirect again, but never to another server: the token goes along."""
        for _ in range(_REDIRECTS):
            reply = self._send(method, url, body)
            if reply.status not in MOVED:
                return reply
            target = joined(url, reply.headers.get("location", ""))
            if origin(target) != origin(url) or target == url:
                message = f"{shown(url)} redirects to {shown(target)}, and the token is not sent there"
                raise self._error(
                    "forge-answer", message, hint="are the repo's `url` and the forge's `api` up to date?"
                )
            if not follow:
                raise Moved("forge-answer", self.clean(f"{self.host}: {shown(url)} has moved to {shown(target)}"))
            if method != "GET" and reply.status not in (307, 308):
                message = f"{method} {shown(url)} redirects to {shown(target)}"
                raise self._error(
                    "forge-answer", message, hint="has the repository moved? Then its `url` has to follow"
                )
            url = target
        raise self._error("forge-answer", f"{shown(url)} redirects in a circle")

    def _send(self, method: str, url: str, body: Body | None) -> _Reply:
        headers, content = self._headers, None
        if body is not None:
            headers, content = {**headers, "Content-Type": "application/json"}, _encoded(body)
        try:
            with self._web.open(method, url, headers=headers, content=content, limit_bytes=_LARGEST_BYTES) as answer:
                return _Reply(answer.status, answer.headers, b"".join(answer.pieces), url)
        except NoAnswerError as error:
            raise self._broken(f"{method} {shown(url)}", error) from None

    def _broken(self, call: str, error: NoAnswerError) -> "_Broken | ForgeError":
        match error.trouble:
            case "trust":
                return self._error("forge-tls", error.reason)
            case "tls":
                hint = "name the authority that signed its certificate: `ca-file` of the forge, or SSL_CERT_FILE"
                secure = self._error("forge-tls", f"no secure connection: {error.reason}", hint=hint)
                return _Broken(secure, passing=False)
            case "connect":
                return _Broken(self._error("forge-unreachable", f"no connection: {error.reason}"))
            case "connect-timeout":
                return _Broken(self._error("forge-timeout", error.reason), tries=1)
            case "timeout":
                return _Broken(self._error("forge-timeout", f"{call}: {error.reason}"), sent=True, tries=1)
            case "broken":
                lost = self._error("forge-unreachable", f"{call}: the connection broke: {error.reason}")
                return _Broken(lost, sent=True)
            case "content" | "too-large" | "redirect":
                return self._error("forge-answer", f"{call}: {error.reason}")
            case _:
                assert_never(error.trouble)

    def _read(self, method: str, path: str, reply: _Reply, expect: type[T]) -> T:
        try:
            return msgspec.json.decode(reply.content, type=expect)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            where = f"{method} {path}: status {reply.status}"
            kind = reply.headers.get("content-type", "").partition(";")[0].strip() or "nothing"
            if isinstance(error, msgspec.ValidationError):
                raise self._error("forge-answer", f"{where}: another answer than expected: {error}") from None
            hint = "a login page or a proxy may have answered in its place; is the forge's `api` right?"
            raise self._error("forge-answer", f"{where}: {kind} where JSON was expected", hint=hint) from None

    def _refusal(self, method: str, reply: _Reply) -> Refused:
        status = reply.status
        lines = [self.clean(line) for line in lines_in(reply.content)]
        words = in_one_line(lines)
        code = "forge-unreachable" if status in _DOWN else _CODES.get(status, "forge")
        if status == 403 and "archived" in words.lower():
            code = "forge-archived"
        hints = {
            "forge-token": self._endpoint.about_the_token(),
            "forge-rights": "the token may not do this: look at its scopes, and at the role of its owner",
            "forge-not-found": "a repository that the token may not see looks the same as one that is not there",
        }
        message = self.clean(f"{self.host}: {method} {shown(reply.url)}: status {status}")
        full = f"{message}: {words}" if words else message
        return Refused(code, full, status=status, lines=lines, hint=hints.get(code))

    def _error(self, code: str, message: str, *, hint: str | None = None) -> ForgeError:
        return ForgeError(code, self.clean(f"{self.host}: {message}"), hint=hint)


class _Broken(Exception):  # noqa: N818
    """No answer. sent: the request may have arrived. passing: it may be better soon. tries: how many more to make."""

    def __init__(
        self, error: ForgeError, *, sent: bool = False, passing: bool = True, tries: int = len(_PAUSES_S)
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.sent = sent
        self.passing = passing
        self.tries = tries


def _encoded(body: Body) -> bytes:
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:
        # Bytes of a file name or a commit that are no UTF-8 travel through Python as lone surrogates.
        sound = {
            name: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
            for name, value in body.items()
        }
        return msgspec.json.encode(sound)

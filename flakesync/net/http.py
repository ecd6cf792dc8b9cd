"""Requests over http and https: TLS trust, proxies, limits on time and size, and where a login may go.

The one place with an HTTP client. No request passes the wall of `--offline`.
"""

import os
import socket
import threading
import time
import weakref
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import flakesync
from flakesync.errors import FlakesyncError
from flakesync.net.urls import WEB, basic, joined, origin, split_login
from flakesync.net.wall import require_online
from flakesync.processes import stop
from flakesync.secrets import hide_secrets

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

    import httpx2
    from httpcore2 import NetworkStream as Stream

    Transport = httpx2.BaseTransport

USER_AGENT = f"flakesync/{flakesync.__version__}"
MOVED = frozenset({301, 302, 303, 307, 308})
"""Statuses of redirects."""
_REDIRECTS = 10
_HEADERS = {"User-Agent": USER_AGENT, "Accept-Encoding": "gzip"}
_PIECE_BYTES = 1 << 16
_AGAIN_S = 1.0

GRACE_S = 60.0
LEAST_BYTES_PER_S = 16_384
LONGEST_S = 3600.0
"""How long a request may take with its answer: GRACE_S, longer by what LEAST_BYTES_PER_S allows for what has arrived of
the answer, LONGEST_S at most. Timeouts between two pieces alone let a server that drips a byte a second hold a run for
days; a limit on the whole alone would be too short for a large archive, or too long for all else."""

Trouble = Literal["trust", "tls", "connect", "connect-timeout", "timeout", "broken", "content", "too-large", "redirect"]


class NoAnswerError(Exception):
    """A request without a usable answer.

    trouble: `trust` the file of authorities, `tls` the server's certificate, `connect` and `connect-timeout` nothing
    was sent; the others may have reached the server: `timeout` silence, `broken` the connection, `content` its
    encoding, `too-large` the cap, `redirect` where it leads. reason: for people, without the address.
    """

    def __init__(self, trouble: Trouble, reason: str) -> None:
        super().__init__(reason)
        self.trouble = trouble
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server says. headers: names in lower case, repeated ones joined by commas. pieces: the body, read once."""

    status: int
    reason: str
    url: str
    headers: Mapping[str, str]
    pieces: Iterator[bytes]

    @property
    def target(self) -> str | None:
        """Where a redirect leads; None: it is none, or does not say."""
        place = self.headers.get("location") if self.status in MOVED else None
        return joined(self.url, place) if place is not None else None


class Web:
    """A client with its connections; threads may share it."""

    def __init__(
        self,
        ca_file: Path | None = None,
        *,
        connect_s: float,
        read_s: float,
        as_nix: bool = False,
        transport: "Transport | None" = None,
    ) -> None:
        """ca_file: the only authority to trust; None: those of the system, or of SSL_CERT_FILE.

        connect_s, read_s: how long a server may take to be reached, and between two pieces. as_nix: NIX_SSL_CERT_FILE
        names the authorities where no `ca_file` does. transport: for tests.
        """
        self._ca_file = ca_file
        self._connect_s = connect_s
        self._read_s = read_s
        self._as_nix = as_nix
        self._transport = transport
        self._client: httpx2.Client | None = None
        self._streams: weakref.WeakSet[Stream] = weakref.WeakSet()

    def __enter__(self) -> "Web":
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: "TracebackType | None"
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        if self._client is not None:
            self._client.close()
            self._client = None

    @contextmanager
    def open(
        self, method: str, url: str, *, headers: Mapping[str, str], limit_bytes: int, content: bytes | None = None
    ) -> Iterator[Answer]:
        """Send one request and give its answer, whatever its status; redirects are not followed.

        limit_bytes: of the body, unpacked. content: what is sent along.

        Raises: NoAnswerError, in the block too while the body is read; FlakesyncError(`offline` | `interrupted`).
        """
        require_online(f"{origin(url)[1]}", FlakesyncError)
        import httpx2

        with _Watch(self._streams) as watch, stop.breakable(lambda: watch, lambda watched, _: watched.cut()):
            try:
                with self._connected().stream(
                    method, url, headers={**_HEADERS, **headers}, content=content,
                    extensions={"trace": watch.note},
                ) as answer:  # fmt: skip
                    named = {name.lower(): value for name, value in answer.headers.items()}
                    pieces = watch.counted(_capped(_unpacked(answer), limit_bytes))
                    yield Answer(answer.status_code, answer.reason_phrase, url, named, pieces)
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                watch.require_in_time()
                raise self._explain(error) from None

    @contextmanager
    def follow(
        self,
        method: str,
        url: str,
        *,
        limit_bytes: int,
        login: str | None = None,
        visit: Callable[[Answer], None] = lambda _: None,
    ) -> Iterator[Answer]:
        """Give the answer at the end of all redirects, unpacked by nobody on the way.

        login: the header `Authorization`; it goes to no other server than that of `url`. One that an address holds
        counts before it. visit: is shown every answer, the last among them.

        Raises: as `open`.
        """
        for _ in range(_REDIRECTS + 1):
            place, own = split_login(url)
            login = own or login
            headers = {"Accept-Encoding": "identity"} | ({"Authorization": login} if login is not None else {})
            with self.open(method, place, headers=headers, limit_bytes=limit_bytes) as answer:
                visit(answer)
                url = answer.target or ""
                if not url:
                    yield answer
                    return
            there = origin(url)
            if there[0] not in WEB:
                raise NoAnswerError("redirect", f"a redirect to {there[0] or 'nowhere'}:")
            if there != origin(place):
                login = None
        raise NoAnswerError("redirect", "redirects without end")

    def _connected(self) -> "httpx2.Client":
        if self._client is None:
            import httpx2

            timeout = httpx2.Timeout(self._read_s, connect=self._connect_s)
            trust = self._trust() if self._transport is None else True
            try:
                self._client = httpx2.Client(verify=trust, timeout=timeout, transport=self._transport)
            except (ValueError, ImportError, httpx2.InvalidURL) as error:  # what the variables of proxies hold
                raise NoAnswerError("connect", _about_proxies(error)) from None
        return self._client

    def _trust(self) -> "ssl.SSLContext":
        import ssl

        file = str(self._ca_file or "") or (os.environ.get("NIX_SSL_CERT_FILE", "") if self._as_nix else "")
        try:
            return ssl.create_default_context(cafile=file or None)
        except OSError as error:
            # An SSLError (no certificate in it) is an OSError too.
            raise NoAnswerError("trust", f"ca-file {file}: {error.strerror or 'holds no certificate'}") from None

    def _explain(self, error: Exception) -> NoAnswerError:
        import httpx2

        reason = str(error) or type(error).__name__
        match error:
            case httpx2.ConnectError() | httpx2.ConnectTimeout() | httpx2.PoolTimeout() | httpx2.ProxyError():
                if (cause := _tls_error(error)) is not None:
                    return NoAnswerError("tls", getattr(cause, "verify_message", "") or cause.reason or str(cause))
                if isinstance(error, httpx2.TimeoutException):
                    return NoAnswerError("connect-timeout", f"no connection within {self._connect_s:g} s")
                return NoAnswerError("connect", reason)
            case httpx2.TimeoutException():
                return NoAnswerError("timeout", f"no answer within {self._read_s:g} s")
            case httpx2.DecodingError():
                return NoAnswerError("content", reason)
            case _:
                return NoAnswerError("broken", reason)


class _Watch:
    """Cuts the connections of a request that takes too long.

    Where a server stays silent, or drips, there is nobody who could look at a clock: reading is done in a library. So a
    timer does, and ends what is read by ending the connection.
    """

    def __init__(self, streams: "weakref.WeakSet[Stream]") -> None:
        """streams: of the client's connections; new ones are added."""
        self._streams = streams
        self._begun = time.monotonic()
        self._bytes = 0
        self._guard = threading.Lock()
        self._timer: threading.Timer | None = None
        self._is_late = False
        self._is_over = False

    def __enter__(self) -> "_Watch":
        self._look()
        return self

    def __exit__(self, *_: object) -> None:
        with self._guard:
            self._is_over = True
        if self._timer is not None:
            self._timer.cancel()

    def note(self, event: str, info: Mapping[str, object]) -> None:
        """Hear from the client what it does: of each connection that it makes."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._streams.add(cast("Stream", info["return_value"]))

    def counted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Give the pieces, and count them."""
        for piece in pieces:
            self._bytes += len(piece)
            yield piece
        # A body that has no length ends with its connection, so one that was cut looks complete.
        self.require_in_time()

    def require_in_time(self) -> None:
        """Raise NoAnswerError(`timeout`) after too long a time, FlakesyncError(`interrupted`) after a stop."""
        stop.require_running()
        if self._is_late:
            took_s = time.monotonic() - self._begun
            raise NoAnswerError("timeout", f"given up after {took_s:.0f} s, with {self._bytes} bytes of the answer")

    def cut(self) -> None:
        """End the connections: whoever reads from them hears of it at once."""
        for stream in list(self._streams):
            found = stream.get_extra_info("socket")
            if isinstance(found, socket.socket):
                with suppress(OSError):
                    # Not that of an SSLSocket, which would take the session away from whoever reads in it.
                    socket.socket.shutdown(found, socket.SHUT_RDWR)

    def _look(self) -> None:
        """Look how late it is, and again when it could be too late."""
        left_s = self._begun + min(GRACE_S + self._bytes / LEAST_BYTES_PER_S, LONGEST_S) - time.monotonic()
        with self._guard:
            if self._is_over:
                return
            if left_s <= 0:
                self._is_late = True
                self.cut()
            # Again after the end too: where there was nothing to cut yet, one may have been connected since.
            self._timer = threading.Timer(max(left_s, _AGAIN_S), self._look)
            self._timer.daemon = True
            self._timer.start()


def netrc_login(host: str) -> str | None:
    """Return the login that the user's netrc has for a host, as the header `Authorization`; None: it has none."""
    import netrc

    place = Path(os.environ.get("NETRC") or Path(os.environ.get("HOME", os.devnull), ".netrc"))
    try:
        found = netrc.netrc(str(place)).authenticators(host)
    except (OSError, ValueError, netrc.NetrcParseError):  # git and curl leave out what they cannot read, too
        return None
    return basic(found[0].encode(), found[2].encode()) if found is not None and found[2] else None


def _about_proxies(error: Exception) -> str:
    """Return why no client can be made: a proxy that the environment names; its login is not shown."""
    for name in ("https_proxy", "http_proxy", "all_proxy"):
        for variable in (name, name.upper()):
            scheme, there, _ = os.environ.get(variable, "").partition("://")
            if there and scheme.lower() not in WEB:
                known = "those of http:// and https:// can, and git alone uses others, such as socks5://"
                return f"the proxy in {variable} ({scheme}://) cannot be used: {known}"
    return f"a proxy in https_proxy, http_proxy, all_proxy or no_proxy cannot be used: {hide_secrets(str(error))}"


def _unpacked(answer: "httpx2.Response") -> Iterator[bytes]:
    """Give the body in pieces that stay small, however tightly it is packed.

    The client itself unpacks what arrives at once in one step, and in as many layers as the server says there are.
    """
    encoding = answer.headers.get("content-encoding", "identity").strip().lower()
    if answer.is_stream_consumed or encoding == "identity":
        yield from answer.iter_bytes()
        return
    if encoding not in ("gzip", "x-gzip"):
        raise NoAnswerError("content", f"the encoding {encoding[:40]!r} was not asked for")
    gzip, waiting, begun = zlib.decompressobj(wbits=31), b"", False
    try:
        for piece in answer.iter_raw():
            waiting, begun = piece, True
            while waiting and not gzip.eof:
                yield gzip.decompress(waiting, _PIECE_BYTES)
                waiting = gzip.unconsumed_tail
        while not gzip.eof and (rest := gzip.decompress(b"", _PIECE_BYTES)):
            yield rest
    except zlib.error as error:
        raise NoAnswerError("content", str(error)) from None
    if begun and not gzip.eof:
        raise NoAnswerError("content", "the packed answer is cut off")


def _capped(pieces: Iterator[bytes], limit_bytes: int) -> Iterator[bytes]:
    room = limit_bytes
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            raise NoAnswerError("too-large", f"more than {limit_bytes} bytes")
        yield piece


def _tls_error(error: BaseException | None) -> "ssl.SSLError | None":
    import ssl

    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error

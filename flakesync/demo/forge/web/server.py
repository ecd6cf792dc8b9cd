"""The listening side: HTTP/1.1 over TLS, a thread for each connection, everything closed at the end."""

import contextlib
import http.server
import socket
import ssl
import threading
from collections.abc import Callable

from flakesync.demo.forge.web.certificates import Certificates
from flakesync.demo.forge.web.messages import Answer, Request

Serve = Callable[[Request], Answer | None]
"""Answers a request and never raises; None: the connection is closed without an answer."""

_IDLE_S = 60


class Server:
    """Answers on one listening socket until it is stopped."""

    def __init__(self, serve: Serve, certificates: Certificates, listener: socket.socket | None = None) -> None:
        """listener: a bound TCP socket, of another network namespace even; None: any free port of 127.0.0.1."""
        self._http = _HttpServer(serve, certificates, listener or _any_port())
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        port: int = self._http.socket.getsockname()[1]
        return port

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._http.open_sockets)

    def stop(self) -> None:
        """Close the socket and every connection, and wait for their threads."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
        self._http.close_connections()


def _any_port() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=128)


class _HttpServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, serve: Serve, certificates: Certificates, listener: socket.socket) -> None:
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.serve = serve
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificates.chain, certificates.key)
        self.open_sockets: dict[threading.Thread, socket.socket] = {}
        self._guard = threading.Lock()

    def process_request_thread(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        """Shake hands in the connection's own thread: a client that stays silent keeps nobody waiting."""
        me = threading.current_thread()
        request.settimeout(_IDLE_S)
        with self._guard:
            self.open_sockets[me] = request
        try:
            # Clients that go away, or do not trust the certificate, are no failure of the server.
            with contextlib.suppress(OSError), self._tls.wrap_socket(request, server_side=True) as secure:
                with self._guard:
                    self.open_sockets[me] = secure
                _Handler(secure, client_address, self)
        finally:
            with self._guard:
                self.open_sockets.pop(me, None)
            request.close()

    def close_connections(self) -> None:
        with self._guard:
            connections = dict(self.open_sockets)
        for connection in connections.values():
            with contextlib.suppress(OSError):
                # An SSLSocket's own shutdown would forget its TLS state under the thread that reads from it.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        for thread in connections:
            thread.join(timeout=5)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # A body is not held back until the client has acknowledged the head, 40 ms later.
    disable_nagle_algorithm = True
    server: _HttpServer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: the forge keeps a log of its own."""

    def _handle(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self._body()
        # Who has gone away in the midst of a request has asked for nothing.
        answer = self.server.serve(Request.of(self.command, self.path, headers, body)) if body is not None else None
        if answer is None:
            self.close_connection = True
            return
        content = answer.content()
        self.send_response(answer.status)
        if content or answer.status != 204:
            self.send_header("Content-Type", answer.content_type)
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _handle

    def _body(self) -> bytes | None:
        """Return the body; None: the client has gone before its end."""
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self._exactly(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := self._size():
            chunks.append(self._exactly(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(each for each in chunks if each) if size is not None and None not in chunks else None

    def _exactly(self, size: int) -> bytes | None:
        data = self.rfile.read(size)
        return data if len(data) == size else None

    def _size(self) -> int | None:
        """Return the size of the next chunk; None: there is no more, though the last one has not come."""
        line = self.rfile.readline()
        return int(line.split(b";")[0], 16) if line else None

    def handle_expect_100(self) -> bool:
        """Leave it to `_body`, which reads what follows."""
        return True

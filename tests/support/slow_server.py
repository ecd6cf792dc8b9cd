"""A server on the loopback address that says something and then takes its time: silence, or a byte now and then."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

DRIP_S = 0.05
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@dataclass(frozen=True, slots=True)
class SlowServer:
    """Where it listens. asked: is set once somebody waits for an answer."""

    port: int
    asked: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def slow_server(begins: bytes = b"", drips: bytes = b"", *, before: bytes = b"") -> Iterator[SlowServer]:
    """Give a server that answers each connection with `begins`, and then with `drips` again and again, without end.

    before: what it answers to a first request.
    """
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = SlowServer(listener.getsockname()[1])

        def answer(client: socket.socket) -> None:
            with client, contextlib.suppress(OSError):
                if before:
                    client.recv(1 << 16)
                    client.sendall(before)
                client.recv(1 << 16)
                client.sendall(begins)
                server.asked.set()
                while not over.wait(DRIP_S):
                    client.sendall(drips)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=answer, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield server
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)

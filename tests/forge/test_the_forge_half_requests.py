"""The example forge, asked by somebody who goes away in the midst of it."""

import socket
import ssl
import time

import pytest

from tests.support.forge import Forge
from tests.support.forge.client import client_of

PATIENCE_S = 60


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 100\r\n\r\n{}",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n9\r\n{}",
    ],
)
def test_half_a_request_asks_for_nothing(forge: Forge, rest: bytes) -> None:
    port = client_of(forge, "github").port
    trusting = ssl.create_default_context(cafile=str(forge.certificates.ca))
    with socket.create_connection(("127.0.0.1", port)) as plain:
        secure = trusting.wrap_socket(plain, server_hostname="localhost")
        secure.sendall(b"POST /repos/acme/lib/pulls HTTP/1.1\r\nHost: localhost\r\n" + rest)
        secure.close()
    end = time.monotonic() + PATIENCE_S
    while forge.connections():
        assert time.monotonic() < end
        time.sleep(0.002)
    assert forge.requests() == []
    assert forge.bugs == []

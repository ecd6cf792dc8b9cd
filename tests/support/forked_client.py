"""Asks `forked_server` for a command; as a program, forked_client.py NAME [ARGUMENT…], that command is its own."""

import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def run(name: str, order: Mapping[str, object], streams: Sequence[int], timeout_s: float | None) -> dict[str, Any]:
    """Return what `forked_server.wait` does: `status` of the command, negative for a signal, and more of a traced one.

    name: of the server's socket.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.settimeout(timeout_s)
        server.connect(f"\0{name}")
        socket.send_fds(server, [json.dumps(order).encode()], streams)
        found: dict[str, Any] = json.loads(server.recv(1 << 16))
        return found


if __name__ == "__main__":
    own = {"argv": sys.argv[2:], "cwd": os.getcwd(), "env": dict(os.environ), "network_of": None, "trace": None}
    sys.exit(run(sys.argv[1], own, (1, 2), None)["status"])

"""Adapters to read by, one a host, for as long as the hosts of a workspace are in use.

What many small questions of one run go to shares connections, rate limits, and the news that a forge is down.
"""

import threading
import weakref

from flakesync.forge.adapter import Adapter
from flakesync.forge.client import Client
from flakesync.forge.hosts import adapter_of, endpoint_of
from flakesync.processes import stop
from flakesync.workspace.hosts import Hosts

PATIENCE_S = 15.0
"""How long one question may wait for a rate limit: there is other evidence."""


class Readers:
    """The adapters of the hosts of one workspace; threads may share them."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._adapters: dict[str, Adapter | None] = {}
        self._clients: list[Client] = []

    def get(self, hosts: Hosts, host: str) -> Adapter | None:
        """Return the adapter of a host; None: it is no forge that is known.

        Without a token it asks for what everybody may read. Raises: FlakesyncError(`forge-token`).
        """
        account = hosts.account(host)
        with self._guard:
            if account.host not in self._adapters:
                kind = adapter_of(account.kind)
                if kind is not None:
                    headers = kind.headers(account.token or "")
                    client = Client(endpoint_of(account, public=True), headers, sleep=stop.pause, patience_s=PATIENCE_S)
                    self._clients.append(client)
                    self._adapters[account.host] = kind(client)
                else:
                    self._adapters[account.host] = None
            return self._adapters[account.host]

    def close(self) -> None:
        """Close all connections."""
        with self._guard:
            while self._clients:
                self._clients.pop().close()


_readers: "weakref.WeakKeyDictionary[Hosts, Readers]" = weakref.WeakKeyDictionary()
_guard = threading.Lock()


def reader_of(hosts: Hosts, host: str) -> Adapter | None:
    """Return the adapter of a host of a workspace, always the same one; None: it is no forge that is known.

    Raises: FlakesyncError(`forge-token`): the variable holds what cannot be a token.
    """
    with _guard:
        readers = _readers.get(hosts)
        if readers is None:
            readers = _readers[hosts] = Readers()
            weakref.finalize(hosts, readers.close)
    return readers.get(hosts, host)

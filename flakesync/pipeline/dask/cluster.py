"""The connection to a Dask scheduler: by TLS but on this machine, to workers with this very version of flakesync.

Whoever reaches a scheduler can run code on its workers: nothing is sent in clear text to another machine.
"""

import ipaddress
import logging
from collections.abc import Mapping
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from flakesync import __version__
from flakesync.errors import FlakesyncError, plain
from flakesync.pipeline.dask.on_worker import version

CONNECT_S = 30
WORKERS_S = 60
"""How long a scheduler may take to answer, and to have a worker."""

_TLS = (
    "use a tls:// address, and name the authority, and a certificate with its key, in"
    " DASK_DISTRIBUTED__COMM__TLS__CA_FILE, DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT and"
    " DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY"
)
_START = "is the scheduler running, and its workers? `--executor threads` needs none"


def connect(address: str) -> Any:
    """Return a `distributed.Client` of a scheduler that has workers, all of them with this version of flakesync.

    Raises:
        FlakesyncError: `dask-cleartext`, `no-dask`, `dask-tls`, `dask-unreachable`, `dask-no-workers`, `dask-version`.
    """
    require_tls(address)
    try:
        distributed = import_module("distributed")
    except ImportError:
        raise FlakesyncError("no-dask", "Dask is not installed", hint="`pip install 'flakesync[dask]'`") from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what goes wrong is told once, and by us
    try:
        client = distributed.Client(address, timeout=CONNECT_S, set_as_default=False, name="flakesync")
    except (TypeError, RuntimeError, ValueError) as error:  # no certificate, or one that is none
        raise FlakesyncError("dask-tls", f"{address}: {plain(str(error))}", hint=_TLS) from error
    except OSError as error:
        raise FlakesyncError("dask-unreachable", f"{address}: {plain(str(error))}", hint=_START) from error
    try:
        _require_workers(client, address)
    except BaseException:
        client.close()
        raise
    return client


def require_tls(address: str) -> None:
    """Raise FlakesyncError(`dask-cleartext`) where what is sent to an address can be read, and changed, on its way."""
    parts = urlsplit(address)
    if parts.scheme != "tls" and not _is_loopback(parts.hostname or ""):
        raise FlakesyncError(
            "dask-cleartext",
            f"{address} is not encrypted: whoever can change what is sent there can run code on its workers",
            hint=_TLS,
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _require_workers(client: Any, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=WORKERS_S)
    except TimeoutError:
        message = f"{address} has had no worker for {WORKERS_S} seconds"
        raise FlakesyncError("dask-no-workers", message, hint=_START) from None
    versions: Mapping[str, Any] = client.run(version, on_error="return")
    for worker, found in sorted(versions.items()):
        if found != __version__:
            has = f"flakesync {plain(found)}" if isinstance(found, str) else f"no flakesync ({plain(str(found))})"
            raise FlakesyncError(
                "dask-version",
                f"the worker {worker} has {has}; here it is {__version__}",
                hint="workers have to have the same version: another one may make other commits",
            )

"""The forge that tests ask: it remembers what it was asked, goes wrong on demand, and its own errors fail the test."""

import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from flakesync.demo.forge.forge import Forge as ExampleForge
from flakesync.demo.forge.model import Kind, Site
from flakesync.demo.forge.web.certificates import Certificates, make_certificates
from flakesync.demo.forge.web.messages import Answer, Request
from tests.support.forge import faults


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that was made, and its answer (None where the connection was just closed)."""

    request: Request
    answer: Answer | None
    at_s: float = field(compare=False)

    @property
    def status(self) -> int | None:
        """The answer's status."""
        return self.answer.status if self.answer is not None else None

    def __str__(self) -> str:
        return f"{self.request.method} {self.request.host}{unquote(self.request.target)} {self.status}"


def _certificates(folder: Path, hosts: tuple[str, ...]) -> Certificates:
    """Return certificates in `folder` (new): those of the first forge with these hosts, as openssl takes its time."""
    if hosts not in _made:
        made = make_certificates(folder, hosts)
        _made[hosts] = {path.name: path.read_bytes() for path in (made.ca, made.chain, made.key)}
        return made
    folder.mkdir(parents=True)
    for name, content in _made[hosts].items():
        (folder / name).write_bytes(content)
    return Certificates(*(folder / name for name in _made[hosts]))


_made: dict[tuple[str, ...], dict[str, bytes]] = {}


class Forge(ExampleForge):
    """Sites on loopback; a context manager that stops the servers.

    stopping: set when the forge stops; what hangs until then hangs on to it. bugs: errors of the forge itself, each
    answered with 500; leaving the context raises the first.
    """

    def __init__(
        self, root: Path, sites: Iterable[tuple[str, Kind]] = (), certificates: Certificates | None = None
    ) -> None:
        """root: a folder of its own, for the repositories (ROOT/HOST/OWNER/NAME.git). certificates: None makes some."""
        sites = [*sites]
        if certificates is None:
            names = (name for host, kind in sites for name in Site(kind, host, root / host).hosts)
            certificates = _certificates(root / "certificates", tuple(names))
        super().__init__(root, sites, certificates, between=self._between)
        self.log: list[Exchange] = []
        self.faults = faults.Faults()
        self.stopping = threading.Event()
        self.bugs: list[Exception] = []
        self._guard = threading.Lock()

    def __enter__(self) -> "Forge":
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        if self.bugs and error[0] is None:
            raise AssertionError("the forge itself failed") from self.bugs[0]

    def stop(self) -> None:
        """Stop answering; what was logged and stored stays."""
        self.stopping.set()
        super().stop()

    def connections(self) -> int:
        """Return how many clients are connected; what a dead one has asked for is carried out before it is gone."""
        return sum(server.connections for server in self._servers)

    def requests(self, method: str = "", host: str = "", path: str = "") -> list[Exchange]:
        """Return the exchanges so far with this method, to this host, and with the pattern `path` in their target."""
        pattern = re.compile(path)
        with self._guard:
            return [
                exchange
                for exchange in self.log
                if method in ("", exchange.request.method)
                and host in ("", exchange.request.host)
                and pattern.search(unquote(exchange.request.target))
            ]

    def forget_log(self) -> None:
        """Begin a new log."""
        with self._guard:
            self.log.clear()

    def _between(self, request: Request, perform: Callable[[], Answer]) -> Answer | None:
        action = self.faults.find(request)
        try:
            answer = perform() if action is None else action(request, perform)
        except Exception as error:  # noqa: BLE001 - told at the end, in the test's own thread
            self.bugs.append(error)
            answer = Answer(500, {"message": repr(error)})
        with self._guard:
            self.log.append(Exchange(request, answer, time.monotonic()))
        return answer

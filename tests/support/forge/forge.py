"""The forge: several sites behind one listening socket, real git repositories below, a log and a script of faults."""

import re
import socket
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

from tests.support.forge import faults, forgejo, github, gitlab, pulls, smart_http
from tests.support.forge.certificates import Certificates, make_certificates
from tests.support.forge.messages import Answer, BadRequestError, Exchange, Request
from tests.support.forge.model import Kind, Site
from tests.support.forge.server import Server

_GIT = re.compile(r"/(?P<path>.+?)(?P<suffix>\.git)?/(?P<what>info/refs|git-upload-pack|git-receive-pack)")
_ANSWERS = {"github": github.answer, "gitlab": gitlab.answer, "forgejo": forgejo.answer}


class Forge:
    """Sites on loopback; a context manager that stops the servers.

    stopping: set when the forge stops; what hangs until then hangs on to it. bugs: errors of the forge itself, each
    answered with 500; leaving the context raises the first.
    """

    def __init__(
        self, root: Path, sites: Iterable[tuple[str, Kind]] = (), certificates: Certificates | None = None
    ) -> None:
        """root: a folder of its own, for the repositories (ROOT/HOST/OWNER/NAME.git). certificates: None makes some."""
        self.root = root
        self.sites: dict[str, Site] = {}
        self.log: list[Exchange] = []
        self.faults = faults.Faults()
        self.stopping = threading.Event()
        self.bugs: list[Exception] = []
        self._servers: list[Server] = []
        self._guard = threading.Lock()
        for host, kind in sites:
            self.sites[host] = Site(kind, host, root / host)
        self.certificates = certificates or make_certificates(root / "certificates", self.hosts)

    def __enter__(self) -> "Forge":
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        if self.bugs and error[0] is None:
            raise AssertionError("the forge itself failed") from self.bugs[0]

    @property
    def hosts(self) -> tuple[str, ...]:
        """All names that clients may call it by."""
        return tuple(name for site in self.sites.values() for name in site.hosts)

    def site(self, host: str) -> Site:
        """Return the site that a name belongs to."""
        return next(site for site in self.sites.values() if host in site.hosts)

    def serve(self, listener: socket.socket) -> None:
        """Answer on a socket; the request's Host decides which site it is for."""
        self._start(None, listener)

    def open_port(self, host: str) -> int:
        """Return a new port of 127.0.0.1 where `host` answers, whatever name it is called by."""
        return self._start(self.sites[host], None).port

    def stop(self) -> None:
        """Stop answering; what was logged and stored stays."""
        self.stopping.set()
        while self._servers:
            self._servers.pop().stop()

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

    def _start(self, site: Site | None, listener: socket.socket | None) -> Server:
        server = Server(lambda request: self._serve(site, request), self.certificates, listener)
        self._servers.append(server)
        return server

    def _serve(self, site: Site | None, request: Request) -> Answer | None:
        action = self.faults.find(request)
        try:
            if action is None:
                answer: Answer | None = self._perform(site, request)
            else:
                answer = action(request, lambda: self._perform(site, request))
        except Exception as error:  # noqa: BLE001 - told at the end, in the test's own thread
            self.bugs.append(error)
            answer = Answer(500, {"message": repr(error)})
        with self._guard:
            self.log.append(Exchange(request, answer, time.monotonic()))
        return answer

    def _perform(self, site: Site | None, request: Request) -> Answer:
        if site is None:
            site = next((found for found in self.sites.values() if request.host in found.hosts), None)
        if site is None:
            return Answer(421, b"there is no such host here\n", content_type="text/plain")
        git = _GIT.fullmatch(request.path)
        if git is not None:
            return _git(site, request, git)
        try:
            return _ANSWERS[site.kind](site, request)
        except BadRequestError:
            return Answer(400, {"message": "Problems parsing JSON"})


def _git(site: Site, request: Request, found: re.Match[str]) -> Answer:
    path = unquote(found["path"])
    if site.kind == "gitlab" and not found["suffix"] and request.method == "GET":
        # GitLab sends those who leave `.git` out on to the full address.
        target = f"/{path}.git/{found['what']}" + (f"?{request.query_text}" if request.query_text else "")
        return Answer(301, b"", (("Location", f"https://{request.authority}{target}"),), "text/html")
    project = site.find(path)
    account = site.account(request)
    if project is None or not site.may_read(project, account):
        return smart_http.ask_for_password() if request.secret is None else Answer(404, b"Not Found", (), "text/plain")
    if smart_http.is_push(request):
        if account is None:
            return smart_http.ask_for_password()
        if account.right != "write" or project.archived:
            return Answer(403, b"You are not allowed to push to this repository.\n", (), "text/plain")
    answer = smart_http.answer(project.storage, request, found["what"], account.login if account else None)
    if found["what"] == "git-receive-pack":
        with site.lock:
            pulls.after_push(site, project)
    return answer

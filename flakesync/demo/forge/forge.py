"""The forge: several sites behind one listening socket or a port each, and real git repositories below."""

import re
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import unquote

from flakesync.demo.forge import forgejo, github, gitlab, meanwhile, pulls
from flakesync.demo.forge.model import Kind, Site
from flakesync.demo.forge.web import smart_http
from flakesync.demo.forge.web.certificates import Certificates, make_certificates
from flakesync.demo.forge.web.messages import Answer, AnswerError, Request, moved
from flakesync.demo.forge.web.server import Server

_GIT = re.compile(r"/(?P<path>.+?)(?P<suffix>\.git)?/(?P<what>info/refs|git-upload-pack|git-receive-pack)")
_ANSWERS = {"github": github.answer, "gitlab": gitlab.answer, "forgejo": forgejo.answer}

_PUSH: dict[Kind, str] = {"github": "contents", "gitlab": "write_repository", "forgejo": "write:repository"}
"""The permission that a push needs."""

Between = Callable[[Request, Callable[[], Answer]], Answer | None]
"""What stands between requests and answers: the second argument carries the request out; None closes the connection."""


def _at_once(_: Request, perform: Callable[[], Answer]) -> Answer:
    return perform()


class Forge:
    """Sites on loopback; a context manager that stops the servers."""

    def __init__(
        self,
        root: Path,
        sites: Iterable[tuple[str, Kind]] = (),
        certificates: Certificates | None = None,
        *,
        between: Between = _at_once,
    ) -> None:
        """root: a folder of its own, for the repositories (ROOT/HOST/OWNER/NAME.git). certificates: None makes some."""
        self.root = root
        self.sites: dict[str, Site] = {}
        self._between = between
        self._servers: list[Server] = []
        for host, kind in sites:
            self.sites[host] = Site(kind, host, root / host)
        self.certificates = certificates or make_certificates(root / "certificates", self.hosts)

    def __enter__(self) -> "Forge":
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

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
        """Stop answering; what was stored stays."""
        while self._servers:
            self._servers.pop().stop()

    def _start(self, site: Site | None, listener: socket.socket | None) -> Server:
        server = Server(lambda request: self._serve(site, request), self.certificates, listener)
        self._servers.append(server)
        return server

    def _serve(self, site: Site | None, request: Request) -> Answer | None:
        try:
            return self._between(request, lambda: self._perform(site, request))
        except Exception as error:  # noqa: BLE001 - what a server does with its own errors
            return Answer(500, {"message": repr(error)})

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
        except AnswerError as error:
            return error.answer


def _git(site: Site, request: Request, found: re.Match[str]) -> Answer:
    path = unquote(found["path"])
    if site.kind == "gitlab" and not found["suffix"] and request.method == "GET":
        # GitLab sends those who leave `.git` out on to the full address.
        return moved(f"https://{request.authority}/{path}.git/{found['what']}", request)
    project, account = site.find(path), site.account(request)
    if project is None and (there := site.find_moved(path, account)) is not None:
        target = f"/{there.path}{found['suffix'] or ''}/{found['what']}"
        return moved(f"https://{request.authority}{target}", request)
    if project is None or not site.may_read(project, account):
        return smart_http.ask_for_password() if request.secret is None else Answer(404, b"Not Found", (), "text/plain")
    with site.lock:
        meanwhile.catch_up(site, project)
    if smart_http.is_push(request):
        if account is None:
            return smart_http.ask_for_password()
        if account.right != "write" or project.archived or _PUSH[site.kind] in account.lacks:
            return Answer(403, b"You are not allowed to push to this repository.\n", (), "text/plain")
    answer = smart_http.answer(project.storage, request, found["what"])
    if found["what"] == "git-receive-pack":
        with site.lock:
            pulls.after_push(site, project)
    return answer

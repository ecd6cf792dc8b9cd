"""The way in: a request about a repository gets to its function, or is turned away in the words of its forge."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from flakesync.demo.forge import meanwhile
from flakesync.demo.forge.model import Account, Project, Site
from flakesync.demo.forge.web.messages import Answer, Request
from flakesync.demo.forge.web.routing import Parts, Router

Made = TypeVar("Made")
Reading = Callable[[Made, Project, Request, Parts], Answer]
Writing = Callable[[Made, Project, Account, Request, Parts], Answer]


@dataclass(frozen=True, slots=True)
class Door(Generic[Made]):
    """Registers what one kind of forge answers about its repositories.

    made: what its functions get first, to make documents with. may_read, may_write: the repository, and who changes it,
    out of what was found; or AnswerError. They are told what a function is about, by which permissions of tokens go.
    """

    api: Router[Site]
    made: Callable[[Site, Request], Made]
    may_read: Callable[[Site, Project | None, Account | None, str], Project]
    may_write: Callable[[Site, Project | None, Account | None, str], tuple[Project, Account]]

    def reads(self, methods: str, pattern: str, about: str = "") -> Callable[[Reading[Made]], Reading[Made]]:
        """Register a function for repositories that the asker may see."""

        def register(function: Reading[Made]) -> Reading[Made]:
            @self.api.on(methods, pattern)
            def route(site: Site, request: Request, parts: Parts) -> Answer:
                project = self.may_read(site, project_of(site, request, parts), site.account(request), about)
                with site.lock:
                    return function(self.made(site, request), project, request, parts)

            return function

        return register

    def writes(self, methods: str, pattern: str, about: str = "") -> Callable[[Writing[Made]], Writing[Made]]:
        """Register a function for those who may change a repository."""

        def register(function: Writing[Made]) -> Writing[Made]:
            @self.api.on(methods, pattern)
            def route(site: Site, request: Request, parts: Parts) -> Answer:
                found = project_of(site, request, parts)
                project, account = self.may_write(site, found, site.account(request), about)
                with site.lock:
                    return function(self.made(site, request), project, account, request, parts)

            return function

        return register


def project_of(site: Site, request: Request, parts: Parts) -> Project | None:
    """Return the repository that a path names, as it is by now; None: there is none for whoever asks.

    parts: `project`, a path or a number as GitLab has it, or `owner` and `repo`.
    """
    name = parts.get("project") or f"{parts['owner']}/{parts['repo']}"
    project = site.find_by_id(int(name)) if name.isdigit() else site.find(name)
    if project is None or not site.may_read(project, site.account(request)):
        return None
    with site.lock:
        meanwhile.catch_up(site, project)
    return project

"""Forgejo: what issues, and pull requests, depend on."""

from flakesync.demo.forge.forgejo.api import REPO, error, not_found, page, pull_of, reads, writes
from flakesync.demo.forge.forgejo.documents import issue_document
from flakesync.demo.forge.model import Account, Project, Pull, Site
from flakesync.demo.forge.web.messages import Answer, Json, Request
from flakesync.demo.forge.web.routing import Parts

_DEPENDENCIES = f"{REPO}/issues/{{number}}/dependencies"


@reads("GET", _DEPENDENCIES, "issue")
def list_dependencies(site: Site, project: Project, request: Request, parts: Parts) -> Answer:
    pull = pull_of(site, project, parts)
    if not site.dependencies:
        return not_found(site)
    return page(request, pull.depends_on, lambda other: issue_document(site, _project_of(site, other), request, other))


@writes("POST", _DEPENDENCIES, "issue")
def add_dependency(site: Site, project: Project, account: Account, request: Request, parts: Parts) -> Answer:
    pull, other = pull_of(site, project, parts), _named(site, request.fields())
    if other is None or not site.dependencies:
        return not_found(site)
    if other in pull.depends_on or _leads_to(other, pull):
        return error(site, 500, "")  # it has no other word for what is there already, nor for a circle
    pull.depends_on.append(other)
    return Answer(201, issue_document(site, project, request, pull))


def _named(site: Site, fields: Json) -> Pull | None:
    project, number = site.find(f"{fields.get('owner')}/{fields.get('repo')}"), fields.get("index")
    return project.pull(number) if project is not None and isinstance(number, int) else None


def _leads_to(pull: Pull, other: Pull) -> bool:
    return pull is other or any(_leads_to(each, other) for each in pull.depends_on)


def _project_of(site: Site, pull: Pull) -> Project:
    return next(project for project in site.projects.values() if pull in project.pulls)

"""Forgejo: a repository, its labels, its branches, and its archives."""

from flakesync.demo.forge import pulls
from flakesync.demo.forge.door import project_of
from flakesync.demo.forge.forgejo.api import REPO, api, counted, error, not_found, pages, reads, require, writes
from flakesync.demo.forge.forgejo.documents import PREFIX, label_document, labels_url, repository
from flakesync.demo.forge.model import Account, Label, Project, Site
from flakesync.demo.forge.web.messages import Answer, Request
from flakesync.demo.forge.web.routing import Parts


@reads("GET", REPO)
def get_repository(site: Site, project: Project, request: Request, parts: Parts) -> Answer:
    return Answer(200, repository(site, project, request, site.account(request)))


@reads("GET", f"{REPO}/labels", "issue")
def list_labels(site: Site, project: Project, request: Request, parts: Parts) -> Answer:
    return counted(request, project.labels, lambda label: label_document(label, labels_url(site, project)))


@api.on("GET", "/orgs/{owner}/labels")
def list_shared_labels(site: Site, request: Request, parts: Parts) -> Answer:
    require(site, site.account(request), "read:organization")
    known = site.labels.get(parts["owner"].lower())
    if known is None:  # a person, or nobody
        return not_found(site)
    url = f"https://{site.host}{PREFIX}/orgs/{parts['owner']}/labels"
    return counted(request, known, lambda label: label_document(label, url))


@writes("POST", f"{REPO}/labels", "issue")
def create_label(site: Site, project: Project, account: Account, request: Request, parts: Parts) -> Answer:
    fields = request.fields()
    if not fields.get("name") or not fields.get("color"):
        return error(site, 422, "[Name]: Required")
    label = Label(next(site.ids), str(fields["name"]), str(fields["color"]).removeprefix("#"))
    project.labels.append(label)  # two of one name are possible there
    return Answer(201, label_document(label, labels_url(site, project)))


@writes("DELETE", f"{REPO}/branches/{{branch*}}")
def delete_branch(site: Site, project: Project, account: Account, request: Request, parts: Parts) -> Answer:
    if parts["branch"] in project.rules:
        return error(site, 403, "branch protected")
    return Answer(204) if pulls.delete_branch(site, project, parts["branch"]) else not_found(site)


@reads("GET", f"{REPO}/branches/{{branch*}}")
def get_branch(site: Site, project: Project, request: Request, parts: Parts) -> Answer:
    rev = project.storage.branch(parts["branch"])
    if rev is None:
        return not_found(site)
    rules, account = project.rules.get(parts["branch"]), site.account(request)
    writes_there = account is not None and account.right == "write"
    return Answer(200, {
        "name": parts["branch"], "commit": {"id": rev}, "protected": rules is not None,
        "required_approvals": rules.approvals if rules else 0,
        "enable_status_check": rules is not None and (bool(rules.checks) or rules.all_checks),
        "status_check_contexts": [*rules.checks] if rules else [], "user_can_push": writes_there and rules is None,
        "user_can_merge": writes_there, "effective_branch_protection_name": parts["branch"] if rules else "",
    })  # fmt: skip


@pages.on("GET", "/{owner}/{repo}/archive/{ref*}.tar.gz")
@api.on("GET", f"{REPO}/archive/{{ref*}}.tar.gz")
def get_archive(site: Site, request: Request, parts: Parts) -> Answer:
    project = project_of(site, request, parts)
    rev = project.storage.rev(parts["ref"]) if project is not None else None
    if project is None or rev is None:
        return not_found(site)
    return Answer(200, project.storage.archive(rev, project.name), (("ETag", f'"{rev}"'),), "application/gzip")

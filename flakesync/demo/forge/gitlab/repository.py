"""GitLab: a project, its people, its branches and commits, and its archives."""

from flakesync.demo.forge import pulls
from flakesync.demo.forge.gitlab.api import PROJECT, api, message, page, reads, writes
from flakesync.demo.forge.gitlab.documents import basic_document, pipeline_document, project_document, user
from flakesync.demo.forge.model import Account, Project, Site
from flakesync.demo.forge.times import time
from flakesync.demo.forge.web.messages import Answer, Request
from flakesync.demo.forge.web.routing import Parts


@api.on("GET", "/users")
def find_users(site: Site, request: Request, parts: Parts) -> Answer:
    wanted = request.query.get("username")
    return page(request, [p for name, p in site.people.items() if wanted in (None, name)], lambda p: user(site, p))


@reads("GET", PROJECT)
def get_project(site: Site, project: Project, request: Request, parts: Parts) -> Answer:
    document = basic_document if site.account(request) is None else project_document
    return Answer(200, document(site, project, request))


@writes("DELETE", f"{PROJECT}/repository/branches/{{branch}}")
def delete_branch(site: Site, project: Project, account: Account, request: Request, parts: Parts) -> Answer:
    if parts["branch"] in project.rules:
        return message(400, "Protected branch can't be removed")
    return Answer(204) if pulls.delete_branch(site, project, parts["branch"]) else message(404, "404 Branch Not Found")


@reads("GET", f"{PROJECT}/repository/branches/{{branch}}")
def get_branch(site: Site, project: Project, request: Request, parts: Parts) -> Answer:
    rev = project.storage.branch(parts["branch"])
    if rev is None:
        return message(404, "404 Branch Not Found")
    protected = parts["branch"] in project.rules
    return Answer(200, {"name": parts["branch"], "protected": protected, "commit": {"id": rev, "short_id": rev[:8]}})


@reads("GET", f"{PROJECT}/repository/commits")
def list_commits(site: Site, project: Project, request: Request, parts: Parts) -> Answer:
    rev = project.storage.rev(request.query.get("ref_name", "HEAD"))
    if rev is None:
        return message(404, "404 Commit Not Found")
    title = project.storage.commit(rev).message.partition("\n")[0]
    return Answer(200, [{"id": rev, "short_id": rev[:8], "title": title}])


@reads("GET", f"{PROJECT}/repository/commits/{{sha}}")
def get_commit(site: Site, project: Project, request: Request, parts: Parts) -> Answer:
    rev = project.storage.rev(parts["sha"])
    if rev is None:
        return message(404, "404 Commit Not Found")
    commit = project.storage.commit(rev)
    newest = next((each for each in reversed(project.pipelines) if each.sha == rev), None)
    pipeline = pipeline_document(site, project, newest) if newest is not None else None
    text, author, committer = commit.message.strip(), commit.author, commit.committer
    return Answer(200, {
        "id": rev, "short_id": rev[:8], "title": text.partition("\n")[0], "message": text,
        "parent_ids": [*commit.parents], "author_name": author.name, "author_email": author.email,
        "authored_date": time(author.time), "committer_name": committer.name, "committer_email": committer.email,
        "committed_date": time(committer.time), "created_at": time(committer.time),
        "web_url": f"https://{request.authority}/{project.path}/-/commit/{rev}", "project_id": project.id,
        "status": pipeline["status"] if pipeline is not None else None, "last_pipeline": pipeline,
    })  # fmt: skip


@reads("GET", f"{PROJECT}/repository/archive.tar.gz")
def get_archive(site: Site, project: Project, request: Request, parts: Parts) -> Answer:
    asked = request.query.get("sha", "HEAD")
    rev = project.storage.rev(asked)
    if rev is None:
        return message(404, "404 File Not Found")
    data = project.storage.archive(rev, f"{project.name}-{asked}-{rev}")
    return Answer(200, data, (("ETag", f'W/"{rev}"'),), "application/octet-stream")

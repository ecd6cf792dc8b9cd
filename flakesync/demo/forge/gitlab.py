"""GitLab: HOST/api/v4; a project is named by its encoded path, and a pull request is a merge request."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from flakesync.demo.forge import pulls
from flakesync.demo.forge.gitlab_documents import (
    METHODS,
    STATES,
    basic,
    full,
    merge_status,
    project_document,
    user,
    way,
)
from flakesync.demo.forge.messages import Answer, Json, Request
from flakesync.demo.forge.model import Account, Check, Project, Pull, Site
from flakesync.demo.forge.paging import page_of
from flakesync.demo.forge.pulls import RefusedError
from flakesync.demo.forge.routing import Router
from flakesync.demo.forge.storage import MergeConflictError

Item = TypeVar("Item")

api: Router[Site] = Router()

_PREFIX = "/api/v4"
_PROJECT = "/projects/{project}"
_MERGE = f"{_PROJECT}/merge_requests/{{number}}"
_DRAFT = ("draft:", "[draft]", "(draft)")


def answer(site: Site, request: Request) -> Answer:
    """Return the answer of a GitLab."""
    if not request.path.startswith(f"{_PREFIX}/"):
        return Answer(404, b"<!DOCTYPE html><title>Not Found</title>", (), "text/html")
    if request.secret is not None and site.account(request) is None:
        return Answer(401, {"message": "401 Unauthorized"})
    return api.answer(site, request, request.path.removeprefix(_PREFIX)) or Answer(404, {"error": "404 Not Found"})


def project_of(site: Site, request: Request, parts: dict[str, str]) -> Project | None:
    """Return the project that a path names, by its number too; None: there is none for whoever asks."""
    name = parts["project"]
    if name.isdigit():
        project = next((each for each in site.projects.values() if each.id == int(name)), None)
    else:
        project = site.find(name)
    return project if project is not None and site.may_read(project, site.account(request)) else None


def message(status: int, words: object) -> Answer:
    """Return an error as GitLab writes most of them."""
    return Answer(status, {"message": words})


def bad(words: str) -> Answer:
    """Return what GitLab says of a parameter."""
    return Answer(400, {"error": words})


Reading = Callable[[Site, Project, Request, dict[str, str]], Answer]
Writing = Callable[[Site, Project, Account, Request, dict[str, str]], Answer]


def reads(methods: str, pattern: str) -> Callable[[Reading], Reading]:
    """Register a function for projects that the asker may see."""

    def register(function: Reading) -> Reading:
        @api.on(methods, pattern)
        def route(site: Site, request: Request, parts: dict[str, str]) -> Answer:
            project = project_of(site, request, parts)
            if project is None:
                return message(404, "404 Project Not Found")
            with site.lock:
                return function(site, project, request, parts)

        return function

    return register


def writes(methods: str, pattern: str) -> Callable[[Writing], Writing]:
    """Register a function for those who may change a project."""

    def register(function: Writing) -> Writing:
        @api.on(methods, pattern)
        def route(site: Site, request: Request, parts: dict[str, str]) -> Answer:
            project, account = project_of(site, request, parts), site.account(request)
            if account is None:
                return message(401, "401 Unauthorized")
            if project is None:
                return message(404, "404 Project Not Found")
            if account.right != "write" or project.archived:
                return message(403, "403 Forbidden")
            with site.lock:
                return function(site, project, account, request, parts)

        return function

    return register


def _page(request: Request, items: Sequence[Item], show: Callable[[Item], Json]) -> Answer:
    shown, headers, numbers = page_of(request, items, show, default=20)
    told = {
        "X-Page": numbers["page"], "X-Per-Page": numbers["size"], "X-Total": numbers["total"],
        "X-Total-Pages": numbers["last"], "X-Next-Page": numbers["next"], "X-Prev-Page": numbers["previous"],
    }  # fmt: skip
    counted = tuple((name, "" if value is None else str(value)) for name, value in told.items())
    return Answer(200, shown, (*headers, *counted))


@api.on("GET", "/user")
def get_user(site: Site, request: Request, parts: dict[str, str]) -> Answer:
    account = site.account(request)
    return Answer(200, user(site, account)) if account is not None else message(401, "401 Unauthorized")


@api.on("GET", "/users")
def find_users(site: Site, request: Request, parts: dict[str, str]) -> Answer:
    wanted = request.query.get("username")
    return _page(request, [p for name, p in site.people.items() if wanted in (None, name)], lambda p: user(site, p))


@api.on("GET", "/version")
def get_version(site: Site, request: Request, parts: dict[str, str]) -> Answer:
    return Answer(200, {"version": "18.5.0", "revision": "0123456"})


@reads("GET", _PROJECT)
def get_project(site: Site, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    return Answer(200, project_document(site, project, request))


@reads("GET", f"{_PROJECT}/merge_requests")
def list_merge_requests(site: Site, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    query = request.query
    found = [
        pull
        for pull in project.pulls
        if query.get("state", "all") in ("all", STATES[pull.state])
        and query.get("source_branch", pull.head) == pull.head
        and query.get("target_branch", pull.base) == pull.base
    ]
    by_update = query.get("order_by") == "updated_at"
    found.sort(
        key=lambda pull: (pull.updated if by_update else pull.created, pull.number),
        reverse=query.get("sort", "desc") == "desc",
    )
    return _page(request, found, lambda pull: basic(site, project, pull, request))


@writes("POST", f"{_PROJECT}/merge_requests")
def create_merge_request(
    site: Site, project: Project, account: Account, request: Request, parts: dict[str, str]
) -> Answer:
    fields = request.fields()
    lacking = [f"{name} is missing" for name in ("source_branch", "target_branch", "title") if not fields.get(name)]
    if lacking:
        return bad(", ".join(lacking))
    head, base, title = (str(fields[name]) for name in ("source_branch", "target_branch", "title"))
    body = str(fields.get("description") or "")
    draft = title.lower().startswith(_DRAFT)
    try:
        pull = pulls.open_pull(site, project, head, base, title, body, account, draft=draft)
    except RefusedError as error:
        if error.other is not None:
            return message(
                409, [f"Another open merge request already exists for this source branch: !{error.other.number}"]
            )
        side, name = ("Target", base) if error.reason == "no-base" else ("Source", head)
        return message(400, {"validate_branches": [f'{side} branch "{name}" does not exist']})
    _dress(site, project, pull, fields)
    return Answer(201, full(site, project, pull, request))


def _dress(site: Site, project: Project, pull: Pull, fields: Json) -> None:
    if "labels" in fields:
        pulls.set_labels(pull, [site.label(project, name) for name in _names(fields["labels"])])
    if "add_labels" in fields:
        added = [site.label(project, name) for name in _names(fields["add_labels"])]
        pulls.set_labels(pull, [*pull.labels, *added])
    if "remove_labels" in fields:
        gone = _names(fields["remove_labels"])
        pulls.set_labels(pull, [label for label in pull.labels if label.name not in gone])
    if isinstance(ids := fields.get("reviewer_ids"), list):
        # Without the paid licence only the first one is kept.
        known = {person.id: person for person in site.people.values()}
        wanted = [known[id] for id in ids if id in known]
        pull.reviewers = wanted if site.premium else wanted[:1]


def _names(value: object) -> list[str]:
    """Return the names in a list, or in one text with commas."""
    names = value if isinstance(value, list) else str(value or "").split(",")
    return [str(name).strip() for name in names if str(name).strip()]


def _pull_of(project: Project, parts: dict[str, str]) -> Pull | None:
    return project.pull(int(parts["number"])) if parts["number"].isdigit() else None


def _no_merge_request() -> Answer:
    return message(404, "404 Not found")


@reads("GET", _MERGE)
def get_merge_request(site: Site, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    pull = _pull_of(project, parts)
    return Answer(200, full(site, project, pull, request)) if pull is not None else _no_merge_request()


@writes("PUT", _MERGE)
def update_merge_request(
    site: Site, project: Project, account: Account, request: Request, parts: dict[str, str]
) -> Answer:
    pull, fields = _pull_of(project, parts), request.fields()
    if pull is None:
        return _no_merge_request()
    if not fields:
        return bad("description, labels, state_event, title are missing, at least one parameter must be provided")
    match fields.get("state_event"):
        case "close":
            pulls.close(site, pull)
        case "reopen":
            try:
                pulls.reopen(site, project, pull)
            except RefusedError:
                return message(
                    422, {"base": ["Cannot reopen: the source branch does not exist, or another one is open"]}
                )
        case None:
            pass
        case _:
            return bad("state_event does not have a valid value")
    if fields.get("title"):
        pull.title = str(fields["title"])
        pull.draft = pull.title.lower().startswith(_DRAFT)
    if "description" in fields:
        pull.body = str(fields["description"] or "")
    _dress(site, project, pull, fields)
    pull.updated = site.time()
    return Answer(200, full(site, project, pull, request))


@writes("PUT", f"{_MERGE}/merge")
def merge_merge_request(
    site: Site, project: Project, account: Account, request: Request, parts: dict[str, str]
) -> Answer:
    pull, fields = _pull_of(project, parts), request.fields()
    if pull is None:
        return _no_merge_request()
    if pull.state != "open":
        return message(405, "405 Method Not Allowed")
    guard = str(fields["sha"]) if fields.get("sha") else None
    if guard is not None and guard != pull.head_rev:
        return message(409, f"SHA does not match HEAD of source branch: {pull.head_rev}")
    status = merge_status(site, project, pull)
    if status == "conflict":
        return message(422, "Branch cannot be merged")
    if status != "mergeable":
        return message(405, "405 Method Not Allowed")
    words = str(fields.get("merge_commit_message") or f"Merge branch '{pull.head}' into '{pull.base}'\n\n{pull.title}")
    method = METHODS[way(project)][0]
    if fields.get("squash") in (True, "true"):
        words = str(fields.get("squash_commit_message") or pull.title)
        pulls.squash_and_merge(site, project, pull, method, account, guard=guard, message=words)
    else:
        pulls.merge(site, project, pull, method, account, guard=guard, message=words, waits=True)
    if fields.get("should_remove_source_branch") in (True, "true"):
        pulls.delete_branch(site, project, pull.head)
    return Answer(200, full(site, project, pull, request))


@writes("PUT", f"{_MERGE}/rebase")
def rebase_merge_request(
    site: Site, project: Project, account: Account, request: Request, parts: dict[str, str]
) -> Answer:
    pull = _pull_of(project, parts)
    if pull is None:
        return _no_merge_request()
    try:
        new = project.storage.merge(pull.base_rev, pull.head_rev, "rebase", "")
    except MergeConflictError:
        return message(409, "Rebase failed: conflict")
    project.storage.set_branch(pull.head, new, pull.head_rev)
    pulls.after_push(site, project)
    return Answer(202, {"rebase_in_progress": True})


@reads("GET", f"{_MERGE}/approvals")
def get_approvals(site: Site, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    pull = _pull_of(project, parts)
    if pull is None:
        return _no_merge_request()
    people = pulls.approvals(pull)
    return Answer(200, {
        "id": pull.id, "iid": pull.number, "project_id": project.id, "title": pull.title, "state": STATES[pull.state],
        "approved": bool(people), "approved_by": [{"user": user(site, person)} for person in people],
        "user_has_approved": False, "user_can_approve": True,
    })  # fmt: skip


@writes("POST", f"{_MERGE}/approve")
def approve(site: Site, project: Project, account: Account, request: Request, parts: dict[str, str]) -> Answer:
    pull = _pull_of(project, parts)
    if pull is None:
        return _no_merge_request()
    pulls.review(site, pull, account, "APPROVE", "")
    return Answer(201, {"id": pull.id, "iid": pull.number, "approved_by": [{"user": user(site, account)}]})


@writes("POST", f"{_MERGE}/blocks")
def add_block(site: Site, project: Project, account: Account, request: Request, parts: dict[str, str]) -> Answer:
    pull = _pull_of(project, parts)
    if pull is None:
        return _no_merge_request()
    if not site.premium:
        return message(403, "403 Forbidden")
    wanted = {**request.query, **request.fields()}.get("blocking_merge_request_id")
    blocking = next((p for each in site.projects.values() for p in each.pulls if str(p.id) == str(wanted)), None)
    if blocking is None:
        return _no_merge_request()
    if blocking in pull.blocked_by:
        return message(409, "Block already exists")
    pull.blocked_by.append(blocking)
    return Answer(201, {
        "id": next(site.ids), "project_id": project.id,
        "blocking_merge_request": {"id": blocking.id, "iid": blocking.number},
        "blocked_merge_request": {"id": pull.id, "iid": pull.number},
    })  # fmt: skip


@writes("DELETE", f"{_PROJECT}/repository/branches/{{branch}}")
def delete_branch(site: Site, project: Project, account: Account, request: Request, parts: dict[str, str]) -> Answer:
    if parts["branch"] in project.rules:
        return message(400, "Protected branch can't be removed")
    return Answer(204) if pulls.delete_branch(site, project, parts["branch"]) else message(404, "404 Branch Not Found")


@reads("GET", f"{_PROJECT}/repository/branches/{{branch}}")
def get_branch(site: Site, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    rev = project.storage.branch(parts["branch"])
    if rev is None:
        return message(404, "404 Branch Not Found")
    protected = parts["branch"] in project.rules
    return Answer(200, {"name": parts["branch"], "protected": protected, "commit": {"id": rev, "short_id": rev[:8]}})


@writes("POST", f"{_PROJECT}/statuses/{{sha}}")
def add_status(site: Site, project: Project, account: Account, request: Request, parts: dict[str, str]) -> Answer:
    fields, rev = {**request.query, **request.fields()}, project.storage.rev(parts["sha"])
    states = {
        "pending": "pending",
        "running": "pending",
        "success": "success",
        "failed": "failure",
        "canceled": "error",
    }
    if rev is None or fields.get("state") not in states:
        return bad("state does not have a valid value")
    name = str(fields.get("name") or fields.get("context") or "default")
    check: Check = pulls.add_check(site, project, rev, name, states[str(fields["state"])], account)
    return Answer(
        201, {"id": check.id, "sha": rev, "status": fields["state"], "name": name, "author": user(site, account)}
    )


@reads("GET", f"{_PROJECT}/repository/commits")
def list_commits(site: Site, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    rev = project.storage.rev(request.query.get("ref_name", "HEAD"))
    if rev is None:
        return message(404, "404 Commit Not Found")
    return Answer(200, [{"id": rev, "short_id": rev[:8], "title": project.storage.show(rev, "%s")}])


@reads("GET", f"{_PROJECT}/repository/archive.tar.gz")
def get_archive(site: Site, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    asked = request.query.get("sha", "HEAD")
    rev = project.storage.rev(asked)
    if rev is None:
        return message(404, "404 File Not Found")
    data = project.storage.archive(rev, f"{project.name}-{asked}-{rev}")
    return Answer(200, data, (("ETag", f'W/"{rev}"'),), "application/octet-stream")

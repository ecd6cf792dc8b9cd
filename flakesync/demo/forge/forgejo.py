"""Forgejo and Gitea: HOST/api/v1, and the archives on the site itself."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from flakesync.demo.forge import pulls
from flakesync.demo.forge.forgejo_documents import (
    PREFIX,
    label_document,
    pull_document,
    repository,
    review_document,
    status,
    user,
)
from flakesync.demo.forge.messages import Answer, Json, Request
from flakesync.demo.forge.model import Account, Label, Project, Pull, Site
from flakesync.demo.forge.paging import page_of
from flakesync.demo.forge.pulls import RefusedError
from flakesync.demo.forge.routing import Router
from flakesync.demo.forge.storage import MergeMethod

Item = TypeVar("Item")

api: Router[Site] = Router()
pages: Router[Site] = Router()

_REPO = "/repos/{owner}/{repo}"
_PULL = f"{_REPO}/pulls/{{number}}"
_WORK_IN_PROGRESS = ("wip:", "[wip]")
_METHODS: dict[object, MergeMethod] = {
    "merge": "merge",
    "rebase": "rebase",
    "rebase-merge": "rebase-merge",
    "squash": "squash",
    "fast-forward-only": "fast-forward",
}


def answer(site: Site, request: Request) -> Answer:
    """Return the answer of a Forgejo."""
    if not request.path.startswith(f"{PREFIX}/"):
        return pages.answer(site, request, request.path) or Answer(404, b"Not found.", (), "text/plain")
    if request.secret is not None and site.account(request) is None:
        return error(site, 401, "user does not exist [uid: 0, name: ]")
    return api.answer(site, request, request.path.removeprefix(PREFIX)) or not_found(site)


def error(site: Site, status: int, words: str) -> Answer:
    """Return an error as Forgejo writes it."""
    return Answer(status, {"message": words, "url": f"https://{site.host}/api/swagger"})


def not_found(site: Site) -> Answer:
    """Return what Forgejo says of all that is not there, or not for you."""
    document = {"errors": [], "message": "The target couldn't be found.", "url": f"https://{site.host}/api/swagger"}
    return Answer(404, document)


def project_of(site: Site, request: Request, parts: dict[str, str]) -> Project | None:
    """Return the repository that a path names; None: there is none for whoever asks."""
    project = site.find(f"{parts['owner']}/{parts['repo']}")
    return project if project is not None and site.may_read(project, site.account(request)) else None


Reading = Callable[[Site, Project, Request, dict[str, str]], Answer]
Writing = Callable[[Site, Project, Account, Request, dict[str, str]], Answer]


def reads(methods: str, pattern: str) -> Callable[[Reading], Reading]:
    """Register a function for repositories that the asker may see."""

    def register(function: Reading) -> Reading:
        @api.on(methods, pattern)
        def route(site: Site, request: Request, parts: dict[str, str]) -> Answer:
            project = project_of(site, request, parts)
            if project is None:
                return not_found(site)
            with site.lock:
                return function(site, project, request, parts)

        return function

    return register


def writes(methods: str, pattern: str) -> Callable[[Writing], Writing]:
    """Register a function for those who may change a repository."""

    def register(function: Writing) -> Writing:
        @api.on(methods, pattern)
        def route(site: Site, request: Request, parts: dict[str, str]) -> Answer:
            project, account = project_of(site, request, parts), site.account(request)
            if account is None:
                return error(site, 401, "token is required")
            if project is None:
                return not_found(site)
            if account.right != "write":
                return error(site, 403, "user should have a permission to write to a repo")
            if project.archived:
                return error(site, 423, f"{project.path} is archived")
            with site.lock:
                return function(site, project, account, request, parts)

        return function

    return register


def _page(request: Request, items: Sequence[Item], show: Callable[[Item], Json]) -> Answer:
    shown, headers, numbers = page_of(request, items, show, size="limit", default=30, most=50)
    return Answer(200, shown, (*headers, ("X-Total-Count", str(numbers["total"]))))


def _counted(request: Request, items: Sequence[Item], show: Callable[[Item], Json]) -> Answer:
    """Return a page of a list whose length alone is told, as Gitea and Forgejo do with some."""
    page = _page(request, items, show)
    return Answer(page.status, page.body, tuple(each for each in page.headers if each[0] != "Link"))


@api.on("GET", "/user")
def get_user(site: Site, request: Request, parts: dict[str, str]) -> Answer:
    account = site.account(request)
    return Answer(200, user(site, account)) if account is not None else error(site, 401, "token is required")


@api.on("GET", "/version")
def get_version(site: Site, request: Request, parts: dict[str, str]) -> Answer:
    return Answer(200, {"version": "16.0.1+gitea-1.22.0"})


@reads("GET", _REPO)
def get_repository(site: Site, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    return Answer(200, repository(site, project, request, site.account(request)))


@reads("GET", f"{_REPO}/pulls")
def list_pulls(site: Site, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    query = request.query
    state = query.get("state", "open")
    found = [
        pull
        for pull in project.pulls
        if (state == "all" or (pull.state == "open") == (state == "open"))
        and query.get("base", pull.base) == pull.base
        and query.get("head", pull.head) == pull.head
    ]
    match query.get("sort"):
        case "oldest":
            found.sort(key=lambda pull: pull.number)
        case "recentupdate":
            found.sort(key=lambda pull: pull.updated, reverse=True)
        case _:
            found.sort(key=lambda pull: pull.number, reverse=True)
    return _page(request, found, lambda pull: pull_document(site, project, request, pull))


@writes("POST", f"{_REPO}/pulls")
def create_pull(site: Site, project: Project, account: Account, request: Request, parts: dict[str, str]) -> Answer:
    fields = request.fields()
    head, base, title = (str(fields.get(name) or "") for name in ("head", "base", "title"))
    if wrong := _wrong_labels(site, project, fields):
        return wrong
    if head == base:
        return error(site, 422, "Invalid PullRequest: There are no changes between the head and the base")
    draft = title.lower().startswith(_WORK_IN_PROGRESS)
    owner, _, branch = head.rpartition(":")
    if owner and owner.lower() != project.owner.lower():
        return not_found(site)
    try:
        pull = pulls.open_pull(site, project, branch, base, title, str(fields.get("body") or ""), account, draft=draft)
    except RefusedError as refused:
        if refused.other is not None:
            known = f"id: {refused.other.id}, issue_id: {refused.other.id}, head_repo_id: {project.id}"
            return error(site, 409, f"pull request already exists for these targets [{known}]")
        if refused.reason == "no-commits":
            return error(site, 422, "Invalid PullRequest: There are no changes between the head and the base")
        return not_found(site)
    pulls.set_labels(pull, _labels(project, fields.get("labels")))
    return Answer(201, pull_document(site, project, request, pull))


def _labels(project: Project, ids: object) -> list[Label]:
    known = {label.id: label for label in project.labels}
    return [known[id] for id in ids if id in known] if isinstance(ids, list) else []


def _wrong_labels(site: Site, project: Project, fields: Json) -> Answer | None:
    ids = fields.get("labels")
    if ids is None or (isinstance(ids, list) and all(type(id) is int for id in ids)):
        return None
    return error(site, 422, "[]: json: cannot unmarshal string into Go struct field .labels of type int64")


def _pull_of(project: Project, parts: dict[str, str]) -> Pull | None:
    return project.pull(int(parts["number"])) if parts["number"].isdigit() else None


@reads("GET", _PULL)
def get_pull(site: Site, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    pull = _pull_of(project, parts)
    return Answer(200, pull_document(site, project, request, pull)) if pull is not None else not_found(site)


@writes("PATCH", _PULL)
def update_pull(site: Site, project: Project, account: Account, request: Request, parts: dict[str, str]) -> Answer:
    pull, fields = _pull_of(project, parts), request.fields()
    if pull is None:
        return not_found(site)
    if wrong := _wrong_labels(site, project, fields):
        return wrong
    if fields.get("state") in ("open", "closed") and pull.state == "merged":
        return error(site, 412, "cannot change state of this pull request, it was already merged")
    if fields.get("state") == "closed":
        pulls.close(site, pull)
    elif fields.get("state") == "open":
        try:
            pulls.reopen(site, project, pull)
        except RefusedError:
            return error(site, 409, "cannot reopen: its branch is gone, or another one is open")
    if fields.get("title"):
        pull.title = str(fields["title"])
        pull.draft = pull.title.lower().startswith(_WORK_IN_PROGRESS)
    if fields.get("body") is not None:
        pull.body = str(fields["body"])
    if "labels" in fields:
        pulls.set_labels(pull, _labels(project, fields["labels"]))
    pull.updated = site.time()
    return Answer(201, pull_document(site, project, request, pull))


@writes("POST", f"{_PULL}/merge")
def merge_pull(site: Site, project: Project, account: Account, request: Request, parts: dict[str, str]) -> Answer:
    pull, fields = _pull_of(project, parts), request.fields()
    if pull is None:
        return not_found(site)
    method = _METHODS.get(fields.get("Do"))
    if method is None:
        return error(site, 422, "[Do]: Required")
    if method not in project.methods:
        return error(site, 405, f"Merge style {fields['Do']} is not allowed in this repository")
    title = fields.get("MergeTitleField") or f"Merge pull request '{pull.title}' (#{pull.number}) from {pull.head}"
    guard = str(fields["head_commit_id"]) if fields.get("head_commit_id") else None
    message = f"{title}\n\n{fields.get('MergeMessageField') or ''}"
    try:
        pulls.merge(site, project, pull, method, account, guard=guard, message=message, waits=True)
    except RefusedError as refused:
        return _not_merged(site, pull, refused)
    if fields.get("delete_branch_after_merge") is True:
        pulls.delete_branch(site, project, pull.head)
    return Answer(200, b"", content_type="text/plain")


def _not_merged(site: Site, pull: Pull, refused: RefusedError) -> Answer:
    match refused.reason:
        case "moved":
            return error(site, 409, "head out of date")
        case "not-open":
            return not_found(site) if pull.state == "closed" else error(site, 405, "The PR is already merged")
        case "draft":
            return error(site, 405, "Work in progress PRs cannot be merged")
        case "protected":
            return error(site, 405, f"Not all required status checks successful: {refused.words}")
        case _:  # it says the same of a conflict as of a pull request that it still thinks about
            return error(site, 405, "Please try again later")


@reads("GET", f"{_PULL}/merge")
def is_merged(site: Site, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    pull = _pull_of(project, parts)
    return Answer(204) if pull is not None and pull.state == "merged" else not_found(site)


@writes("POST", f"{_PULL}/requested_reviewers")
def ask_reviewers(site: Site, project: Project, account: Account, request: Request, parts: dict[str, str]) -> Answer:
    pull, names = _pull_of(project, parts), request.fields().get("reviewers", [])
    if pull is None or not isinstance(names, list) or any(name not in site.people for name in names):
        return not_found(site)
    people = [site.people[name] for name in names]
    if any(person.id == pull.by.id for person in people):
        return error(site, 422, "poster of pr can't be reviewer")
    pull.reviewers += [person for person in people if person not in pull.reviewers]
    return Answer(201, [])


@reads("GET", f"{_PULL}/reviews")
def list_reviews(site: Site, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    pull = _pull_of(project, parts)
    if pull is None:
        return not_found(site)
    return _counted(request, pull.reviews, lambda review: review_document(site, pull, review))


@writes("POST", f"{_PULL}/reviews")
def add_review(site: Site, project: Project, account: Account, request: Request, parts: dict[str, str]) -> Answer:
    pull, fields = _pull_of(project, parts), request.fields()
    if pull is None:
        return not_found(site)
    if account.id == pull.by.id and fields.get("event") in ("APPROVED", "REQUEST_CHANGES"):
        return error(site, 422, "approve your own pull is not allowed")
    review = pulls.review(site, pull, account, str(fields.get("event")), str(fields.get("body") or ""))
    return Answer(200, review_document(site, pull, review))


@reads("GET", f"{_REPO}/pulls/{{base}}/{{head*}}")
def find_pull(site: Site, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    found = [pull for pull in project.pulls if (pull.base, pull.head) == (parts["base"], parts["head"])]
    return Answer(200, pull_document(site, project, request, found[-1])) if found else not_found(site)


@reads("GET", f"{_REPO}/labels")
def list_labels(site: Site, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    return _counted(request, project.labels, lambda label: label_document(site, project, label))


@writes("POST", f"{_REPO}/labels")
def create_label(site: Site, project: Project, account: Account, request: Request, parts: dict[str, str]) -> Answer:
    fields = request.fields()
    if not fields.get("name") or not fields.get("color"):
        return error(site, 422, "[Name]: Required")
    label = Label(next(site.ids), str(fields["name"]), str(fields["color"]).removeprefix("#"))
    project.labels.append(label)  # two of one name are possible there
    return Answer(201, label_document(site, project, label))


@writes("POST PUT", f"{_REPO}/issues/{{number}}/labels")
def add_labels(site: Site, project: Project, account: Account, request: Request, parts: dict[str, str]) -> Answer:
    pull, fields = _pull_of(project, parts), request.fields()
    if pull is None:
        return not_found(site)
    if wrong := _wrong_labels(site, project, fields):
        return wrong
    kept = pull.labels if request.method == "POST" else []
    pulls.set_labels(pull, [*kept, *_labels(project, fields.get("labels"))])
    return Answer(200, [label_document(site, project, label) for label in pull.labels])


@writes("POST", f"{_REPO}/statuses/{{sha}}")
def add_status(site: Site, project: Project, account: Account, request: Request, parts: dict[str, str]) -> Answer:
    fields, rev = request.fields(), project.storage.rev(parts["sha"])
    if rev is None:
        return not_found(site)
    name, state = str(fields.get("context") or "default"), str(fields.get("state") or "pending")
    check = pulls.add_check(
        site, project, rev, name, state, account,
        description=str(fields.get("description") or ""), url=str(fields.get("target_url") or ""),
    )  # fmt: skip
    return Answer(201, status(site, project, rev, check))


@reads("GET", f"{_REPO}/commits/{{ref}}/status")
def get_combined_status(site: Site, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    rev = project.storage.rev(parts["ref"])
    if rev is None:
        return not_found(site)
    checks = list(project.results(rev).values())
    order = ("error", "failure", "pending", "success")
    worst = min((check.state for check in checks), key=order.index, default="")
    url = f"https://{request.authority}{PREFIX}/repos/{project.path}/commits/{rev}"
    return Answer(200, {
        "state": worst, "sha": rev, "total_count": len(checks), "commit_url": url, "url": f"{url}/status",
        "statuses": [status(site, project, rev, check) for check in checks] or None,
        "repository": repository(site, project, request, None),
    })  # fmt: skip


@writes("DELETE", f"{_REPO}/branches/{{branch*}}")
def delete_branch(site: Site, project: Project, account: Account, request: Request, parts: dict[str, str]) -> Answer:
    if parts["branch"] in project.rules:
        return error(site, 403, "branch protected")
    return Answer(204) if pulls.delete_branch(site, project, parts["branch"]) else not_found(site)


@reads("GET", f"{_REPO}/branches/{{branch*}}")
def get_branch(site: Site, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    rev = project.storage.branch(parts["branch"])
    if rev is None:
        return not_found(site)
    protected = parts["branch"] in project.rules
    return Answer(200, {"name": parts["branch"], "commit": {"id": rev}, "protected": protected})


@pages.on("GET", "/{owner}/{repo}/archive/{ref*}.tar.gz")
@api.on("GET", f"{_REPO}/archive/{{ref*}}.tar.gz")
def get_archive(site: Site, request: Request, parts: dict[str, str]) -> Answer:
    project = project_of(site, request, parts)
    rev = project.storage.rev(parts["ref"]) if project is not None else None
    if project is None or rev is None:
        return not_found(site)
    return Answer(200, project.storage.archive(rev, project.name), (("ETag", f'"{rev}"'),), "application/gzip")

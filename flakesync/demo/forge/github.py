"""GitHub: api.github.com (and HOST/api/v3 of an Enterprise server), and the archives on the site itself."""

import re
from collections.abc import Callable
from typing import cast

from flakesync.demo.forge import pulls
from flakesync.demo.forge.github_documents import Documents
from flakesync.demo.forge.messages import Answer, Json, Request
from flakesync.demo.forge.model import Account, Project, Pull, Site
from flakesync.demo.forge.paging import answer_page
from flakesync.demo.forge.pulls import Reason, RefusedError
from flakesync.demo.forge.routing import Router
from flakesync.demo.forge.storage import MergeMethod

api: Router[Site] = Router()
pages: Router[Site] = Router()

_DOCS = "https://docs.github.com/rest"
_REPO = "/repos/{owner}/{repo}"
_METHODS: tuple[MergeMethod, ...] = ("merge", "squash", "rebase")
_ALLOW = {"merge": "Merge commits are", "squash": "Squash merges are", "rebase": "Rebase merges are"}
_MERGE_REFUSALS: dict[Reason, tuple[int, str]] = {
    "archived": (403, "Repository was archived so is read-only."),
    "conflict": (405, "Pull Request is not mergeable"),
    "draft": (405, "Pull Request is still a draft"),
    "moved": (409, "Head branch was modified. Review and try the merge again."),
    "not-open": (405, "Pull Request is not mergeable"),
    "protected": (405, ""),
}


def answer(site: Site, request: Request) -> Answer:
    """Return the answer of a GitHub."""
    prefix = "/api/v3"
    if request.path.startswith(f"{prefix}/"):
        return _api(site, request, request.path.removeprefix(prefix))
    found = pages.answer(site, request, request.path) if not request.host.startswith("api.") else None
    return found or _api(site, request, request.path)


def _api(site: Site, request: Request, path: str) -> Answer:
    if request.secret is not None and site.account(request) is None:
        return refusal(401, "Bad credentials")
    found = api.answer(site, request, path) or not_found()
    number = next(site.ids)
    return found.plus(
        ("X-GitHub-Media-Type", "github.v3; format=json"),
        ("X-GitHub-Request-Id", f"{number:08X}"),
        ("X-RateLimit-Limit", "5000"),
        ("X-RateLimit-Remaining", "4999"),
        ("X-RateLimit-Reset", "1900000000"),
        ("X-RateLimit-Used", "1"),
        ("X-RateLimit-Resource", "core"),
    )


def refusal(status: int, message: str, *errors: Json) -> Answer:
    """Return an error as GitHub writes it."""
    body: Json = {"message": message, "documentation_url": _DOCS, "status": str(status)}
    return Answer(status, body | ({"errors": list(errors)} if errors else {}))


def not_found() -> Answer:
    """Return what GitHub says of all that is not there, or not for you."""
    return refusal(404, "Not Found")


def invalid(field: str, code: str = "invalid", message: str | None = None) -> Answer:
    """Return what GitHub says of a field of a pull request."""
    error: Json = {"resource": "PullRequest", "field": field, "code": code}
    return refusal(422, "Validation Failed", error | ({"message": message} if message else {}))


def custom(message: str) -> Answer:
    """Return what GitHub says when it is no single field's fault."""
    return refusal(422, "Validation Failed", {"resource": "PullRequest", "code": "custom", "message": message})


def project_of(site: Site, request: Request, parts: dict[str, str]) -> Project | None:
    """Return the repository that a path names; None: there is none for whoever asks."""
    project = site.find(f"{parts['owner']}/{parts['repo']}")
    return project if project is not None and site.may_read(project, site.account(request)) else None


Reading = Callable[[Documents, Project, Request, dict[str, str]], Answer]
Writing = Callable[[Documents, Project, Account, Request, dict[str, str]], Answer]


def reads(methods: str, pattern: str) -> Callable[[Reading], Reading]:
    """Register a function for repositories that the asker may see."""

    def register(function: Reading) -> Reading:
        @api.on(methods, pattern)
        def route(site: Site, request: Request, parts: dict[str, str]) -> Answer:
            project = project_of(site, request, parts)
            if project is None:
                return not_found()
            with site.lock:
                return function(Documents.of(site, request), project, request, parts)

        return function

    return register


def writes(methods: str, pattern: str) -> Callable[[Writing], Writing]:
    """Register a function for those who may change a repository."""

    def register(function: Writing) -> Writing:
        @api.on(methods, pattern)
        def route(site: Site, request: Request, parts: dict[str, str]) -> Answer:
            project, account = project_of(site, request, parts), site.account(request)
            if account is None:
                return refusal(401, "Requires authentication") if project is not None else not_found()
            if project is None:
                return not_found()
            if account.right != "write":
                return refusal(403, "Resource not accessible by personal access token")
            if project.archived:
                return refusal(403, "Repository was archived so is read-only.")
            with site.lock:
                return function(Documents.of(site, request), project, account, request, parts)

        return function

    return register


@api.on("GET", "/user")
def get_user(site: Site, request: Request, parts: dict[str, str]) -> Answer:
    account = site.account(request)
    if account is None:
        return refusal(401, "Requires authentication")
    return Answer(200, Documents.of(site, request).user(account))


@reads("GET", _REPO)
def get_repository(made: Documents, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    return Answer(200, made.repository(project, made.site.account(request)))


@reads("GET", f"{_REPO}/pulls")
def list_pulls(made: Documents, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    query = request.query
    state = query.get("state", "open")
    found = [pull for pull in project.pulls if state == "all" or (pull.state == "open") == (state == "open")]
    if ":" in query.get("head", ""):  # a head without its owner is not looked at
        owner, _, branch = query["head"].partition(":")
        found = [pull for pull in found if (owner.lower(), branch) == (project.owner.lower(), pull.head)]
    if "base" in query:
        found = [pull for pull in found if pull.base == query["base"]]
    by_update = query.get("sort") == "updated"
    newest_first = query.get("direction", "desc" if query.get("sort", "created") == "created" else "asc") == "desc"
    found.sort(key=lambda pull: (pull.updated if by_update else pull.created, pull.number), reverse=newest_first)
    return answer_page(request, found, lambda pull: made.simple_pull(project, pull))


@writes("POST", f"{_REPO}/pulls")
def create_pull(made: Documents, project: Project, account: Account, request: Request, parts: dict[str, str]) -> Answer:
    fields = request.fields()
    for name in ("title", "head", "base"):
        if name not in fields:
            return invalid(name, "missing_field")
        if not isinstance(fields[name], str) or not fields[name]:
            return invalid(name)
    title, head, base = (str(fields[name]) for name in ("title", "head", "base"))
    owner, _, branch = head.rpartition(":")
    if owner and owner.lower() != project.owner.lower():
        return invalid("head")
    body, draft = str(fields.get("body") or ""), fields.get("draft") is True
    try:
        pull = pulls.open_pull(made.site, project, branch, base, title, body, account, draft=draft)
    except RefusedError as error:
        return _not_opened(error, project, base, branch)
    return Answer(201, made.pull(project, pull), (("Location", str(made.simple_pull(project, pull)["url"])),))


def _not_opened(error: RefusedError, project: Project, base: str, head: str) -> Answer:
    match error.reason:
        case "exists":
            return custom(f"A pull request already exists for {project.owner}:{head}.")
        case "no-commits":
            return custom(f"No commits between {base} and {head}")
        case "no-head":
            return invalid("head")
        case _:
            return invalid("base")


def _pull_of(project: Project, parts: dict[str, str]) -> Pull | None:
    return project.pull(int(parts["number"])) if parts["number"].isdigit() else None


@reads("GET", f"{_REPO}/pulls/{{number}}")
def get_pull(made: Documents, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    pull = _pull_of(project, parts)
    return Answer(200, made.pull(project, pull)) if pull is not None else not_found()


@writes("PATCH", f"{_REPO}/pulls/{{number}}")
def update_pull(made: Documents, project: Project, account: Account, request: Request, parts: dict[str, str]) -> Answer:
    pull, fields = _pull_of(project, parts), request.fields()
    if pull is None:
        return not_found()
    if "state" in fields and fields["state"] not in ("open", "closed"):
        return invalid("state")
    if "title" in fields and not fields["title"]:
        return invalid("title", "missing_field")
    if fields.get("state") == "closed":
        pulls.close(made.site, pull)
    elif fields.get("state") == "open":
        try:
            pulls.reopen(made.site, project, pull)
        except RefusedError:
            return invalid("state", "invalid", "state cannot be changed. The branch was deleted, or merged.")
    if "title" in fields:
        pull.title = str(fields["title"])
    if "body" in fields:
        pull.body = str(fields["body"] or "")
    pull.updated = made.site.time()
    return Answer(200, made.pull(project, pull))


@writes("PUT", f"{_REPO}/pulls/{{number}}/merge")
def merge_pull(made: Documents, project: Project, account: Account, request: Request, parts: dict[str, str]) -> Answer:
    pull, fields = _pull_of(project, parts), request.fields()
    if pull is None:
        return not_found()
    wanted = fields.get("merge_method", "merge")
    method = next((known for known in _METHODS if known == wanted), None)
    if method is None:
        return refusal(422, f"Invalid request.\n\n{wanted!r} is not a possible value.")
    if method not in project.methods:
        return refusal(405, f"{_ALLOW[method]} not allowed on this repository.")
    title = fields.get("commit_title") or (
        f"Merge pull request #{pull.number} from {project.owner}/{pull.head}"
        if method == "merge"
        else f"{pull.title} (#{pull.number})"
    )
    message = f"{title}\n\n{fields.get('commit_message') or (pull.title if method == 'merge' else pull.body)}"
    guard = str(fields["sha"]) if fields.get("sha") else None
    try:
        pulls.merge(made.site, project, pull, method, account, guard=guard, message=message, waits=False)
    except RefusedError as error:
        status, words = _MERGE_REFUSALS[error.reason]
        return refusal(status, words or error.words)
    return Answer(200, {"sha": pull.merged_rev, "merged": True, "message": "Pull Request successfully merged"})


@reads("GET", f"{_REPO}/pulls/{{number}}/merge")
def is_merged(made: Documents, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    pull = _pull_of(project, parts)
    return Answer(204) if pull is not None and pull.state == "merged" else not_found()


@writes("POST", f"{_REPO}/pulls/{{number}}/requested_reviewers")
def ask_reviewers(
    made: Documents, project: Project, account: Account, request: Request, parts: dict[str, str]
) -> Answer:
    pull, names = _pull_of(project, parts), request.fields().get("reviewers", [])
    if pull is None:
        return not_found()
    people = made.site.people
    if not isinstance(names, list) or any(name not in people or name == pull.by.login for name in names):
        return refusal(422, "Reviews may only be requested from collaborators.")
    pull.reviewers += [people[name] for name in names if people[name] not in pull.reviewers]
    return Answer(201, made.simple_pull(project, pull))


@reads("GET", f"{_REPO}/pulls/{{number}}/reviews")
def list_reviews(made: Documents, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    pull = _pull_of(project, parts)
    if pull is None:
        return not_found()
    return answer_page(request, pull.reviews, lambda review: made.review(project, pull, review))


@writes("POST", f"{_REPO}/pulls/{{number}}/reviews")
def add_review(made: Documents, project: Project, account: Account, request: Request, parts: dict[str, str]) -> Answer:
    pull, fields = _pull_of(project, parts), request.fields()
    if pull is None:
        return not_found()
    if account.id == pull.by.id and fields.get("event") == "APPROVE":
        return refusal(422, "Unprocessable Entity: Can not approve your own pull request")
    review = pulls.review(made.site, pull, account, str(fields.get("event")), str(fields.get("body") or ""))
    return Answer(200, made.review(project, pull, review))


@reads("GET", f"{_REPO}/issues/{{number}}/labels")
def list_labels(made: Documents, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    pull = _pull_of(project, parts)
    if pull is None:
        return not_found()
    return answer_page(request, pull.labels, lambda label: made.label(project, label))


@writes("POST PUT", f"{_REPO}/issues/{{number}}/labels")
def add_labels(made: Documents, project: Project, account: Account, request: Request, parts: dict[str, str]) -> Answer:
    pull, document = _pull_of(project, parts), request.document()
    if pull is None:
        return not_found()
    names = document.get("labels") if isinstance(document, dict) else document  # both are taken
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return refusal(422, "Invalid request.\n\nFor 'properties/labels', is not an array of names.")
    kept = pull.labels if request.method == "POST" else []
    pulls.set_labels(pull, [*kept, *(made.site.label(project, name) for name in cast("list[str]", names))])
    return Answer(200, [made.label(project, label) for label in pull.labels])


@writes("DELETE", f"{_REPO}/git/refs/heads/{{branch*}}")
def delete_ref(made: Documents, project: Project, account: Account, request: Request, parts: dict[str, str]) -> Answer:
    if parts["branch"] in project.rules or not pulls.delete_branch(made.site, project, parts["branch"]):
        return refusal(422, "Reference does not exist")
    return Answer(204)


@reads("GET", f"{_REPO}/branches/{{branch*}}")
def get_branch(made: Documents, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    rev = project.storage.branch(parts["branch"])
    if rev is None:
        return refusal(404, "Branch not found")
    protected = parts["branch"] in project.rules
    return Answer(200, {"name": parts["branch"], "commit": made.commit(project, rev), "protected": protected})


@writes("POST", f"{_REPO}/statuses/{{sha}}")
def add_status(made: Documents, project: Project, account: Account, request: Request, parts: dict[str, str]) -> Answer:
    fields, rev = request.fields(), project.storage.rev(parts["sha"])
    if rev is None or fields.get("state") not in ("pending", "success", "failure", "error"):
        return refusal(422, "Validation Failed")
    check = pulls.add_check(
        made.site, project, rev, str(fields.get("context") or "default"), str(fields["state"]), account,
        description=str(fields.get("description") or ""), url=str(fields.get("target_url") or ""),
    )  # fmt: skip
    return Answer(201, {**made.status(project, rev, check), "creator": made.user(account)})


@writes("POST", f"{_REPO}/check-runs")
def add_check_run(
    made: Documents, project: Project, account: Account, request: Request, parts: dict[str, str]
) -> Answer:
    fields = request.fields()
    rev = project.storage.rev(str(fields.get("head_sha")))
    if rev is None or not fields.get("name"):
        return refusal(422, "Validation Failed")
    conclusion = fields.get("conclusion")
    state = (
        "pending" if conclusion is None else "success" if conclusion in ("success", "neutral", "skipped") else "failure"
    )
    check = pulls.add_check(made.site, project, rev, str(fields["name"]), state, account, run=True)
    return Answer(201, made.check_run(project, rev, check))


@reads("GET", f"{_REPO}/commits/{{ref*}}")
def get_commit(made: Documents, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    found = re.fullmatch(r"(.+)/(status|statuses|check-runs)", parts["ref"])
    ref, what = (found[1], found[2]) if found else (parts["ref"], "")
    rev = project.storage.rev(ref)
    if rev is None:
        return refusal(422, f"No commit found for SHA: {ref}")
    checks = list(project.results(rev).values())
    statuses, runs = [check for check in checks if not check.run], [check for check in checks if check.run]
    match what:
        case "status":
            return Answer(200, made.combined_status(project, rev, statuses))
        case "statuses":
            return answer_page(request, statuses, lambda check: made.status(project, rev, check))
        case "check-runs":
            page = answer_page(request, runs, lambda check: made.check_run(project, rev, check))
            return Answer(200, {"total_count": len(runs), "check_runs": page.body}, page.headers)
    if "vnd.github.sha" in request.headers.get("accept", ""):
        return Answer(200, rev.encode(), content_type="application/vnd.github.sha; charset=utf-8")
    return Answer(200, made.commit(project, rev))


@reads("GET", f"{_REPO}/tarball/{{ref*}}")
def get_tarball(made: Documents, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    rev = project.storage.rev(parts["ref"])
    if rev is None:
        return not_found()
    return archive(project, rev, f"{project.owner}-{project.name}-{rev[:7]}")


@pages.on("GET", "/{owner}/{repo}/archive/{ref*}.tar.gz")
def get_archive(site: Site, request: Request, parts: dict[str, str]) -> Answer:
    project = project_of(site, request, parts)
    ref = parts["ref"].removeprefix("refs/heads/").removeprefix("refs/tags/")
    rev = project.storage.rev(ref) if project is not None else None
    if project is None or rev is None:
        return Answer(404, b"Not Found", (), "text/plain")
    return archive(project, rev, f"{project.name}-{rev}")


def archive(project: Project, rev: str, folder: str) -> Answer:
    """Return a commit as a .tar.gz."""
    data = project.storage.archive(rev, folder)
    disposition = f"attachment; filename={folder}.tar.gz"
    return Answer(200, data, (("ETag", f'W/"{rev}"'), ("Content-Disposition", disposition)), "application/x-gzip")

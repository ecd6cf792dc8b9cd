"""GitHub: pull requests, their labels and reviews."""

from typing import cast

from flakesync.demo.forge import pulls
from flakesync.demo.forge.github.api import REPO, invalid, pull_of, reads, refusal, writes
from flakesync.demo.forge.github.documents import Documents
from flakesync.demo.forge.model import Account, Project
from flakesync.demo.forge.pulls import RefusedError
from flakesync.demo.forge.web.messages import Answer, Request
from flakesync.demo.forge.web.paging import answer_page
from flakesync.demo.forge.web.routing import Parts


@reads("GET", f"{REPO}/pulls")
def list_pulls(made: Documents, project: Project, request: Request, parts: Parts) -> Answer:
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


@writes("POST", f"{REPO}/pulls", "pull_requests=write")
def create_pull(made: Documents, project: Project, account: Account, request: Request, parts: Parts) -> Answer:
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


def _custom(message: str) -> Answer:
    """Return what GitHub says when it is no single field's fault."""
    return refusal(422, "Validation Failed", {"resource": "PullRequest", "code": "custom", "message": message})


def _not_opened(error: RefusedError, project: Project, base: str, head: str) -> Answer:
    match error.reason:
        case "exists":
            return _custom(f"A pull request already exists for {project.owner}:{head}.")
        case "no-commits":
            return _custom(f"No commits between {base} and {head}")
        case "no-head":
            return invalid("head")
        case _:
            return invalid("base")


@reads("GET", f"{REPO}/pulls/{{number}}")
def get_pull(made: Documents, project: Project, request: Request, parts: Parts) -> Answer:
    pull = pull_of(project, parts)
    return Answer(200, made.pull(project, pull))


@writes("PATCH", f"{REPO}/pulls/{{number}}", "pull_requests=write")
def update_pull(made: Documents, project: Project, account: Account, request: Request, parts: Parts) -> Answer:
    pull, fields = pull_of(project, parts), request.fields()
    if "state" in fields and fields["state"] not in ("open", "closed"):
        return invalid("state")
    if "title" in fields and not fields["title"]:
        return invalid("title", "missing_field")
    if fields.get("state") == "closed":
        pulls.close(made.site, project, pull)
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


@writes("POST", f"{REPO}/pulls/{{number}}/requested_reviewers", "pull_requests=write")
def ask_reviewers(made: Documents, project: Project, account: Account, request: Request, parts: Parts) -> Answer:
    pull, names = pull_of(project, parts), request.fields().get("reviewers", [])
    people = made.site.people
    if not isinstance(names, list) or any(name not in people or name == pull.by.login for name in names):
        return refusal(422, "Reviews may only be requested from collaborators.")
    pull.reviewers += [people[name] for name in names if people[name] not in pull.reviewers]
    return Answer(201, made.simple_pull(project, pull))


@reads("GET", f"{REPO}/pulls/{{number}}/reviews")
def list_reviews(made: Documents, project: Project, request: Request, parts: Parts) -> Answer:
    pull = pull_of(project, parts)
    return answer_page(request, pull.reviews, lambda review: made.review(project, pull, review))


@writes("POST", f"{REPO}/pulls/{{number}}/reviews", "pull_requests=write")
def add_review(made: Documents, project: Project, account: Account, request: Request, parts: Parts) -> Answer:
    pull, fields = pull_of(project, parts), request.fields()
    if account.id == pull.by.id and fields.get("event") == "APPROVE":
        return refusal(422, "Unprocessable Entity: Can not approve your own pull request")
    review = pulls.review(made.site, pull, account, str(fields.get("event")), str(fields.get("body") or ""))
    return Answer(200, made.review(project, pull, review))


@writes("POST PUT", f"{REPO}/issues/{{number}}/labels", "pull_requests=write")
def add_labels(made: Documents, project: Project, account: Account, request: Request, parts: Parts) -> Answer:
    pull, document = pull_of(project, parts), request.document()
    names = document.get("labels") if isinstance(document, dict) else document  # both are taken
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return refusal(422, "Invalid request.\n\nFor 'properties/labels', is not an array of names.")
    kept = pull.labels if request.method == "POST" else []
    pulls.set_labels(pull, [*kept, *(made.site.label(project, name) for name in cast("list[str]", names))])
    return Answer(200, [made.label(project, label) for label in pull.labels])

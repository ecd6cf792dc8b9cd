"""Forgejo: pull requests, their labels and reviews."""

from flakesync.demo.forge import pulls
from flakesync.demo.forge.forgejo.api import PULL, REPO, counted, error, not_found, page, pull_of, reads, writes
from flakesync.demo.forge.forgejo.documents import label_document, labels_url, pull_document, review_document
from flakesync.demo.forge.model import Account, Label, Project, Site
from flakesync.demo.forge.pulls import RefusedError
from flakesync.demo.forge.web.messages import Answer, AnswerError, Json, Request
from flakesync.demo.forge.web.routing import Parts

_WORK_IN_PROGRESS = ("wip:", "[wip]")


@reads("GET", f"{REPO}/pulls")
def list_pulls(site: Site, project: Project, request: Request, parts: Parts) -> Answer:
    query = request.query
    state = query.get("state", "open")
    found = [
        pull
        for pull in project.pulls
        if (state == "all" or (pull.state == "open") == (state == "open"))
        and query.get("base", pull.base) == pull.base
        and query.get("head", pull.head) == pull.head
    ]
    found.sort(key=lambda pull: pull.number, reverse=True)
    return page(request, found, lambda pull: pull_document(site, project, request, pull))


@writes("POST", f"{REPO}/pulls")
def create_pull(site: Site, project: Project, account: Account, request: Request, parts: Parts) -> Answer:
    fields = request.fields()
    head, base, title = (str(fields.get(name) or "") for name in ("head", "base", "title"))
    labels = _labels(site, project, fields)
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
    pulls.set_labels(pull, labels)
    return Answer(201, pull_document(site, project, request, pull))


def _labels(site: Site, project: Project, fields: Json) -> list[Label]:
    """Return the labels that a request names, by their numbers; unknown ones are passed over. Raises AnswerError."""
    ids = fields.get("labels")
    if ids is None:
        return []
    if not isinstance(ids, list) or any(type(id) is not int for id in ids):
        words = "[]: json: cannot unmarshal string into Go struct field .labels of type int64"
        raise AnswerError(error(site, 422, words))
    known = {label.id: label for label in (*site.labels.get(project.owner.lower(), ()), *project.labels)}
    return [known[id] for id in ids if id in known]


@reads("GET", PULL)
def get_pull(site: Site, project: Project, request: Request, parts: Parts) -> Answer:
    pull = pull_of(site, project, parts)
    return Answer(200, pull_document(site, project, request, pull))


@writes("PATCH", PULL)
def update_pull(site: Site, project: Project, account: Account, request: Request, parts: Parts) -> Answer:
    pull, fields = pull_of(site, project, parts), request.fields()
    if fields.get("state") in ("open", "closed") and pull.state == "merged":
        return error(site, 412, "cannot change state of this pull request, it was already merged")
    if fields.get("state") == "closed":
        pulls.close(site, project, pull)
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
    pull.updated = site.time()
    return Answer(201, pull_document(site, project, request, pull))


@writes("POST", f"{PULL}/requested_reviewers")
def ask_reviewers(site: Site, project: Project, account: Account, request: Request, parts: Parts) -> Answer:
    pull, names = pull_of(site, project, parts), request.fields().get("reviewers", [])
    if not isinstance(names, list) or any(name not in site.people for name in names):
        return not_found(site)
    people = [site.people[name] for name in names]
    if any(person.id == pull.by.id for person in people):
        return error(site, 422, "poster of pr can't be reviewer")
    pull.reviewers += [person for person in people if person not in pull.reviewers]
    return Answer(201, [])


@reads("GET", f"{PULL}/reviews")
def list_reviews(site: Site, project: Project, request: Request, parts: Parts) -> Answer:
    pull = pull_of(site, project, parts)
    return counted(request, pull.reviews, lambda review: review_document(site, project, pull, review))


@writes("POST", f"{PULL}/reviews")
def add_review(site: Site, project: Project, account: Account, request: Request, parts: Parts) -> Answer:
    pull, fields = pull_of(site, project, parts), request.fields()
    if account.id == pull.by.id and fields.get("event") in ("APPROVED", "REQUEST_CHANGES"):
        return error(site, 422, "approve your own pull is not allowed")
    review = pulls.review(site, pull, account, str(fields.get("event")), str(fields.get("body") or ""))
    return Answer(200, review_document(site, project, pull, review))


@reads("GET", f"{REPO}/pulls/{{base}}/{{head*}}")
def find_pull(site: Site, project: Project, request: Request, parts: Parts) -> Answer:
    found = [pull for pull in project.pulls if (pull.base, pull.head) == (parts["base"], parts["head"])]
    return Answer(200, pull_document(site, project, request, found[-1])) if found else not_found(site)


@writes("POST PUT", f"{REPO}/issues/{{number}}/labels", "issue")
def add_labels(site: Site, project: Project, account: Account, request: Request, parts: Parts) -> Answer:
    pull, fields = pull_of(site, project, parts), request.fields()
    kept = pull.labels if request.method == "POST" else []
    pulls.set_labels(pull, [*kept, *_labels(site, project, fields)])
    return Answer(200, [label_document(label, labels_url(site, project)) for label in pull.labels])

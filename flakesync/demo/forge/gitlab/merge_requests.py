"""GitLab: merge requests, and who approves of them."""

from flakesync.demo.forge import pulls, rules
from flakesync.demo.forge.gitlab.api import MERGE, PROJECT, bad, message, page, pull_of, reads, writes
from flakesync.demo.forge.gitlab.documents import STATES, basic, full, user
from flakesync.demo.forge.model import Account, Project, Pull, Site
from flakesync.demo.forge.pulls import RefusedError
from flakesync.demo.forge.web.messages import Answer, Json, Request
from flakesync.demo.forge.web.routing import Parts

_DRAFT = ("draft:", "[draft]", "(draft)")


@reads("GET", f"{PROJECT}/merge_requests")
def list_merge_requests(site: Site, project: Project, request: Request, parts: Parts) -> Answer:
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
    return page(request, found, lambda pull: basic(site, project, pull, request))


@writes("POST", f"{PROJECT}/merge_requests")
def create_merge_request(site: Site, project: Project, account: Account, request: Request, parts: Parts) -> Answer:
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
    _set_labels_and_reviewers(site, project, pull, fields)
    return Answer(201, full(site, project, pull, request))


def _set_labels_and_reviewers(site: Site, project: Project, pull: Pull, fields: Json) -> None:
    if "labels" in fields:
        pulls.set_labels(pull, [site.label(project, name) for name in _names(fields["labels"])])
    if "add_labels" in fields:
        added = [site.label(project, name) for name in _names(fields["add_labels"])]
        pulls.set_labels(pull, [*pull.labels, *added])
    if isinstance(ids := fields.get("reviewer_ids"), list):
        # Without the paid licence only the first one is kept.
        known = {person.id: person for person in site.people.values()}
        wanted = [known[id] for id in ids if id in known]
        pull.reviewers = wanted if site.premium else wanted[:1]


def _names(value: object) -> list[str]:
    """Return the names in a list, or in one text with commas."""
    names = value if isinstance(value, list) else str(value or "").split(",")
    return [str(name).strip() for name in names if str(name).strip()]


@reads("GET", MERGE)
def get_merge_request(site: Site, project: Project, request: Request, parts: Parts) -> Answer:
    pull = pull_of(project, parts)
    return Answer(200, full(site, project, pull, request))


@writes("PUT", MERGE)
def update_merge_request(site: Site, project: Project, account: Account, request: Request, parts: Parts) -> Answer:
    pull, fields = pull_of(project, parts), request.fields()
    if not fields:
        return bad("description, labels, state_event, title are missing, at least one parameter must be provided")
    match fields.get("state_event"):
        case "close":
            pulls.close(site, project, pull)
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
    _set_labels_and_reviewers(site, project, pull, fields)
    pull.updated = site.time()
    return Answer(200, full(site, project, pull, request))


@reads("GET", f"{MERGE}/approvals")
def get_approvals(site: Site, project: Project, request: Request, parts: Parts) -> Answer:
    pull = pull_of(project, parts)
    people, demanded = rules.approvals(project, pull), project.rules.get(pull.base)
    required = demanded.approvals if demanded is not None else 0
    counts = {"approvals_required": required, "approvals_left": max(required - len(people), 0)}
    return Answer(200, {
        "id": pull.id, "iid": pull.number, "project_id": project.id, "title": pull.title, "state": STATES[pull.state],
        "approved": bool(people), "approved_by": [{"user": user(site, person)} for person in people],
        "user_has_approved": False, "user_can_approve": True, **(counts if site.premium else {}),
    })  # fmt: skip


@writes("POST", f"{MERGE}/approve")
def approve(site: Site, project: Project, account: Account, request: Request, parts: Parts) -> Answer:
    pull = pull_of(project, parts)
    pulls.review(site, pull, account, "APPROVE", "")
    return Answer(201, {"id": pull.id, "iid": pull.number, "approved_by": [{"user": user(site, account)}]})

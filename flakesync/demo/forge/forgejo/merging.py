"""Forgejo: merging a pull request, and why not, in the order in which it asks."""

import contextlib
from typing import assert_never, cast

from flakesync.demo.forge import meanwhile, pulls, rules
from flakesync.demo.forge.forgejo.api import PULL, error, not_found, pull_of, writes
from flakesync.demo.forge.model import Account, Project, Pull, Site, Wish
from flakesync.demo.forge.pulls import RefusedError
from flakesync.demo.forge.rules import Behind, CheckLacking, QueueDemanded, ReviewsLacking, Unmet
from flakesync.demo.forge.storage import MergeMethod
from flakesync.demo.forge.web.messages import Answer, Json, Request
from flakesync.demo.forge.web.routing import Parts

METHODS: dict[object, MergeMethod] = {
    "merge": "merge",
    "rebase": "rebase",
    "rebase-merge": "rebase-merge",
    "squash": "squash",
    "fast-forward-only": "fast-forward",
}


@writes("POST", f"{PULL}/merge")
def merge_pull(site: Site, project: Project, account: Account, request: Request, parts: Parts) -> Answer:
    pull, fields = pull_of(site, project, parts), request.fields()
    method = METHODS.get(fields.get("Do"))
    if method is None:
        return error(site, 422, "[Do]: Required")
    if refused := _not_ready(site, project, pull, scheduling=fields.get("merge_when_checks_succeed") is True):
        return refused
    if fields.get("merge_when_checks_succeed") is True:
        if pull.auto_merge is not None:
            return error(site, 409, "The auto merge is already scheduled")
        pull.auto_merge = Wish(account, {**fields, "scheduled": site.time()})
        return Answer(201)
    if method not in project.methods:
        return error(site, 405, f"{fields['Do']} is not allowed an allowed merge style for this repository")
    if fields.get("head_commit_id") not in (None, "", pull.head_rev):
        return error(site, 409, "head out of date")
    if pulls.base_was_modified(project):
        return error(site, 409, "merge push out of date")
    try:
        pulls.merge(site, project, pull, method, account, _message(pull, fields))
    except RefusedError:
        if method == "fast-forward":  # one of the errors that its API does not know
            return error(site, 500, "")
        told = {"Style": fields["Do"], "StdOut": "", "StdErr": "CONFLICT (content): Merge conflict", "Err": None}
        return Answer(409, told)
    return Answer(200, b"", content_type="text/plain")


def _message(pull: Pull, fields: Json) -> str:
    title = fields.get("MergeTitleField") or f"Merge pull request '{pull.title}' (#{pull.number}) from {pull.head}"
    return f"{title}\n\n{fields.get('MergeMessageField') or ''}"


@writes("DELETE", f"{PULL}/merge")
def cancel(site: Site, project: Project, account: Account, request: Request, parts: Parts) -> Answer:
    pull = pull_of(site, project, parts)
    if pull.auto_merge is None:
        return not_found(site)
    pull.auto_merge = None
    return Answer(204)


@meanwhile.merges("forgejo")
def catch_up(site: Site, project: Project) -> None:
    """Merge what was scheduled and is ready; Forgejo looks only when a status or a review arrives, Gitea at once."""
    for pull in project.pulls:
        wish = pull.auto_merge
        if wish is None or pull.state != "open" or not pulls.goes_together(project, pull):
            continue
        arrived = [*project.checks.get(pull.head_rev, ()), *pull.reviews]
        if not site.gitea and not any(each.at > cast("float", wish.fields["scheduled"]) for each in arrived):
            continue
        if rules.unmet(site, project, pull):
            continue
        pull.auto_merge = None
        method = METHODS[wish.fields["Do"]]
        if method in project.methods:
            with contextlib.suppress(RefusedError):  # only the server's log tells
                pulls.merge(site, project, pull, method, wish.by, _message(pull, wish.fields))


def _not_ready(site: Site, project: Project, pull: Pull, *, scheduling: bool) -> Answer | None:
    """Return why a pull request cannot be merged by whatever method; None: it can. scheduling: once rules allow."""
    match pull.state:
        case "closed":
            return not_found(site)
        case "merged":
            return error(site, 405, "")
        case "open" if pull.draft:
            return error(site, 405, "Work in progress PRs cannot be merged")
    if not pulls.can_be_merged(site, project, pull):  # it thinks, or there is a conflict: it says the same of both
        return error(site, 405, "Please try again later")
    if not scheduling and (lacking := rules.unmet(site, project, pull)):
        words = _words(lacking[0])
        return error(site, 405, words if site.gitea else f"not allowed to merge [reason: {words}]")
    if any(other.state != "merged" for other in pull.depends_on):
        return error(site, 500, "")
    return None


def _words(unmet: Unmet) -> str:
    match unmet:
        case CheckLacking():
            return "Not all required status checks successful"
        case ReviewsLacking():
            return "Does not have enough approvals"
        case Behind():
            return "The head branch is behind the base branch"
        case QueueDemanded():
            raise ValueError("Forgejo has no merge queue")
        case _:
            assert_never(unmet)

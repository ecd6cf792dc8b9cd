"""GitHub: statuses and check runs of a commit."""

import re

from flakesync.demo.forge import pulls
from flakesync.demo.forge.github.api import REPO, reads, refusal, require, writes
from flakesync.demo.forge.github.documents import Documents
from flakesync.demo.forge.model import Account, Project
from flakesync.demo.forge.web.messages import Answer, Request
from flakesync.demo.forge.web.paging import answer_page
from flakesync.demo.forge.web.routing import Parts


@writes("POST", f"{REPO}/statuses/{{sha}}", "statuses=write")
def add_status(made: Documents, project: Project, account: Account, request: Request, parts: Parts) -> Answer:
    fields, rev = request.fields(), project.storage.rev(parts["sha"])
    if rev is None or fields.get("state") not in ("pending", "success", "failure", "error"):
        return refusal(422, "Validation Failed")
    check = pulls.add_check(
        made.site, project, rev, str(fields.get("context") or "default"), str(fields["state"]), account,
        description=str(fields.get("description") or ""), url=str(fields.get("target_url") or ""),
    )  # fmt: skip
    return Answer(201, {**made.status(project, rev, check), "creator": made.user(account)})


@writes("POST", f"{REPO}/check-runs", "checks=write")
def add_check_run(made: Documents, project: Project, account: Account, request: Request, parts: Parts) -> Answer:
    fields = request.fields()
    rev = project.storage.rev(str(fields.get("head_sha")))
    if rev is None or not fields.get("name"):
        return refusal(422, "Validation Failed")
    state = str(fields.get("conclusion") or ("queued" if fields.get("status") == "queued" else "pending"))
    check = pulls.add_check(made.site, project, rev, str(fields["name"]), state, account, run=True)
    return Answer(201, made.check_run(project, rev, check))


@reads("GET", f"{REPO}/commits/{{ref*}}")
def get_commit(made: Documents, project: Project, request: Request, parts: Parts) -> Answer:
    found = re.fullmatch(r"(.+)/(status|check-runs)", parts["ref"])
    ref, what = (found[1], found[2]) if found else (parts["ref"], "")
    rev = project.storage.rev(ref)
    if rev is None:
        return refusal(422, f"No commit found for SHA: {ref}")
    checks = list(project.results(rev).values())
    statuses, runs = [check for check in checks if not check.run], [check for check in checks if check.run]
    needs = {"": "contents=read", "check-runs": "checks=read"}.get(what, "statuses=read")
    require(made.site.account(request), needs)
    match what:
        case "status":
            page = answer_page(request, statuses, lambda check: made.status(project, rev, check))
            return Answer(200, made.combined_status(project, rev, statuses, page.body), page.headers)
        case "check-runs":
            page = answer_page(request, runs, lambda check: made.check_run(project, rev, check))
            return Answer(200, {"total_count": len(runs), "check_runs": page.body}, page.headers)
    if "vnd.github.sha" in request.headers.get("accept", ""):
        return Answer(200, rev.encode(), content_type="application/vnd.github.sha; charset=utf-8")
    return Answer(200, made.commit(project, rev))

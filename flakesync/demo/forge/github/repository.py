"""GitHub: a repository, its branches, and its archives."""

from flakesync.demo.forge import pulls
from flakesync.demo.forge.door import project_of
from flakesync.demo.forge.github.api import REPO, not_found, pages, reads, refusal, writes
from flakesync.demo.forge.github.documents import Documents
from flakesync.demo.forge.github.merging import METHODS, queue_method
from flakesync.demo.forge.model import Account, Project, Rules, Site
from flakesync.demo.forge.web.messages import Answer, Json, Request, moved
from flakesync.demo.forge.web.paging import answer_page
from flakesync.demo.forge.web.routing import Parts


@reads("GET", REPO)
def get_repository(made: Documents, project: Project, request: Request, parts: Parts) -> Answer:
    return Answer(200, made.repository(project, made.site.account(request)))


@writes("DELETE", f"{REPO}/git/refs/heads/{{branch*}}", "contents=write")
def delete_ref(made: Documents, project: Project, account: Account, request: Request, parts: Parts) -> Answer:
    if parts["branch"] in project.rules or not pulls.delete_branch(made.site, project, parts["branch"]):
        return refusal(422, "Reference does not exist")
    return Answer(204)


@reads("GET", f"{REPO}/branches/{{branch*}}", "contents=read")
def get_branch(made: Documents, project: Project, request: Request, parts: Parts) -> Answer:
    rev = project.storage.branch(parts["branch"])
    if rev is None and parts["branch"] in project.renamed:
        now = project.renamed[parts["branch"]]
        return moved(
            f"{made.api}/repositories/{project.id}/branches/{now}", request, body={"message": "Moved Permanently"}
        )
    if rev is None:
        return refusal(404, "Branch not found")
    return Answer(200, made.branch(project, parts["branch"], rev))


@reads("GET", f"{REPO}/rules/branches/{{branch*}}")
def get_rules(made: Documents, project: Project, request: Request, parts: Parts) -> Answer:
    """List the rules of rulesets alone; classic protection is not among them."""
    rules = project.rules.get(parts["branch"]) if project.ruleset else None
    return answer_page(request, _rules(project, rules) if rules is not None else [], lambda rule: rule)


def _rules(project: Project, rules: Rules) -> list[Json]:
    found: list[tuple[str, Json]] = [("deletion", {}), ("non_fast_forward", {})]
    if rules.checks:
        checks = [{"context": name} for name in rules.checks]
        found.append(("required_status_checks", {
            "required_status_checks": checks, "strict_required_status_checks_policy": rules.strict,
            "do_not_enforce_on_create": False,
        }))  # fmt: skip
    found.append(("pull_request", {
        "required_approving_review_count": rules.approvals, "dismiss_stale_reviews_on_push": project.dismiss_stale,
        "require_code_owner_review": False, "require_last_push_approval": False,
        "required_review_thread_resolution": False,
        "allowed_merge_methods": [method for method in METHODS if method in project.methods],
    }))  # fmt: skip
    if rules.queue:
        found.append(("merge_queue", {
            "check_response_timeout_minutes": 60, "grouping_strategy": "ALLGREEN", "max_entries_to_build": 5,
            "max_entries_to_merge": 5, "merge_method": queue_method(project).upper(), "min_entries_to_merge": 1,
            "min_entries_to_merge_wait_minutes": 5,
        }))  # fmt: skip
    shared: Json = {"ruleset_source_type": "Repository", "ruleset_source": project.path, "ruleset_id": project.id}
    return [{"type": kind, **({"parameters": values} if values else {}), **shared} for kind, values in found]


@reads("GET", f"{REPO}/tarball/{{ref*}}", "contents=read")
def get_tarball(made: Documents, project: Project, request: Request, parts: Parts) -> Answer:
    rev = project.storage.rev(parts["ref"])
    if rev is None:
        return not_found()
    return archive(project, rev, f"{project.owner}-{project.name}-{rev[:7]}")


@pages.on("GET", "/{owner}/{repo}/archive/{ref*}.tar.gz")
def get_archive(site: Site, request: Request, parts: Parts) -> Answer:
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

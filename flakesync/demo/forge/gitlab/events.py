"""GitLab: the pushes among the events of a project."""

from flakesync.demo.forge.gitlab.api import PROJECT, page, reads
from flakesync.demo.forge.gitlab.documents import user
from flakesync.demo.forge.model import BranchMove, Project, Site
from flakesync.demo.forge.times import time
from flakesync.demo.forge.web.messages import Answer, Json, Request
from flakesync.demo.forge.web.routing import Parts


@reads("GET", f"{PROJECT}/events")
def list_events(site: Site, project: Project, request: Request, parts: Parts) -> Answer:
    newest_first = [*enumerate(project.moves, 1)][::-1]
    return page(request, newest_first, lambda each: _document(site, project, each[0], each[1]))


def _document(site: Site, project: Project, number: int, move: BranchMove) -> Json:
    """Return an `Event`: a move of a branch, whether or not it was forced."""
    action, name = ("created", "pushed new") if move.before is None else ("pushed", "pushed to")
    if move.after is None:
        action, name = "removed", "deleted"
    title = project.storage.commit(move.after).message.partition("\n")[0] if move.after else None
    return {
        "id": number, "project_id": project.id, "action_name": name, "target_id": None, "target_iid": None,
        "target_type": None, "target_title": None, "author_id": site.ci_account.id,
        "author_username": site.ci_account.login, "author": user(site, site.ci_account), "created_at": time(move.at),
        "imported": False, "imported_from": "none",
        "push_data": {
            "commit_count": 1 if move.after else 0, "action": action, "ref_type": "branch", "commit_from": move.before,
            "commit_to": move.after, "ref": move.branch, "commit_title": title, "ref_count": None,
        },
    }  # fmt: skip

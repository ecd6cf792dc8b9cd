"""GitHub: what has happened to the branches of a repository."""

from flakesync.demo.forge.github.api import REPO, reads, refusal
from flakesync.demo.forge.github.documents import Documents
from flakesync.demo.forge.model import BranchMove, Project
from flakesync.demo.forge.times import time
from flakesync.demo.forge.web.messages import Answer, Json, Request
from flakesync.demo.forge.web.paging import answer_piece
from flakesync.demo.forge.web.routing import Parts

_NOTHING = "0" * 40
_TYPES = ("push", "force_push", "branch_creation", "branch_deletion", "pr_merge", "merge_queue_merge")


@reads("GET", f"{REPO}/activity", "contents=read")
def list_activities(made: Documents, project: Project, request: Request, parts: Parts) -> Answer:
    wanted = request.query.get("activity_type")
    if wanted is not None and wanted not in _TYPES:
        return refusal(422, "Validation Failed")
    branch = request.query.get("ref", "").removeprefix("refs/heads/")
    found = [
        (str(number), move)
        for number, move in enumerate(project.moves, 1)
        if branch in ("", move.branch) and wanted in (None, move.kind)
    ]
    if request.query.get("direction") != "asc":
        found.reverse()
    return answer_piece(request, found, lambda key, move: _document(made, project, int(key), move))


def _document(made: Documents, project: Project, number: int, move: BranchMove) -> Json:
    """Return an `activity`."""
    return {
        "id": number, "node_id": f"PSH_{project.id}_{number}", "before": move.before or _NOTHING,
        "after": move.after or _NOTHING, "ref": f"refs/heads/{move.branch}", "timestamp": time(move.at),
        "activity_type": move.kind, "actor": made.user(made.site.ci_account),
    }  # fmt: skip

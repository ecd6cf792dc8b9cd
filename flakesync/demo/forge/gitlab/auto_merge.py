"""GitLab: carrying a merge out, straight away or when its pipeline has succeeded."""

from collections.abc import Callable

from flakesync.demo.forge import pipelines, pulls
from flakesync.demo.forge.gitlab.documents import METHODS, ci_is_required, merge_status, squash_option, way
from flakesync.demo.forge.model import Account, Project, Pull, Site, Wish
from flakesync.demo.forge.pulls import RefusedError
from flakesync.demo.forge.web.messages import Json

_WAITS = ("ci_still_running", "not_approved", "checking")
_NO_SQUASH = "Squashing not allowed: This project does not allow squashing commits when merge requests are accepted."


def can_wait(project: Project, pull: Pull, status: str) -> bool:
    """Tell whether something is left for an automatic merge to wait for; where nothing is, it is done at once."""
    pipeline = pipelines.of_head(project, pull)
    running = pipeline is not None and pipelines.status(pipeline) in (*pipelines.ACTIVE, "created")
    return running or status in _WAITS


def carry_out(site: Site, project: Project, pull: Pull, by: Account, fields: Json) -> bool:
    """Merge it by the way of its project; False: it failed, and `merge_error` says why."""
    squash = fields.get("squash") in (True, "true")
    if squash and squash_option(project) == "never":
        pull.merge_error = _NO_SQUASH
        return False
    words = str(fields.get("merge_commit_message") or f"Merge branch '{pull.head}' into '{pull.base}'\n\n{pull.title}")
    method = METHODS[way(project)][0]
    try:
        if squash or squash_option(project) == "always":
            words = str(fields.get("squash_commit_message") or pull.title)
            pulls.squash_and_merge(site, project, pull, method, by, words)
        else:
            pulls.merge(site, project, pull, method, by, words)
    except RefusedError:
        pull.merge_error = "Merge conflicts"
        return False
    return True


def catch_up(site: Site, project: Project, board: Callable[[Pull, Wish], None]) -> None:
    """Merge what has waited for its pipeline, and forget the wish where that has failed. board: onto a train."""
    for pull in project.pulls:
        wish = pull.auto_merge
        if wish is None or pull.state != "open":
            continue
        pipeline = pipelines.of_head(project, pull)
        without = "created" if ci_is_required(project) else "success"
        found = pipelines.status(pipeline) if pipeline is not None else without
        if found in ("failed", "canceled"):
            pull.auto_merge = None
        elif found == "success" and merge_status(site, project, pull) == "mergeable":
            pull.auto_merge = None
            if project.trains:
                board(pull, wish)
            else:
                carry_out(site, project, pull, wish.by, wish.fields)

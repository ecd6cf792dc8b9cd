"""GitHub: merging a pull request, and why not."""

from flakesync.demo.forge import pulls, rules
from flakesync.demo.forge.github import words
from flakesync.demo.forge.github.api import REPO, pull_of, refusal, writes
from flakesync.demo.forge.github.documents import Documents
from flakesync.demo.forge.model import Account, Project, Pull
from flakesync.demo.forge.pulls import RefusedError
from flakesync.demo.forge.storage import MergeMethod
from flakesync.demo.forge.web.messages import Answer, Json, Request
from flakesync.demo.forge.web.routing import Parts

METHODS: tuple[MergeMethod, ...] = ("merge", "squash", "rebase")
_NOT_ALLOWED = {
    "merge": "Merge commits are not allowed on this repository",
    "squash": "Squash merges are not allowed on this repository.",
    "rebase": "Rebase merges are not allowed on this repository.",
}
_CONFLICT = "Pull Request is not mergeable"


@writes("PUT", f"{REPO}/pulls/{{number}}/merge", "contents=write")
def merge_pull(made: Documents, project: Project, account: Account, request: Request, parts: Parts) -> Answer:
    pull, fields = pull_of(project, parts), request.fields()
    wanted = fields.get("merge_method", "merge")
    method = next((known for known in METHODS if known == wanted), None)
    if method is None:
        return refusal(422, f"Invalid request.\n\n{wanted!r} is not a possible value.")
    guard = str(fields["sha"]) if fields.get("sha") else None
    if refused := _refused(made, project, pull, method, guard):
        return refused
    try:
        pulls.merge(made.site, project, pull, method, account, message(project, pull, method, fields))
    except RefusedError:
        return refusal(405, _CONFLICT)
    return Answer(200, {"sha": pull.merged_rev, "merged": True, "message": "Pull Request successfully merged"})


def _refused(made: Documents, project: Project, pull: Pull, method: MergeMethod, guard: str | None) -> Answer | None:
    """Return why it is not merged; None: nothing is against it but, perhaps, a conflict."""
    if method not in project.methods:
        return refusal(405, _NOT_ALLOWED[method])
    if pull.state != "open" or project.storage.branch(pull.head) is None:
        return refusal(405, "Pull Request is not mergeable")
    if guard is not None and guard != pull.head_rev:
        return refusal(409, "Head branch was modified. Review and try the merge again.")
    if pull.draft:
        return refusal(405, "Pull Request is still a draft")
    if lacking := rules.unmet(made.site, project, pull):
        return refusal(405, words.refusal_of(project, pull, lacking))
    if not pulls.goes_together(project, pull):
        return refusal(405, _CONFLICT)
    if pulls.base_was_modified(project):
        return refusal(405, "Base branch was modified. Review and try the merge again.")
    return None


def message(project: Project, pull: Pull, method: MergeMethod, fields: Json) -> str:
    """Return the message of the commit that a merge makes."""
    title = fields.get("commit_title") or (
        f"Merge pull request #{pull.number} from {project.owner}/{pull.head}"
        if method == "merge"
        else f"{pull.title} (#{pull.number})"
    )
    return f"{title}\n\n{fields.get('commit_message') or (pull.title if method == 'merge' else pull.body)}"


def queue_method(project: Project) -> MergeMethod:
    """Return how the queue merges, and auto-merge too: by the first method of the project."""
    return next(method for method in METHODS if method == next(each for each in project.methods if each in METHODS))

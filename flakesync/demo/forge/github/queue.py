"""GitHub: the merge queue of a branch, and auto-merge."""

from flakesync.demo.forge import meanwhile, pulls, queue, rules
from flakesync.demo.forge.github import words
from flakesync.demo.forge.github.documents import mergeable_state
from flakesync.demo.forge.github.merging import METHODS, message, queue_method
from flakesync.demo.forge.github.query import FieldError
from flakesync.demo.forge.model import Account, Entry, Project, Pull, Site, Wish
from flakesync.demo.forge.pulls import RefusedError
from flakesync.demo.forge.rules import CheckLacking, QueueDemanded, Unmet

_HEAD = "expected head oid does not match the current head oid"


class NotQueuedError(FieldError):
    """A pull request that is not put into the queue, or not to be merged by itself; its text is GitHub's."""

    def __init__(self, message: str) -> None:
        super().__init__("UNPROCESSABLE", message)


def enqueue(site: Site, project: Project, pull: Pull, by: Account, head: object) -> Entry:
    """Put a pull request into the queue of its base. head: the commit that it has to be at; None: whichever.

    Raises: NotQueuedError.
    """
    _must_be_open(pull, head)
    rule = project.rules.get(pull.base)
    if rule is None or not rule.queue:
        raise NotQueuedError("Pull request The base branch does not require a merge queue")
    if pull in project.queue:
        raise NotQueuedError("Pull request is already in the queue")
    lacking = _lacking(site, project, pull)
    checks = [each for each in lacking if isinstance(each, CheckLacking)]
    if checks:
        raise NotQueuedError(f"Pull request {words.not_succeeded(checks, len(rule.checks))}")
    if lacking:
        raise NotQueuedError(f"Pull request {words.line(lacking[0])}")
    if pull.draft or not pulls.goes_together(project, pull):
        raise NotQueuedError("Pull request is not mergeable")
    return queue.join(site, project, pull, by, {})


def enable(site: Site, project: Project, pull: Pull, by: Account, fields: dict[str, object]) -> Wish:
    """Let a pull request be merged, or enqueued, once nothing is lacking. fields: the input of the mutation.

    Raises: NotQueuedError.
    """
    _must_be_open(pull, fields.get("expectedHeadOid"))
    if not project.allow_auto_merge:
        raise NotQueuedError("Auto merge is not allowed for this repository")
    state = mergeable_state(site, project, pull, pulls.goes_together(project, pull))
    if state in ("clean", "unstable", "dirty", "draft"):  # what is left to wait for are rules, and nothing else
        raise NotQueuedError(f"Pull request Pull request is in {state} status")
    pull.auto_merge = Wish(by, fields)
    return pull.auto_merge


def _must_be_open(pull: Pull, head: object) -> None:
    if pull.state != "open":
        raise NotQueuedError("Pull request is closed")
    if head not in (None, pull.head_rev):
        raise NotQueuedError(_HEAD)


def _lacking(site: Site, project: Project, pull: Pull) -> list[Unmet]:
    return [each for each in rules.unmet(site, project, pull) if each != QueueDemanded()]


@meanwhile.merges("github")
def catch_up(site: Site, project: Project) -> None:
    """Merge, or enqueue, what has nothing left to wait for; then land what the queue is done with."""
    for pull in project.pulls:
        wish = pull.auto_merge
        if wish is None or pull.state != "open" or pull.draft or _lacking(site, project, pull):
            continue
        if not pulls.goes_together(project, pull):
            continue
        pull.auto_merge = None
        rule = project.rules.get(pull.base)
        if rule is not None and rule.queue:
            queue.join(site, project, pull, wish.by, {})
        else:
            wanted = str(wish.fields.get("mergeMethod") or "MERGE").lower()
            method = next((known for known in METHODS if known == wanted and known in project.methods), None)
            method = method or queue_method(project)
            pulls.merge(site, project, pull, method, wish.by, message(project, pull, method, {}))
    if project.queue:
        queue.advance(site, project, lambda pull, entry: _land(site, project, pull, entry))


def _land(site: Site, project: Project, pull: Pull, entry: Entry) -> str | None:
    method = queue_method(project)
    try:
        pulls.merge(site, project, pull, method, entry.by, message(project, pull, method, {}))
    except RefusedError:
        return "merge conflict"
    return None

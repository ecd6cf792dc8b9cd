"""The life of a pull request, the same on all forges: opened, pushed to, merged, closed, opened again."""

from typing import Literal

from flakesync.demo.forge import ci, moves, pipelines, queue
from flakesync.demo.forge.model import Account, Check, Label, Project, Pull, Review, Site
from flakesync.demo.forge.storage import MergeConflictError, MergeMethod, Storage

Reason = Literal["conflict", "exists", "no-base", "no-commits", "no-head"]


class RefusedError(Exception):
    """What was asked is not done. other: the pull request that is there already."""

    def __init__(self, reason: Reason, other: Pull | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.other = other


def open_pull(
    site: Site, project: Project, head: str, base: str, title: str, body: str, by: Account, *, draft: bool
) -> Pull:
    """Open a pull request. Raises RefusedError."""
    storage = project.storage
    branches = storage.branches()
    if base not in branches:
        raise RefusedError("no-base")
    if head not in branches:
        raise RefusedError("no-head")
    for pull in project.pulls:
        if (pull.state, pull.head, pull.base) == ("open", head, base):
            raise RefusedError("exists", other=pull)
    if site.kind != "gitlab" and not storage.commits(branches[base], branches[head]):
        raise RefusedError("no-commits")
    now = site.time()
    pull = Pull(
        next(site.ids), len(project.pulls) + 1, head, base, title, body, by, draft, branches[head], branches[base],
        created=now, updated=now, opened=site.clock(), moved=site.clock(),
    )  # fmt: skip
    project.pulls.append(pull)
    ci.begin(site, project, pull, pull.head_rev)
    _keep(storage, pull)
    return pull


def can_be_merged(site: Site, project: Project, pull: Pull) -> bool | None:
    """Return whether the branches go together, as far as the site knows by now; None: it has not found out yet."""
    if pull.state != "open":
        return None
    pull.looks += 1
    if pull.looks <= site.thinks_for:
        return None
    return goes_together(project, pull)


def goes_together(project: Project, pull: Pull) -> bool:
    """Tell whether the branches of an open pull request can be merged without a person."""
    try:
        project.storage.merged_tree(pull.base_rev, pull.head_rev)
    except MergeConflictError:
        return False
    return project.storage.branch(pull.head) is not None


def base_was_modified(project: Project) -> bool:
    """Tell whether this attempt to merge finds that the base moves under it, and count it."""
    if project.base_modified_times <= 0:
        return False
    project.base_modified_times -= 1
    return True


def merge(site: Site, project: Project, pull: Pull, method: MergeMethod, by: Account, message: str) -> None:
    """Merge it for real; whether it may be merged has been asked before.

    Raises RefusedError: `conflict`, which is also what cannot be fast-forwarded.
    """
    try:
        pull.merged_rev = project.storage.merge(pull.base_rev, pull.head_rev, method, message)
    except MergeConflictError:
        raise RefusedError("conflict") from None
    if method in ("merge", "rebase-merge"):
        pull.merge_commit = pull.merged_rev
    elif method == "squash":
        pull.squash_commit = pull.merged_rev
    _bring_in(site, project, pull, by)


def squash_and_merge(site: Site, project: Project, pull: Pull, method: MergeMethod, by: Account, message: str) -> None:
    """Merge as GitLab does when it squashes: one commit in the place of the branch, then the project's own method.

    Raises RefusedError.
    """
    storage = project.storage
    onto = pull.base_rev if method == "fast-forward" else storage.merge_base(pull.base_rev, pull.head_rev)
    try:
        pull.squash_commit = storage.merge(onto, pull.head_rev, "squash", message)
        pull.merged_rev = storage.merge(pull.base_rev, pull.squash_commit, method, message)
    except MergeConflictError:
        pull.squash_commit = None
        raise RefusedError("conflict") from None
    if method != "fast-forward":
        pull.merge_commit = pull.merged_rev
    _bring_in(site, project, pull, by)


def close(site: Site, project: Project, pull: Pull) -> None:
    """Close it without merging; one that is not open stays as it is."""
    if pull.state == "open":
        pull.state, pull.auto_merge = "closed", None
        queue.leave(project, pull, "it was closed")
        pull.closed = pull.updated = site.time()


def reopen(site: Site, project: Project, pull: Pull) -> None:
    """Open a closed one again. Raises RefusedError."""
    if pull.state == "open":
        return
    tip = project.storage.branch(pull.head)
    if pull.state == "merged" or tip is None:
        raise RefusedError("no-head")
    if any((other.state, other.head, other.base) == ("open", pull.head, pull.base) for other in project.pulls):
        raise RefusedError("exists")
    pull.state, pull.closed, pull.updated, pull.looks = "open", None, site.time(), 0
    after_push(site, project)


def set_labels(pull: Pull, labels: list[Label]) -> None:
    """Give it exactly these labels, each once."""
    pull.labels = list({label.id: label for label in labels}.values())


def review(site: Site, pull: Pull, by: Account, opinion: str, body: str) -> Review:
    """Add what somebody thinks of it."""
    known = {"APPROVE": "approved", "APPROVED": "approved", "REQUEST_CHANGES": "changes-requested"}
    found = Review(next(site.ids), by, known.get(opinion, "commented"), pull.head_rev, body, site.time())  # type: ignore[arg-type]
    pull.reviews.append(found)
    return found


def add_check(
    site: Site, project: Project, rev: str, name: str, state: str, by: Account,
    *, description: str = "", url: str = "", run: bool = False,
) -> Check:  # fmt: skip
    """Give a commit a result."""
    if site.kind == "gitlab":
        return pipelines.add_status(site, project, rev, name, state, by, None)
    check = Check(next(site.ids), name, state, description, url, by, site.time(), run)
    project.checks.setdefault(rev, []).append(check)
    return check


def after_push(site: Site, project: Project, how: moves.How = "push") -> None:
    """Bring the open pull requests up to date with the branches, as the forges do after every push and merge."""
    branches = moves.note(site, project, how)
    for pull in project.pulls:
        if pull.state == "open":
            _follow(site, project, pull, branches)


def _follow(site: Site, project: Project, pull: Pull, branches: dict[str, str]) -> None:
    head, base = branches.get(pull.head), branches.get(pull.base, pull.base_rev)
    if head is None:
        if site.kind != "gitlab":  # a merge request without its branch stays open
            close(site, project, pull)
        return
    if head != pull.head_rev:
        ci.begin(site, project, pull, head)
        if _is_late(project, pull):
            head = pull.head_rev
    moved = (head, base) != (pull.head_rev, pull.base_rev)
    brought_in = base != pull.base_rev and project.storage.is_ancestor(head, base)
    if head != pull.head_rev:
        pull.moved = site.clock()
        queue.leave(project, pull, "its head moved")
        if site.kind == "gitlab":  # GitHub goes on, for those who may push
            pull.auto_merge = None
    pull.head_rev, pull.base_rev = head, base
    if moved:
        pull.looks, pull.updated = 0, site.time()
        _keep(project.storage, pull)
    if brought_in:
        pull.merged_rev = pull.merge_commit = head
        _merged(site, pull, None)
    elif moved and site.kind == "github" and project.storage.is_ancestor(head, base):
        close(site, project, pull)  # nothing is left on it


def _is_late(project: Project, pull: Pull) -> bool:
    """Tell whether a merge request still shows the commit before the push, and note how long it will."""
    if pull.late is None:
        pull.late = project.head_lag_looks
    if pull.late > 0:
        return True
    pull.late = None
    return False


def looked(site: Site, project: Project, pull: Pull) -> None:
    """Count a look at a merge request that does not show a push yet."""
    if pull.late is not None:
        pull.late -= 1
        if pull.late <= 0:
            after_push(site, project)


def delete_branch(site: Site, project: Project, name: str) -> bool:
    """Delete a branch; False: there is none."""
    tip = project.storage.branch(name)
    if tip is None:
        return False
    project.storage.set_branch(name, None, tip)
    after_push(site, project)
    return True


def _bring_in(site: Site, project: Project, pull: Pull, by: Account) -> None:
    project.storage.set_branch(pull.base, pull.merged_rev, pull.base_rev)
    _merged(site, pull, by)
    after_push(site, project, "pr_merge" if pull.entry is None else "merge_queue_merge")


def _merged(site: Site, pull: Pull, by: Account | None) -> None:
    pull.state = "merged"
    pull.closed = pull.merged = pull.updated = site.time()
    pull.merged_by = by


def _keep(storage: Storage, pull: Pull) -> None:
    """Keep the commits of a pull request when its branch goes, as GitHub and Forgejo do."""
    storage.git("update-ref", f"refs/pull/{pull.number}/head", pull.head_rev)

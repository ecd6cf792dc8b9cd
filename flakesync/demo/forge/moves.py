"""What a forge remembers of its branches: each move, noticed after pushes, merges and deletions."""

from typing import Literal

from flakesync.demo.forge.model import BranchMove, Project, Site

How = Literal["push", "pr_merge", "merge_queue_merge"]


def note(site: Site, project: Project, how: How = "push") -> dict[str, str]:
    """Note how branches have moved since the last time; return where they are. how: what has moved them forward."""
    branches = project.storage.branches()
    for name in sorted({*project.tips, *branches}):
        before, after = project.tips.get(name), branches.get(name)
        if before != after:
            project.moves.append(BranchMove(name, before, after, site.time(), _kind(project, before, after, how)))
    project.tips = branches
    return branches


def _kind(project: Project, before: str | None, after: str | None, how: How) -> str:
    """Return what GitHub calls a move."""
    if before is None or after is None:
        return "branch_creation" if before is None else "branch_deletion"
    return how if project.storage.is_ancestor(before, after) else "force_push"

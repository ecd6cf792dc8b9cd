"""What waits in a merge queue of GitHub, or on a merge train of GitLab; who joins it is decided by each of them."""

from collections.abc import Callable

from flakesync.demo.forge.model import Account, Entry, Project, Pull, Site

Land = Callable[[Pull, Entry], str | None]
"""Merges what has come to its turn; returns why it could not."""


def join(site: Site, project: Project, pull: Pull, by: Account, fields: dict[str, object]) -> Entry:
    """Put an open pull request at the end. fields: what came with the wish."""
    entry = pull.entry = Entry(pull.head_rev, by, fields, site.clock(), site.time())
    project.queue.append(pull)
    return entry


def leave(project: Project, pull: Pull, reason: str) -> None:
    """Take a pull request out, if it is in."""
    if pull in project.queue:
        project.queue.remove(pull)
        pull.entry = None
        pull.removals.append(reason)


def advance(site: Site, project: Project, land: Land) -> None:
    """Land what has waited long enough, or throw it out."""
    now = site.clock()
    for pull in [*project.queue]:
        entry = pull.entry
        if entry is None or now < entry.since + project.queue_after_s:
            continue
        reason = project.queue_fails
        if reason is None and now < entry.since + project.queue_after_s + project.queue_gap_s:
            entry.state = "merging"
            continue
        reason = reason or land(pull, entry)
        if reason is not None:
            leave(project, pull, reason)
        else:
            project.queue.remove(pull)
            entry.state = "merged"

"""What happens on a forge by itself, caught up with before each answer: nothing runs while nobody looks."""

from collections.abc import Callable

from flakesync.demo.forge import ci
from flakesync.demo.forge.model import Kind, Project, Pull, Review, Site

CatchUp = Callable[[Site, Project], None]

_MERGES: dict[Kind, list[CatchUp]] = {}


def catch_up(site: Site, project: Project) -> None:
    """Bring a project to where it would be by now. Call it with the lock of the site."""
    ci.report(site, project)
    _approve(site, project)
    for merge_by_itself in _MERGES.get(site.kind, ()):
        merge_by_itself(site, project)


def merges(kind: Kind) -> Callable[[CatchUp], CatchUp]:
    """Register what merges by itself on a kind of forge: queues, trains, what waits for its checks."""

    def register(function: CatchUp) -> CatchUp:
        _MERGES.setdefault(kind, []).append(function)
        return function

    return register


def _approve(site: Site, project: Project) -> None:
    if site.approve_after_s is None:
        return
    now = site.clock()
    for pull in project.pulls:
        if (
            pull.state == "open"
            and now >= _asked(project, pull) + site.approve_after_s
            and not _has(site, project, pull)
        ):
            pull.reviews.append(Review(next(site.ids), site.approver, "approved", pull.head_rev, "", site.time()))


def _asked(project: Project, pull: Pull) -> float:
    return pull.moved if project.dismiss_stale else pull.opened


def _has(site: Site, project: Project, pull: Pull) -> bool:
    mine = [review for review in pull.reviews if review.by is site.approver]
    return any(review.rev == pull.head_rev or not project.dismiss_stale for review in mine)

"""What a protected branch still demands of a pull request, as values that each kind of forge words in its own way."""

import fnmatch
from dataclasses import dataclass

from flakesync.demo.forge.model import Account, Check, Project, Pull, Site

PASSED = {"github": ("success", "neutral", "skipped"), "gitlab": ("success",), "forgejo": ("success",)}
"""The states that count as passed. Forgejo's `warning` is none."""

GITEA_PASSED = ("success", "warning", "skipped")


@dataclass(frozen=True, slots=True)
class CheckLacking:
    """A required check that has not passed. check: its newest result; None: it has not been reported."""

    name: str
    check: Check | None


@dataclass(frozen=True, slots=True)
class ReviewsLacking:
    """Too few people approve of it. wanted: how many have to."""

    wanted: int


@dataclass(frozen=True, slots=True)
class Behind:
    """Its head lacks commits of its base."""


@dataclass(frozen=True, slots=True)
class QueueDemanded:
    """It can be merged by the queue alone."""


Unmet = CheckLacking | ReviewsLacking | Behind | QueueDemanded


def approvals(project: Project, pull: Pull) -> list[Account]:
    """Return who approves of it: the last word of each counts, and a comment is none."""
    reviews = [review for review in pull.reviews if not (project.dismiss_stale and review.rev != pull.head_rev)]
    last = {review.by.id: review for review in reviews if review.opinion != "commented"}
    return [review.by for review in last.values() if review.opinion == "approved"]


def unmet(site: Site, project: Project, pull: Pull) -> list[Unmet]:
    """Return all that the rules of the base still demand: checks first."""
    rules = project.rules.get(pull.base)
    if rules is None:
        return []
    found: list[Unmet] = [*_checks(site, project, pull)]
    if len(approvals(project, pull)) < rules.approvals:
        found.append(ReviewsLacking(rules.approvals))
    if rules.strict and not project.storage.is_ancestor(pull.base_rev, pull.head_rev):
        found.append(Behind())
    if rules.queue:
        found.append(QueueDemanded())
    return found


def passed(site: Site, check: Check) -> bool:
    """Tell whether a result is one that a rule is content with."""
    return check.state in (GITEA_PASSED if site.gitea else PASSED[site.kind])


def _checks(site: Site, project: Project, pull: Pull) -> list[CheckLacking]:
    rules = project.rules[pull.base]
    results = project.results(pull.head_rev)
    if rules.all_checks and not rules.checks:
        lacking = [CheckLacking(check.name, check) for check in results.values() if not passed(site, check)]
        return lacking if results else [CheckLacking("*", None)]
    found = []
    for name in rules.checks:
        if site.kind == "forgejo":  # a glob; the first status that it matches counts
            check = next((each for each in results.values() if fnmatch.fnmatchcase(each.name, name)), None)
        else:
            check = results.get(name)
        if check is None or not passed(site, check):
            found.append(CheckLacking(name, check))
    return found

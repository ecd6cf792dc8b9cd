"""How GitHub says what a protected branch still demands."""

from collections import Counter
from collections.abc import Sequence
from typing import assert_never

from flakesync.demo.forge.model import Check, Project, Pull
from flakesync.demo.forge.rules import Behind, CheckLacking, QueueDemanded, ReviewsLacking, Unmet

QUEUE = "Changes must be made through the merge queue"


def refusal_of(project: Project, pull: Pull, lacking: Sequence[Unmet]) -> str:
    """Return the message of a refused merge: all lines of a ruleset, the first one of classic protection."""
    if project.ruleset:
        return "Repository rule violations found\n\n" + "".join(f"{line(each)}\n\n" for each in lacking)
    checks = [each for each in lacking if isinstance(each, CheckLacking)]
    if len(checks) > 1:
        return sum_of(checks, len(project.rules[pull.base].checks))
    return line(lacking[0])


def sum_of(lacking: Sequence[CheckLacking], demanded: int) -> str:
    """Return the sentence about several checks, which names none of them."""
    counts = Counter(_state(each.check) for each in lacking)
    if len(counts) == 1:
        return f"{len(lacking)} of {demanded} required status checks are {counts.popitem()[0]}."
    return not_succeeded(lacking, demanded)


def not_succeeded(lacking: Sequence[CheckLacking], demanded: int) -> str:
    """Return the sentence about checks in any states."""
    counts = Counter(_state(each.check) for each in lacking)
    told = " and ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    return f"{len(lacking)} of {demanded} required status checks have not succeeded: {told}."


def line(unmet: Unmet) -> str:
    """Return the sentence about one demand."""
    match unmet:
        case CheckLacking(name, check):
            return f'Required status check "{name}" is {_state(check)}.'
        case ReviewsLacking(wanted):
            reviews = "approving review is" if wanted == 1 else "approving reviews are"
            return f"At least {wanted} {reviews} required by reviewers with write access."
        case QueueDemanded():
            return QUEUE
        case Behind():
            return "Pull Request is not mergeable"
        case _:
            assert_never(unmet)


def _state(check: Check | None) -> str:
    if check is None:
        return "expected"
    if check.state == "pending":
        return "in progress" if check.run else "pending"
    return {"queued": "queued", "error": "errored"}.get(check.state, "failing")

"""`pin`: an input that a pin governs is not at the pin's target."""

from flakesync.analysis.inert import rests
from flakesync.analysis.rule import DAY_S, PinnedInputRule
from flakesync.documents.drift import Finding
from flakesync.survey.pins import PinnedInput, Target, is_ahead, is_archive, is_at, last_modified
from flakesync.survey.survey import Survey
from flakesync.terms import show_path


def find(survey: Survey, item: PinnedInput) -> Finding | None:
    """Return the finding; None at the target, past it while newer commits wait, and where the target is not known."""
    target = survey.target_of(item)
    if target is None or is_at(item.locked, target) or is_ahead(item.locked, target):
        return None
    if item.following is not None and rests(survey, item.repo, item.flake, item.following.mover):
        return None  # locks never count there: it is as old as the commit that it is taken at
    rev = item.locked_rev
    if rev is None and not is_archive(item.locked):
        return None  # a git input without a commit: `unlocked`
    detail = f"not at pin {item.pin.name}" + (", fixed by its flake.nix" if item.fixed else "")
    detail += ", its lock names no commit" if rev is None else ""
    days = _days_behind(item, target)
    detail += f", {days} days behind" if days else ""
    detail += f", {item.through}" if item.through is not None else ""
    return Finding(
        kind="pin",
        repo=item.repo,
        flake=item.flake,
        input=show_path(item.input),
        locked_rev=rev,
        wanted_rev=target.rev,
        detail=detail,
    )


def _days_behind(item: PinnedInput, target: Target) -> int | None:
    """Return the days between the locked commit and the target; None where one of the dates is not known."""
    date = last_modified(item.locked)
    if date is None or target.last_modified is None:
        return None
    return max(0, target.last_modified - date) // DAY_S


RULE = PinnedInputRule(kinds=("pin",), find=find)

"""`age`: an input that a pin governs is older than the pin's `max-age`, even if it is at the target."""

from flakesync.analysis.rule import DAY_S, PinnedInputRule
from flakesync.documents.drift import Finding
from flakesync.survey.pins import PinnedInput, last_modified
from flakesync.survey.survey import Survey
from flakesync.terms import show_path


def find(survey: Survey, item: PinnedInput) -> Finding | None:
    """Return the finding; None where the pin has no `max-age` or the lock no date."""
    why = why_old(item, survey.now)
    if why is None:
        return None
    return Finding(
        kind="age",
        repo=item.repo,
        flake=item.flake,
        input=show_path(item.input),
        locked_rev=item.locked_rev,
        wanted_rev=None,
        detail=why,
    )


def why_old(item: PinnedInput, now: int) -> str | None:
    """Return how old an input is and may be, as a phrase; None: no older, or the pin or the lock do not say.

    now: seconds since the epoch.
    """
    limit = item.pin.max_age_s
    date = last_modified(item.locked)
    if limit is None or date is None or now - date <= limit:
        return None
    return f"{(now - date) // DAY_S} days old, pin {item.pin.name} allows {limit // DAY_S}"


RULE = PinnedInputRule(kinds=("age",), find=find)

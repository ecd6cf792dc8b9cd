"""`rewritten`: an input is locked to a commit that its branch was at, and that a forced push has taken out of it."""

from flakesync.analysis.rule import PinnedInputRule
from flakesync.documents.drift import Finding
from flakesync.survey.pins import PinnedInput
from flakesync.survey.survey import Survey
from flakesync.terms import show_path


def find(survey: Survey, item: PinnedInput) -> Finding | None:
    """Return the finding; None where the pin asks for no age, tips or checks: then nobody has looked at its history."""
    decision = survey.decisions.pins.get(item.pin.name)
    choice = decision.choice if decision is not None else None
    if choice is None or item.locked_rev not in choice.lost:
        return None
    return Finding(
        kind="rewritten",
        repo=item.repo,
        flake=item.flake,
        input=show_path(item.input),
        locked_rev=item.locked_rev,
        wanted_rev=choice.chosen.rev if choice.chosen is not None else None,
        detail=f"{item.pin.source.ref or 'the default branch'} was at it, and was rewritten: its history lacks it now",
    )


RULE = PinnedInputRule(kinds=("rewritten",), find=find)

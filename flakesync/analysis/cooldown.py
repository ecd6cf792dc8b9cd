"""What is said of pins, and of sources that `external` moves, whose newest commit has to be proven first."""

from collections.abc import Iterator

import msgspec

from flakesync.cooldown.decide import Decision
from flakesync.cooldown.model import Choice, DatedBy
from flakesync.documents.cooldown.choice import (
    ConditionsDocument,
    PinChoice,
    TipDocument,
    WaitDocument,
    WaiverDocument,
)
from flakesync.errors import FlakesyncError
from flakesync.survey.pins import Target, is_ahead, is_at
from flakesync.survey.survey import Survey
from flakesync.terms import PinName, RepoName, iso_day
from flakesync.workspace.inputs import Source
from flakesync.workspace.settings.cooldown import Conditions

_SHORT = 7
_BY: dict[DatedBy, str] = {"forge": "pushed", "seen": "seen", "commit": "by commit date"}


def pin_choices(survey: Survey) -> Iterator[PinChoice]:
    """Yield what was decided on the pins, in the order of the manifest."""
    for name, decision in survey.decisions.pins.items():
        target = shown_target(survey, name)
        choice = target.choice if target is not None and target.choice is not None else decision.choice
        waived = choice.waived or next((reason for _, reason in _waived(survey, name)), None)
        yield choice_document(name, decision, msgspec.structs.replace(choice, waived=waived))


def shown_target(survey: Survey, name: PinName) -> Target | None:
    """Return where a pin is shown to be: where update branches keep it, if they do in all repos that are behind."""
    kept = {repo: target for (repo, pin), target in survey.decisions.kept.items() if pin == name}
    first = next(iter(kept.values()), None)
    if first is not None and {target.rev for target in kept.values()} == {first.rev}:
        items = (item for item in survey.governed if item.pin.name == name and not item.fixed)
        behind = {item.repo for item in items if not is_at(item.locked, first) and not is_ahead(item.locked, first)}
        if behind <= kept.keys():
            return first
    return survey.targets.get(name)


def _waived(survey: Survey, name: PinName) -> Iterator[tuple[RepoName, str]]:
    """Yield the repos whose update branch has a commit of a pin that nobody waited for, with the reason."""
    for (repo, pin), target in survey.decisions.kept.items():
        if pin == name and target.choice is not None and target.choice.waived is not None:
            yield repo, target.choice.waived


def external_choices(survey: Survey) -> Iterator[PinChoice]:
    """Yield what was decided on sources that are no pins."""
    for source, decision in survey.decisions.sources.items():
        yield choice_document(source_words(source), decision, decision.choice)


def choice_document(name: str, decision: Decision, choice: Choice) -> PinChoice:
    """Return the JSON form of a decision. choice: it, or what an update branch keeps in its place."""
    tip, conditions = choice.tip, decision.conditions
    dated = choice.chosen or tip
    return PinChoice(
        name=name,
        target_rev=choice.chosen.rev if choice.chosen is not None else None,
        tip=TipDocument(rev=tip.rev, first_seen=tip.time, dated_by=tip.dated_by),
        waits=[WaitDocument(rev=each.rev, why=each.why, until=each.until, detail=each.detail) for each in choice.waits],
        waived=WaiverDocument(reason=choice.waived) if choice.waived is not None else None,
        conditions=ConditionsDocument(
            days=conditions.cooldown_days,
            tips=conditions.tips,
            checks=conditions.require_ci is not None,
            dated_by=dated.dated_by,
        ),
        stays=choice.why_none,
    )


def proof_of(target: Target, conditions: Conditions) -> str:
    """Return why inputs go to a commit and to no newer one, as a phrase; empty where nothing is asked for."""
    choice = target.choice
    if choice is None or choice.chosen is None:
        return ""
    parts: list[str] = []
    if choice.waived is not None:
        parts.append(f"cooldown waived: {choice.waived}")
    elif conditions.cooldown_days:
        by = f"{_BY[choice.chosen.dated_by]} {iso_day(choice.chosen.time)}"
        parts.append(f"cooldown {conditions.cooldown_days} d: {by}")
    parts += ["checks passed"] if conditions.require_ci is not None else []
    waiting = next((each for each in choice.waits if each.rev == choice.tip.rev), None)
    if waiting is not None:
        tip = f"tip {waiting.rev[:_SHORT]}"
        parts.append(f"{tip} waits until {waiting.until}" if waiting.until is not None else f"{tip}: {waiting.detail}")
    return "; ".join(parts)


def why_ahead(target: Target) -> str:
    """Return why an input that is ahead of its target stays."""
    choice = target.choice
    day = iso_day(choice.chosen.time) if choice is not None and choice.chosen is not None else None
    return f"cooldown: the locked commit is younger than {day}, the day of {target.rev[:_SHORT]}"


def why_none(survey: Survey, key: PinName | Source) -> str | None:
    """Return why there is no target for a pin or a source whose newest commit has to be proven; None: there is one."""
    decision = survey.decisions.sources.get(key) if isinstance(key, tuple) else survey.decisions.pins.get(key)
    if decision is None or decision.choice.chosen is not None:
        return None
    return f"cooldown: {decision.choice.why_none or 'no commit may be taken yet'}"


def undecided(survey: Survey) -> list[FlakesyncError]:
    """Return why pins and sources could not be decided on, so that their inputs stay."""
    decisions = [*survey.decisions.pins.values(), *survey.decisions.sources.values()]
    return [decision.error for decision in decisions if decision.error is not None]


def source_words(source: Source) -> str:
    """Return a source as people write it."""
    identity, ref = source
    return f"{identity}{f' {ref}' if ref is not None else ''}"

"""`old`: an input that a pin governs is older than the pin's `max-age`."""

from collections.abc import Iterator

from flakesync.analysis.findings.age import why_old
from flakesync.audit.rule import Answer, Context, FlakeRule, NotChecked, Said
from flakesync.survey.pins import last_modified, pinned_in
from flakesync.terms import InputPath
from flakesync.workspace.snapshot import FlakeState, RepoState


def find(context: Context, state: RepoState, flake: FlakeState) -> Iterator[tuple[InputPath | None, Answer]]:
    """Yield what is too old, each node once: of several inputs that lead to it, the first that a limit is for."""
    if all(pin.max_age_s is None for pin in context.workspace.pins):
        return
    named: set[InputPath] = set()
    for item in pinned_in(context.workspace, state.name, flake):
        at = item.following.leads_to.path if item.following is not None else item.input
        if item.pin.max_age_s is None or at in named:
            continue
        why = why_old(item, context.now)
        if why is not None:
            named.add(at)
            yield item.input, Said(why)
        elif last_modified(item.locked) is None:
            named.add(at)
            yield item.input, NotChecked("the lock has no date")


RULE = FlakeRule(
    id="old",
    severity="low",
    title="older than its pin allows",
    help=(
        "The pin that governs the input has a `max-age`, and the locked commit is older, by the date in the lock. "
        "`flakesync sync` moves the inputs of a pin; where its target is old itself, choose another one."
    ),
    find=find,
)

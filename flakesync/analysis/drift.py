"""Who locks what, and what of it is not as the workspace wants it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import assert_never

import msgspec

from flakesync.analysis.cooldown import external_choices, pin_choices, shown_target
from flakesync.analysis.findings import RULES, unreachable
from flakesync.analysis.held.on_hold import why_on_hold
from flakesync.analysis.inert import find_inert, inert_document
from flakesync.analysis.rule import EdgeRule, FlakeRule, InputRule, PinnedInputRule, RepoRule, Rule
from flakesync.documents.cooldown.choice import PinChoice
from flakesync.documents.drift import DriftReport, Finding, FindingKind, Locked, PinDrift
from flakesync.errors import as_error
from flakesync.survey.graph import Edge
from flakesync.survey.pins import PinnedInput, last_modified
from flakesync.survey.survey import Survey
from flakesync.terms import FlakeDir, RepoName, Rev
from flakesync.workspace.manifest import Pin
from flakesync.workspace.snapshot import RepoState

_ENDED_BY_A_MOVE: frozenset[FindingKind] = frozenset({"pin", "upstream", "external", "ref", "age"})
"""The findings that are no more once the input moves. What else is wrong with a lock is wrong with a held one too."""


def find_drift(survey: Survey, selected: frozenset[RepoName]) -> DriftReport:
    """Return the drift of the selected repos (of all of them in `pins`, which compares repos)."""
    states = {name: state for name, state in survey.snapshot.states.items() if name in selected}
    findings = [_marked(survey, found) for rule in RULES for found in _each_repo_alone(rule, survey, states)]
    findings.sort(key=lambda found: (found.repo, found.flake or "", found.input or "", found.kind))
    choices = {choice.name: choice for choice in pin_choices(survey)}
    return DriftReport(
        pins=[_pin_drift(survey, pin, choices.get(pin.name)) for pin in survey.snapshot.workspace.pins],
        findings=findings,
        inert=[
            inert_document(inert)
            for edge in survey.graph.edges
            if edge.dependent in selected and _is_the_upstreams(survey, edge)
            if (inert := find_inert(survey, edge)) is not None
        ],
        external=list(external_choices(survey)),
    )


def _marked(survey: Survey, finding: Finding) -> Finding:
    """Return a finding with why its input stays for now, where a hold with an end, or one of sync, is the reason."""
    repo = survey.snapshot.states[RepoName(finding.repo)].repo
    if (
        not (repo.holds or repo.name in survey.check_holds)
        or finding.kind not in _ENDED_BY_A_MOVE
        or finding.flake is None
        or finding.input is None
    ):
        return finding
    flake, path = FlakeDir(finding.flake), tuple(finding.input.split("/"))
    item = survey.governed_in(repo.name, flake).get(path)
    followed = item.following.leads_to.path if item is not None and item.following is not None else ()
    # It is where what it follows is: that moves when an input above it does.
    places = [path, *(followed[:length] for length in range(1, len(followed) + 1))]
    holds = [hold for hold in (repo.hold_on(flake, place) for place in places) if hold is not None]
    why = holds[0].why if holds else why_on_hold(survey, finding, places)
    return msgspec.structs.replace(finding, held=why)


def only_kinds(report: DriftReport, kinds: AbstractSet[FindingKind]) -> DriftReport:
    """Return a report with the findings of some kinds alone."""
    found = [finding for finding in report.findings if finding.kind in kinds]
    return msgspec.structs.replace(report, findings=found, kinds=sorted(kinds))


_Selected = Mapping[RepoName, RepoState]
"""The selected repos, in the order of their names."""


def findings_of(rule: Rule, survey: Survey, selected: _Selected) -> Iterator[Finding]:
    """Yield the findings of one rule: it is asked about each thing that it looks at, in the selected repos.

    The rule is outside and the repos are inside: what a rule looks at is decided once, not for each of 1,000 repos.
    """
    match rule:
        case RepoRule(find=in_repo):
            for state in selected.values():
                if (found := in_repo(survey, state)) is not None:
                    yield found
        case FlakeRule(find=in_flake):
            for state in selected.values():
                for flake in state.flakes:
                    yield from in_flake(survey, state, flake)
        case InputRule(find=in_input, among=among):
            for state in selected.values():
                for flake in state.flakes:
                    for own in among(survey, flake):
                        if (found := in_input(survey, state, flake, own)) is not None:
                            yield found
        case PinnedInputRule(find=in_pinned):
            for item in survey.governed:
                if item.repo not in selected or _is_said_of_what_it_follows(survey, item):
                    continue
                if (found := in_pinned(survey, item)) is not None:
                    yield found
        case EdgeRule(find=in_edge):
            edges = (edge for edge in survey.graph.edges if edge.dependent in selected)
            for edge in edges:
                if _is_the_upstreams(survey, edge) and (found := in_edge(survey, edge)) is not None:
                    yield found
        case _:
            assert_never(rule)


def _each_repo_alone(rule: Rule, survey: Survey, selected: _Selected) -> list[Finding]:
    """Return the findings of one rule; a repo in which something happens that nobody foresaw is `unreachable`."""
    try:
        return list(findings_of(rule, survey, selected))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is one repo's
        if len(selected) == 1:
            return [unreachable.finding(name, as_error(error)) for name in selected]
    return [found for name, state in selected.items() for found in _each_repo_alone(rule, survey, {name: state})]


def _is_said_of_what_it_follows(survey: Survey, item: PinnedInput) -> bool:
    """Return whether an input follows one that the same pin governs: one node needs one finding."""
    if item.following is None:
        return False
    followed = survey.governed_in(item.repo, item.flake).get(item.following.leads_to.path)
    return followed is not None and followed.pin == item.pin


def _is_the_upstreams(survey: Survey, edge: Edge) -> bool:
    """Return whether the upstream alone says where an edge should be: no pin does, and it follows no other input."""
    return edge.follows is None and edge.input not in survey.governed_in(edge.dependent, edge.flake)


def _pin_drift(survey: Survey, pin: Pin, choice: PinChoice | None) -> PinDrift:
    target = shown_target(survey, pin.name)
    flakes: dict[Rev | None, dict[RepoName, set[FlakeDir]]] = defaultdict(dict)
    every: dict[RepoName, set[FlakeDir]] = defaultdict(set)
    dates: dict[Rev | None, int | None] = {}
    for item in survey.governed:
        if item.pin.name == pin.name:
            rev = item.locked_rev
            flakes[rev].setdefault(item.repo, set()).add(item.flake)
            every[item.repo].add(item.flake)
            dates[rev] = dates.get(rev) or last_modified(item.locked)
    locked = [
        Locked(
            rev=rev,
            last_modified=dates[rev],
            repos=sorted(found),
            flakes={str(repo): sorted(some) for repo, some in sorted(found.items()) if some != every[repo]},
        )
        for rev, found in flakes.items()
    ]
    locked.sort(key=lambda entry: (-(entry.last_modified or 0), entry.rev or ""))
    return PinDrift(
        name=pin.name,
        source=pin.source.to_url(),
        target_rev=target.rev if target else None,
        target_last_modified=target.last_modified if target else None,
        target_note=target.note if target else None,
        locked=locked,
        tip=choice.tip if choice is not None else None,
        waits=choice.waits if choice is not None else [],
        waived=choice.waived if choice is not None else None,
        conditions=choice.conditions if choice is not None else None,
        stays=choice.stays if choice is not None else None,
    )

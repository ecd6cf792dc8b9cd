"""One audit: reads what is asked for, runs the rules, and makes the document."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from flakesync.audit.engine import Found, all_subjects, find_findings, rules_at
from flakesync.audit.rule import Context
from flakesync.audit.rules import RULES
from flakesync.documents.audit import AuditFinding, AuditReport, Counts, Level, Unchecked
from flakesync.survey.graph import repo_by_identity
from flakesync.survey.pins import PinnedInput, pinned_inputs
from flakesync.terms import FlakeDir, InputPath, RepoName
from flakesync.workspace.audit import RuleId, Severity, Threshold
from flakesync.workspace.snapshot import RepoState, Snapshot

SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low", "info")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for. only: these rules; none: all of the level."""

    level: Level = "offline"
    only: frozenset[RuleId] = frozenset()


def audit(snapshot: Snapshot, selected: frozenset[RepoName], options: Options) -> AuditReport:
    """Return what is wrong in the locks of the selected repos."""
    context = make_context(snapshot, now=int(time.time()))
    states = [state for name, state in snapshot.states.items() if name in selected]
    found = find_findings(context, states, rules_at(RULES, options.level, context, options.only))
    return _report(snapshot, states, options, found)


def make_context(snapshot: Snapshot, *, now: int) -> Context:
    """Return what rules may know of a workspace, without what only servers know. now: seconds since the epoch."""
    governed: dict[tuple[RepoName, FlakeDir], dict[InputPath, PinnedInput]] = {}
    for item in pinned_inputs(snapshot):
        governed.setdefault((item.repo, item.flake), {})[item.input] = item
    return Context(workspace=snapshot.workspace, owners=repo_by_identity(snapshot), governed=governed, now=now)


def reaches(severity: Severity, threshold: Threshold) -> bool:
    """Tell whether a finding of this severity counts."""
    return threshold != "never" and SEVERITIES.index(severity) <= SEVERITIES.index(threshold)


def _report(snapshot: Snapshot, states: Sequence[RepoState], options: Options, found: Found) -> AuditReport:
    sources = {
        (origin.found, origin.rev or origin.locked.get("narHash"))
        for each in all_subjects(states)
        if (origin := each.node.origin).locked
    }
    return AuditReport(
        level=options.level,
        at=snapshot.at,
        repos=sorted(state.name for state in states),
        rules=sorted(options.only),
        findings=sorted(found.findings, key=_place),
        unchecked=sorted(found.unchecked, key=_where),
        counts=_count(found.findings),
        sources=len(sources),
    )


def _count(findings: Iterable[AuditFinding]) -> Counts:
    counted = Counter("ignored" if each.ignored is not None else each.severity for each in findings)
    return Counts(**{name: counted[name] for name in Counts.__struct_fields__})


def _place(finding: AuditFinding) -> tuple[str, str, int, str, str]:
    severity = SEVERITIES.index(finding.severity)
    return (finding.repo, finding.flake or "", severity, finding.rule, finding.input or "")


def _where(unchecked: Unchecked) -> tuple[str, str, str, str]:
    return (unchecked.repo, unchecked.flake or "", unchecked.rule, unchecked.input or "")

"""One audit: reads what is asked for, asks servers where the level says so, runs the rules, and makes the document."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from flakesync.audit.engine import Found, find_findings, rules_at
from flakesync.audit.evidence.gather import gather_evidence
from flakesync.audit.evidence.known import find_known
from flakesync.audit.evidence.model import ContentEvidence
from flakesync.audit.ignores import apply, unused
from flakesync.audit.lines import with_lines
from flakesync.audit.newness import new_findings
from flakesync.audit.revision import read_at
from flakesync.audit.rule import Context, Rule
from flakesync.audit.rules import ALL, RULES
from flakesync.audit.rules.state import flake_nix_differs, unreachable
from flakesync.audit.severity import SEVERITIES
from flakesync.audit.subject import Subject, count_sources
from flakesync.documents.audit import AuditFinding, AuditReport, Counts, Level, Unchecked
from flakesync.errors import as_error
from flakesync.net import wall
from flakesync.nix.reference.identity import Identity
from flakesync.survey.broken import without_broken
from flakesync.survey.graph import repo_by_identity
from flakesync.terms import RepoName
from flakesync.workspace.audit import RuleId
from flakesync.workspace.manifest import Workspace
from flakesync.workspace.snapshot import At, RepoAtCommit, RepoState, Snapshot, UnreadableRepo, hosts_of, read_snapshot

if TYPE_CHECKING:
    from flakesync.workspace.hosts import Hosts


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for.

    at: `base`, `update`, or a revision. new_since: a revision; None: all findings are wanted. only: these rules; none:
    all of the level. offline: no server is asked, whatever the level: what earlier runs have kept is all there is.
    """

    level: Level = "offline"
    at: str = "base"
    new_since: str | None = None
    only: frozenset[RuleId] = frozenset()
    offline: bool = False


class AuditResult(msgspec.Struct, frozen=True):
    """The answer.

    today: the day by which ignores were judged, in UTC. notes: what could not be compared. hints: what to do about what
    could not be read, each once.
    """

    report: AuditReport
    today: date
    notes: tuple[str, ...]
    hints: tuple[str, ...]


def audit(workspace: Workspace, selected: frozenset[RepoName], options: Options, cache: Path) -> AuditResult:
    """Return what is wrong in the locks of the selected repos.

    Raises: FlakesyncError: what `read_snapshot` raises, and where no repo has the revision that is asked for.
    """
    hosts = hosts_of(workspace) if options.level != "offline" else None
    with wall.offline(hosts is None or options.offline):
        return _read_and_audit(workspace, selected, options, cache, hosts)


def _read_and_audit(
    workspace: Workspace, selected: frozenset[RepoName], options: Options, cache: Path, hosts: "Hosts | None"
) -> AuditResult:
    """hosts: None at level offline. Raises: FlakesyncError."""
    at: At = "update" if options.at == "update" else "base"
    snapshot = read_snapshot(workspace, at=at, cache=cache, offline=hosts is None or options.offline, hosts=hosts)
    if options.at not in ("base", "update"):
        states = {**snapshot.states, **read_at(snapshot, selected, options.at)}
        snapshot = msgspec.structs.replace(snapshot, states=states)
    before = read_at(snapshot, selected, options.new_since) if options.new_since is not None else None
    return without_broken(snapshot, lambda snapshot: _audit(snapshot, before, selected, options, cache, hosts))


def _audit(
    snapshot: Snapshot,
    before: Mapping[RepoName, RepoState] | None,
    selected: frozenset[RepoName],
    options: Options,
    cache: Path,
    hosts: "Hosts | None",
) -> AuditResult:
    """Raises: RepoError."""
    context = make_context(snapshot, now=int(time.time()))
    rules = rules_at(RULES, options.level, context, options.only)
    states = [state for name, state in snapshot.states.items() if name in selected]
    # What cannot be read now and could not be then is no less unknown: that is never left out.
    known = [state for state in (before or {}).values() if not isinstance(state, UnreadableRepo)]
    clones = _clones(snapshot, context)
    gather = None
    if hosts is not None:
        gather = partial(
            gather_evidence, context, rules, clones=clones, hosts=hosts, cache=cache, offline=options.offline
        )
    fetched = cache if hosts is not None and flake_nix_differs.RULE in rules else None
    (nodes, earlier), evidence = find_known((states, known), clones, gather, fetched)
    context = msgspec.structs.replace(context, evidence=evidence)
    found = _find(context, states, rules, nodes)
    if before is not None:
        found = _new(found, _find(context, known, rules, earlier))
    findings = apply(found.findings, context.settings, context.today)
    told = {each.repo for each in found.findings if each.rule == unreachable.RULE.id}
    told |= {each.repo for each in found.unchecked if each.rule == unreachable.RULE.id}
    unread = {state.name: state.error for state in states if isinstance(state, UnreadableRepo)}
    if before is None and not options.only and len(states) == len(snapshot.states) and not (unread or told):
        # What a check that could not be made would find may be what an ignore is of.
        made = {rule.id for rule in rules} - {each.rule for each in found.unchecked}
        findings = [*findings, *unused(found.findings, context.settings, made)]
    report = AuditReport(
        level=options.level,
        at=options.at,
        new_since=options.new_since,
        repos=sorted(state.name for state in states),
        unread=sorted({*unread, *told}),
        rules=sorted(options.only),
        findings=sorted(with_lines(findings, states), key=_place),
        unchecked=sorted(found.unchecked, key=_where),
        counts=_count(findings),
        sources=count_sources(nodes),
        hashes_known=sum(isinstance(each, ContentEvidence) and each.known for each in evidence.contents.values()),
    )
    errors = [*unread.values()]
    notes = [f"not read: {name}: {error.message}" for name, error in unread.items() if name not in told]
    for state in (before or {}).values():
        if isinstance(state, UnreadableRepo) and not isinstance(snapshot.states[state.name], UnreadableRepo):
            notes.append(f"{state.error.message}: all that is found there counts as new")
            errors.append(state.error)
    hints = dict.fromkeys(error.hint for error in errors if error.hint is not None)
    return AuditResult(report, context.today, tuple(notes), tuple(hints))


def make_context(snapshot: Snapshot, *, now: int) -> Context:
    """Return what rules may know of a workspace, without what only servers know. now: seconds since the epoch."""
    return Context(workspace=snapshot.workspace, owners=repo_by_identity(snapshot), now=now)


def _clones(snapshot: Snapshot, context: Context) -> Mapping[Identity, Path]:
    states = {identity: snapshot.states[name] for identity, name in context.owners.items()}
    return {identity: state.clone for identity, state in states.items() if isinstance(state, RepoAtCommit)}


def _find(context: Context, states: Sequence[RepoState], rules: Sequence[Rule], nodes: Sequence[Subject]) -> Found:
    """Return what the rules find; a repo in which something happens that nobody foresaw fails alone."""
    try:
        return find_findings(context, states, rules, nodes)
    except Exception as error:
        if len(states) == 1:
            (state,) = states
            if isinstance(state, UnreadableRepo):
                raise
            # Whichever rules were asked for: nothing is known of the repo.
            failed = UnreadableRepo(state.repo, state.base, as_error(error))
            return find_findings(context, [failed], [unreachable.RULE], ())
    by_repo: dict[RepoName, list[Subject]] = {state.name: [] for state in states}
    for each in nodes:
        by_repo[each.repo].append(each)
    alone = [_find(context, [state], rules, by_repo[state.name]) for state in states]
    return Found(
        [each for one in alone for each in one.findings],
        [each for one in alone for each in one.unchecked],
        {key: value for one in alone for key, value in one.anywhere.items()},
    )


def _new(after: Found, before: Found) -> Found:
    """Return what is new, and say so of each finding."""
    findings = new_findings(before, after, {rule.id: rule for rule in ALL})
    known = {*before.unchecked}
    return Found(
        [msgspec.structs.replace(each, new=True) for each in findings],
        [each for each in after.unchecked if each not in known],
    )


def _count(findings: Iterable[AuditFinding]) -> Counts:
    counted = Counter("ignored" if each.ignored is not None else each.severity for each in findings)
    return Counts(**{name: counted[name] for name in Counts.__struct_fields__})


def _place(finding: AuditFinding) -> tuple[str, str, int, str, str]:
    severity = SEVERITIES.index(finding.severity)
    return (finding.repo, finding.flake or "", severity, finding.rule, finding.input or "")


def _where(unchecked: Unchecked) -> tuple[str, str, str, str]:
    return (unchecked.repo, unchecked.flake or "", unchecked.rule, unchecked.input or "")

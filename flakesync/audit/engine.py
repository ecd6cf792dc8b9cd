"""Goes with every rule to everything that it looks at, and makes findings of what it says."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import assert_never

import msgspec

from flakesync.audit.fingerprint import fingerprint
from flakesync.audit.rule import (
    Answer,
    BaseRule,
    Context,
    FlakeRule,
    InputRule,
    NodeRule,
    NotChecked,
    RepoRule,
    Rule,
    Said,
    SourcesRule,
)
from flakesync.audit.shown import clean_message, shown_source
from flakesync.audit.subject import Subject, all_subjects
from flakesync.documents.audit import AuditFinding, Level, Unchecked
from flakesync.nix.lock.node import LockNode
from flakesync.nix.reference.identity import Identity
from flakesync.nix.reference.source import Origin
from flakesync.terms import FlakeDir, InputPath, RepoName, show_path
from flakesync.workspace.audit import RuleId
from flakesync.workspace.snapshot import FlakeState, RepoState

_LEVELS: tuple[Level, ...] = ("offline", "mirror", "forge")


class Found(msgspec.Struct, frozen=True):
    """What rules say, in no special order.

    anywhere: what makes findings the same wherever their inputs are, by fingerprint: the repositories that are asked
    for and locked. None for a finding of what is of no repository, which the path alone tells from others.
    """

    findings: Sequence[AuditFinding]
    unchecked: Sequence[Unchecked]
    anywhere: Mapping[str, tuple[Identity | None, Identity]] = {}


class _Place(msgspec.Struct, frozen=True):
    """What a rule speaks of."""

    repo: RepoName
    flake: FlakeDir | None = None
    path: InputPath | None = None
    node: LockNode | None = None


_Saying = tuple[_Place, Answer]


class _Nodes:
    """The nodes of some locks."""

    def __init__(self, nodes: Sequence[Subject]) -> None:
        self.all = nodes

    def of(self, rule: NodeRule) -> Sequence[tuple[LockNode, Sequence[Subject]]]:
        """Return those that a rule has to look at, each once, with its places."""
        applies = rule.applies
        if applies is None:
            return self._alike
        # No call but this one is made for nearly all nodes: a generator that ends at once costs three of them.
        return [each for each, origin in zip(self._alike, self._origins, strict=True) if applies(origin)]

    @cached_property
    def _alike(self) -> Sequence[tuple[LockNode, Sequence[Subject]]]:
        """Those that are one object, together: locks share their nodes, and one nixpkgs may be in a thousand."""
        found: dict[int, tuple[LockNode, list[Subject]]] = {}  # by id: `all` keeps all of them alive meanwhile
        for subject in self.all:
            known = found.get(id(subject.node))
            if known is None:
                found[id(subject.node)] = (subject.node, [subject])
            else:
                known[1].append(subject)
        return [*found.values()]

    @cached_property
    def _origins(self) -> Sequence[Origin]:
        return [node.origin for node, _ in self._alike]


def rules_at(
    rules: Iterable[Rule], level: Level, context: Context, only: frozenset[RuleId] = frozenset()
) -> tuple[Rule, ...]:
    """Return those of a level and below it that the manifest has not turned off; only: these alone, if any are."""
    levels = _LEVELS[: _LEVELS.index(level) + 1]
    off = {id for id, severity in context.settings.severity.items() if severity == "off"}
    asked = (each for each in rules if each.level in levels and each.id not in off)
    return tuple(each for each in asked if not only or each.id in only)


def find_findings(
    context: Context, states: Sequence[RepoState], rules: Iterable[Rule], nodes: Sequence[Subject] | None = None
) -> Found:
    """Return what the rules find in some repos. The line of a finding is not known here.

    nodes: of the locks of these repos, where the caller has them already.
    """
    return _find(context, states, nodes if nodes is not None else all_subjects(states), rules)


def find_in(context: Context, nodes: Sequence[Subject], rules: Iterable[Rule]) -> Found:
    """Return what the rules that look at nodes find in some nodes."""
    return _find(context, (), nodes, rules)


class KnownNodes:
    """The nodes of which it is known that no rule has anything to say: one that many locks share is asked about once.

    rules: those that look at nodes, in one context. An InputRule also goes by the place of a node: it is always asked.
    """

    def __init__(self, context: Context, rules: Iterable[Rule], most: int) -> None:
        """most: how many nodes are kept."""
        self._context = context
        rules = tuple(rules)
        self._of_nodes = tuple(rule for rule in rules if isinstance(rule, NodeRule))
        self._of_places = tuple(rule for rule in rules if isinstance(rule, InputRule))
        self._most = most
        self._nodes: dict[int, LockNode] = {}  # by id, which none gets while its node is kept alive here

    def without(self, nodes: Sequence[Subject]) -> list[Subject]:
        """Return the nodes that are not silent: find_in says the same of them as of all, and of the others nothing."""
        known, context, found = self._nodes, self._context, list[Subject]()
        for each in nodes:
            if id(each.node) in known or self._is_silent(each.node):
                # Spelled out: this is gone through for each node of each new lock.
                for rule in self._of_places:
                    if next(iter(rule.find(context, each)), None) is not None:
                        break
                else:
                    continue
            found.append(each)
        return found

    def _is_silent(self, node: LockNode) -> bool:
        origin = node.origin
        for rule in self._of_nodes:
            if (rule.applies is None or rule.applies(origin)) and any(True for _ in rule.find(self._context, node)):
                return False
        if len(self._nodes) < self._most:
            self._nodes[id(node)] = node
        return True


def _find(context: Context, states: Sequence[RepoState], nodes: Sequence[Subject], rules: Iterable[Rule]) -> Found:
    findings: list[AuditFinding] = []
    unchecked: list[Unchecked] = []
    anywhere: dict[str, tuple[Identity | None, Identity]] = {}
    looked_at = _Nodes(nodes)
    for rule in rules:
        for place, answer in _ask(rule, context, states, looked_at):
            match answer:
                case Said():
                    finding = _finding(rule, context, place, answer)
                    findings.append(finding)
                    origin = place.node.origin if place.node is not None else None
                    if origin is not None and origin.found is not None:
                        anywhere[finding.fingerprint] = (origin.repository, origin.found)
                case NotChecked(reason=reason):
                    path = show_path(place.path) if place.path is not None else None
                    why = clean_message(reason)
                    unchecked.append(
                        Unchecked(rule=rule.id, repo=place.repo, flake=place.flake, input=path, reason=why)
                    )
                case _:
                    assert_never(answer)
    return Found(findings, unchecked, anywhere)


def _ask(rule: Rule, context: Context, states: Sequence[RepoState], nodes: "_Nodes") -> Iterator[_Saying]:
    match rule:
        case NodeRule(find=find):
            for node, places in nodes.of(rule):
                # A rule has nothing to say of nearly all nodes: no list is made of that.
                for answer in find(context, node):
                    for subject in places:
                        yield _place(subject), answer
        case InputRule(find=in_place):
            for subject in nodes.all:
                for answer in in_place(context, subject):
                    yield _place(subject), answer
        case FlakeRule(find=in_flake):
            for state in states:
                for flake in state.flakes:
                    yield from _of_flake(state.name, flake, in_flake(context, state, flake))
        case RepoRule(find=in_repo):
            for state in states:
                for answer in in_repo(context, state):
                    yield _Place(state.name), answer
        case SourcesRule(find=among):
            for subject, answer in among(context, nodes.all):
                yield _place(subject), answer
        case _:
            assert_never(rule)


def _of_flake(repo: RepoName, flake: FlakeState, said: Iterable[tuple[InputPath | None, Answer]]) -> Iterator[_Saying]:
    for path, answer in said:
        node = flake.lock.node(path) if flake.lock is not None and path else None
        yield _Place(repo, flake.dir, path, node), answer


def _place(subject: Subject) -> _Place:
    return _Place(subject.repo, subject.flake, subject.path, subject.node)


def _finding(rule: BaseRule, context: Context, place: _Place, said: Said) -> AuditFinding:
    chosen = context.settings.severity.get(rule.id, "off")
    severity = (said.severity or rule.severity) if chosen == "off" else chosen
    node = place.node
    return AuditFinding(
        rule=rule.id,
        severity=severity,
        repo=place.repo,
        flake=place.flake,
        input=show_path(place.path) if place.path is not None else None,
        line=None,
        source=shown_source(node.origin.locked) if node is not None else None,
        locked_rev=node.origin.rev if node is not None else None,
        message=clean_message(said.message),
        fingerprint=fingerprint(rule.id, place.flake, place.path, node),
    )

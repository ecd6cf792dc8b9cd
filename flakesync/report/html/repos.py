"""What the page knows of each repo, gathered from all documents once."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeVar

import msgspec

from flakesync.analysis.findings import GRAVE
from flakesync.documents.audit import AuditFinding
from flakesync.documents.drift import Finding
from flakesync.documents.graph import EdgeDocument, GraphDocument, RepoDocument
from flakesync.documents.plan import InertDocument
from flakesync.documents.pulls.status import RepoStatus
from flakesync.documents.sync import Outcome
from flakesync.report.html.given import PageDocuments
from flakesync.report.html.visible import repo_link, section_id

State = Literal["ok", "late", "bad", "out"]
GLYPHS: Mapping[State, str] = {"ok": "●", "late": "▲", "bad": "✕", "out": "○"}
"""A sign for each state, so that none is known by its colour alone."""


_Found = TypeVar("_Found", Finding, AuditFinding, InertDocument)


class PageRepo(msgspec.Struct, frozen=True, kw_only=True):
    """One repo. state: `ok` in step, `late` out of step, `bad` failed or with a grave finding, `out` not asked for.

    id: of its section; None: it has none. wave: from 1. upstreams, dependents: names. inert: inputs behind an upstream
    that need not move. kinds: how many findings of each
    kind count. update: None unless it has an update. outcome: of the sync, None unless one is given.
    """

    name: str
    id: str | None
    state: State
    glyph: str
    wave: int
    document: RepoDocument
    link: str | None
    groups: Sequence[str]
    upstreams: Sequence[str]
    dependents: Sequence[str]
    findings: Sequence[Finding]
    inert: Sequence[InertDocument]
    kinds: Mapping[str, int]
    audit: Sequence[AuditFinding]
    update: RepoStatus | None
    outcome: Outcome | None

    @property
    def words(self) -> str:
        """How many findings of which kinds it has, or that it is in step."""
        found = ", ".join(f"{number} {kind}" for kind, number in self.kinds.items())
        return found or ("not asked for" if self.state == "out" else "failed" if self.state == "bad" else "in step")


def page_repos(given: PageDocuments, *, sections: Literal["all", "findings"]) -> list[PageRepo]:
    """Return all repos in the order of the graph. sections: which of them have one."""
    found = _by_repo(given.drift.findings)
    audit = _by_repo(given.audit.findings if given.audit is not None else ())
    inert = _by_repo(given.drift.inert)
    updates = {each.repo: each for each in given.status.repos if each.stage != "none"} if given.status else {}
    outcomes = {each.repo: each for each in given.sync.repos} if given.sync is not None else {}
    upstreams, dependents = neighbours(given.graph.edges)
    waves = _wave_numbers(given.graph)
    groups = _groups_of(given.groups)
    repos = []
    for each in given.graph.repos:
        findings = found.get(each.name, ())
        kinds = Counter(finding.kind for finding in findings if finding.held is None)
        update, outcome = updates.get(each.name), outcomes.get(each.name)
        failed = (update is not None and update.stage == "failed") or (
            outcome is not None and outcome.status == "failed"
        )
        state: State = "bad" if failed or GRAVE & {*kinds} else "late" if kinds else "out" if each.neighbour else "ok"
        of_audit = audit.get(each.name, ())
        has_section = sections == "all" or kinds or of_audit or failed
        repos.append(
            PageRepo(
                name=each.name,
                id=section_id(each.name) if has_section else None,
                state=state,
                glyph=GLYPHS[state],
                wave=waves.get(each.name, 0),
                document=each,
                link=repo_link(each.url),
                groups=groups.get(each.name, ()),
                upstreams=upstreams.get(each.name, ()),
                dependents=dependents.get(each.name, ()),
                findings=findings,
                inert=inert.get(each.name, ()),
                kinds=dict(kinds.most_common()),
                audit=of_audit,
                update=update,
                outcome=outcome,
            )
        )
    return repos


def neighbours(edges: Iterable[EdgeDocument]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return the upstreams and the dependents of each repo, sorted, each once."""
    upstreams: dict[str, set[str]] = {}
    dependents: dict[str, set[str]] = {}
    for edge in edges:
        upstreams.setdefault(edge.dependent, set()).add(edge.upstream)
        dependents.setdefault(edge.upstream, set()).add(edge.dependent)
    first = {name: sorted(names) for name, names in upstreams.items()}
    return first, {name: sorted(names) for name, names in dependents.items()}


def _by_repo(findings: Iterable[_Found]) -> dict[str, list[_Found]]:
    by_repo: dict[str, list[_Found]] = {}
    for finding in findings:
        by_repo.setdefault(finding.repo, []).append(finding)
    return by_repo


def _wave_numbers(graph: GraphDocument) -> dict[str, int]:
    return {name: number for number, wave in enumerate(graph.waves, 1) for name in wave}


def _groups_of(groups: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    of_repo: dict[str, list[str]] = {}
    for group, names in groups.items():
        for name in names:
            of_repo.setdefault(name, []).append(group)
    return of_repo

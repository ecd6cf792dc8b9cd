"""Drift of scenes: one pin, one upstream, one input."""

from collections.abc import Mapping, Sequence

import msgspec

from flakesync.analysis.drift import find_drift
from flakesync.documents.drift import DriftReport, Finding
from flakesync.survey.pins import Target
from flakesync.terms import Rev
from tests.support.locks import Input, Inputs
from tests.support.workspaces import Scene, commit_id, everything, pin, scene, takes

OLD, NEW, NEXT = commit_id("nixpkgs", 1), commit_id("nixpkgs", 2), commit_id("nixpkgs", 3)
A, B, C, X = (commit_id("lib", word) for word in "abcx")
NIXPKGS = "github:NixOS/nixpkgs/nixos-25.11"


def drift_of(found: Scene, answers: Mapping[str, Target] | None = None) -> DriftReport:
    """Return the drift of all repos of a scene; answers: what servers say of the pins."""
    survey = found.survey(answers)
    return find_drift(survey, everything(survey))


def pinned(flakes: Mapping[str, Inputs], target: Rev = NEW, **values: object) -> DriftReport:
    """Return the drift of repos with one pin, whose server says `target`."""
    found = scene(flakes, pins=[msgspec.structs.replace(pin("nixpkgs", NIXPKGS), **values)])
    return drift_of(found, {"nixpkgs": Target(target)})


def one(report: DriftReport) -> Finding:
    """Return the only finding."""
    (finding,) = report.findings
    return finding


def kinds(report: DriftReport) -> list[tuple[str, str, str | None]]:
    """Return the kind, repo and input of each finding."""
    return [(found.kind, found.repo, found.input) for found in report.findings]


def lib_at(rev: Rev, branches: Mapping[str, Sequence[Rev]], **values: object) -> DriftReport:
    """Return the drift of `app`, whose input `lib` is at `rev`; branches: of the repo `lib`."""
    return drift_of(scene({"app": {"lib": takes("lib", rev=rev, **values)}, "lib": {}}, branches={"lib": branches}))


def node(locked: dict[str, object], original: dict[str, object] | None = None) -> DriftReport:
    """Return the drift of a repo `app` with one input `x`."""
    taken = Input(locked, original or {"type": "git", "url": "https://example.com/x"})
    return drift_of(scene({"app": {"x": taken}}))

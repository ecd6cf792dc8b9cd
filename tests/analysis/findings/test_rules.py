"""The list of rules: each kind of finding has one, and each rule makes the kinds that it names."""

from collections import Counter
from importlib import import_module
from pkgutil import iter_modules
from typing import get_args

import msgspec
import pytest

from flakesync.analysis import findings
from flakesync.analysis.drift import find_drift, findings_of
from flakesync.analysis.findings import GRAVE, RULES
from flakesync.analysis.rule import Rule
from flakesync.cooldown.decide import Decision
from flakesync.cooldown.model import Candidate, Choice
from flakesync.documents.drift import FindingKind
from flakesync.errors import GitError
from flakesync.nix.expression.stale import Disagreement
from flakesync.survey.decisions import Decisions
from flakesync.survey.pins import Target
from flakesync.survey.survey import Survey
from flakesync.terms import PinName, RepoName
from flakesync.workspace.settings.cooldown import Conditions
from flakesync.workspace.snapshot import Problem, RepoAtCommit, UnreadableRepo
from tests.support import locks
from tests.support.drift import NEW, NIXPKGS, OLD, A, B, C, X
from tests.support.locks import Input, Inputs
from tests.support.workspaces import DAY_S, NOW, UPDATE_BRANCH, Flakes, everything, nixpkgs, pin, scene, takes


def everything_wrong() -> Survey:
    """Return a workspace with a finding of every kind."""
    flakes: dict[str, Inputs | Flakes] = {
        "aged": {"nixpkgs": nixpkgs(OLD, last_modified=NOW - 90 * DAY_S)},
        "behind": {"lib": takes("lib", rev=A), "utils": locks.github("other", "utils", rev=A, last_modified=1)},
        "broken": {".": Problem("no-lock", "no lock"), "dev": Problem("bad-lock", "broken")},
        "early": {"lib": takes("lib", rev=C), "utils": locks.github("other", "utils", rev=B, last_modified=2)},
        "gone": {},
        "lib": {},
        "lost": {"lib": takes("lib", rev=X)},
        "odd": {
            "dirty": Input(
                {"type": "git", "url": "https://example.com/x"}, {"type": "git", "url": "https://a.example/x"}
            ),
            "evil": Input(locks.github("evil", "x").locked, locks.github("good", "x").original),
            "old": nixpkgs(OLD, "nixos-24.05"),
            "x": locks.github("other", "x", inputs={"nixpkgs": nixpkgs(OLD)}),
        },
    }
    pins = [msgspec.structs.replace(pin("nixpkgs", NIXPKGS), max_age_s=30 * DAY_S)]
    branches = {"lib": {"main": [A, B], UPDATE_BRANCH: [A, C]}}
    found = scene(flakes, pins=pins, branches=branches, external="newest-locked")
    survey = found.survey({"nixpkgs": Target(NEW)})
    gone = survey.snapshot.states[RepoName("gone")]
    unreadable = UnreadableRepo(gone.repo, None, GitError("unreachable", "gone"))
    odd = survey.snapshot.states[RepoName("odd")]
    assert isinstance(odd, RepoAtCommit)
    new = Disagreement(("y",), "new", None, True, "github:a/y", "flake.nix has y, the lock does not")
    flakes_of_odd = tuple(msgspec.structs.replace(flake, stale=(new,)) for flake in odd.flakes)
    stale = msgspec.structs.replace(odd, flakes=flakes_of_odd)
    states = {**survey.snapshot.states, RepoName("gone"): unreadable, RepoName("odd"): stale}
    target = Candidate(NEW, NOW, "seen", was_tip=True)
    choice = Choice(target, target, (), frozenset(), lost=frozenset({OLD}))
    decisions = Decisions(pins={PinName("nixpkgs"): Decision(choice, Conditions(cooldown_days=1))})
    snapshot = msgspec.structs.replace(survey.snapshot, states=states)
    return msgspec.structs.replace(survey, snapshot=snapshot, decisions=decisions)


def test_every_kind_of_finding_has_one_rule() -> None:
    assert Counter(kind for rule in RULES for kind in rule.kinds) == Counter(get_args(FindingKind))


def test_every_module_of_the_folder_is_in_the_list() -> None:
    modules = [import_module(f"{findings.__name__}.{module.name}") for module in iter_modules(findings.__path__)]
    assert sorted(module.RULE.kinds for module in modules) == sorted(rule.kinds for rule in RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: "-".join(rule.kinds))
def test_a_rule_makes_the_kinds_that_it_names_and_no_others(rule: Rule) -> None:
    survey = everything_wrong()
    assert {found.kind for found in findings_of(rule, survey, survey.snapshot.states)} == set(rule.kinds)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: "-".join(rule.kinds))
def test_a_rule_looks_at_the_selected_repos_alone(rule: Rule) -> None:
    survey = everything_wrong()
    found = list(findings_of(rule, survey, survey.snapshot.states))
    for name, state in survey.snapshot.states.items():
        selected = list(findings_of(rule, survey, {name: state}))
        assert selected == [finding for finding in found if finding.repo == name]


def test_drift_is_what_the_rules_find_whatever_their_order() -> None:
    survey = everything_wrong()
    found = [finding for rule in reversed(RULES) for finding in findings_of(rule, survey, survey.snapshot.states)]
    found.sort(key=lambda finding: (finding.repo, finding.flake or "", finding.input or "", finding.kind))
    assert find_drift(survey, everything(survey)).findings == found


def test_what_makes_other_findings_doubtful_is_grave() -> None:
    assert sorted(GRAVE) == ["bad-lock", "foreign", "no-lock", "stale-lock", "unlocked", "unreachable"]

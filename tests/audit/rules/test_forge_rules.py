"""`moved` and `archived`: what is made of a forge's words."""

from collections.abc import Mapping

import pytest

from flakesync.audit.evidence.model import Evidence, RepositoryEvidence, Unknown
from flakesync.audit.rule import Answer, Context, NodeRule, NotChecked, Said
from flakesync.audit.rules import RULES
from flakesync.audit.rules.source import archived, moved
from flakesync.nix.reference.identity import Identity
from flakesync.terms import RepoName
from tests.audit.nodes import node_of
from tests.support import locks
from tests.support.workspaces import workspace

LIB = Identity("github.com", "acme/lib")
BOTH = (moved.RULE, archived.RULE)


def answers(
    rule: NodeRule,
    evidence: RepositoryEvidence | Unknown | None,
    *,
    owners: Mapping[Identity, str] | None = None,
    made: locks.Input | None = None,
) -> list[Answer]:
    """Return what a rule says of `github:acme/lib`, or of another input, with this evidence of acme/lib."""
    context = Context(
        workspace=workspace([]),
        owners={identity: RepoName(name) for identity, name in (owners or {}).items()},
        now=0,
        evidence=Evidence(repositories={LIB: evidence} if evidence is not None else {}),
    )
    return [*rule.find(context, node_of(made or locks.github("acme", "lib")))]


def to(path: str) -> RepositoryEvidence:
    return RepositoryEvidence(moved_to=Identity("github.com", path), archived=False)


def test_they_are_low_and_asked_at_the_level_of_forges() -> None:
    assert {(rule.id, rule.severity, rule.level, rule.of_commit) for rule in BOTH} == {
        ("moved", "low", "forge", False),
        ("archived", "low", "forge", False),
    }
    assert {*BOTH} <= {*RULES}


def test_a_new_owner_is_named() -> None:
    (said,) = answers(moved.RULE, to("corp/core-lib"))
    words = "github.com/acme/lib has moved to another owner: it is github.com/corp/core-lib by now"
    assert said == Said(words)


@pytest.mark.parametrize("path", ["acme/core-lib", "ACME/core-lib"])
def test_a_new_name_of_the_same_owner_is_only_worth_knowing(path: str) -> None:
    (said,) = answers(moved.RULE, to(path))
    assert said == Said(f"github.com/acme/lib is called github.com/{path} by now", severity="info")


def test_a_move_that_the_manifest_knows_as_an_alias_is_none() -> None:
    there = Identity("github.com", "corp/lib")
    assert answers(moved.RULE, to("corp/lib"), owners={LIB: "lib", there: "lib"}) == []


@pytest.mark.parametrize(
    "owners", [{"acme/lib": "lib"}, {"corp/lib": "other", "acme/lib": "lib"}, {"corp/lib": "other"}]
)
def test_a_move_to_what_is_no_alias_is_one(owners: Mapping[str, str]) -> None:
    known = {Identity("github.com", path): name for path, name in owners.items()}
    assert len(answers(moved.RULE, to("corp/lib"), owners=known)) == 1


def test_a_repository_that_stayed_and_lives_is_no_finding() -> None:
    assert [answers(rule, RepositoryEvidence(moved_to=None, archived=False)) for rule in BOTH] == [[], []]


def test_an_archive_is_one_wherever_it_is() -> None:
    words = "github.com/acme/lib is archived: nothing is mended there any more"
    assert answers(archived.RULE, RepositoryEvidence(moved_to=None, archived=True)) == [Said(words)]
    both = RepositoryEvidence(moved_to=Identity("github.com", "corp/lib"), archived=True)
    assert [len(answers(rule, both)) for rule in BOTH] == [1, 1]


def test_an_archive_that_a_forge_does_not_speak_of_is_unchecked_and_no_pass() -> None:
    evidence = RepositoryEvidence(moved_to=None, archived=None)
    assert answers(moved.RULE, evidence) == []
    (said,) = answers(archived.RULE, evidence)
    assert said == NotChecked("github.com does not say without a token whether it is archived")


@pytest.mark.parametrize("rule", BOTH, ids=lambda rule: rule.id)
def test_what_is_not_known_is_unchecked_with_the_reason(rule: NodeRule) -> None:
    assert answers(rule, Unknown("no answer")) == [NotChecked("no answer")]


@pytest.mark.parametrize("rule", BOTH, ids=lambda rule: rule.id)
def test_what_was_not_asked_about_says_nothing(rule: NodeRule) -> None:
    assert answers(rule, None) == []
    folder = locks.folder("/home/me/lib", {}, old=True)
    assert answers(rule, Unknown("no answer"), made=folder) == []


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/acme/lib.git",
        "ssh://git@github.com/ACME/lib",
        "ssh://git@github.com:22/acme/Lib.git",
    ],
)
def test_every_spelling_of_a_repository_is_that_repository(url: str) -> None:
    assert len(answers(moved.RULE, to("corp/lib"), made=locks.git(url))) == 1


def test_what_is_locked_counts_and_not_what_is_asked_for() -> None:
    asked = locks.github("other", "lib")
    made = locks.Input(locks.github("acme", "lib").locked, asked.original)
    assert len(answers(moved.RULE, to("corp/lib"), made=made)) == 1

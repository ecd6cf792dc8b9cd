"""What audit says of a commit's place in its history, and of its dates."""

from typing import Any

import msgspec
import pytest

from flakesync.audit.evidence.model import Evidence, HistoryEvidence, Unknown, commit_key
from flakesync.audit.rule import Answer, Context, NodeRule, NotChecked, Said
from flakesync.audit.rules.commit import dates, not_in_history, other_branch
from tests.audit.nodes import node_of
from tests.support import locks
from tests.support.locks import Input
from tests.support.workspaces import NOW, workspace

DAY_S = 86_400
REV = "1" * 40


def lib(**changes: object) -> Input:
    made = locks.github("acme", "lib", rev=REV)
    return Input({**made.locked, "lastModified": NOW - DAY_S, **changes}, made.original)


def answers(rule: NodeRule, made: Input, evidence: HistoryEvidence | Unknown | None) -> list[Answer]:
    node = node_of(made)
    key = commit_key(node)
    known: dict[Any, HistoryEvidence | Unknown] = {key: evidence} if evidence is not None else {}
    context = Context(workspace=workspace([], []), owners={}, now=NOW, evidence=Evidence(histories=known))
    return list(rule.find(context, node))


def there(**changes: Any) -> HistoryEvidence:
    return msgspec.structs.replace(HistoryEvidence("on-branch", last_modified=NOW - DAY_S), **changes)


NOWHERE = HistoryEvidence("nowhere")
ELSEWHERE = HistoryEvidence("on-other", branches=("stable", "v1"), last_modified=NOW - DAY_S)


def test_a_commit_on_its_branch_is_no_finding_of_any_rule() -> None:
    for rule in (not_in_history.RULE, other_branch.RULE, dates.RULE):
        assert answers(rule, lib(), there()) == []


def test_a_commit_that_is_nowhere_is_one_finding() -> None:
    assert answers(not_in_history.RULE, lib(), NOWHERE) == [
        Said("1111111 is on no branch and no tag of github.com/acme/lib")
    ]
    assert answers(other_branch.RULE, lib(), NOWHERE) == []


def test_a_commit_of_another_branch_is_named_with_that() -> None:
    assert answers(other_branch.RULE, lib(), ELSEWHERE) == [
        Said("1111111 is on stable, v1, and not on the default branch")
    ]
    assert answers(not_in_history.RULE, lib(), ELSEWHERE) == []


def test_where_the_branch_is_gone_nobody_knows_whether_the_commit_was_on_it() -> None:
    (answer,) = answers(other_branch.RULE, lib(), msgspec.structs.replace(ELSEWHERE, ref_gone=True))
    assert answer == NotChecked("github.com/acme/lib has no default branch; 1111111 is on stable, v1")


@pytest.mark.parametrize("rule", [not_in_history.RULE, other_branch.RULE, dates.RULE], ids=lambda rule: str(rule.id))
def test_what_is_not_known_is_not_checked_for_its_own_reason(rule: NodeRule) -> None:
    assert answers(rule, lib(), Unknown("github.com cannot be reached")) == [NotChecked("github.com cannot be reached")]


@pytest.mark.parametrize("rule", [not_in_history.RULE, other_branch.RULE], ids=lambda rule: str(rule.id))
def test_a_history_that_nobody_looked_at_is_no_pass(rule: NodeRule) -> None:
    assert answers(rule, lib(), None) == [NotChecked("its history was not looked at")]


def test_a_commit_that_flake_nix_names_itself_is_of_no_branch() -> None:
    made = lib()
    pinned = Input(made.locked, {**made.original, "rev": REV})
    assert answers(other_branch.RULE, pinned, ELSEWHERE) == []


def test_histories_of_mercurial_are_not_checked_and_archives_have_none() -> None:
    hg = Input({"type": "hg", "url": "https://hg.example.com/x", "rev": REV}, {"type": "hg", "url": "https://x"})
    assert answers(not_in_history.RULE, hg, None) == [NotChecked("histories of Mercurial are not looked at")]
    tarball = Input({"type": "tarball", "url": "https://example.com/x.tar.gz"}, {"type": "tarball", "url": "https://x"})
    for rule in (not_in_history.RULE, other_branch.RULE, dates.RULE):
        assert answers(rule, tarball, None) == []


@pytest.mark.parametrize(("later", "is_found"), [(DAY_S, False), (DAY_S + 1, True), (10**15, True)])
def test_a_date_in_the_future_is_found_without_a_history(later: int, is_found: bool) -> None:
    found = answers(dates.RULE, lib(lastModified=NOW + later), None)
    assert len(found) == is_found
    assert all(isinstance(each, Said) and "and here it is 20" in each.message for each in found)


def test_a_commit_of_the_future_is_found_too_where_its_history_says_the_same() -> None:
    later = NOW + 9 * DAY_S
    assert len(answers(dates.RULE, lib(lastModified=later), there(last_modified=later))) == 1
    assert len(answers(dates.RULE, lib(lastModified=later), there())) == 1


@pytest.mark.parametrize("by", [1, -1, -DAY_S])
def test_a_time_that_is_not_the_commits_is_found(by: int) -> None:
    (found,) = answers(dates.RULE, lib(), there(last_modified=NOW - DAY_S + by))
    assert isinstance(found, Said)
    assert "the commit's time is" in found.message


def counted(**changes: object) -> Input:
    attrs = {"type": "git", "url": "https://example.com/lib", "rev": REV, "lastModified": NOW - DAY_S, "revCount": 7}
    return Input({**attrs, **changes}, {"type": "git", "url": "https://example.com/lib"})


def test_a_count_that_is_not_the_commits_is_found() -> None:
    assert answers(dates.RULE, counted(), there(rev_count=7)) == []
    assert answers(dates.RULE, counted(), there(rev_count=8)) == [Said("revCount is 7, and 8 commits lead to it")]
    assert answers(dates.RULE, counted(revCount=0), there(rev_count=8)) == [
        Said("revCount is 0, and 8 commits lead to it")
    ]


def test_what_could_not_be_counted_is_not_checked_and_spoils_nothing_else() -> None:
    found = answers(dates.RULE, counted(), there(last_modified=5))
    assert [type(each) for each in found] == [Said, NotChecked]


def test_what_is_fetched_shallow_has_no_count() -> None:
    assert answers(dates.RULE, counted(shallow=True, revCount=0), there(rev_count=8)) == []


def test_the_dates_of_a_commit_that_is_nowhere_are_not_checked() -> None:
    assert answers(dates.RULE, lib(), NOWHERE) == [
        NotChecked("the commit is on no branch and no tag, so its dates are not known")
    ]

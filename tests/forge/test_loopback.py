"""The three adapters against the loopback forge; every request, and GitHub's answers, are held to the descriptions."""

import pytest

from flakesync.demo.forge.model import Kind
from flakesync.forge.model import ForgeError, MergeMethod, NewPull, Project, Pull, Undecided, Waiting
from flakesync.terms import Rev
from tests.forge.sides import KINDS, Make, Side
from tests.support.forge import Forge as Loopback
from tests.support.forge import faults
from tests.support.forge.client import READER, branch, pushed

NEW = NewPull("update", "main", "Update", "Body")


def merge(side: Side, pull: Pull, *, head: Rev, method: MergeMethod) -> Pull:
    """Merge it, and return it as it is then."""
    done = side.forge.merge(side.project, pull, head=head, method=method)
    assert isinstance(done, Pull), done
    return done


def waits_for(side: Side, pull: Pull) -> Waiting:
    """Return what a merge that is not done waits for."""
    waiting = side.forge.merge(side.project, pull, head=side.tip("update"), method="default")
    assert isinstance(waiting, Waiting), waiting
    return waiting


def find(side: Side) -> Pull | None:
    return side.forge.find(side.project, head="update", base="main")


def test_a_fresh_pull_request_takes_four_calls_and_an_unchanged_one_one(side: Side) -> None:
    side.hand.site.label(side.hand.project, "flake-lock")
    assert find(side) is None
    new = NewPull("update", "main", "Update", "Body\n\n| a | b |", labels=("flake-lock",), reviewers=("reviewer",))
    made = side.forge.create(side.project, new)
    assert side.calls() <= 4
    assert (made.state, made.title, made.body) == ("open", "Update", "Body\n\n| a | b |")
    found = find(side)
    assert side.calls() == 1
    assert found is not None
    assert (found.number, found.title, found.body, found.head) == (
        made.number,
        made.title,
        made.body,
        side.tip("update"),
    )
    assert (found.labels, found.head_branch, found.base_branch, found.url) == (
        ("flake-lock",),
        "update",
        "main",
        made.url,
    )
    (pull,) = side.hand.project.pulls
    assert [account.login for account in pull.reviewers] == ["reviewer"]


def test_a_draft_is_one_on_every_forge_and_its_title_is_ours(side: Side) -> None:
    made = side.forge.create(side.project, NewPull("update", "main", "Update", "Body", draft=True))
    assert (made.title, made.draft) == ("Update", True)
    changed = side.forge.update(side.project, made, title="Other", body="New")
    assert (changed.title, changed.body, changed.draft) == ("Other", "New", True)
    assert waits_for(side, made) == Waiting("person", "it is a draft")
    assert side.hand.project.pulls[0].state == "open"


def test_it_is_closed_and_opened_again(side: Side) -> None:
    made = side.forge.create(side.project, NEW)
    assert side.forge.close(side.project, made).state == "closed"
    assert find(side).state == "closed"  # type: ignore[union-attr]
    assert side.forge.reopen(side.project, made).state == "open"
    assert side.forge.get(side.project, made.number).state == "open"


def test_it_is_closed_with_another_text_in_one_call(side: Side) -> None:
    made = side.forge.create(side.project, NEW)
    side.calls()
    closed = side.forge.close(side.project, made, body="Bye")
    assert side.calls() == 1
    assert (closed.state, closed.title, closed.body) == ("closed", "Update", "Bye")


def test_after_a_closed_one_a_new_one_is_found(side: Side) -> None:
    first = side.forge.create(side.project, NEW)
    side.forge.close(side.project, first)
    second = side.forge.create(side.project, NEW)
    found = find(side)
    assert found is not None
    assert (found.number, found.state) == (second.number, "open")
    side.forge.close(side.project, second)
    assert find(side).number == second.number  # type: ignore[union-attr]


def test_one_that_is_there_is_taken_and_made_ours(side: Side) -> None:
    theirs = side.forge.create(side.project, NewPull("update", "main", "Theirs", "Text"))
    ours = side.forge.create(side.project, NewPull("update", "main", "Update", "Body", labels=("flake-lock",)))
    assert (ours.number, ours.title, ours.body, ours.labels) == (theirs.number, "Update", "Body", ("flake-lock",))


@pytest.mark.parametrize("fault", [faults.drop_after, faults.drop_before, faults.answer_after_acting(502)])
def test_a_lost_answer_never_opens_two(side: Side, forge: Loopback, fault: faults.Action) -> None:
    forge.faults.add(fault, method="POST", path="pulls$|merge_requests$")
    made = side.forge.create(side.project, NEW)
    assert made.title == "Update"
    assert len(side.hand.project.pulls) == 1


@pytest.mark.parametrize("fault", [faults.drop_after, faults.answer_after_acting(504)])
def test_a_merge_whose_answer_is_lost_is_found_done(side: Side, forge: Loopback, fault: faults.Action) -> None:
    made = side.forge.create(side.project, NEW)
    head = side.tip("update")
    forge.faults.add(fault, path="/merge$", skip=1)
    merged = merge(side, made, head=head, method="default")
    assert (merged.state, merged.merged_rev) == ("merged", side.tip("main"))


METHODS: list[tuple[Kind, MergeMethod]] = [
    (kind, method)
    for kind in KINDS
    for method in ("default", "merge", "squash", "rebase", "fast-forward")
    if (kind, method) != ("github", "fast-forward")
]


@pytest.mark.parametrize(("kind", "method"), METHODS)
def test_what_was_merged_is_told(make: Make, kind: Kind, method: MergeMethod) -> None:
    side = make(kind)
    made = side.forge.create(side.project, NEW)
    merged = merge(side, made, head=side.tip("update"), method=method)
    assert (merged.state, merged.merged_rev, merged.head) == ("merged", side.tip("main"), made.head)
    again = side.forge.get(side.project, made.number)
    assert (again.state, again.merged_rev) == ("merged", side.tip("main"))
    found = find(side)
    assert found is not None
    assert (found.state, found.merged_rev) == ("merged", side.tip("main"))


@pytest.mark.parametrize("methods", [("fast-forward",), ("rebase-merge",), ("merge",)])
@pytest.mark.parametrize("squash", [False, True])
def test_every_way_of_a_gitlab_project_tells_the_merged_commit(
    make: Make, methods: tuple[str, ...], squash: bool
) -> None:
    side = make("gitlab", "acme/core/lib")
    side.hand.project.methods = (*methods, "squash")
    made = side.forge.create(side.project, NEW)
    merged = merge(side, made, head=side.tip("update"), method="squash" if squash else "default")
    assert merged.merged_rev == side.tip("main")


def test_a_repository_that_allows_squashing_alone_is_squashed_by_default(make: Make) -> None:
    for kind in ("github", "forgejo"):
        side = make(kind, "acme/squash")
        side.hand.project.methods = ("squash",)
        made = side.forge.create(side.project, NEW)
        side.forge.merge(side.project, made, head=side.tip("update"), method="default")
        assert len(side.hand.project.storage.parents(side.tip("main"))) == 1


def test_a_head_that_moved_is_not_merged(side: Side) -> None:
    made = side.forge.create(side.project, NEW)
    branch(side.hand.project, "update", {"other": "2"})
    pushed(side.hand)
    with pytest.raises(ForgeError) as caught:
        side.forge.merge(side.project, made, head=made.head, method="default")
    assert caught.value.code == "head-moved"
    assert side.forge.get(side.project, made.number).state == "open"


def test_a_conflict_is_one(side: Side) -> None:
    made = side.forge.create(side.project, NEW)
    branch(side.hand.project, "main", {"flake.lock": "other"})
    pushed(side.hand)
    with pytest.raises(ForgeError) as caught:
        side.forge.merge(side.project, made, head=side.tip("update"), method="default")
    if side.hand.kind == "forgejo":  # it says the same as of one that it still thinks about
        assert isinstance(caught.value, Undecided)
        assert caught.value.waiting.reason == "person"
    else:
        assert caught.value.code == "forge-conflict"


def test_rules_of_the_base_are_told_and_their_state_can_be_asked(side: Side) -> None:
    side.hand.project.protect("main", checks=["ci"], approvals=1)
    made = side.forge.create(side.project, NEW)
    merge_status = side.forge.merge_status(side.project, made)
    assert merge_status.reviews == "none"
    waiting = waits_for(side, made)
    if side.hand.kind == "gitlab":  # it tells one reason, approvals before checks
        assert waiting.reason == "reviews"
    else:
        assert waiting.reason == "checks"
        assert "ci" in waiting.detail


def test_an_archived_repository_says_so(side: Side) -> None:
    side.hand.project.archived = True
    with pytest.raises(ForgeError) as caught:
        side.forge.create(side.project, NEW)
    assert caught.value.code == "forge-archived"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("token", "codes"), [(READER, {"forge-rights"}), ("unknown", {"forge-token"})])
def test_a_token_that_may_not_says_so(make: Make, kind: Kind, token: str, codes: set[str]) -> None:
    side = make(kind, token=token)
    with pytest.raises(ForgeError) as caught:
        side.forge.create(side.project, NEW)
    assert caught.value.code in codes
    assert token not in f"{caught.value.message} {caught.value.hint}"


def test_a_repository_that_is_not_there_says_so(side: Side) -> None:
    with pytest.raises(ForgeError) as caught:
        side.forge.find(Project(side.project.host, "acme/nothing"), head="update", base="main")
    assert caught.value.code == "forge-not-found"


@pytest.mark.parametrize("limit", [faults.too_many_requests(1), faults.secondary_limit(1), faults.primary_limit(2)])
def test_a_limit_is_waited_out(side: Side, forge: Loopback, limit: faults.Action) -> None:
    forge.faults.add(limit, method="POST", path="pulls$|merge_requests$")
    side.forge.create(side.project, NEW)
    assert len(side.pauses) >= 1
    assert 0 < side.pauses[0] <= 2
    assert len(side.hand.project.pulls) == 1


def test_html_is_one_clear_error(side: Side, forge: Loopback) -> None:
    forge.faults.add(faults.html())
    with pytest.raises(ForgeError) as caught:
        find(side)
    assert caught.value.code == "forge-answer"


def test_dependencies_are_set_where_the_licence_has_them(make: Make) -> None:
    for premium in (True, False):
        lib, app = make("gitlab", f"acme/lib{premium}"), make("gitlab", f"acme/app{premium}")
        app.hand.site.premium = premium
        upstream, pull = lib.forge.create(lib.project, NEW), app.forge.create(app.project, NEW)
        for _ in range(2):
            app.forge.depend(app.project, pull, [(lib.project, upstream)])
        blocked = app.hand.project.pulls[0].blocked_by
        assert blocked == (lib.hand.project.pulls if premium else [])

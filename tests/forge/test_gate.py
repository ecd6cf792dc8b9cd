"""What keeps a pull request from being merged, of all that its forge tells."""

import pytest

from flakesync.forge.model import Checks, ForgeError, MergeStatus, Pull, Reviews, Waiting
from flakesync.land.gate import find_obstacle
from flakesync.terms import Rev


def pull(*, draft: bool = False) -> Pull:
    return Pull(
        number=1, url="https://forge.test/lib/pull/1", state="open", title="Update", body="", head=Rev("a" * 40),
        head_branch="flakesync/update", base_branch="main", draft=draft,
    )  # fmt: skip


QUEUE = Waiting("queue", "it is in the merge queue")


@pytest.mark.parametrize(
    ("checks", "reviews", "more", "settling", "obstacle"),
    [
        ("passed", "approved", {}, True, None),
        ("passed", "none", {}, False, None),
        ("none", "none", {}, False, None),
        ("unknown", "none", {}, False, None),
        ("none", "none", {}, True, Waiting("checks", "its checks on the forge have not begun yet")),
        ("unknown", "approved", {}, True, Waiting("checks", "its checks on the forge have not begun yet")),
        ("pending", "none", {}, False, Waiting("checks", "its checks on the forge are running")),
        (
            "pending",
            "changes-requested",
            {"pending": ("build", "lint")},
            False,
            Waiting("checks", "its checks on the forge are running: build, lint"),
        ),
        ("passed", "changes-requested", {}, False, Waiting("person", "a review asks for changes")),
        ("passed", "none", {"waiting": QUEUE}, False, QUEUE),
        ("pending", "changes-requested", {"waiting": QUEUE}, True, QUEUE),
    ],
)
def test_a_merge_waits_for_what_its_forge_names_first(
    checks: Checks, reviews: Reviews, more: dict[str, object], settling: bool, obstacle: Waiting | None
) -> None:
    merge_status = MergeStatus(checks, reviews, **more)  # type: ignore[arg-type]
    assert find_obstacle(pull(), merge_status, settling=settling) == obstacle


@pytest.mark.parametrize("checks", ["passed", "failed", "none"])
def test_a_draft_waits_for_a_person_however_its_checks_stand(checks: Checks) -> None:
    waits = find_obstacle(pull(draft=True), MergeStatus(checks, "approved"), settling=False)
    assert waits == Waiting("person", "it is a draft")


@pytest.mark.parametrize(("failed", "words"), [((), "its checks failed"), (("lint",), "its checks failed: lint")])
def test_failed_checks_are_an_error_that_names_them_whatever_else_it_waits_for(
    failed: tuple[str, ...], words: str
) -> None:
    with pytest.raises(ForgeError) as caught:
        find_obstacle(pull(), MergeStatus("failed", "none", waiting=QUEUE, failed=failed), settling=True)
    assert (caught.value.code, caught.value.message) == ("pull-checks-failed", f"{pull().url}: {words}")

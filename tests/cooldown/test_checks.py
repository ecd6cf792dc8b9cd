"""What checks say together: none has failed, what is asked for has passed; a check that was skipped is neither."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakesync import globs
from flakesync.cooldown.checks import ANY, Judged, judge
from flakesync.cooldown.model import ChecksOf, CommitChecks


def judged(wanted: tuple[str, ...], **by_name: ChecksOf) -> Judged:
    return judge(CommitChecks({name.replace("_", "/"): state for name, state in by_name.items()}), wanted)


@pytest.mark.parametrize(
    ("wanted", "by_name", "state", "detail"),
    [
        ((), {"a": "passed", "b": "passed"}, "passed", "a, b passed"),
        ((), {"a": "passed", "b": "none"}, "passed", "a passed"),
        ((), {"a": "passed", "b": "failed"}, "failed", "b failed"),
        ((), {"a": "pending", "b": "failed"}, "failed", "b failed"),
        ((), {"a": "passed", "b": "pending"}, "pending", "b pending"),
        ((), {"a": "passed", "b": "unknown"}, "pending", "b pending"),
        ((), {}, "pending", "no check has run"),
        ((), {"a": "none"}, "pending", "no check has run"),
        (("a",), {"a": "passed", "b": "failed", "c": "pending"}, "passed", "a passed"),
        (("a",), {"b": "passed"}, "pending", "a has not run"),
        (("a",), {"a": "none"}, "pending", "a has not run"),
        (("a", "b"), {"a": "passed"}, "pending", "b has not run"),
        (("a", "b"), {"a": "failed"}, "failed", "a failed"),
        (("ci/*",), {"ci_x": "passed", "ci_y_z": "passed"}, "passed", "ci/x, ci/y/z passed"),
        (("ci/*",), {"ci_x": "passed", "ci_y": "none"}, "passed", "ci/x passed"),
        (("ci/*",), {"ci_x": "passed", "ci_y": "failed"}, "failed", "ci/y failed"),
        (("ci/*",), {"a_ci_x": "passed"}, "pending", "ci/* has not run"),
        ((), dict.fromkeys("abcde", "failed"), "failed", "a, b, c and 2 more failed"),
    ],
)
def test_checks_together(wanted: tuple[str, ...], by_name: dict[str, ChecksOf], state: str, detail: str) -> None:
    assert judged(wanted, **by_name)[:2] == (state, detail)


def test_what_has_not_run_is_named() -> None:
    assert judged(("a", "b*"), a="passed").missing == {"b*"}
    assert judged((), a="none").missing == {ANY}
    assert judged(("a", "b"), a="failed").missing == frozenset()


def test_a_forge_that_does_not_tell_is_waited_for() -> None:
    assert judge(CommitChecks({}, "403: no rights"), ()) == Judged("pending", "403: no rights")


def test_names_of_checks_are_others_words() -> None:
    detail = judge(CommitChecks({"a\x1b[31m\nb" + "x" * 500: "failed"}), ()).detail
    assert detail == f"a b{'x' * 57}… failed"


@given(st.text("ab*/.", max_size=8), st.text("ab/.\n", max_size=10))
def test_a_star_is_any_characters_and_all_else_is_itself(glob: str, name: str) -> None:
    slow = re.compile(".*".join(map(re.escape, glob.split("*"))), re.DOTALL)
    assert bool(re.fullmatch(globs.text(glob), name)) == bool(slow.fullmatch(name))

"""Globs match what backtracking would find, without going back."""

import re
import time

from hypothesis import given
from hypothesis import strategies as st

from flakesync import globs

PIECES = st.lists(st.sampled_from(["a", "b", "[^/]", globs.STAR]), max_size=8)
TEXTS = st.text("ab", max_size=10)


@given(PIECES, TEXTS)
def test_a_part_matches_what_its_pieces_in_a_row_do(pieces: list[str], text: str) -> None:
    assert bool(re.fullmatch(globs.part(pieces), text)) == bool(re.fullmatch("".join(pieces), text))


@given(
    st.lists(st.lists(st.sampled_from(["a", "b", "[^/]*"]), min_size=1, max_size=2), min_size=1, max_size=3),
    st.lists(st.sampled_from("ab"), min_size=1, max_size=7),
)
def test_between_two_groups_there_may_be_any_parts(groups: list[list[str]], parts: list[str]) -> None:
    slow = "/(?:.*/)?".join("/".join(group) for group in groups)
    text = "/".join(parts)
    assert bool(re.fullmatch(globs.path(groups), text)) == bool(re.fullmatch(slow, text))


def test_many_stars_take_no_longer_than_one() -> None:
    began = time.thread_time()
    part = globs.part([*(globs.STAR, "a") * 200, "b"])
    assert not re.fullmatch(part, "a" * 5_000)
    assert not re.fullmatch(globs.path([[], *[["a"]] * 200, ["b"]]), "a/" * 2_000)
    assert time.thread_time() - began < 5

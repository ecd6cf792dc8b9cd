"""The trailers of holds: what is written is read again, whatever inputs are called; what is not so written is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakesync.git.values import Commit, Signature
from flakesync.survey.held.check_holds import CheckHold, hold_lines, holds_of, last_lines
from flakesync.terms import FlakeDir, Rev

BAD, FIRST = Rev("9" * 40), Rev("8" * 40)
PERSON = Signature("Bot", "bot@acme.example")

NAMES = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1, max_size=12)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def commit(*lines: str) -> Commit:
    message = "flake.lock: Update\n\nFlakesync-Run: 7717c8704f96\n" + "".join(f"{line}\n" for line in lines)
    return Commit(Rev("c" * 40), "d" * 40, (Rev("b" * 40),), PERSON, PERSON, message)


def hold(flake: str = ".", *path: str, **more: object) -> CheckHold:
    known = {"rev": BAD, "check": "nix flake check", "since": "2026-11-29"}
    return CheckHold(flake=FlakeDir(flake), input=path or ("crane",), **{**known, **more})  # type: ignore[arg-type]


def test_a_hold_is_a_line_that_people_can_read() -> None:
    assert hold_lines([hold("dev", "a", "crane", first_bad=FIRST, output="error: no")]) == (
        f'Flakesync-Held: dev#a/crane {BAD} check "nix flake check" since 2026-11-29 first-bad {FIRST}',
        'Flakesync-Held-Output: dev#a/crane "error: no"',
    )


@given(
    st.lists(
        st.builds(
            lambda flake, path, rev, first_bad, check, output, proven: hold(
                flake, *path, rev=rev, first_bad=first_bad, check=check, output=output, proven=proven
            ),
            st.one_of(st.just("."), NAMES),
            st.lists(NAMES, min_size=1, max_size=3),
            st.sampled_from([BAD, Rev("a" * 64), None]),
            st.sampled_from([FIRST, None]),
            TEXTS,
            TEXTS,
            st.booleans(),
        ),
        max_size=4,
        unique_by=lambda each: each.key,
    )
)
def test_what_is_written_is_read_again(holds: list[CheckHold]) -> None:
    lines = hold_lines(holds)
    assert all(line.isascii() and line.isprintable() for line in lines)
    assert sorted(holds_of(commit(*lines)), key=lambda each: each.key) == sorted(holds, key=lambda each: each.key)


@pytest.mark.parametrize(
    "line",
    [
        "Flakesync-Held: crane",
        f'Flakesync-Held: crane {BAD[:12]} check "x" since 2026-11-29',
        f'Flakesync-Held: crane {BAD} check "x" since 2026-13-29',
        f'Flakesync-Held: crane {BAD} check "x" since 2026-11-29 and more',
        f'Flakesync-Held: "crane\\q" {BAD} check "x" since 2026-11-29',
        f"Flakesync-Held: crane {BAD} check x since 2026-11-29",
    ],
)
def test_what_is_not_so_written_holds_nothing(line: str) -> None:
    assert holds_of(commit(line)) == ()


def test_of_what_a_check_wrote_the_last_lines_are_kept() -> None:
    output = "".join(f"line {number}\n\n" for number in range(50))
    assert last_lines(output).splitlines() == [f"line {number}" for number in range(40, 50)]
    assert len(last_lines("x" * 5_000)) == 1_000

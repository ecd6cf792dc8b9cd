"""Waivers in the trailers of update commits."""

from hypothesis import given
from hypothesis import strategies as st

from flakesync.cooldown.waivers import pins_of, waiver_lines, waivers_of
from flakesync.git.trailers import trailers
from flakesync.git.values import Commit, Signature
from flakesync.terms import PinName, Rev
from flakesync.update.commit import message

NIXPKGS = PinName("nixpkgs")
NOBODY = Signature("n", "n@example.org", 1)


def commit(text: str) -> Commit:
    return Commit(Rev("c" * 40), "t" * 40, (), NOBODY, NOBODY, text)


def printable(text: str) -> bool:
    return bool(text.strip()) and text.isprintable()


def test_a_waiver_is_written_as_documented() -> None:
    assert waiver_lines({NIXPKGS: "CVE-2026-12345"}) == ('Flakesync-Cooldown: waived nixpkgs "CVE-2026-12345"',)


REASONS = st.text(st.characters(exclude_categories=("C", "Z"))).map(lambda text: f'a "{text} b').filter(printable)


@given(st.dictionaries(st.sampled_from(["nixpkgs", "crane", "a-b_c"]), REASONS))
def test_any_printable_reason_is_read_back_as_it_was_given(reasons: dict[str, str]) -> None:
    given_reasons = {PinName(name): reason for name, reason in reasons.items()}
    text = message("0123456789ab", ["• x"], {NIXPKGS: Rev("a" * 40)}, further=waiver_lines(given_reasons))
    assert waivers_of(commit(text)) == given_reasons
    assert pins_of(commit(text)) == {NIXPKGS: "a" * 40}


@given(st.text(min_size=1))
def test_any_reason_of_a_manifest_is_one_line_and_read_back(reason: str) -> None:
    (line,) = waiver_lines({NIXPKGS: reason})
    assert line.splitlines() == [line]
    text = message("0123456789ab", ["• x"], {NIXPKGS: Rev("a" * 40)}, further=[line])
    assert waivers_of(commit(text)) == {NIXPKGS: reason}


def test_what_is_no_waiver_is_none() -> None:
    values = [
        "waived",
        "waived nixpkgs",
        "waived nixpkgs CVE",
        'waived nixpkgs ""',
        'kept nixpkgs "x"',
        "waived nixpkgs 3",
    ]
    text = "subject\n\n" + "".join(f"Flakesync-Cooldown: {value}\n" for value in values)
    assert len(list(trailers(commit(text), "Flakesync-Cooldown"))) == len(values)
    assert waivers_of(commit(text)) == {}

"""A bisection as text."""

from msgspec.structs import replace

from flakesync.documents.bisect import (
    BisectDocument,
    BisectMoveDocument,
    FirstBadDocument,
    GuiltyDocument,
    ProbeDocument,
    ProbeVerdict,
    UnitDocument,
)
from flakesync.report.bisect.text import probe_lines, render_bisect, what_moved
from flakesync.report.text import to_text

OLD, NEW = "1" * 40, "2" * 40


def unit(name: str, *, to: str | None = NEW, inputs: tuple[str, ...] = ()) -> UnitDocument:
    moves = [BisectMoveDocument(flake=".", input=each, from_=OLD, to=to) for each in inputs or (name,)]
    return UnitDocument(id=name, moves=moves)


def probe(units: list[str], verdict: ProbeVerdict, why: str | None = None) -> ProbeDocument:
    return ProbeDocument(units=units, verdict=verdict, why=why, duration_s=61.5, source="ran", again=False)


ALL = ["nixpkgs", "lib", "core"]
FOUND = BisectDocument(
    repo="api",
    base=OLD,
    command=["nix flake check"],
    units=[unit("nixpkgs"), unit("lib", inputs=("lib", "lib-src")), unit("core", to=None)],
    probes=[
        probe([], "pass"),
        replace(probe(ALL, "fail"), source="sync"),
        replace(probe(ALL, "fail"), again=True),
        probe(["nixpkgs"], "unknown", "there is no lock"),
        probe(["nixpkgs", "lib"], "pass"),
    ],
    outcome="found",
    guilty=[GuiltyDocument(unit="core", only_with=[], proven=True)],
    passing=["nixpkgs", "lib"],
    output="one\ntwo\n",
    complete=True,
)


def text(document: BisectDocument, *, full: bool = False) -> str:
    return to_text(render_bisect(document, width=100, full=full))


def test_what_to_hold_comes_with_the_end_of_the_output_and_a_hint() -> None:
    assert (
        text(FOUND)
        == """\
api: `nix flake check` with 4 moves (3 units)
guilty: core  1111111 → its update
  | one
  | two
the other 2 units pass together
hint: to sync without it: on-failure = "bisect", or hold = ["core"] in [repos.api]
4 checks in 4:06, 1 known before
"""
    )


def test_every_probe_is_shown_on_demand() -> None:
    assert text(FOUND, full=True).splitlines()[1:6] == [
        "  pass     nothing moved  1:01",
        "  fail     all  1:01 (from sync)",
        "  fail     all, once more  1:01",
        "  unknown  nixpkgs  1:01: there is no lock",
        "  pass     all but core  1:01",
    ]


def test_units_that_break_it_only_together_and_those_not_proven_say_so() -> None:
    document = replace(
        FOUND,
        guilty=[
            GuiltyDocument(unit="lib", only_with=["nixpkgs"], proven=True),
            GuiltyDocument(unit="core", only_with=[], proven=False),
        ],
        passing=["nixpkgs"],
    )
    assert text(document).splitlines()[1:5] == [
        "guilty: lib  1111111 → 2222222",
        "  only together with nixpkgs: without that the check passes",
        "held: core  1111111 → its update",
        "  the check could not be run with it",
    ]
    assert 'hold = ["lib", "lib-src", "core"]' in text(document)
    assert "the other 1 unit pass" not in text(document)


def test_the_first_bad_commit_or_the_range_of_it_is_shown() -> None:
    bad = FirstBadDocument(rev=NEW, subject="Drop it", date="2026-11-29")
    (one,) = FOUND.guilty
    found = text(replace(FOUND, guilty=[replace(one, first_bad=bad)]))
    assert "  first bad commit: 2222222 Drop it (2026-11-29)\n" in found
    found = text(replace(FOUND, guilty=[replace(one, range=[OLD, NEW])]))
    assert "  the first bad commit is after 1111111, up to 2222222\n" in found
    found = text(replace(FOUND, guilty=[replace(one, range=[OLD, NEW], walked="tips")]))
    assert "up to 2222222: only known tips of its branch were looked at\n" in found
    found = text(replace(FOUND, guilty=[replace(one, not_walked="no commit is known")], complete=False))
    assert "  its commits: no commit is known\n" in found
    assert "the limit was reached before the first bad commit was found" in found


def test_a_probe_that_builds_what_has_failed_before_says_so() -> None:
    probe = replace(FOUND.probes[-1], source="same-drv", again=False)
    assert to_text(probe_lines(probe, ["core"], 100)).endswith("(builds the same as one that failed)\n")


def test_each_end_without_anything_to_hold_is_told() -> None:
    nothing = replace(FOUND, guilty=[], passing=[])
    assert "fail without the update too" in text(replace(nothing, outcome="broken-before"))
    assert "nothing to hold" in text(replace(nothing, outcome="not-failing"))
    assert "flaky" in text(replace(nothing, outcome="flaky"))
    assert "update as a whole" in text(replace(nothing, outcome="too-many"))
    assert "run it again" in text(replace(nothing, outcome="limit", complete=False))


def test_what_has_moved_is_said_in_the_shortest_words() -> None:
    units = list("abcde")
    assert what_moved([], units) == "nothing moved"
    assert what_moved(units, units) == "all"
    assert what_moved(["a", "b"], units) == "a b"
    assert what_moved(["a", "b", "d", "e"], units) == "all but c"

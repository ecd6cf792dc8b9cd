"""What is said of pins whose newest commit has to be proven first, at any width."""

import pytest

from flakesync.documents.cooldown.choice import ConditionsDocument, PinChoice, TipDocument, WaitDocument, WaiverDocument
from flakesync.documents.drift import DriftReport, Locked, PinDrift
from flakesync.report.cooldown.choices import conditions_words, render_choices
from flakesync.report.drift.markdown import render_drift_markdown
from flakesync.report.drift.text import render_drift
from flakesync.report.text import to_text, width_of

OLD, NEW, TIP = "1a2b3c4" + "0" * 33, "1010a22" + "0" * 33, "836ab2d" + "0" * 33
DAY = 86_400
NOW = 1_796_000_000 // DAY * DAY  # 2026-11-30
WEEK = ConditionsDocument(days=7, tips=True, checks=False, dated_by="seen")
GREEN = ConditionsDocument(days=0, tips=False, checks=True, dated_by="forge")
WAITS = [WaitDocument(rev=TIP, why="age", until="2026-12-04", detail="7 d old on 2026-12-04 (seen)")]


def tip(days: int = 3) -> TipDocument:
    return TipDocument(rev=TIP, first_seen=NOW - days * DAY, dated_by="seen")


def nixpkgs(*locked: Locked, target: str | None = NEW, stays: str | None = None) -> PinDrift:
    return PinDrift(
        name="nixpkgs",
        source="github:NixOS/nixpkgs/nixos-26.05",
        target_rev=target,
        target_last_modified=NOW - 10 * DAY if target is not None else None,
        target_note=None,
        locked=list(locked),
        tip=tip(),
        waits=WAITS,
        conditions=WEEK,
        stays=stays,
    )


def at(rev: str, days: int, *repos: str) -> Locked:
    return Locked(rev=rev, last_modified=NOW - days * DAY, repos=list(repos))


def drift(pin: PinDrift, width: int = 80) -> str:
    return to_text(render_drift(DriftReport(pins=[pin], findings=[]), now=NOW, repos=3, width=width))


def test_the_tip_has_a_row_below_the_target_with_what_it_waits_for() -> None:
    assert drift(nixpkgs(at(NEW, 10, "app", "lib", "site"))) == (
        "  pin      rev      date        age   behind  repos\n"
        "→ nixpkgs  1010a22  2026-11-20  10 d       –  3: app, lib, site\n"
        "           836ab2d  2026-11-27   3 d          tip; 7 d old on 2026-12-04 (seen)\n"
        "→ target; cooldown: nixpkgs 7 d (by seen)\n"
        "\n"
        "in step: 3 repos, no drift\n"
    )


def test_who_is_at_the_tip_already_is_in_its_row() -> None:
    text = drift(nixpkgs(at(TIP, 3, "app"), at(NEW, 10, "lib")), 100)
    assert "  nixpkgs  836ab2d  2026-11-27   3 d  7 d ahead  1: app\n" in text
    assert f"\n{' ' * 49}tip; 7 d old on 2026-12-04 (seen)\n" in text
    assert text.count("836ab2d") == 1


def test_where_no_commit_may_be_taken_the_reason_and_the_day_are_said() -> None:
    text = drift(nixpkgs(at(OLD, 40, "app"), target=None, stays="no commit is 7 d old before 2026-12-04"))
    assert "tip; 7 d old on 2026-12-04 (seen)" in text
    assert "→ target; nixpkgs: no commit is 7 d old before 2026-12-04; cooldown: nixpkgs 7 d (by seen)" in " ".join(
        text.split("\n  ")
    )


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    pins = [nixpkgs(at(NEW, 10, "app", "lib")), nixpkgs(at(TIP, 3, "app"), at(OLD, 40, "lib"))]
    for pin in pins:
        assert max(width_of(line) for line in drift(pin, width).splitlines()) <= width
    lines = to_text(render_choices("cooldown", [choice(), choice(target=None, stays="no commit is old")], width))
    assert max(width_of(line) for line in lines.splitlines()) <= width


def test_markdown_has_the_tip_and_the_conditions_too() -> None:
    report = DriftReport(pins=[nixpkgs(at(NEW, 10, "app"))], findings=[])
    text = render_drift_markdown(report, workspace="acme", at="base", now=NOW, repos=1)
    assert "tip; 7 d old on 2026-12-04 (seen)" in text
    assert "cooldown: nixpkgs 7 d (by seen)" in text


def choice(target: str | None = NEW, stays: str | None = None, reason: str | None = None) -> PinChoice:
    return PinChoice(
        name="nixpkgs",
        target_rev=target,
        tip=tip(),
        waits=WAITS if reason is None else [],
        waived=WaiverDocument(reason=reason) if reason is not None else None,
        conditions=WEEK,
        stays=stays,
    )


def test_a_plan_names_what_waits_and_what_was_waived_and_nothing_else() -> None:
    in_step = PinChoice(name="crane", target_rev=TIP, tip=tip(), waits=[], waived=None, conditions=GREEN)
    choices = [
        choice(),
        choice(target=None, stays="no commit is old enough"),
        choice(TIP, reason="CVE-1\x1b[2J"),
        in_step,
    ]
    assert to_text(render_choices("cooldown", choices, 80)) == (
        "\n"
        "cooldown (3)\n"
        "  nixpkgs  1010a22  tip 836ab2d: 7 d old on 2026-12-04 (seen)\n"
        "  nixpkgs  stays    tip 836ab2d: 7 d old on 2026-12-04 (seen); no commit is old\n"
        "                    enough\n"
        "  nixpkgs  836ab2d  cooldown waived: CVE-1\n"
    )
    assert render_choices("cooldown", [in_step], 80) == []


def test_conditions_are_named_as_the_manifest_has_them() -> None:
    named = [("nixpkgs", WEEK), ("crane", GREEN), ("old", None)]
    assert conditions_words(named) == "cooldown: nixpkgs 7 d (by seen), crane checks passed"
    assert conditions_words([("old", None)]) is None

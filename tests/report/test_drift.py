from typing import Any

from flakesync.documents.drift import DriftReport, Finding, FindingKind, Locked, PinDrift
from flakesync.report.drift.summary import render_summary
from flakesync.report.drift.text import render_drift
from flakesync.report.text import to_text

OLD, NEW, OTHER = "1a2b3c4" + "0" * 33, "5d6e7f8" + "0" * 33, "9999999" + "0" * 33
DAY = 86_400
NOW = 1_767_225_600  # 2026-01-01


def pin(*locked: Locked, name: str = "nixpkgs", target: str | None = NEW, date: int | None = NOW - 2 * DAY,
        note: str | None = None) -> PinDrift:  # fmt: skip
    return PinDrift(
        name=name, source="github:NixOS/nixpkgs", target_rev=target, target_last_modified=date, target_note=note,
        locked=list(locked),
    )  # fmt: skip


def locked(rev: str | None, days: int | None, *repos: str) -> Locked:
    return Locked(rev=rev, last_modified=NOW - days * DAY if days is not None else None, repos=list(repos))


def finding(repo: str, kind: FindingKind = "pin", **fields: Any) -> Finding:
    given: dict[str, Any] = {"flake": ".", "input": "nixpkgs", "locked_rev": OLD, "wanted_rev": NEW}
    given["detail"] = "not at pin nixpkgs"
    return Finding(kind=kind, repo=repo, **(given | fields))


def render(pins: list[PinDrift], findings: list[Finding], *, width: int = 80, full: bool = False) -> str:
    return to_text(render_drift(DriftReport(pins=pins, findings=findings), now=NOW, repos=3, width=width, full=full))


def test_the_table_says_who_is_on_which_commit_how_old_and_how_far_behind() -> None:
    text = render(
        [pin(locked(NEW, 2, "app"), locked(OLD, 33, "lib", "tool"), note="newest in any lock (offline)")],
        [finding("lib"), finding("lib", "upstream", flake="dev", input="core", detail="3 commits behind core (main)"),
         finding("tool")],
    )  # fmt: skip
    assert text == (
        "  pin      rev      date        age   behind  repos\n"
        "→ nixpkgs  5d6e7f8  2025-12-30   2 d       –  1: app\n"
        "           1a2b3c4  2025-11-29  33 d    31 d  2: lib, tool\n"
        "→ target; nixpkgs: newest in any lock (offline)\n"
        "\n"
        "lib\n"
        "  pin          nixpkgs   1a2b3c4 → 5d6e7f8  not at pin nixpkgs\n"
        "  upstream     dev#core  1a2b3c4 → 5d6e7f8  3 commits behind core (main)\n"
        "tool\n"
        "  pin          nixpkgs  1a2b3c4 → 5d6e7f8  not at pin nixpkgs\n"
        "\n"
        "3 findings in 2 of 3 repos: 2 pin, 1 upstream\n"
    )


def test_a_repo_with_flakes_at_several_commits_is_shown_with_them() -> None:
    here = Locked(rev=OLD, last_modified=NOW - 33 * DAY, repos=["app", "lib"], flakes={"app": ["ci", "dev"]})
    assert "31 d  2: app (ci, dev), lib\n" in render([pin(locked(NEW, 2, "lib"), here)], [])


def test_without_the_targets_date_how_far_behind_is_an_upper_bound() -> None:
    text = render([pin(locked(OLD, 33, "lib"), date=None)], [])
    assert "→ nixpkgs  5d6e7f8  ?              ?       –  no repo\n" in text
    assert "  1a2b3c4  2025-11-29  33 d  ≤ 33 d  1: lib\n" in text


def test_a_newer_commit_than_the_target_is_ahead_and_one_without_a_date_is_unknown() -> None:
    text = render([pin(locked(OTHER, 0, "app"), locked(None, None, "lib"))], [])
    assert "9999999  2026-01-01  0 d  2 d ahead  1: app\n" in text
    assert "none     ?             ?          ?  1: lib\n" in text


def test_an_unknown_target_is_said() -> None:
    text = render([pin(locked(OLD, 33, "lib"), target=None, date=None)], [])
    assert "1a2b3c4  2025-11-29  33 d       ?  1: lib\n→ target; nixpkgs: not known\n" in text


def test_two_pins_share_one_table() -> None:
    text = render([pin(locked(NEW, 2, "app")), pin(locked(NEW, 2, "lib"), name="unstable")], [])
    assert text.count("behind") == 1
    assert "→ unstable  5d6e7f8" in text


def test_no_drift_is_one_good_line() -> None:
    assert render([], []) == "in step: 3 repos, no drift\n"


def test_many_repos_and_many_findings_of_a_kind_are_cut_unless_asked_for() -> None:
    names = [f"repo-{number:03}" for number in range(200)]
    findings = [finding("lib", "duplicate", input=f"a/{number}") for number in range(8)]
    cut = render([pin(locked(NEW, 2, *names))], findings)
    assert "200: repo-000" in cut
    assert "more (-v names them)" in cut
    assert "  duplicate    and 3 more (-v)\n" in cut
    whole = render([pin(locked(NEW, 2, *names))], findings, full=True)
    assert "repo-199" in whole
    assert "more" not in whole


def test_what_was_cut_is_counted() -> None:
    names = [f"repo-{number:03}" for number in range(200)]
    text = render([pin(locked(NEW, 2, *names))], [])
    shown = sum(text.count(name) for name in names)
    assert f"and {200 - shown} more" in text


def test_a_narrow_terminal_gets_details_below() -> None:
    long = finding(
        "lib", detail="a second copy of nixpkgs; to remove it: inputs.crane.inputs.nixpkgs.follows", wanted_rev=None
    )
    assert render([], [long], width=50) == (
        "lib\n"
        "  pin          nixpkgs  1a2b3c4\n"
        "      a second copy of nixpkgs; to remove it:\n"
        "      inputs.crane.inputs.nixpkgs.follows\n"
        "\n"
        "1 finding in 1 of 3 repos: 1 pin\n"
    )


def test_no_arrow_leads_from_a_commit_that_stays() -> None:
    lost = finding("lib", "unknown-rev", input="core", detail="core does not have this commit")
    assert render([], [lost]).splitlines()[1] == "  unknown-rev  core  1a2b3c4  core does not have this commit"


def test_text_of_a_lock_is_shown_without_control_characters() -> None:
    text = render([], [finding("lib", input="a\x1b[31m\nb", detail="x\x1b]0;title\x07y\nz")])
    assert "a b" in text
    assert "xy z" in text
    assert "\x1b" not in text


def test_a_finding_of_a_whole_repo_or_flake_has_no_input() -> None:
    text = render([], [
        finding("lib", "unreachable", flake=None, input=None, locked_rev=None, wanted_rev=None, detail="no route"),
        finding("lib", "no-lock", flake=".", input=None, locked_rev=None, wanted_rev=None, detail="no flake.lock"),
        finding("lib", "bad-lock", flake="dev", input=None, locked_rev=None, wanted_rev=None, detail="not JSON"),
    ])  # fmt: skip
    assert [line.split() for line in text.splitlines()[1:4]] == [
        ["unreachable", "no", "route"],
        ["no-lock", "flake.lock", "no", "flake.lock"],
        ["bad-lock", "dev", "not", "JSON"],
    ]


def test_what_is_the_same_of_many_unreadable_repos_is_said_once() -> None:
    down = {"flake": None, "input": None, "locked_rev": None, "wanted_rev": None, "detail": "no route"}
    others = [finding("r2", "no-lock", flake=".", input=None, locked_rev=None, wanted_rev=None, detail="none")]
    text = render([], [finding(f"r{number}", "unreachable", **down) for number in range(60) if number != 2] + others)
    assert text.splitlines()[:4] == [
        "59 repos: r0, r1, r3 and 56 more",
        "  unreachable  no route",
        "r2",
        "  no-lock      flake.lock  none",
    ]
    assert text.splitlines()[-1] == "60 findings in 60 of 3 repos: 59 unreachable, 1 no-lock"


def test_a_column_that_would_be_empty_takes_no_room() -> None:
    text = render([], [
        finding("app", "unreachable", flake=None, input=None, locked_rev=None, wanted_rev=None, detail="no route"),
        finding("lib", "bad-lock", flake=".", input=None, locked_rev=None, wanted_rev=None, detail="not JSON"),
    ])  # fmt: skip
    assert text.splitlines()[1] == "  unreachable  no route"
    assert text.splitlines()[3] == "  bad-lock     flake.lock  not JSON"


def test_a_date_beyond_all_calendars_is_unknown() -> None:
    assert "?" in render([pin(Locked(rev=OLD, last_modified=10**30, repos=["lib"]))], [])


def test_what_is_held_says_why_stands_last_in_the_sum_and_is_no_finding_of_its_repo() -> None:
    held = finding("lib", detail="not at pin nixpkgs", held="held until 2026-03-01: waits for tool")
    text = render([], [held, finding("tool")], width=120)
    assert (
        "  pin          nixpkgs  1a2b3c4 → 5d6e7f8  not at pin nixpkgs; held until 2026-03-01: waits for tool\n" in text
    )
    assert text.endswith("1 finding in 1 of 3 repos: 1 pin; 1 held\n")
    assert render([], [held], width=120).endswith("in step: 3 repos, no drift; 1 held\n")
    lines = render_summary(DriftReport(pins=[], findings=[held, finding("tool")]), ["app", "lib", "tool"], width=80)
    assert to_text(lines) == (
        "app   in step\nlib   in step, 1 held\ntool  1 finding: 1 pin\n\n1 finding in 1 of 3 repos: 1 pin; 1 held\n"
    )

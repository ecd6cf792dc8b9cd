"""An audit as text."""

from flakesync.documents.audit import AuditFinding, AuditReport, Counts, IgnoreReason, Level, Unchecked
from flakesync.report.audit.text import render_audit
from flakesync.report.text import to_text
from flakesync.workspace.audit import RuleId, Severity

WIDE = 120


def found(
    rule: RuleId, severity: Severity, repo: str, path: str | None, message: str, *, flake: str | None = ".",
    ignored: str | None = None,
) -> AuditFinding:  # fmt: skip
    reason = IgnoreReason(reason=ignored, until="2027-01-31") if ignored is not None else None
    return AuditFinding(
        rule=rule, severity=severity, repo=repo, flake=flake, input=path, line=1, source="github:o/r", locked_rev=None,
        message=message, fingerprint="", ignored=reason,
    )  # fmt: skip


def unchecked(rule: RuleId, path: str, reason: str, repo: str = "app") -> Unchecked:
    return Unchecked(rule=rule, repo=repo, flake=".", input=path, reason=reason)


def report(
    *findings: AuditFinding, unchecked: tuple[Unchecked, ...] = (), since: str | None = None, level: Level = "offline"
) -> AuditReport:
    def count(severity: Severity) -> int:
        return sum(1 for each in findings if each.severity == severity and each.ignored is None)

    ignored = sum(1 for each in findings if each.ignored is not None)
    counts = Counts(high=count("high"), medium=count("medium"), low=count("low"), info=count("info"), ignored=ignored)
    return AuditReport(
        level=level, at="base", new_since=since, repos=["app", "lib", "site"], findings=list(findings),
        unchecked=list(unchecked), counts=counts, sources=41, hashes_known=38 if level == "mirror" else 0,
    )  # fmt: skip


def shown(what: AuditReport, width: int = WIDE, *, full: bool = False) -> str:
    return to_text(render_audit(what, width=width, full=full))


def test_findings_come_lock_by_lock_with_what_could_not_be_checked_beside_them() -> None:
    what = report(
        found("foreign", "high", "app", "lib/nixpkgs", "nixos/nixpkgs is locked to n1xos/nixpkgs"),
        found("end-of-life", "medium", "app", "dev/nixpkgs", "nixos-25.11 ended 2026-06-30 (151 days ago)"),
        found("old", "low", "site", "nixpkgs", "63 days, pin nixpkgs allows 30", flake="dev"),
        unchecked=(unchecked("nar-hash", "icons", "uses git-lfs"),),
        level="mirror",
    )
    assert shown(what) == (
        "app/flake.lock\n"
        "  HIGH       foreign      lib/nixpkgs  nixos/nixpkgs is locked to n1xos/nixpkgs\n"
        "  medium     end-of-life  dev/nixpkgs  nixos-25.11 ended 2026-06-30 (151 days ago)\n"
        "  unchecked  nar-hash     icons        uses git-lfs\n"
        "site/dev/flake.lock\n"
        "  low  old  nixpkgs  63 days, pin nixpkgs allows 30\n"
        "\n"
        "3 findings in 2 of 3 repos (1 high, 1 medium, 1 low), 1 unchecked; 41 sources, 38 hashes known before,"
        " level mirror\n"
    )


def test_what_is_the_same_of_many_inputs_is_said_once() -> None:
    paths = [f"p{number}/nixpkgs" for number in range(187)]
    what = report(*(found("end-of-life", "medium", "app", path, "nixos-20.09 ended 2021-06-30") for path in paths))
    assert "p0/nixpkgs, p1/nixpkgs and 185 more  nixos-20.09 ended 2021-06-30" in shown(what)
    assert "p186/nixpkgs" in shown(what, full=True)
    assert shown(what).endswith("187 findings in 1 of 3 repos (187 medium); 41 sources, level offline\n")


def test_of_one_rule_five_messages_are_shown_and_all_with_v() -> None:
    what = report(*(found("old", "low", "app", f"i{number}", f"{number} days") for number in range(8)))
    assert "old: and 3 more (-v)" in shown(what)
    assert "7 days" not in shown(what)
    assert "7 days" in shown(what, full=True)


def test_one_server_that_is_down_is_one_line_a_lock() -> None:
    rules: tuple[RuleId, ...] = ("not-in-history", "other-branch", "nar-hash")
    down = tuple(unchecked(rule, "x", "h.example cannot be reached") for rule in rules)
    assert shown(report(unchecked=down)) == (
        "app/flake.lock\n"
        "  unchecked  3 rules  x  h.example cannot be reached\n"
        "\n"
        "nothing found in 3 repos, 3 unchecked; 41 sources, level offline\n"
    )


def test_locks_of_which_nothing_grave_is_said_come_together_where_it_is_the_same() -> None:
    repos = ("app", "lib", "site", "web")
    what = report(unchecked=tuple(unchecked("nar-hash", "x", "h is down", repo=each) for each in repos))
    assert shown(what).startswith(
        "4 locks: app/flake.lock, lib/flake.lock, site/flake.lock and 1 more\n  unchecked  nar-hash  x  h is down\n\n"
    )
    assert "web/flake.lock\n" in shown(what, full=True)
    grave = report(*(found("foreign", "high", repo, "x", "the same") for repo in repos))
    assert shown(grave).count("/flake.lock\n") == 4


def test_repos_of_which_the_same_is_said_as_a_whole_come_together() -> None:
    what = report(*(found("unreachable", "high", repo, None, "h is down", flake=None) for repo in ("app", "lib")))
    assert shown(what).startswith("app, lib\n  HIGH  unreachable  h is down\n")


def test_what_is_ignored_is_counted_and_shown_with_v_beside_its_reason() -> None:
    what = report(found("foreign", "high", "app", "x", "it is another", ignored="on purpose"))
    assert shown(what) == "nothing found in 3 repos, 1 ignored; 41 sources, level offline\n"
    assert "ignored  foreign  x  it is another (on purpose, until 2027-01-31)" in shown(what, full=True)


def test_a_comparison_says_with_what() -> None:
    assert shown(report(since="origin/main")).startswith("nothing found since origin/main in 3 repos; ")
    one = shown(report(found("foreign", "high", "app", "x", "m"), since="origin/main"))
    assert "1 new finding since origin/main in 1 of 3 repos (1 high); " in one


def test_no_control_character_of_a_lock_gets_through() -> None:
    what = report(found("foreign", "high", "app", "a\x1b[2Jb", "m\x1b]0;title\x07\u202e"))
    assert not {"\x1b", "\x07", "\u202e"} & {*shown(what)}


def test_a_character_without_a_width_is_seen_in_a_name_and_in_a_message() -> None:
    what = report(found("foreign", "high", "app", "nix\u200bpkgs", "n1x\u2060os\u202e\nis\u2028locked"))
    assert "  HIGH  foreign  nix\\u200bpkgs  n1x\\u2060os\\u202e is\\u2028locked\n" in shown(what)

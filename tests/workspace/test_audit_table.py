"""The table `[audit]`: each value arrives, and what is wrong is told with its place, all of it at once."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from flakesync.audit.rules import ALL
from flakesync.terms import FlakeDir
from flakesync.workspace.audit import HIGH, OF_IGNORES, AuditSettings, Ignore
from flakesync.workspace.manifest import InvalidManifest, load_workspace
from tests.workspace.test_schema import is_valid

REPO = '[repos.lib]\nurl = "github:acme/lib"\n'
WHOLE = """
[audit]
fail-on = "medium"
gate = "low"
allow = ["github:acme/*", "git+ssh://git@gitlab.example.com/*", "*"]
require-signed = ["github:acme/*"]
allowed-signers = "signers"
[audit.severity]
old = "medium"
submodules = "off"
[audit.end-of-life]
"26.05" = 2026-12-31
"25.11" = "2026-07-31"
[[audit.ignore]]
rule = "foreign"
repo = "st*"
flake = "./dev/"
input = "nixago/nixago-exts"
reason = "cut off on purpose"
until = 2027-03-01
locked = "github:divnix/blank"
[[audit.ignore]]
rule = "indirect"
reason = "it is only a demo"
"""

Load = Callable[[str], AuditSettings]
Problems = Callable[[str], dict[str, tuple[str, str | None]]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    (tmp_path / "signers").write_text("")

    def run(text: str) -> AuditSettings:
        (tmp_path / "workspace.toml").write_text(f"{text}\n{REPO}")
        return load_workspace(tmp_path / "workspace.toml").audit

    return run


@pytest.fixture
def problems(load: Load) -> Problems:
    def run(text: str) -> dict[str, tuple[str, str | None]]:
        with pytest.raises(InvalidManifest) as caught:
            load(text)
        return {each.place: (each.message, each.hint) for each in caught.value.problems}

    return run


def test_every_key_arrives_with_its_value(load: Load, tmp_path: Path) -> None:
    assert load(WHOLE) == AuditSettings(
        fail_on="medium",
        gate="low",
        allow=("github:acme/*", "git+ssh://git@gitlab.example.com/*", "*"),
        require_signed=("github:acme/*",),
        allowed_signers=tmp_path / "signers",
        severity={"old": "medium", "submodules": "off"},
        end_of_life={"26.05": date(2026, 12, 31), "25.11": date(2026, 7, 31)},
        ignore=(
            Ignore(
                rule="foreign",
                repo="st*",
                flake=FlakeDir("dev"),
                input="nixago/nixago-exts",
                reason="cut off on purpose",
                until=date(2027, 3, 1),
                locked="github:divnix/blank",
            ),
            Ignore(rule="indirect", reason="it is only a demo"),
        ),
    )
    assert is_valid(f"{WHOLE}\n{REPO}")


def test_without_the_table_the_gate_is_high_and_everything_is_allowed(load: Load) -> None:
    usual = load("")
    assert (usual.gate, usual.fail_on, usual.allow, usual.ignore) == ("high", "high", None, ())


def ignoring(*lines: str, rule: str = "indirect") -> str:
    return "\n".join(["[[audit.ignore]]", f'rule = "{rule}"', *lines])


REASON = 'reason = "known"'


A_DAY = "write a day: `2027-03-01`"


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        ("audit = 1", "audit", "must be a table, not an integer", None),
        ("[audit]\nfail_on = 'high'", "audit.fail_on", "unknown key", "did you mean `fail-on`?"),
        ("[audit]\ngate = 'hi'", "audit.gate", "must be one of `high`, `medium`, `low`, `never`, not `hi`", None),
        ("[audit]\nallow = 'github:acme/*'", "audit.allow", "must be an array, not a string", None),
        ("[audit]\nallow = ['acme']", "audit.allow[0]", "`acme` means no repository", None),
        ("[audit]\nallow = ['githb:acme/*']", "audit.allow[0]", "`githb:acme/*` means no repository", None),
        ("[audit]\nrequire-signed = ['github:acme/*']", "audit.require-signed", "needs `allowed-signers`", None),
        (
            "[audit.severity]\nforein = 'low'",
            "audit.severity.forein",
            "there is no such rule",
            "did you mean `foreign`?",
        ),
        ("[audit.severity]\nforeign = 'never'", "audit.severity.foreign", None, None),
        ("[audit.severity]\nforeign = 1", "audit.severity.foreign", "must be a string, not an integer", None),
        ("[audit.end-of-life]\nnixos = 2026-01-01", "audit.end-of-life.nixos", "is not a release", None),
        ("[audit.end-of-life]\n'26.05' = 'soon'", 'audit.end-of-life."26.05"', "`soon` is not a day", None),
        ("[audit.end-of-life]\n'26.05' = 2026-01-01T00:00:00Z", 'audit.end-of-life."26.05"', None, None),
        ("[audit]\nignore = [1]", "audit.ignore[0]", "must be a table, not an integer", None),
        (ignoring(), "audit.ignore[0]", "needs a `reason`", None),
        (ignoring('reason = " "'), "audit.ignore[0].reason", "must not be empty", None),
        (
            ignoring(REASON, rule="forein"),
            "audit.ignore[0].rule",
            "there is no rule `forein`",
            "did you mean `foreign`?",
        ),
        (f"[[audit.ignore]]\n{REASON}", "audit.ignore[0]", "needs a `rule`", None),
        (ignoring(REASON, rule="foreign"), "audit.ignore[0]", "needs an `until`", None),
        (ignoring(REASON, "inputs = 'x'"), "audit.ignore[0].inputs", "unknown key", "did you mean `input`?"),
        (ignoring(REASON, "input = 'a/**'"), "audit.ignore[0].input", None, None),
        (ignoring(REASON, "until = '2027-02-30'"), "audit.ignore[0].until", "`2027-02-30` is not a day", A_DAY),
        (ignoring(REASON, "until = '20270301'"), "audit.ignore[0].until", "`20270301` is not a day", A_DAY),
        (ignoring(REASON, "until = '2027-W09-1'"), "audit.ignore[0].until", "`2027-W09-1` is not a day", A_DAY),
        (ignoring(REASON, "until = '2027-3-1'"), "audit.ignore[0].until", "`2027-3-1` is not a day", A_DAY),
        (ignoring(REASON, "until = '٢٠٢٧-٠٣-٠١'"), "audit.ignore[0].until", "`٢٠٢٧-٠٣-٠١` is not a day", A_DAY),
        (ignoring(REASON, "until = 20270301"), "audit.ignore[0].until", "must be a string, not an integer", None),
        (ignoring(REASON, "until = 00:00:00"), "audit.ignore[0].until", None, None),
        (ignoring(REASON, "flake = '../x'"), "audit.ignore[0].flake", "`../x` climbs with `..`", None),
        (ignoring(REASON, "locked = 'x y'"), "audit.ignore[0].locked", None, None),
        (ignoring(REASON, f"locked = 'github:o/r/{'a' * 40}'"), "audit.ignore[0].locked", None, None),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    problems: Problems, text: str, place: str, message: str | None, hint: str | None
) -> None:
    found = problems(text)
    assert place in found
    assert message in (None, found[place][0])
    assert hint in (None, found[place][1])


@pytest.mark.parametrize("rule", sorted(OF_IGNORES))
def test_what_speaks_of_ignores_is_ignored_by_none(problems: Problems, rule: str) -> None:
    text = ignoring(REASON, "until = 2027-03-01", rule=rule)
    hint = f'mend the ignore that it speaks of, or turn the rule off: `{rule} = "off"` in `[audit.severity]`'
    assert problems(text) == {"audit.ignore[0].rule": (f"`{rule}` speaks of ignores, and cannot be ignored", hint)}
    assert not is_valid(f"{text}\n{REPO}")


@pytest.mark.parametrize("day", ["2027-03-01", "'2027-03-01'"])
def test_a_day_is_a_date_of_toml_or_a_string_of_that_form(load: Load, day: str) -> None:
    text = ignoring(REASON, f"until = {day}")
    assert load(text).ignore[0].until == date(2027, 3, 1)
    assert is_valid(f"{text}\n{REPO}")
    assert not is_valid(ignoring(REASON, "until = '20270301'") + f"\n{REPO}")


def test_signers_that_cannot_be_read_are_told(problems: Problems) -> None:
    ((message, hint),) = problems("[audit]\nallowed-signers = 'nobody'").values()
    assert message.endswith("nobody cannot be read: No such file or directory")
    assert hint == "it is relative to the manifest"


def test_all_mistakes_are_told_at_once(problems: Problems) -> None:
    text = "[audit]\ngate = 1\n[audit.severity]\nx = 'low'\n[[audit.ignore]]\n[[audit.ignore]]\nrule = 'foreign'"
    assert {*problems(text)} == {"audit.gate", "audit.severity.x", "audit.ignore[0]", "audit.ignore[1]"}


def test_an_end_is_wanted_by_the_severity_that_the_manifest_gives(load: Load, problems: Problems) -> None:
    load(f"[audit.severity]\nforeign = 'low'\n{ignoring(REASON, rule='foreign')}")
    assert "audit.ignore[0]" in problems(f"[audit.severity]\nindirect = 'high'\n{ignoring(REASON)}")


def test_the_rules_that_can_be_high_are_those_that_say_so() -> None:
    assert {rule.id for rule in ALL if rule.severity == "high"} | {"no-nar-hash"} == HIGH

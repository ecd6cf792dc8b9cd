"""Ignores: what they cover, when they end, and which cover nothing."""

from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import pytest
import tomli_w

from flakesync.audit.ignores import apply, covers, unused
from flakesync.cli.main import run
from flakesync.documents.audit import AuditFinding
from flakesync.workspace.audit import AuditSettings, Ignore, RuleId, Severity
from tests.support import locks, repos
from tests.support.locks import github
from tests.support.workspaces import flake_nix

DAY = date(2026, 11, 29)


def found(
    rule: RuleId = "foreign", *, repo: str = "std", path: str | None = "a/b", severity: Severity = "high",
    source: str | None = "github:divnix/blank",
) -> AuditFinding:  # fmt: skip
    return AuditFinding(
        rule=rule, severity=severity, repo=repo, flake=".", input=path, line=1, source=source, locked_rev=None,
        message="m", fingerprint="f",
    )  # fmt: skip


def ignore(rule: RuleId = "foreign", *, until: date | None = None, **more: str) -> Ignore:
    return msgspec.convert({"rule": rule, "reason": "known", "until": until, **more}, Ignore)


@pytest.mark.parametrize(
    ("what", "covered"),
    [
        (ignore(), True),
        (ignore("indirect"), False),
        (ignore(repo="std"), True),
        (ignore(repo="s*"), True),
        (ignore(repo="st"), False),
        (ignore(input="a/b"), True),
        (ignore(input="a/*"), True),
        (ignore(input="*"), False),
        (ignore(input="a"), False),
        (ignore(flake="."), True),
        (ignore(flake="dev"), False),
        (ignore(locked="github:divnix/blank"), True),
        (ignore(locked="git+https://github.com/DivNix/blank.git"), True),
        (ignore(locked="github:evil/blank"), False),
    ],
)
def test_what_an_ignore_covers(what: Ignore, covered: bool) -> None:
    assert covers(what, found()) is covered


def test_one_that_names_an_input_is_not_of_a_whole_repo_and_one_that_names_none_is() -> None:
    assert not covers(ignore(input="*"), found(path=None))
    assert covers(ignore(), found(path=None))
    assert not covers(ignore(locked="github:a/b"), found(source=None))


@pytest.mark.parametrize(("until", "ignored"), [(None, True), (DAY, True), (date(2026, 11, 28), False)])
def test_an_ignore_holds_through_its_last_day(until: date | None, ignored: bool) -> None:
    judged = apply([found()], AuditSettings(ignore=(ignore(until=until),)), DAY)
    assert (judged[0].ignored is not None) is ignored
    assert [each.rule for each in judged[1:]] == ([] if ignored else ["ignore-expired"])


def test_what_is_past_its_end_is_as_grave_as_what_it_ignored() -> None:
    settings = AuditSettings(ignore=(ignore(until=date(2026, 1, 1)),))
    low, high = found(severity="low", path="x"), found(severity="high")
    _, _, expired = apply([low, high], settings, DAY)
    assert (expired.severity, expired.repo, expired.ignored) == ("high", "std", None)
    assert expired.message == "audit.ignore[0], of foreign, ended 2026-01-01: known"
    off = msgspec.structs.replace(settings, severity={"ignore-expired": "off"})
    assert [each.rule for each in apply([low, high], off, DAY)] == ["foreign", "foreign"]
    lower = msgspec.structs.replace(settings, severity={"ignore-expired": "low"})
    assert apply([high], lower, DAY)[-1].severity == "low"


def test_another_ignore_that_holds_is_enough() -> None:
    both = AuditSettings(ignore=(ignore(until=date(2026, 1, 1)), ignore()))
    (judged,) = apply([found()], both, DAY)
    assert judged.ignored is not None


def test_an_ignore_that_covers_nothing_is_told_if_its_rule_was_asked() -> None:
    settings = AuditSettings(ignore=(ignore(), ignore(repo="other"), ignore("nar-hash")))
    (told,) = unused([found()], settings, ["foreign", "old"])
    assert (told.rule, told.severity, told.repo) == ("ignore-unused", "info", "")
    assert told.message == "audit.ignore[1], of foreign (repo other), covers nothing: known"
    off = msgspec.structs.replace(settings, severity={"ignore-unused": "off"})
    assert not list(unused([found()], off, ["foreign"]))


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace whose one repo is locked to another repository than its flake.nix names."""
    inputs = {"x": github("acme", "x")}
    lock = locks.lock(inputs)
    lock["nodes"]["x"]["locked"]["owner"] = "evil"
    repos.make_repo(tmp_path / "app", {"flake.nix": flake_nix(inputs), "flake.lock": locks.to_bytes(lock).decode()})
    monkeypatch.chdir(tmp_path)
    return tmp_path / "workspace.toml"


@pytest.mark.parametrize(("day", "status"), [(28, 0), (29, 0), (30, 1)])
def test_the_finding_is_back_on_the_day_after(
    manifest: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], day: int, status: int
) -> None:

    ignored = {"rule": "foreign", "repo": "app", "reason": "for now", "until": date(2026, 11, 29)}
    manifest.write_text(tomli_w.dumps({"audit": {"ignore": [ignored]}, "repos": {"app": {"path": "app"}}}))
    now = datetime(2026, 11, day, 23, 59, tzinfo=UTC).timestamp()
    monkeypatch.setattr("time.time", lambda: now)
    assert run(["audit"]) == status
    out = capsys.readouterr().out
    assert ("ignore-expired" in out) is (status == 1)
    assert ("1 ignored" in out) is (status == 0)


def test_an_ignore_without_a_reason_is_an_error_of_the_manifest(
    manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:

    manifest.write_text('[[audit.ignore]]\nrule = "indirect"\n[repos.app]\npath = "app"\n')
    assert run(["audit"]) == 2
    assert "audit.ignore[0]: needs a `reason`" in capsys.readouterr().err

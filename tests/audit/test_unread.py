"""A repo of which nothing is known is named as such whichever rules are asked for, and proves nothing about ignores."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flakesync.audit import audit
from flakesync.audit.engine import Found, find_findings
from flakesync.cli.main import run
from flakesync.errors import EXIT_BUG
from tests.support import locks, repos
from tests.support.locks import github
from tests.support.workspaces import flake_nix

Audited = Callable[..., tuple[int, dict[str, Any], str]]
NEVER_FETCHED = '[repos.lib]\nurl = "github:acme/lib"\n'
IGNORED = '[[audit.ignore]]\nrule = "RULE"\nreason = "known"\nuntil = 2999-12-31\n'


@pytest.fixture
def audited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Audited:
    """A workspace of one repo, whose lock has a poisoned input with a character in its name that nobody sees."""
    inputs = {"x": github("acme", "x")}
    lock = locks.lock(inputs)
    lock["nodes"]["x"]["locked"] |= {"owner": "evil", "repo": "x\u200b"}
    repos.make_repo(tmp_path / "app", {"flake.nix": flake_nix(inputs), "flake.lock": locks.to_bytes(lock).decode()})
    monkeypatch.chdir(tmp_path)

    def run_audit(more: str, *argv: str) -> tuple[int, dict[str, Any], str]:
        (tmp_path / "workspace.toml").write_text(f'[repos.app]\npath = "app"\n{more}')
        status = run(["audit", "--fail-on", "never", "--json", *argv])
        said = capsys.readouterr()
        return status, json.loads(said.out), said.err

    return run_audit


@pytest.mark.parametrize("more", [(), ("foreign",)])
def test_what_was_never_fetched_is_unread(audited: Audited, more: tuple[str, ...]) -> None:
    status, report, err = audited(NEVER_FETCHED, *more)
    assert (status, report["repos"], report["unread"]) == (0, ["app", "lib"], ["lib"])
    found = [each["repo"] for each in report["findings"] if each["rule"] == "unreachable"]
    assert (found, "note: not read: lib: " in err) == ((["lib"], False) if not more else ([], True))
    assert audited(NEVER_FETCHED, "--strict", *more)[0] == 1


def test_a_repo_that_a_rule_breaks_on_is_unread_and_the_others_are_not(
    audited: Audited, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(context: object, states: list[object], *rest: object) -> Found:
        if any(getattr(each, "name", "") == "bad" and hasattr(each, "rev") for each in states):
            raise ZeroDivisionError
        return find_findings(context, states, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(audit, "find_findings", find)
    repos.make_repo(tmp_path / "bad", {"flake.nix": "{ outputs = _: { }; }\n"})
    status, report, _ = audited('[repos.bad]\npath = "bad"\n', "foreign")
    assert (status, report["unread"]) == (EXIT_BUG, ["bad"])
    assert [(each["rule"], each["repo"]) for each in report["findings"]] == [("foreign", "app"), ("unreachable", "bad")]


def test_an_ignore_is_unused_only_where_all_was_looked_at(audited: Audited) -> None:
    def unused(more: str) -> list[str]:
        return [each["message"] for each in audited(more)[1]["findings"] if each["rule"] == "ignore-unused"]

    ignored = IGNORED.replace("RULE", "indirect")
    assert unused(ignored) == ["audit.ignore[0], of indirect, covers nothing: known"]
    assert unused(ignored + NEVER_FETCHED) == []


def test_a_message_shows_what_nobody_sees(audited: Audited) -> None:
    (finding,) = (each for each in audited("")[1]["findings"] if each["rule"] == "foreign")
    assert finding["message"].startswith("github.com/acme/x is locked to github.com/evil/x\\u200b ")

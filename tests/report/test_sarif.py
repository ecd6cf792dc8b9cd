"""An audit as SARIF is what OASIS's schema asks for, and names each finding in the same way in every upload."""

import gzip
import json
import random
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakesync import __version__
from flakesync.audit.audit import make_context
from flakesync.audit.engine import find_findings
from flakesync.audit.fingerprint import fingerprint
from flakesync.audit.rules import ALL, RULES
from flakesync.audit.subject import all_subjects
from flakesync.documents.audit import AuditFinding, AuditReport, Counts, IgnoreReason, Unchecked
from flakesync.report.audit.sarif import render_sarif, sarif_files
from flakesync.terms import RepoName, show_path
from flakesync.workspace.audit import RuleId, Severity
from tests.support.locks import Json, random_lock
from tests.support.workspaces import scene

SCHEMA = Path(__file__).parent / "schemas" / "sarif-2.1.0-rtm.5.json"
TEN_MB = 10_000_000


@cache
def _validator() -> jsonschema.Draft4Validator:
    return jsonschema.Draft4Validator(json.loads(SCHEMA.read_bytes()))


def _found(
    rule: RuleId = "foreign", severity: Severity = "high", *, repo: str = "app", flake: str | None = ".",
    path: str | None = "lib", line: int | None = 7, message: str = "is locked elsewhere", print_: str = "f" * 32,
    ignored: IgnoreReason | None = None, source: str | None = "github:acme/lib",
) -> AuditFinding:  # fmt: skip
    return AuditFinding(
        rule=rule, severity=severity, repo=repo, flake=flake, input=path, line=line, source=source, locked_rev="a" * 40,
        message=message, fingerprint=print_, ignored=ignored,
    )  # fmt: skip


def _report(
    *findings: AuditFinding, unchecked: tuple[Unchecked, ...] = (), repos: tuple[str, ...] = (),
    unread: tuple[str, ...] = (),
) -> AuditReport:  # fmt: skip
    return AuditReport(
        unread=[*unread],
        level="offline", at="base", repos=sorted({*repos, *(each.repo for each in findings)}), findings=list(findings),
        unchecked=list(unchecked), counts=Counts(high=0, medium=0, low=0, info=0, ignored=0), sources=1,
    )  # fmt: skip


def _runs(report: AuditReport) -> list[Json]:
    document = json.loads(render_sarif(report))
    _validator().validate(document)
    runs: list[Json] = document["runs"]
    return runs


def _run(report: AuditReport) -> Json:
    (run,) = _runs(report)
    return run


def test_every_rule_and_severity_is_as_the_schema_asks() -> None:
    severities: tuple[Severity, ...] = ("high", "medium", "low", "info")
    for severity in severities:
        run = _run(_report(*(_found(rule.id, severity) for rule in ALL)))
        rules = {each["id"]: each for each in run["tool"]["driver"]["rules"]}
        assert rules.keys() == {rule.id for rule in ALL}
        for rule in rules.values():
            assert rule["help"]["text"]
            assert rule["help"]["markdown"]
            score = {"high": "8.0", "medium": "5.0", "low": "2.0", "info": None}[severity]
            assert rule["properties"].get("security-severity") == score
        level = {"high": "error", "medium": "warning", "low": "note", "info": "note"}[severity]
        assert {each["level"] for each in run["results"]} == {level}


def test_a_finding_is_placed_in_its_lock_and_told_apart_by_its_fingerprint() -> None:
    run = _run(_report(_found(flake="dev", line=42)))
    (result,) = run["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "dev/flake.lock"
    assert place["region"] == {"startLine": 42}
    assert result["partialFingerprints"]["flakesyncFinding/v1"] == "f" * 32
    assert result["message"]["text"] == "lib: is locked elsewhere"
    assert run["automationDetails"] == {"id": "flakesync/"}
    assert run["tool"]["driver"]["version"] == __version__
    assert run["invocations"][0]["executionSuccessful"] is True


@pytest.mark.parametrize(
    ("dir", "uri"),
    [
        ("a b", "a%20b/flake.lock"),
        ("c:d", "c%3Ad/flake.lock"),
        ("ü", "%C3%BC/flake.lock"),
        ("100%", "100%25/flake.lock"),
    ],
)
def test_a_folder_of_any_name_is_a_relative_uri(dir: str, uri: str) -> None:
    (result,) = _run(_report(_found(flake=dir)))["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_what_is_ignored_is_suppressed_with_its_reason() -> None:
    ignored = IgnoreReason(reason="cut off on purpose", until="2027-03-01")
    first, second = _run(_report(_found(ignored=ignored), _found("old", "low")))["results"]
    assert (first["ruleId"], "suppressions" in first) == ("old", False)
    assert second["suppressions"] == [
        {"kind": "external", "status": "accepted", "justification": "cut off on purpose (until 2027-03-01)"}
    ]


def test_what_was_not_checked_is_a_notification_and_no_result() -> None:
    missed = Unchecked(rule="nar-hash", repo="app", flake=".", input="icons", reason="uses git-lfs")
    run = _run(_report(unchecked=(missed,), repos=("app",)))
    assert run["results"] == []
    (notification,) = run["invocations"][0]["toolExecutionNotifications"]
    assert notification["message"]["text"] == "icons: not checked: uses git-lfs"
    assert notification["associatedRule"] == {"id": "nar-hash"}


def test_each_repo_is_a_run_of_a_category_of_its_own() -> None:
    runs = _runs(_report(_found(repo="app"), _found(repo="lib"), repos=("site",)))
    assert [run["automationDetails"]["id"] for run in runs] == ["flakesync/app/", "flakesync/lib/", "flakesync/site/"]
    assert [len(run["results"]) for run in runs] == [1, 1, 0]


def test_a_file_a_repo_has_one_run_and_an_empty_one_closes_alerts() -> None:
    files = sarif_files(_report(_found(repo="app"), repos=("site",)))
    assert [*files] == ["app.sarif", "site.sarif"]
    for name, number in (("app.sarif", 1), ("site.sarif", 0)):
        document = json.loads(files[name])
        _validator().validate(document)
        (run,) = document["runs"]
        assert (run["automationDetails"]["id"], len(run["results"])) == ("flakesync/", number)


def test_a_repo_that_could_not_be_read_is_no_success() -> None:
    run = _run(_report(_found("unreachable", flake=None, path=None, line=None), unread=("app",)))
    assert run["invocations"][0]["executionSuccessful"] is False
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "flake.lock"
    down = Unchecked(rule="unreachable", repo="app", flake=None, input=None, reason="its server is down")
    assert _run(_report(unchecked=(down,), unread=("app",)))["invocations"][0]["executionSuccessful"] is False


def test_a_repo_that_could_not_be_read_has_no_file_and_says_so_in_its_run() -> None:
    report = _report(_found(repo="app"), repos=("lib", "site"), unread=("lib",))
    assert [*sarif_files(report)] == ["app.sarif", "site.sarif"]
    invocations = {run["automationDetails"]["id"]: run["invocations"][0] for run in _runs(report)}
    assert [each["executionSuccessful"] for each in invocations.values()] == [True, False, True]
    (note,) = invocations["flakesync/lib/"]["toolExecutionNotifications"]
    assert (note["level"], note["message"]["text"]) == (
        "error", "the repo could not be read: nothing is known of its locks",
    )  # fmt: skip


def test_what_is_ignored_can_be_left_out_and_is_counted() -> None:
    ignored = IgnoreReason(reason="known", until=None)
    report = _report(_found(ignored=ignored), _found("old", "low"), _found(repo="lib", ignored=ignored))
    for data in (render_sarif(report, keep_ignored=False), sarif_files(report, keep_ignored=False)["app.sarif"]):
        document = json.loads(data)
        _validator().validate(document)
        run = document["runs"][0]
        assert [each["ruleId"] for each in run["results"]] == ["old"]
        assert [each["id"] for each in run["tool"]["driver"]["rules"]] == ["old"]
        (note,) = run["invocations"][0]["toolExecutionNotifications"]
        assert (note["level"], note["message"]["text"]) == ("note", "findings that are ignored and not here: 1")
    assert [*sarif_files(report, keep_ignored=False)] == ["app.sarif", "lib.sarif"]


def test_of_too_many_findings_the_gravest_are_kept_and_the_rest_is_said() -> None:
    rng = random.Random(1)
    noise = ["".join(rng.choices("abcdefghij/", k=3_000)) for _ in range(50)]
    many = [
        _found("old", "low", path=f"p{number}", message=noise[number % 50], print_=f"{number:032x}")
        for number in range(6_000)
    ]
    data = render_sarif(_report(*many, _found("foreign", "high", path="last")))
    run = json.loads(data)["runs"][0]
    assert len(run["results"]) == 5_000
    assert run["results"][0]["ruleId"] == "foreign"
    notes = [each["message"]["text"] for each in run["invocations"][0]["toolExecutionNotifications"]]
    assert notes == ["of 6001 findings only the first 5000 are here, the gravest first; --json has all of them"]
    assert len(gzip.compress(data, 1)) < TEN_MB


def test_no_login_and_no_control_character_gets_in() -> None:
    evil = "\x1b[31mhttps://bot:s3cret@git.example.com/x\x07 {0} [a](https://evil.example) \u202e"
    missed = Unchecked(rule="nar-hash", repo="app", flake=".", input=evil, reason=evil)
    ignored = IgnoreReason(reason=evil, until=None)
    report = _report(_found(message=evil, path=evil, source=evil, ignored=ignored), unchecked=(missed,))
    (run,) = _runs(report)
    texts = json.dumps(run, ensure_ascii=False)
    assert not [word for word in ("s3cret", "\x1b", "\x07", "\u202e", "\\u001b", "\\u0007") if word in texts]
    message: str = run["results"][0]["message"]["text"]
    assert "{{0}}" in message
    assert "\\[a\\](" in message


def test_a_character_without_a_width_is_seen_in_a_name_and_in_a_message() -> None:
    evil = "n1x\u200b\u2060os\u202e\ue000"
    missed = Unchecked(rule="nar-hash", repo="app", flake=".", input=f"a\n{evil}", reason=f"no\n {evil}")
    run = _run(_report(_found(message=f"is\n {evil}", path=f"a\n{evil}", source=evil), unchecked=(missed,)))
    seen = "n1x\\u200b\\u2060os\\u202e\\ue000"
    (result,), (note,) = run["results"], run["invocations"][0]["toolExecutionNotifications"]
    assert result["message"]["text"] == f"a\\n{seen}: is {seen}"
    assert result["properties"]["source"] == seen
    assert note["message"]["text"] == f"a\\n{seen}: not checked: no {seen}"


@given(st.text(), st.text(), st.integers(1) | st.none())
def test_any_text_makes_a_valid_document(message: str, path: str, line: int | None) -> None:
    missed = Unchecked(rule="nar-hash", repo="app", flake=path or ".", input=path, reason=message)
    report = _report(_found(message=message, path=path, flake=path or ".", line=line), unchecked=(missed,))
    _run(report)
    assert render_sarif(report) == render_sarif(report)


def _moved(value: Any, seed: str) -> Any:
    """Return a lock with every commit, hash and date changed, and its labels renumbered."""
    labels = {label: f"{label}_{len(label)}x{seed}" for label in value["nodes"] if label != value["root"]}
    nodes: Json = {}
    for label, node in value["nodes"].items():
        moved = dict(node)
        if "locked" in node:
            moved["locked"] = {
                key: (seed * 40)[:40] if key == "rev" else each + 1 if key in ("lastModified", "revCount") else each
                for key, each in node["locked"].items()
            }
        if "inputs" in node:
            inputs = node["inputs"].items()
            moved["inputs"] = {name: labels.get(each, each) if isinstance(each, str) else each for name, each in inputs}
        nodes[labels.get(label, label)] = moved
    return {**value, "nodes": nodes}


@pytest.mark.parametrize("seed", range(25))
def test_a_bump_of_all_inputs_changes_no_fingerprint(seed: int) -> None:
    def prints(lock: Json) -> dict[str, str]:
        found = scene({"app": {".": lock}})
        subjects = all_subjects(found.snapshot().states.values())
        return {show_path(each.path): fingerprint("foreign", each.flake, each.path, each.node) for each in subjects}

    lock = random_lock(seed)
    before = prints(lock)
    assert len({*before.values()}) == len(before)
    assert before == prints(_moved(lock, "b"))


@pytest.mark.parametrize("seed", range(5))
def test_two_uploads_of_a_lock_are_the_same(seed: int) -> None:
    def upload() -> list[str]:
        found = scene({"app": {".": random_lock(seed)}})
        states = [found.snapshot().states[RepoName("app")]]
        findings = find_findings(make_context(found.snapshot(), now=1_000_000_000), states, RULES).findings
        assert findings
        run = _run(_report(*findings))
        return [each["partialFingerprints"]["primaryLocationLineHash"] for each in run["results"]]

    first = upload()
    assert first == upload()
    assert len({*first}) == len(first)

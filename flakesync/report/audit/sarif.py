"""An audit as SARIF 2.1.0, for code scanning: a run for each repo, whose paths are relative to that repo.

What GitHub makes of it has decided several things here: it tells alerts apart by `primaryLocationLineHash` alone, takes
no second run of the same category, no result without a location, and shows 5,000 results of a run. An upload closes the
alerts that are not in it. It reads no `suppressions`: what is ignored would be an open alert, so it can be left out.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

import msgspec

from flakesync import __version__
from flakesync.audit.rule import BaseRule
from flakesync.audit.rules import ALL
from flakesync.audit.severity import SEVERITIES
from flakesync.audit.shown import clean, clean_message
from flakesync.documents.audit import AuditFinding, AuditReport, Unchecked
from flakesync.terms import FlakeDir, flake_file
from flakesync.workspace.audit import RuleId, Severity

_Json = dict[str, object]

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: Mapping[Severity, str] = {"high": "error", "medium": "warning", "low": "note", "info": "note"}
_SCORES: Mapping[Severity, str] = {"high": "8.0", "medium": "5.0", "low": "2.0"}
_MOST_RESULTS = 5_000
_MOST_NOTIFICATIONS = 1_000
_LONGEST_TEXT = 1_000
"""Characters of one text: with the limits above it keeps a file below the 10 MB, compressed, that GitHub takes."""

_RULES: Mapping[RuleId, BaseRule] = {rule.id: rule for rule in ALL}
_WITHOUT_A_LOCK: frozenset[RuleId] = frozenset({"no-lock"})


def render_sarif(report: AuditReport, *, keep_ignored: bool = True) -> bytes:
    """Return the findings of all repos: a run each, of a category each where there are several.

    keep_ignored: what is ignored is there, as suppressed; else it is left out, and how much that is said.
    """
    names = _repos(report)
    categories = {name: f"flakesync/{name}/" if len(names) > 1 else "flakesync/" for name in names}
    return _encode([_run(report, name, category, keep_ignored) for name, category in categories.items()])


def sarif_files(report: AuditReport, *, keep_ignored: bool = True) -> Mapping[str, bytes]:
    """Return a file for each repo that was read, by its name: of one run, without results where nothing was found."""
    read = [name for name in _repos(report) if name not in report.unread]
    return {sarif_file(name): _encode([_run(report, name, "flakesync/", keep_ignored)]) for name in read}


def sarif_file(repo: str) -> str:
    """Return what the file of a repo is called."""
    return f"{repo}.sarif"


def _repos(report: AuditReport) -> Sequence[str]:
    # What is of no repo is the manifest's: code scanning has no file for it.
    named = {*report.repos, *(each.repo for each in report.findings), *(each.repo for each in report.unchecked)}
    return sorted(named - {""})


def _encode(runs: Sequence[_Json]) -> bytes:
    document = {"$schema": _SCHEMA, "version": "2.1.0", "runs": runs}
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _run(report: AuditReport, repo: str, category: str, keep_ignored: bool) -> _Json:
    every = sorted((each for each in report.findings if each.repo == repo), key=_by_weight)
    findings = [each for each in every if keep_ignored or each.ignored is None]
    unchecked = [each for each in report.unchecked if each.repo == repo]
    notifications = [_notification(each) for each in unchecked[:_MOST_NOTIFICATIONS]]
    for what, number, most in (
        ("findings", len(findings), _MOST_RESULTS),
        ("checks that could not be made", len(unchecked), _MOST_NOTIFICATIONS),
    ):
        if number > most:
            text = f"of {number} {what} only the first {most} are here, the gravest first; --json has all of them"
            notifications.append({"level": "warning", "message": {"text": text}})
    if len(every) > len(findings):
        left = f"findings that are ignored and not here: {len(every) - len(findings)}"
        notifications.append({"level": "note", "message": {"text": left}})
    if repo in report.unread:
        text = "the repo could not be read: nothing is known of its locks"
        notifications.append({"level": "error", "message": {"text": text}})
    shown = findings[:_MOST_RESULTS]
    invocation = {
        "executionSuccessful": repo not in report.unread,
        "toolExecutionNotifications": notifications,
    }
    return {
        "tool": {"driver": {"name": "flakesync", "version": __version__, "rules": _rules(shown, unchecked)}},
        "automationDetails": {"id": category},
        "invocations": [invocation],
        "results": _results(shown),
    }


def _by_weight(finding: AuditFinding) -> tuple[bool, int]:
    return (finding.ignored is not None, SEVERITIES.index(finding.severity))


def _rules(findings: Iterable[AuditFinding], unchecked: Iterable[Unchecked]) -> Sequence[_Json]:
    """Return the rules that are spoken of, each with the gravest severity that it has here: alerts show the rule's."""
    severities: dict[RuleId, Severity] = {}
    for finding in sorted(findings, key=lambda each: SEVERITIES.index(each.severity)):
        severities.setdefault(finding.rule, finding.severity)
    for each in unchecked:
        rule = _RULES.get(each.rule)
        severities.setdefault(each.rule, rule.severity if rule is not None else "info")
    return [_rule(id, severities[id]) for id in sorted(severities)]


def _rule(id: RuleId, severity: Severity) -> _Json:
    score = _SCORES.get(severity)
    tags = ["nix"] if score is None else ["nix", "security", "supply-chain"]
    described: _Json = {
        "id": id,
        "defaultConfiguration": {"level": _LEVELS[severity]},
        "properties": {"tags": tags} | ({} if score is None else {"security-severity": score}),
    }
    rule = _RULES.get(id)
    if rule is not None:
        text = _text(rule.help)
        described |= {
            "shortDescription": {"text": _text(rule.title)},
            "fullDescription": {"text": text},
            "help": {"text": text, "markdown": f"**{_text(rule.title)}** ({severity}, level {rule.level})\n\n{text}"},
        }
    return described


def _results(findings: Iterable[AuditFinding]) -> Sequence[_Json]:
    seen: Counter[str] = Counter()
    results: list[_Json] = []
    for each in findings:
        seen[each.fingerprint] += 1
        result: _Json = {
            "ruleId": each.rule,
            "level": _LEVELS[each.severity],
            "message": {"text": _text(_of(each.input) + each.message)},
            "locations": [_location(each.rule, each.flake, each.line)],
            "partialFingerprints": {
                "flakesyncFinding/v1": each.fingerprint,
                # Where this is missing the upload hashes the line and what follows it, and each bump is a new alert.
                "primaryLocationLineHash": f"{each.fingerprint}:{seen[each.fingerprint]}",
            },
            "properties": _properties(each),
        }
        if each.ignored is not None:
            until = f" (until {each.ignored.until})" if each.ignored.until is not None else ""
            reason = _text(f"{each.ignored.reason}{until}")
            result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": reason}]
        results.append(result)
    return results


def _properties(finding: AuditFinding) -> _Json:
    values = {
        "severity": finding.severity, "input": finding.input, "source": finding.source, "lockedRev": finding.locked_rev
    }  # fmt: skip
    return {key: _cut(clean(value)) for key, value in values.items() if value is not None}


def _notification(unchecked: Unchecked) -> _Json:
    return {
        "level": "warning",
        "message": {"text": _text(f"{_of(unchecked.input)}not checked: {unchecked.reason}")},
        "associatedRule": {"id": unchecked.rule},
        "locations": [_location(unchecked.rule, unchecked.flake, None)],
    }


def _location(rule: RuleId, flake: str | None, line: int | None) -> _Json:
    dir = FlakeDir(flake if flake is not None else ".")
    file = flake_file(dir, "flake.nix") if rule in _WITHOUT_A_LOCK else flake_file(dir)
    uri = quote(os.fsencode(file))  # a folder may have any name; a colon in it would begin a scheme
    place = {"artifactLocation": {"uri": uri, "uriBaseId": "%SRCROOT%"}, "region": {"startLine": line or 1}}
    return {"physicalLocation": place}


def _of(path: str | None) -> str:
    """Return how a sentence about an input begins."""
    return f"{clean(path)}: " if path is not None else ""


def _text(text: str) -> str:
    """Return a text as a message: nothing in it is a placeholder (`{0}`) or a link (`[text](address)`)."""
    escaped = _cut(clean_message(text)).replace("{", "{{").replace("}", "}}")
    return escaped.replace("[", "\\[").replace("]", "\\]") if "](" in escaped else escaped


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"

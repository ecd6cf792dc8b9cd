"""Which findings an `[[audit.ignore]]` covers, and which of these are past their end or cover nothing."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

import msgspec

from flakesync.audit.fingerprint import fingerprint_of
from flakesync.audit.rules.state.ignores import EXPIRED, UNUSED
from flakesync.audit.severity import SEVERITIES
from flakesync.documents.audit import AuditFinding, IgnoreReason
from flakesync.nix.reference.flakeref import identity_of_url
from flakesync.workspace.audit import AuditSettings, Ignore, RuleId, Severity
from flakesync.workspace.values import matches


def covers(ignore: Ignore, finding: AuditFinding) -> bool:
    """Tell whether an ignore is of a finding, whatever its `until` says."""
    if ignore.rule != finding.rule:
        return False
    if ignore.repo is not None and not matches((ignore.repo,), (finding.repo,)):
        return False
    if ignore.flake is not None and ignore.flake != finding.flake:
        return False
    path = tuple(finding.input.split("/")) if finding.input is not None else None
    if ignore.input is not None and (path is None or not matches((ignore.input,), path)):
        return False
    return ignore.locked is None or _is_same(ignore.locked, finding.source)


def apply(findings: Iterable[AuditFinding], settings: AuditSettings, today: date) -> Sequence[AuditFinding]:
    """Return the findings, those that an ignore covers marked, and an `ignore-expired` for each ignore past its end.

    today: in UTC. An ignore holds through the day of its `until`.
    """
    judged: list[AuditFinding] = []
    expired: dict[tuple[int, str], AuditFinding] = {}
    for finding in findings:
        covering = {number: each for number, each in enumerate(settings.ignore) if covers(each, finding)}
        holding = next((each for each in covering.values() if each.until is None or each.until >= today), None)
        if holding is not None:
            until = holding.until.isoformat() if holding.until is not None else None
            judged.append(msgspec.structs.replace(finding, ignored=IgnoreReason(reason=holding.reason, until=until)))
            continue
        judged.append(finding)
        for number in covering:
            before = expired.get((number, finding.repo))
            if before is None or SEVERITIES.index(finding.severity) < SEVERITIES.index(before.severity):
                expired[number, finding.repo] = _expired(number, finding, settings)
    if settings.severity.get(EXPIRED.id) == "off":
        return judged
    return [*judged, *expired.values()]


def unused(
    findings: Sequence[AuditFinding], settings: AuditSettings, rules: Iterable[RuleId]
) -> Iterator[AuditFinding]:
    """Yield an `ignore-unused` for each ignore of these rules that covers none of the findings.

    findings: all of the workspace, found by the rules; else nobody knows what an ignore is for. They are of no repo.
    """
    asked = {*rules}
    severity = settings.severity.get(UNUSED.id, UNUSED.severity)
    if severity == "off":
        return
    for number, each in enumerate(settings.ignore):
        if each.rule in asked and not any(covers(each, finding) for finding in findings):
            message = f"audit.ignore[{number}], of {_described(each)}, covers nothing: {each.reason}"
            yield _own(UNUSED.id, severity, "", None, message, fingerprint_of(UNUSED.id, _described(each)))


def _expired(number: int, finding: AuditFinding, settings: AuditSettings) -> AuditFinding:
    """number: of the ignore, from 0, as the errors of the manifest count too."""
    ignore = settings.ignore[number]
    chosen = settings.severity.get(EXPIRED.id, "off")
    severity = finding.severity if chosen == "off" else chosen
    ended = ignore.until.isoformat() if ignore.until is not None else ""
    message = f"audit.ignore[{number}], of {_described(ignore)}, ended {ended}: {ignore.reason}"
    return _own(EXPIRED.id, severity, finding.repo, finding, message, fingerprint_of(EXPIRED.id, _described(ignore)))


def _own(
    rule: RuleId, severity: Severity, repo: str, finding: AuditFinding | None, message: str, fingerprint: str
) -> AuditFinding:
    return AuditFinding(
        rule=rule,
        severity=severity,
        repo=repo,
        flake=finding.flake if finding is not None else None,
        input=finding.input if finding is not None else None,
        line=None,
        source=None,
        locked_rev=None,
        message=message,
        fingerprint=fingerprint,
        new=finding.new if finding is not None else False,
    )


def _described(ignore: Ignore) -> str:
    where = [f"repo {ignore.repo}"] if ignore.repo is not None else []
    where += [f"flake {ignore.flake}"] if ignore.flake is not None else []
    where += [f"input {ignore.input}"] if ignore.input is not None else []
    where += [f"locked to {ignore.locked}"] if ignore.locked is not None else []
    return " ".join([ignore.rule, *([f"({', '.join(where)})"] if where else [])])


def _is_same(locked: str, source: str | None) -> bool:
    """Tell whether two references mean one repository."""
    if source is None or locked == source:
        return source is not None
    identity = identity_of_url(locked)
    return identity is not None and identity == identity_of_url(source)

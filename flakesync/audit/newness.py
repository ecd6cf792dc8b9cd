"""Which findings are new: those of a lock that another lock does not have already."""

from collections.abc import Iterable, Mapping, Sequence

from flakesync.audit.rule import BaseRule
from flakesync.documents.audit import AuditFinding
from flakesync.workspace.audit import RuleId


def new_findings(
    before: Iterable[AuditFinding], after: Iterable[AuditFinding], rules: Mapping[RuleId, BaseRule]
) -> Sequence[AuditFinding]:
    """Return those of `after` that are not in `before`.

    A finding is the same one if its fingerprint is. Where the rule speaks of one commit it also has to say the same of
    the same commit: another wrong hash is another finding, though its fingerprint, which outlives bumps, is the same.
    """
    known = {_key(finding, rules) for finding in before}
    return [finding for finding in after if _key(finding, rules) not in known]


def _key(finding: AuditFinding, rules: Mapping[RuleId, BaseRule]) -> tuple[object, ...]:
    rule = rules.get(finding.rule)
    said = (finding.locked_rev, finding.message) if rule is not None and rule.of_commit else ()
    return (finding.rule, finding.repo, finding.flake, finding.input, finding.fingerprint, said)

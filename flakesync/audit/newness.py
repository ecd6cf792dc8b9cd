"""Which findings are new: those of a lock that another lock does not have already."""

from collections import Counter
from collections.abc import Mapping, Sequence

from flakesync.audit.engine import Found
from flakesync.audit.rule import BaseRule
from flakesync.documents.audit import AuditFinding
from flakesync.workspace.audit import RuleId

_Key = tuple[object, ...]


def new_findings(before: Found, after: Found, rules: Mapping[RuleId, BaseRule]) -> Sequence[AuditFinding]:
    """Return those of `after` that are not in `before`.

    A finding is the same one if its fingerprint is, or if it has moved: if the fingerprints differ by the input path
    alone, and nothing is found any more where it was. As many as are gone may have moved: the same at one more place is
    new. Where the rule speaks of one commit it also has to say the same of the same commit: another wrong hash is
    another finding, though its fingerprint, which outlives bumps, is the same.
    """
    known, there = _by_place(before, rules), _by_place(after, rules)
    gone = Counter(what for place, what in known.items() if place not in there)
    new: set[_Key] = set()
    for place, what in there.items():
        if place in known:
            continue
        if gone[what]:
            gone[what] -= 1
        else:
            new.add(place)
    return [finding for finding in after.findings if _place(finding, rules) in new]


def _by_place(found: Found, rules: Mapping[RuleId, BaseRule]) -> Mapping[_Key, _Key]:
    """Return where something is found, and what that is wherever its input is."""
    return {_place(each, rules): _anywhere(each, found, rules) for each in found.findings}


def _place(finding: AuditFinding, rules: Mapping[RuleId, BaseRule]) -> _Key:
    return (finding.input, finding.fingerprint, *_said(finding, rules))


def _anywhere(finding: AuditFinding, found: Found, rules: Mapping[RuleId, BaseRule]) -> _Key:
    """Return what a finding is wherever its input is; what is of no repository is found at one place alone."""
    moving = found.anywhere.get(finding.fingerprint)
    if moving is None:
        return _place(finding, rules)
    return (moving, finding.severity, *_said(finding, rules))


def _said(finding: AuditFinding, rules: Mapping[RuleId, BaseRule]) -> _Key:
    rule = rules.get(finding.rule)
    said = (finding.locked_rev, finding.message) if rule is not None and rule.of_commit else ()
    return (finding.rule, finding.repo, finding.flake, said)

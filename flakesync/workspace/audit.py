"""The table `[audit]`: what is wrong enough to say so, and what is known and left."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Literal, cast, get_args

import msgspec

from flakesync.errors import FlakeRefError
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.terms import FlakeDir
from flakesync.workspace import values
from flakesync.workspace.references import source_glob
from flakesync.workspace.settings.days import day
from flakesync.workspace.table import Table
from flakesync.workspace.values import bad

RuleId = Literal[
    "foreign",
    "flake-nix-differs",
    "unlocked",
    "local-path",
    "nar-hash",
    "not-in-history",
    "other-branch",
    "cleartext",
    "no-nar-hash",
    "mutable-archive",
    "dates",
    "look-alike",
    "not-allowed",
    "unsigned",
    "end-of-life",
    "nixpkgs-fork",
    "old",
    "indirect",
    "submodules",
    "moved",
    "archived",
    "bad-lock",
    "no-lock",
    "unreachable",
    "ignore-expired",
    "ignore-unused",
]
"""The rules of `flakesync audit`, as they are called in its answers and in the manifest."""

HIGH: frozenset[RuleId] = frozenset({
    "foreign", "flake-nix-differs", "unlocked", "local-path", "nar-hash", "not-in-history", "no-nar-hash",
    "not-allowed", "bad-lock", "no-lock", "unreachable",
})  # fmt: skip
"""Those whose findings are high, or can be: an ignore of them has to have an end."""

OF_IGNORES: frozenset[RuleId] = frozenset({"ignore-expired", "ignore-unused"})
"""Those that speak of ignores, and cannot be ignored themselves."""

Severity = Literal["high", "medium", "low", "info"]
"""How grave a finding is, the gravest first."""

Threshold = Literal["high", "medium", "low", "never"]
"""From which severity on a finding counts; `never`: none does."""


class Ignore(msgspec.Struct, frozen=True, kw_only=True):
    """One `[[audit.ignore]]`: findings that are known, and why they may stay.

    repo, input: globs (see `values.matches` for the input); None: every one. flake: one folder, None: every one. until:
    the last day (UTC) on which it holds; None: for ever. locked: the repository that the input is locked to, as a flake
    reference without a rev; None: whatever it is.
    """

    rule: RuleId
    repo: str | None = None
    flake: FlakeDir | None = None
    input: str | None = None
    reason: str
    until: date | None = None
    locked: str | None = None


class AuditSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What `[audit]` says.

    fail_on: from which severity on findings make the exit status 1. gate: from which severity on sync and land refuse
    an update that adds a finding. allow: globs on sources (`github:acme/*`), None where everything is allowed.
    require_signed: globs on sources whose commits must be signed by somebody of allowed_signers (absolute, a file as
    `git config gpg.ssh.allowedSignersFile` names it). severity: of rules that have another than their own. end_of_life:
    the last day of releases (`26.05`) that have another than the usual one.
    """

    fail_on: Threshold = "high"
    gate: Threshold = "high"
    allow: tuple[str, ...] | None = None
    require_signed: tuple[str, ...] = ()
    allowed_signers: Path | None = None
    severity: Mapping[RuleId, Severity | Literal["off"]] = {}
    end_of_life: Mapping[str, date] = {}
    ignore: tuple[Ignore, ...] = ()


_RULES: tuple[str, ...] = get_args(RuleId)
_SEVERITIES: tuple[str, ...] = get_args(Severity)
_THRESHOLDS: tuple[str, ...] = get_args(Threshold)
_RELEASE = re.compile(r"[0-9]{2}\.[0-9]{2}")


def read_audit(
    table: Table, severity: Table, end_of_life: Table, ignores: Sequence[Table], folder: Path
) -> AuditSettings:
    """Return what `[audit]` says, with defaults for the rest. folder: where relative files begin."""
    usual = AuditSettings()
    severities = _severities(severity)
    require_signed = table.take_list("require-signed", source_glob, usual.require_signed)
    signers = table.take("allowed-signers", lambda value: _file(value, folder), None)
    if require_signed and table.lacks("allowed-signers"):
        hint = 'a file as ssh-keygen(1) describes it: `allowed-signers = "signers"`'
        table.wrong("require-signed", bad("needs `allowed-signers`", hint))
    return AuditSettings(
        fail_on=cast("Threshold", table.take("fail-on", _threshold, usual.fail_on)),
        gate=cast("Threshold", table.take("gate", _threshold, usual.gate)),
        allow=table.take_list("allow", source_glob, usual.allow),
        require_signed=require_signed,
        allowed_signers=signers,
        severity=severities,
        end_of_life=_ends(end_of_life),
        ignore=tuple(found for each in ignores if (found := _ignore(each, severities)) is not None),
    )


def _severities(table: Table) -> dict[RuleId, Severity | Literal["off"]]:
    found: dict[RuleId, Severity | Literal["off"]] = {}
    for name in table.names():
        if name not in _RULES:
            table.wrong(name, bad("there is no such rule", _which_rules(name)))
            continue
        chosen = table.take(name, lambda value: values.choice(value, (*_SEVERITIES, "off")), None)
        if chosen is not None:
            found[cast("RuleId", name)] = cast("Severity", chosen)
    return found


def _ends(table: Table) -> dict[str, date]:
    found: dict[str, date] = {}
    for name in table.names():
        if not _RELEASE.fullmatch(name):
            table.wrong(name, bad("is not a release", 'write it in quotes, as nixpkgs does: `"26.05" = 2026-12-31`'))
            continue
        last = table.take(name, day, None)
        if last is not None:
            found[name] = last
    return found


def _ignore(table: Table, severities: Mapping[RuleId, str]) -> Ignore | None:
    rule = cast("RuleId | None", table.take("rule", _rule, None))
    repo = table.take("repo", values.glob, None)
    flake = table.take("flake", values.flake_dir, None)
    path = table.take("input", values.glob, None)
    reason = table.take("reason", values.text, None)
    until = table.take("until", day, None)
    locked = table.take("locked", _locked, None)
    if table.lacks("rule"):
        table.wrong("", bad("needs a `rule`", 'what it is that is ignored, such as `rule = "foreign"`'))
    if table.lacks("reason"):
        table.wrong("", bad("needs a `reason`", "why it may stay, for whoever reads this in a year"))
    if rule is not None and table.lacks("until") and severities.get(rule, "high" if rule in HIGH else "") == "high":
        table.wrong("", bad("needs an `until`", f"{rule} is of high severity, and nothing high is ignored for ever"))
    if rule is None or reason is None:
        return None
    return Ignore(rule=rule, repo=repo, flake=flake, input=path, reason=reason, until=until, locked=locked)


def _rule(value: object) -> str:
    word = values.text(value)
    if word not in _RULES:
        raise bad(f"there is no rule `{word}`", _which_rules(word))
    if word in OF_IGNORES:
        hint = f'mend the ignore that it speaks of, or turn the rule off: `{word} = "off"` in `[audit.severity]`'
        raise bad(f"`{word}` speaks of ignores, and cannot be ignored", hint)
    return word


def _which_rules(word: str) -> str:
    return values.nearest(word, _RULES) or f"there are: {', '.join(sorted(_RULES))}"


def _threshold(value: object) -> str:
    return values.choice(value, _THRESHOLDS)


def _locked(value: object) -> str:
    word = values.text(value)
    try:
        reference = FlakeRef.parse(word)
    except FlakeRefError as error:
        raise bad(error.message, error.hint) from None
    if reference.rev is not None:
        raise bad(f"`{word}` names a rev", "leave it out: an ignore outlives the next bump")
    return word


def _file(value: object, folder: Path) -> Path:
    path = folder / values.text(value)
    try:
        with path.open("rb"):
            return path
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise bad(f"{path} cannot be read: {reason}", "it is relative to the manifest") from None

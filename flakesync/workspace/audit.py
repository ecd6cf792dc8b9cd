"""The table `[audit]`: what is wrong enough to say so, and what is known and left."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Literal

import msgspec

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

Severity = Literal["high", "medium", "low", "info"]
"""How grave a finding is, the gravest first."""

Threshold = Literal["high", "medium", "low", "never"]
"""From which severity on a finding counts; `never`: none does."""


class Ignore(msgspec.Struct, frozen=True, kw_only=True):
    """One `[[audit.ignore]]`: findings that are known, and why they may stay.

    repo, input: globs (see `values.matches` for the input); None: every one. until: the last day (UTC) on which it
    holds; None: for ever. locked: the repository that the input is locked to, as a flake reference without a rev; None:
    whatever it is.
    """

    rule: RuleId
    repo: str | None = None
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

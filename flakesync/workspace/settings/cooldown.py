"""What a commit has to have before inputs move to it: its age, that it was a tip, its checks, a fix."""

import re
from collections.abc import Iterable
from typing import Literal, cast, get_args

import msgspec

from flakesync.errors import FlakesyncError
from flakesync.nix.reference.flakeref import FlakeRef, is_full_rev
from flakesync.nix.reference.source import ARCHIVES
from flakesync.nix.reference.source_globs import EVERYTHING, covers
from flakesync.terms import Rev
from flakesync.workspace import values
from flakesync.workspace.references import source_glob
from flakesync.workspace.table import Table
from flakesync.workspace.values import bad

Evidence = Literal["any", "trusted"]
"""Whose word on the age of a commit counts. `trusted`: that of its forge and of the seen record. `any`: the date in the
commit too, where neither of them is old enough to tell."""

LONGEST_DAYS = 400
"""The longest cooldown, and how long the seen record remembers: an older tip than that nobody could prove."""

_DAYS = {"d": 1, "w": 7}
_COOLDOWN = re.compile(r"([0-9]{1,4})([dw])")
COOLDOWN_PATTERN = f"^(?:0|{_COOLDOWN.pattern})$"
_NIXPKGS = "github:NixOS/nixpkgs"
LONGEST_TEXT = 200
"""Characters of a glob on names of checks, and of a reason."""
_EVIDENCE: tuple[str, ...] = get_args(Evidence)


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """What a commit has to have before inputs move to it.

    cooldown_days: how many UTC days it has been on its branch. tips: whether it must have been the branch's tip.
    require_ci: None: its checks are not asked for; empty: all of them, and at least one; else globs on the names of
    those that must have passed (`*` is any characters). ci_depth: of how many commits the checks are asked for.
    at_least: a commit that has to be in its history; the age of the oldest tip that has it is waived.
    at_least_reason: why. only_trusted: the date in a commit is no evidence of its age.
    """

    cooldown_days: int = 0
    tips: bool = False
    require_ci: tuple[str, ...] | None = None
    ci_depth: int = 20
    at_least: Rev | None = None
    at_least_reason: str | None = None
    only_trusted: bool = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing is asked: the branch's tip is taken as it is. (`tips` alone asks nothing: it is a tip.)"""
        return not self.cooldown_days and self.require_ci is None and self.at_least is None


IDLE = Conditions()
"""Those of what is not cooled: a fixed rev, what a repo of the workspace has locked."""


class ExternalPolicy(msgspec.Struct, frozen=True):
    """The conditions of the external sources that a glob means; `*` with what `[workspace]` says is the last of them.

    tips: whether only tips count; None: what `has_tips` says of each source.
    """

    glob: str
    conditions: Conditions
    tips: bool | None = None


def conditions_for(policies: Iterable[ExternalPolicy], reference: FlakeRef) -> Conditions:
    """Return the conditions of an external source: those of the longest glob that means it; idle where none does."""
    meant = [each for each in policies if covers((each.glob,), reference.identity)]
    if not meant:
        return IDLE
    policy = max(meant, key=lambda each: len(each.glob))
    tips = policy.tips if policy.tips is not None else has_tips(reference)
    return msgspec.structs.replace(policy.conditions, tips=tips)


def has_tips(reference: FlakeRef) -> bool:
    """Tell whether only tips of a source count where the manifest does not say it.

    Those of nixpkgs: what lies between two tips of a channel's branch, Hydra has not built. Archives are tips by
    nature.
    """
    return reference.type in ARCHIVES or covers((_NIXPKGS,), reference.identity)


def read_usual(table: Table) -> Conditions:
    """Return what `[workspace]` says for pins and external sources that say nothing themselves."""
    return Conditions(cooldown_days=table.take("cooldown", cooldown, 0), only_trusted=_take_evidence(table, "any"))


def read_pin_conditions(
    table: Table, usual: Conditions, source: FlakeRef, target: str, max_age_s: int | None
) -> Conditions:
    """Return the conditions of a pin, and note what is wrong with them."""
    conditions = _read(table, usual, tips=table.take("tips", values.flag, has_tips(source)))
    at_least = cast("Rev | None", table.take("at-least", _rev, None))
    reason = table.take("at-least-reason", _short_text, None)
    if _has(table, "at-least") and table.lacks("at-least-reason"):
        hint = 'why it has to be in, for the pull request: `at-least-reason = "CVE-2026-12345"`'
        table.wrong("at-least", bad("needs an `at-least-reason`", hint))
    if _has(table, "at-least-reason") and table.lacks("at-least"):
        table.wrong("at-least-reason", bad("needs `at-least`", "the commit that has to be in, as a full rev"))
    if target not in ("latest", "newest-locked"):
        _refuse_fixed(table, target, conditions)
        return IDLE
    if source.git_url() is None:
        for key, given in (("at-least", at_least), ("require-ci", conditions.require_ci)):
            if given is not None:
                table.wrong(key, bad("needs the history of a git repository", f"`{source}` is none"))
    if max_age_s is not None and max_age_s < conditions.cooldown_days * 86_400:
        days = conditions.cooldown_days
        hint = f"nothing moves before it is {days} days old: let max-age be longer, or the cooldown shorter"
        table.wrong("max-age", bad("is shorter than the cooldown", hint))
    return msgspec.structs.replace(conditions, at_least=at_least, at_least_reason=reason)


def read_policies(tables: Iterable[tuple[str, Table]], usual: Conditions, external: str) -> tuple[ExternalPolicy, ...]:
    """Return what `[external-policy."GLOB"]` says, and for all other external sources what `[workspace]` does.

    external: that of `[workspace]`. Under `hold` nothing moves, so that nothing has conditions.
    """
    found = []
    for glob, table in tables:
        try:
            source_glob(glob)
        except FlakesyncError as error:
            table.wrong("", error)
            continue
        if external != "latest":
            message = f"does nothing: `external` is `{external}`"
            table.wrong("", bad(message, 'it is for sources that move by themselves: `external = "latest"`'))
        tips = table.take("tips", values.flag, None)
        found.append(ExternalPolicy(glob, _read(table, usual, tips=False), tips))
    if external != "hold":
        found.append(ExternalPolicy(EVERYTHING, usual))  # the last: of two globs of one length the first counts
    return tuple(found)


def cooldown(value: object) -> int:
    """Return the whole days of `7d` or `2w`; 0 for `0`."""
    hint = 'whole days: `"3d"` or `"2w"`, and `"0"` for none'
    if not isinstance(value, str):
        raise bad(f"must be a string, not {values.kind_of(value)}", hint)
    word = values.text(value)
    found = _COOLDOWN.fullmatch(word)
    if word != "0" and found is None:
        raise bad(f"`{word}` is not a cooldown", hint)
    days = int(found[1]) * _DAYS[found[2]] if found is not None else 0
    if days > LONGEST_DAYS:
        raise bad(
            f"`{word}` is longer than {LONGEST_DAYS} days", "so long nobody remembers when a commit was first seen"
        )
    return days


def _read(table: Table, usual: Conditions, *, tips: bool) -> Conditions:
    if _has(table, "ci-depth") and table.lacks("require-ci"):
        table.wrong("ci-depth", bad("needs `require-ci`", "it says how many commits are asked for their checks"))
    return Conditions(
        cooldown_days=table.take("cooldown", cooldown, usual.cooldown_days),
        tips=tips,
        require_ci=_take_checks(table),
        ci_depth=table.take("ci-depth", values.count, IDLE.ci_depth),
        only_trusted=_take_evidence(table, "trusted" if usual.only_trusted else "any"),
    )


def _has(table: Table, key: str) -> bool:
    return table.has_any(frozenset({key}))


def _take_evidence(table: Table, otherwise: Evidence) -> bool:
    return table.take("dated-by", lambda value: values.choice(value, _EVIDENCE), otherwise) == "trusted"


def _take_checks(table: Table) -> tuple[str, ...] | None:
    given = table.take("require-ci", lambda value: value, None)
    if given is None or given is False:
        return None
    if given is True:
        return ()
    hint = 'true: all checks, and at least one; or the names of some, `require-ci = ["build", "ci/*"]`'
    if not isinstance(given, list):
        table.wrong("require-ci", bad(f"must be a boolean or an array, not {values.kind_of(given)}", hint))
        return None
    if not given:
        table.wrong("require-ci", bad("names no check", hint))
        return None
    return table.take_list("require-ci", _short_text, None)


def _short_text(value: object) -> str:
    word = values.text(value)
    if len(word) > LONGEST_TEXT:
        raise bad(f"`{word[:40]}…` is longer than {LONGEST_TEXT} characters")
    return word


def _rev(value: object) -> str:
    word = values.text(value)
    if not is_full_rev(word):
        raise bad(f"`{word}` is not a full rev", "40 lower-case hex digits (64 in a SHA-256 repository)")
    return word


def _refuse_fixed(table: Table, target: str, conditions: Conditions) -> None:
    """Note the keys that can do nothing, as the target is no commit of a branch that is chosen."""
    shown = "a full rev" if is_full_rev(target) else f"`{target}`"
    hint = "conditions are for `latest` and `newest-locked`"
    if _has(table, "tips") and conditions.tips:
        message = "a full rev has no tips" if is_full_rev(target) else f"does nothing: `target` is {shown}"
        table.wrong("tips", bad(message, hint))
    of_pin = {
        "cooldown": conditions.cooldown_days,
        "require-ci": conditions.require_ci is not None,
        "at-least": True,
    }
    for key, asks in of_pin.items():
        if asks and _has(table, key):
            table.wrong(key, bad(f"does nothing: `target` is {shown}", hint))

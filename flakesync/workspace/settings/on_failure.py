"""What the manifest says of checks that fail: the repo fails, or what breaks them is found and held."""

from typing import Literal, cast, get_args

import msgspec

from flakesync.workspace import values
from flakesync.workspace.table import Table

FailureMode = Literal["fail", "bisect"]
"""What becomes of a repo whose checks fail. `bisect`: what breaks them is held, and the rest is its update."""

_MODES: tuple[str, ...] = get_args(FailureMode)


class OnFailure(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a repo whose checks fail. limit_s, max_checks: what finding out what to hold may cost at most."""

    mode: FailureMode = "fail"
    limit_s: int = 2 * 3600
    max_checks: int = 12


def read_on_failure(table: Table, otherwise: OnFailure) -> OnFailure:
    """Return what the table of a repo says; what is wrong is noted in it. otherwise: where it says nothing."""
    return OnFailure(
        mode=cast("FailureMode", table.take("on-failure", _mode, otherwise.mode)),
        limit_s=table.take("bisect-limit", values.duration, otherwise.limit_s),
        max_checks=table.take("max-checks", values.count, otherwise.max_checks),
    )


def _mode(value: object) -> str:
    return values.choice(value, _MODES)

"""What an update commit says of pins in its trailers: where they are, and for which of them nobody waited.

Flakesync-Pin: nixpkgs 1010a22…
Flakesync-Cooldown: waived nixpkgs "CVE-2026-12345"
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from flakesync.errors import FlakesyncError
from flakesync.git.trailers import trailers
from flakesync.git.values import Commit
from flakesync.terms import PinName, Rev
from flakesync.workspace.model import Workspace
from flakesync.workspace.values import did_you_mean

PIN = "Flakesync-Pin"
COOLDOWN = "Flakesync-Cooldown"
_WAIVED = "waived"
_LONGEST_REASON = 200
_USAGE = 'for instance `--now nixpkgs --reason "CVE-2026-12345"`'


def pins_of(commit: Commit) -> dict[PinName, Rev]:
    """Return the pins that an update commit moves, with their targets."""
    values = (value.partition(" ") for value in trailers(commit, PIN))
    return {PinName(name): Rev(rev) for name, _, rev in values if rev}


def waiver_lines(reasons: Mapping[PinName, str]) -> tuple[str, ...]:
    """Return the trailers that say for which pins nobody waited, and why. reasons: one printable line each."""
    return tuple(f"{COOLDOWN}: {_WAIVED} {pin} {_quoted(reason)}" for pin, reason in sorted(reasons.items()))


def waivers_of(commit: Commit) -> dict[PinName, str]:
    """Return the pins for which nobody waited in an update commit, each with the reason; what is no waiver is none."""
    return dict(_waivers(trailers(commit, COOLDOWN)))


def _waivers(values: Iterable[str]) -> Iterator[tuple[PinName, str]]:
    for value in values:
        word, _, rest = value.partition(" ")
        pin, _, quoted = rest.partition(" ")
        try:
            reason = msgspec.json.decode(quoted.encode(), type=str)
        except (msgspec.DecodeError, UnicodeEncodeError):
            continue
        if word == _WAIVED and pin and reason:
            yield PinName(pin), reason


def _quoted(reason: str) -> str:
    import json  # every command loads this module, few write a waiver

    # What would end a line, or cannot be shown, is escaped: a reason in the manifest may hold anything.
    return json.dumps(reason, ensure_ascii=not reason.isprintable())


def waivers(workspace: Workspace, pins: Sequence[str], reason: str | None) -> dict[PinName, str]:
    """Return the pins whose cooldown a person waives, with the reason.

    Raises:
        FlakesyncError: `unknown-pin`; `no-cooldown`, there is nothing to waive; `no-reason`, `bad-reason`.
    """
    if not pins:
        if reason is not None:
            raise FlakesyncError("no-pin", "--reason says why nobody waits for a pin, and none is named", hint=_USAGE)
        return {}
    known = {pin.name: pin for pin in workspace.pins}
    for name in pins:
        pin = known.get(PinName(name))
        if pin is None:
            hint = did_you_mean(name, known) or (f"there are: {', '.join(known)}" if known else None)
            raise FlakesyncError("unknown-pin", f"{workspace.file}: no pin is called `{name}`", hint=hint)
        if not pin.conditions.cooldown_days:
            hint = "sync without --now takes its newest commit" + (
                ", once its checks have passed" if pin.conditions.require_ci is not None else ""
            )
            raise FlakesyncError("no-cooldown", f"pins.{name} has no cooldown: there is nothing to waive", hint=hint)
    text = (reason or "").strip()
    if not text:
        raise FlakesyncError("no-reason", "--now needs a reason: it stands in commits and pull requests", hint=_USAGE)
    if not text.isprintable() or len(text) > _LONGEST_REASON:
        message = f"the reason has to be one line of at most {_LONGEST_REASON} characters that can be printed"
        raise FlakesyncError("bad-reason", message, hint=_USAGE)
    return {PinName(name): text for name in pins}

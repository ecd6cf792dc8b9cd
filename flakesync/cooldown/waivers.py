"""What an update commit says of pins in its trailers: where they are, and for which of them nobody waited.

Flakesync-Pin: nixpkgs 1010a22…
Flakesync-Cooldown: waived nixpkgs "CVE-2026-12345"
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from flakesync.git.trailers import trailers
from flakesync.git.values import Commit
from flakesync.terms import PinName, Rev

PIN = "Flakesync-Pin"
COOLDOWN = "Flakesync-Cooldown"
_WAIVED = "waived"


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
    return msgspec.json.encode(reason).decode()

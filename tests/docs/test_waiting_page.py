"""docs/waiting.md has the limits that the program has, and docs/exit-statuses.md its statuses."""

import re
from pathlib import Path

import pytest

from flakesync import errors
from flakesync.forge import client
from flakesync.forge.github import adapter, many
from flakesync.forge.limits import limits
from flakesync.git.remotes import mirror, remote, tries
from flakesync.land import land
from flakesync.net import http
from flakesync.publish import publish
from flakesync.sync.options import Patience
from flakesync.workspace.schema.keys import SHARED

DOCS = Path(__file__).parents[2] / "docs"
WAITING = " ".join((DOCS / "waiting.md").read_text("utf-8").split())
_WORDS = {1: "a", 5: "five", 10: "ten", 60: "60"}


def minutes(seconds: float) -> str:
    number = _WORDS[int(seconds) // 60]
    return f"{number} minute{'' if number == 'a' else 's'}"


PAUSES_S = (land._FIRST_PAUSE_S, land._LONGEST_PAUSE_S)
SILENT_S = float(dict(remote._PATIENCE)["http.lowSpeedTime"])
LIMITS = [
    f"`--timeout` ({minutes(Patience().timeout_s)} unless",
    f"{PAUSES_S[0]:.0f} seconds after something has landed, then twice as long each time, up to {minutes(PAUSES_S[1])}",
    f"to connect | {client.CONNECT_TIMEOUT_S:.0f} seconds",
    f"that says nothing | {client.READ_TIMEOUT_S:.0f} seconds",
    f"{minutes(client.PATIENCE_S)} at most in all",
    f"there are | {remote.TIMEOUT_S:.0f} seconds | the host counts as down, for {minutes(tries.SILENT_FOR_S)}",
    f"sends nothing more | {minutes(SILENT_S)}; for mirrors one",
    "three more tries, after {}, {:.0f} and {:.0f} seconds".format(*tries.PAUSES_S),
    f"{minutes(http.GRACE_S)}, and more while at least {http.LEAST_BYTES_PER_S // 1000} kB a second arrive",
    f"`bisect-limit` ({SHARED['bisect-limit'].default!s:.1} hours) and `max-checks` ({SHARED['max-checks'].default})",
]


@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_is_the_programs(limit: str) -> None:
    assert limit in WAITING


def test_limits_that_words_hide_are_these() -> None:
    assert (publish.PATIENCE_S, limits.NOTE_EVERY_S, many.AT_ONCE) == (7200, 1800, 50)  # two hours, half an hour, 50
    assert "after two hours for one call" in WAITING
    assert "one call for 50 repos on GitHub" in WAITING
    assert dict(adapter._MADE) == {60: 80, 3600: 500}  # at most 80 a minute and 500 an hour
    assert "http.lowSpeedTime=60" in mirror._FETCH  # for mirrors one
    assert http.LONGEST_S == 3600  # an hour at most


def test_the_statuses_are_the_programs() -> None:
    text = (DOCS / "exit-statuses.md").read_text("utf-8")
    rows = re.findall(r"^\| ([\d, ]+) \|", text, re.MULTILINE)
    listed = {int(each) for row in rows for each in row.split(",")}
    known = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    assert listed == {*known, 129, 143}

"""`flakesync sync --now`: what is refused, and what is answered."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Ran
from tests.support.cooling import cooled_chain, note_seen, push, source_of, write_cooled
from tests.support.nixspace import Space

Call = Callable[..., Ran]


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Space:
    """A cooled workspace, which is the current folder; the tip of its nixpkgs is three days old."""
    space = cooled_chain(tmp_path)
    old = space.tip("nixpkgs")
    note_seen(source_of(space), {space.first_nixpkgs: 30, old: 9, push(space, "mended"): 3})
    monkeypatch.chdir(tmp_path)
    return space


@pytest.mark.parametrize(
    ("options", "code", "hint"),
    [
        (["--now", "nixpkg", "--reason", "x"], "unknown-pin", "did you mean `nixpkgs`?"),
        (["--now", "nixpkgs"], "no-reason", '--reason "CVE-'),
        (["--now", "nixpkgs", "--reason", " "], "no-reason", '--reason "CVE-'),
        (["--now", "nixpkgs", "--reason", "a\x1b[31mb"], "bad-reason", '--reason "CVE-'),
        (["--now", "nixpkgs", "--reason", "one\ntwo"], "bad-reason", '--reason "CVE-'),
        (["--now", "nixpkgs", "--reason", "a\u202eb"], "bad-reason", '--reason "CVE-'),
        (["--now", "nixpkgs", "--reason", "x" * 201], "bad-reason", '--reason "CVE-'),
        (["--reason", "x"], "no-pin", "--now nixpkgs"),
    ],
)
def test_what_cannot_be_waived_is_an_error_with_a_hint(
    space: Space, flakesync: Call, options: list[str], code: str, hint: str
) -> None:
    ran = flakesync("sync", *options)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(f"error[{code}]: ")
    assert hint in ran.err.splitlines()[1]
    assert space.ref("r0") is None


def test_a_pin_without_a_cooldown_has_nothing_to_waive(space: Space, flakesync: Call) -> None:
    write_cooled(space, cooldown="0")
    ran = flakesync("sync", "--now", "nixpkgs", "--reason", "x")
    assert ran.status == 2
    assert ran.err.startswith("error[no-cooldown]: pins.nixpkgs has no cooldown")


def test_what_was_waived_is_in_the_answer(space: Space, flakesync: Call) -> None:
    ran = flakesync("sync", "--now", "nixpkgs", "--reason", "CVE-2026-1", "--json")
    assert ran.status == 0, ran.err
    (pin,) = json.loads(ran.out)["pins"]
    assert (pin["target_rev"], pin["waived"], pin["waits"]) == (space.tip("nixpkgs"), {"reason": "CVE-2026-1"}, [])


def test_what_waits_is_in_the_answers_of_all_commands(space: Space, flakesync: Call) -> None:
    tip = space.tip("nixpkgs")[:7]
    assert f"tip {tip} waits until 20" in flakesync("plan").out
    assert "tip; 7 d old on 20" in flakesync("drift").out
    assert "cooldown 7 d: seen 20" in flakesync("why", "r0").out
    assert "cooldown: nixpkgs 7 d (by seen)" in flakesync("drift", "--markdown").out
    ran = flakesync("sync", "--quiet")
    assert ran.status == 0, ran.err
    assert "cooldown (1)\n  nixpkgs  " in ran.out
    assert flakesync("drift", "--at", "update", "--kind", "pin").status == 0


def test_all_too_young_is_no_failure_and_the_day_is_said(space: Space, flakesync: Call) -> None:
    write_cooled(space, **{"cooldown": "60d", "dated-by": "trusted"})
    ran = flakesync("sync", "--quiet")
    assert (ran.status, ran.err) == (0, "")
    assert "nixpkgs  stays    tip " in ran.out
    assert "60 d old on 20" in ran.out
    assert flakesync("drift", "--kind", "pin").status == 0


def test_checks_that_cannot_be_read_are_exit_1_in_sync(
    space: Space, flakesync: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flakesync.cooldown.model import CommitChecks

    write_cooled(space, **{"require-ci": True})
    monkeypatch.setattr("flakesync.cooldown.evidence.checks_of", lambda *_: CommitChecks({}, why_unknown="HTTP 403"))
    for command in ("sync", "plan"):
        ran = flakesync(command)
        assert ran.status == 1
        assert "\nerror[ci-unreadable]: " in f"\n{ran.err}"
        assert "hint: a token that may read them" in ran.err
    assert space.ref("r0") is None
    assert [error["code"] for error in json.loads(flakesync("sync", "--json").out)["undecided"]] == ["ci-unreadable"]

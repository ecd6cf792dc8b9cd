"""How checks have ended on trees: what is kept, for how long, what it says, and what it costs a sync."""

import os
import re
import time
from pathlib import Path

import pytest

from flakesync.sync.bisect.halving import Verdict
from flakesync.sync.bisect.verdicts import KEPT_S, ProbeResult, VerdictCache, judge, result_of
from flakesync.sync.outcome import CheckOutcome
from tests.support.nixspace import chain, run_sync

CHECKS = (("nix", "flake", "check"),)
FAILED = ProbeResult(failed="nix flake check", exit_status=1, output="error: it is bad")


def cache(place: Path, version: str = "2.34") -> VerdictCache:
    return VerdictCache(place, lambda: version)


def test_a_result_is_known_for_the_same_tree_checks_and_nix(tmp_path: Path) -> None:
    cache(tmp_path).put("1" * 40, CHECKS, FAILED)
    known = cache(tmp_path).get("1" * 40, CHECKS)
    assert known is not None
    assert (known.failed, known.output, known.source) == (FAILED.failed, FAILED.output, "cache")
    assert cache(tmp_path).get("2" * 40, CHECKS) is None
    assert cache(tmp_path).get("1" * 40, (("true",),)) is None
    assert cache(tmp_path, "2.8").get("1" * 40, CHECKS) is None


def test_after_thirty_days_it_is_forgotten_and_what_is_kept_next_takes_it_away(tmp_path: Path) -> None:
    cache(tmp_path).put("1" * 40, CHECKS, FAILED)
    for place in (tmp_path / "verdicts").iterdir():
        os.utime(place, (long_ago := time.time() - KEPT_S - 60, long_ago))
    cache(tmp_path).put("2" * 40, CHECKS, FAILED)
    assert len([place for place in (tmp_path / "verdicts").iterdir() if place.suffix == ".json"]) == 1
    assert cache(tmp_path).get("1" * 40, CHECKS) is None
    assert cache(tmp_path).get("2" * 40, CHECKS) is not None


@pytest.mark.parametrize("status", [None, -9, 127, 130])
def test_what_the_check_has_not_said_itself_is_not_kept(tmp_path: Path, status: int | None) -> None:
    cache(tmp_path).put("1" * 40, CHECKS, ProbeResult(failed="nix flake check", exit_status=status))
    assert cache(tmp_path).get("1" * 40, CHECKS) is None


def test_what_cannot_be_read_is_not_known(tmp_path: Path) -> None:
    cache(tmp_path).put("1" * 40, CHECKS, FAILED)
    for place in (tmp_path / "verdicts").glob("*.json"):
        place.write_bytes(b"\xff")
    assert cache(tmp_path).get("1" * 40, CHECKS) is None


@pytest.mark.parametrize(
    ("result", "match", "verdict"),
    [
        (ProbeResult(), None, "pass"),
        (FAILED, None, "fail"),
        (FAILED, "is (bad|worse)", "fail"),
        (FAILED, "another", "unknown"),
        (ProbeResult(failed="nix build", exit_status=1), None, "unknown"),
        (ProbeResult(failed="nix flake check", exit_status=-15), None, "unknown"),
        (ProbeResult(failed="nix flake check", exit_status=None), None, "unknown"),
        (ProbeResult(error="there is no lock"), None, "unknown"),
    ],
)
def test_only_the_failure_that_is_looked_for_is_one(result: ProbeResult, match: str | None, verdict: Verdict) -> None:
    assert judge(result, FAILED, re.compile(match) if match is not None else None) == verdict


def test_the_check_that_failed_is_the_last_one_that_ran() -> None:
    passed, failed = CheckOutcome("one", 0, 1.0, ""), CheckOutcome("two", 3, 2.0, "no")
    assert result_of([passed, failed], "sync") == ProbeResult(
        failed="two", exit_status=3, output="no", duration_s=3.0, source="sync"
    )
    assert result_of([passed]).failed is None


def test_a_sync_starts_no_more_processes_for_what_it_keeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = tmp_path / "calls"
    nix = tmp_path / "nix"
    nix.write_text(f'#!/bin/sh\necho "$@" >> {calls}\necho "nix (Nix) 2.34.0"\n')
    nix.chmod(0o755)
    monkeypatch.setenv("FLAKESYNC_NIX", str(nix))
    space = chain(tmp_path / "acme", 3)
    found = run_sync(space.manifest(defaults={"checks": ["true"]}), locker="native")
    assert set(found.statuses.values()) == {"updated"}
    # The checks of all repos find one Nix, whose version is asked for once.
    assert calls.read_text().splitlines() == ["--version"]

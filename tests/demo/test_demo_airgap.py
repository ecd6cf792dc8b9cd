"""`flakesync demo --airgap`, from beginning to end."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flakesync.demo import airgap, airgap_story
from flakesync.demo.airgap import Sides
from flakesync.demo.airgap_story import run_airgap_demo
from flakesync.demo.stage import Scene
from tests.support.nix import RealNix, programs_without_nix

TOP = Path(__file__).parents[2]


def _demo(directory: Path, *more: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-P", "-m", "flakesync", "demo", "--airgap", *more, str(directory)]
    env = {**os.environ, "PYTHONPATH": str(TOP)}
    return subprocess.run(argv, cwd=directory.parent, env=env, capture_output=True, text=True, check=False)


def _commands(told: str) -> list[str]:
    return re.findall(r"^\$ (?:unshare [a-z -]+ )?((?:flakesync|nix) \w+)", told, re.MULTILINE)


@pytest.mark.slow
def test_the_demo_evaluates_apart_what_it_has_carried(
    use_nix: RealNix, outer_nix: RealNix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GITHUB_TOKEN", "NIX_REMOTE"):
        monkeypatch.setenv(name, "precious")
    monkeypatch.delenv("NIX_REMOTE")
    run = _demo(tmp_path / "both")
    assert run.returncode == 0, run.stdout + run.stderr
    *crossed, again = _commands(run.stdout)
    assert crossed == [
        "flakesync bundle", "flakesync import", "flakesync import", "nix eval",
        "flakesync sync", "flakesync bundle", "flakesync import", "nix eval",
    ]  # fmt: skip
    assert again == "flakesync import"
    before, after = (json.loads(each) for each in re.findall(r"^\[.*\]$", run.stdout, re.MULTILINE))
    assert before != after
    assert len({part.rpartition(" ")[2] for part in after}) == 1, "all are at one nixpkgs"
    first, second = re.findall(r"^(first|second) +(\d+) +(\d+) +(\d+)$", run.stdout, re.MULTILINE)[-2:]
    assert (first[0], second[0]) == ("first", "second")
    assert int(second[1]) < int(first[1])
    assert int(second[2]) < int(first[2])
    assert "precious" not in run.stdout + run.stderr
    store = tmp_path / "both" / airgap.APART / "store/nix/store"
    assert len(list(store.glob("*-source"))) > 5


@pytest.mark.slow
def test_without_nix_the_demo_ends_once_the_bundle_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(programs_without_nix(tmp_path / "bin")))
    run = _demo(tmp_path / "both")
    assert run.returncode == 0, run.stdout + run.stderr
    assert _commands(run.stdout)[:-1] == ["flakesync bundle", "flakesync import"]
    assert "--verify-only" in run.stdout
    assert not (tmp_path / "both" / airgap.APART / airgap.SOURCES).exists()


def test_a_command_that_ends_otherwise_ends_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(airgap, "find_nix", lambda _: None)
    monkeypatch.setattr(airgap_story, "FIRST", "../stick/no/such/folder/at/all")
    monkeypatch.setattr(airgap_story, "play", _only_version)
    assert run_airgap_demo(tmp_path / "both") == 1
    assert capfd.readouterr().out.startswith("The company of eight flake repositories once more; flakesync, for want")


def _only_version(scenes: list[Scene], *_: object) -> bool:
    return scenes[0].arguments[0] == "none"


def test_both_sides_have_the_users_programs_and_only_one_has_what_the_user_keeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "NIX_CONFIG", "GIT_CONFIG_COUNT"):
        monkeypatch.setenv(name, "0")
    sides = Sides(tmp_path, None, ())
    assert {*os.environ} <= {*sides.connected_environment}
    assert sides.connected_environment["HOME"] == "0"
    apart = sides.apart_environment
    assert apart["PATH"] == os.environ["PATH"]
    assert apart["HOME"] == str(tmp_path / "apart/home")
    assert "0" not in (apart.get("XDG_CACHE_HOME"), apart["NIX_CONFIG"], apart.get("GIT_CONFIG_COUNT"))


def test_the_two_kinds_of_demo_exclude_each_other(tmp_path: Path) -> None:
    run = _demo(tmp_path / "both", "--forge")
    assert run.returncode == 2
    assert "only one of --forge and --airgap" in run.stderr

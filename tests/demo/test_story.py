"""`flakesync demo`, from beginning to end, with the oldest and the newest Nix."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from flakesync.demo import story
from flakesync.demo.stage import Scene
from flakesync.demo.story import run_demo
from flakesync.git.repository import Repository
from tests.support.nix import RealNix, programs_without_nix

TOP = Path(__file__).parents[2]


def _flakesync(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(TOP)}
    argv = [sys.executable, "-P", "-m", "flakesync", *arguments]
    return subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def _drift(directory: Path, *arguments: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(_flakesync("drift", "--json", *arguments, cwd=directory).stdout)
    return answer


@pytest.mark.slow
def test_the_demo_brings_every_repo_into_step(use_nix: RealNix, outer_nix: RealNix, tmp_path: Path) -> None:
    directory = tmp_path / "acme"
    run = _flakesync("demo", str(directory), cwd=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "\x1b" not in run.stdout
    typed = re.findall(r"^\$ flakesync (.*)$", run.stdout, re.MULTILINE)
    first, spring = typed[:6], typed[6:10]
    assert first == ["graph", "drift", "plan", "sync", "drift --at update", "sync"]
    assert spring == ["move nixpkgs nixos-26.05", "sync", "sync", "drift --at update"]
    _check_spring(directory / "spring", run.stdout)
    assert "4 waves" in run.stdout
    _check_planted_drift(_drift(directory))
    assert _drift(directory, "--at", "update")["findings"] == []
    _check_update_branches(directory, outer_nix)


@pytest.mark.slow
def test_without_nix_the_demo_ends_the_same(
    use_nix: RealNix, any_nix: RealNix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "acme"
    shown: list[list[str]] = []
    for path in (os.environ["PATH"], str(programs_without_nix(tmp_path / "bin"))):
        shutil.rmtree(directory, ignore_errors=True)
        monkeypatch.setenv("PATH", path)
        monkeypatch.delenv("FLAKESYNC_NIX", raising=False)
        run = _flakesync("demo", str(directory), cwd=tmp_path)
        assert run.returncode == 0, run.stdout + run.stderr
        assert ("for want of Nix" in run.stdout) == (len(shown) == 1)
        first, _, spring = run.stdout.partition("$ cd spring\n")
        shown.append([line for line in first.splitlines() if "wrote the locks" not in line])
        assert spring.count("in step: 8 repos, no drift") == 1
        assert ("held: style" in spring) == (len(shown) == 1), "without Nix there are no checks"
    assert shown[0] == shown[1]


def test_a_nix_that_is_named_and_not_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAKESYNC_NIX", "/nonexistent/nix")
    run = _flakesync("demo", str(tmp_path / "acme"), cwd=tmp_path)
    assert (run.returncode, run.stdout) == (2, "")
    assert "error[no-nix]" in run.stderr
    assert not (tmp_path / "acme").exists()


def _check_planted_drift(drift: dict[str, Any]) -> None:
    pins = {pin["name"]: pin for pin in drift["pins"]}
    assert len(pins["nixpkgs"]["locked"]) == 3
    assert len(pins["nixpkgs-unstable"]["locked"]) == 1
    kinds = Counter(found["kind"] for found in drift["findings"])
    assert kinds == {"pin": 9, "upstream": 5, "duplicate": 1}
    findings = {(found["repo"], found["input"], found["kind"]): found for found in drift["findings"]}
    assert findings["core", "lib", "upstream"]["detail"] == "3 commits behind lib (main)"
    assert findings["fleet", "api", "upstream"]["detail"] == "2 commits behind api (stable)"
    copy, own = findings["fleet", "cli/nixpkgs", "duplicate"], findings["fleet", "nixpkgs", "pin"]
    assert copy["locked_rev"] != own["locked_rev"]


def _check_spring(directory: Path, shown: str) -> None:
    """The release is moved everywhere; the bad input is held in the one repo that it breaks, for one night."""
    night, next_night = shown.partition("$ cd spring\n")[2].split("$ flakesync sync\n")[1:3]
    assert "8 updated" in night
    assert (night.count("held: style"), next_night.count("held: style")) == (1, 0)
    drift = _drift(directory, "--at", "update")
    assert (drift["findings"], len(drift["pins"][0]["locked"])) == ([], 1)
    for folder in (entry for entry in directory.iterdir() if (entry / ".git").exists() and entry.name != "nixpkgs"):
        flakes = subprocess.run(
            ["git", "grep", "-h", "nixpkgs.url", "flakesync/update", "--", "*flake.nix"],
            cwd=folder, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        assert "nixos-26.05" in flakes
        assert "nixos-25.11" not in flakes


def _check_update_branches(directory: Path, nix: RealNix) -> None:
    """main and the working trees are as they were, and the branches are what Nix itself makes of them."""
    for folder in (entry for entry in directory.iterdir() if (entry / ".git").exists()):
        run = subprocess.run(
            ["git", "status", "--porcelain", "--branch"], cwd=folder, capture_output=True, text=True, check=True
        )
        assert run.stdout in ("## main\n", "## nixos-25.11\n")
        with Repository.open(folder) as repository:
            update = repository.ref("refs/heads/flakesync/update")
            assert (update is None) == (folder.name in ("style", "nixpkgs"))
            assert update is None or repository.commit(update).parents == (repository.ref("HEAD"),)
    parts = _evaluate(f"git+file://{directory}/fleet?ref=flakesync/update#lib.parts", nix)
    assert len({part.rpartition(" ")[2] for part in parts}) == 1
    before = _evaluate(f"git+file://{directory}/fleet?ref=main#lib.parts", nix)
    assert len({part.rpartition(" ")[2] for part in before}) == 2


def _evaluate(reference: str, nix: RealNix) -> list[str]:
    argv = [str(nix.path), "eval", "--json", reference]
    run = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    value: list[str] = json.loads(run.stdout)
    return value


def test_a_second_demo_in_the_same_folder_is_refused(use_nix: RealNix, any_nix: RealNix, tmp_path: Path) -> None:
    (tmp_path / "workspace.toml").touch()
    run = _flakesync("demo", str(tmp_path), cwd=tmp_path)
    assert run.returncode == 2
    assert "error[demo-folder]" in run.stderr
    assert run.stdout == ""


def test_the_demo_stops_with_1_at_the_first_command_that_ends_otherwise(
    use_nix: RealNix,
    any_nix: RealNix,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    scenes = (Scene("Fails.", ("--version",), status=1), Scene("Is not reached.", ("graph",)))
    monkeypatch.setattr(story, "SCENES", scenes)
    assert run_demo(tmp_path / "acme") == 1
    out, err = capfd.readouterr()
    assert "error[demo-step]: `flakesync --version` ended with status 0, not 1" in err
    assert "Is not reached" not in out
    assert (tmp_path / "acme" / "workspace.toml").exists()


def test_without_a_folder_it_makes_one_that_stays(
    use_nix: RealNix, any_nix: RealNix, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(story, "SCENES", ())
    monkeypatch.setattr(story, "play_spring", lambda *_, **__: True)
    assert run_demo(None) == 0
    found = re.search(r"^\$ cd (\S+)$", capfd.readouterr().out, re.MULTILINE)
    assert found
    with Repository.open(Path(found[1]) / "lib") as repository:
        assert repository.ref("refs/heads/main") is not None

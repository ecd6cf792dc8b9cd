"""The example repositories, and the committed locks and manifest that describe the same ones."""

import json
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import tomli

from flakesync.demo.build import FORGE, build_workspace, examples, manifest_template
from flakesync.demo.relock import example_locks
from flakesync.demo.timeline import steps
from flakesync.errors import FlakesyncError
from flakesync.git.repository import Repository
from flakesync.nix.program.command import Nix
from tests.support.nix import RealNix
from tests.support.repos import make_repo

TOP = Path(__file__).parents[2]


@pytest.mark.slow_between
def test_every_nix_writes_the_locks_that_are_committed_in_examples(use_nix: RealNix, nix: RealNix) -> None:
    committed = {file.relative_to(examples()).as_posix(): file.read_bytes() for file in examples().rglob("flake.lock")}
    assert example_locks() == committed


@pytest.mark.slow_between
def test_flakesync_and_every_nix_make_the_same_commits(use_nix: RealNix, nix: RealNix, tmp_path: Path) -> None:
    directory = tmp_path / "acme"
    without = _tips(build_workspace(directory).parent)
    shutil.rmtree(directory)
    assert _tips(build_workspace(directory, nix=Nix.find()).parent) == without


def test_each_repo_ends_as_its_folder_in_examples(tmp_path: Path) -> None:
    directory = build_workspace(tmp_path / "acme").parent
    for folder in (file.parent for file in examples().glob("*/flake.nix")):
        with Repository.open(directory / folder.name) as repository:
            head = repository.ref("HEAD")
            assert head is not None
            for file in (entry for entry in folder.rglob("*") if entry.is_file() and entry.name != "flake.lock"):
                found = repository.read(head, file.relative_to(folder).as_posix())
                assert found == file.read_bytes().replace(FORGE.encode(), f"git+file://{directory}".encode())


def test_the_same_arguments_give_the_same_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "acme"
    first = _tips(build_workspace(directory, last_day=date(2026, 5, 1)).parent)
    shutil.rmtree(directory)
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody Else")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert _tips(build_workspace(directory, last_day=date(2026, 5, 1)).parent) == first


def _tips(directory: Path) -> dict[str, str]:
    tips = {}
    for folder in directory.iterdir():
        if folder.is_dir():
            with Repository.open(folder) as repository:
                tips[folder.name] = str(repository.ref("HEAD"))
    return tips


def test_a_folder_that_is_not_empty_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(FlakesyncError, match="is not empty") as caught:
        build_workspace(tmp_path)
    assert caught.value.code == "demo-folder"
    assert caught.value.hint
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("name", ["with space", "ümlaut", "100%", "a#b", "a?b"])
def test_a_folder_whose_url_would_need_escapes_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(FlakesyncError, match="characters"):
        build_workspace(tmp_path / name)
    assert not (tmp_path / name).exists()


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FlakesyncError, match="is not a folder"):
        build_workspace(tmp_path / "file")


@pytest.mark.parametrize("existed", [True, False])
def test_a_nix_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, existed: bool) -> None:
    broken = tmp_path / "nix"
    broken.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo "nix (Nix) 2.26.3" && exit\necho "error: no" >&2; exit 1\n'
    )
    broken.chmod(0o755)
    monkeypatch.setenv("FLAKESYNC_NIX", str(broken))
    directory = tmp_path / "acme"
    if existed:
        directory.mkdir()
    nix = Nix.find()
    with pytest.raises(FlakesyncError, match="nix failed: no"):
        build_workspace(directory, nix=nix)
    assert directory.exists() == existed
    assert not existed or not [*directory.iterdir()]


def test_time_goes_forward_in_the_history() -> None:
    moments = [step.moment for step in steps()]
    assert moments == sorted(set(moments))


def test_the_manifest_of_the_checkout_lists_every_example() -> None:
    repos = tomli.loads(manifest_template().read_text("utf-8"))["repos"]
    folders = {file.parent.name for file in examples().glob("*/flake.nix")}
    assert set(repos) == folders - {"nixpkgs"}


def test_graph_drift_and_plan_work_in_a_fresh_clone_without_nix_or_network(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    make_repo(clone, {"README.md": "flakesync"})
    shutil.copytree(TOP / "examples", clone / "examples")
    shutil.copy(TOP / "workspace.toml", clone)
    graph = _ask(clone, 0, "graph")
    assert [len(wave) for wave in graph["waves"]] == [2, 2, 2, 2]
    drift = _ask(clone, 1, "drift")
    assert len(drift["pins"][0]["locked"]) == 3
    assert {finding["kind"] for finding in drift["findings"]} == {"pin", "duplicate"}
    plan = _ask(clone, 0, "plan")
    assert plan["unchanged"] == ["style"]


def _ask(folder: Path, status: int, command: str) -> dict[str, Any]:
    argv = [sys.executable, "-P", "-m", "flakesync", command, "--json"]
    run = subprocess.run(
        argv, cwd=folder, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(TOP), "HOME": str(folder)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == status, run.stderr
    answer: dict[str, Any] = json.loads(run.stdout)
    return answer

"""Names that are no UTF-8, wherever git allows them: shown escaped, in valid JSON, and worked with as they are."""

import json
import os
from pathlib import Path

import pytest

from tests.cli.conftest import nixpkgs
from tests.support.forked import flakesync
from tests.support.repos import run_git
from tests.support.workspaces import make_ground, takes

LATIN = "caf\udce9"
"""`café` in Latin-1, as Python has such bytes."""
COMMANDS = ("graph", "drift", "plan", "inputs", "sync", "status", "publish", "land", "abandon")


def make(root: Path, *, mirrored: bool) -> list[Path]:
    flakes = {
        "lib": {"nixpkgs": nixpkgs("old", 1_760_000_000)},
        "app": {"lib": takes("lib"), "nixpkgs": nixpkgs("new", 1_762_000_000)},
    }
    pin = {"source": "github:NixOS/nixpkgs/nixos-25.11", "target": "newest-locked"}
    ground = make_ground(root, flakes, pins={"nixpkgs": pin}, mirrored=["lib", "app"] if mirrored else [])
    return list(ground.repos.values())


def run_everything(root: Path, *, synced: tuple[str, ...] = ("updated",)) -> None:
    env = {**os.environ, "FLAKESYNC_CACHE": str(root / "cache")}
    for command in COMMANDS:
        ran = flakesync(command, "--json", cwd=root, env=env)
        assert ran.returncode in (0, 1, 4), f"{command}: {ran.stdout}{ran.stderr}"
        assert json.loads(ran.stdout)["schema"] == f"flakesync/{command}/1"
        assert "\\udc" not in ran.stdout + ran.stderr
        if command == "sync":
            assert {repo["status"] for repo in json.loads(ran.stdout)["repos"]} == set(synced)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_default_branch_that_is_no_utf_8_is_synced_and_shown_escaped(tmp_path: Path, mirrored: bool) -> None:
    for repo in make(tmp_path, mirrored=mirrored):
        run_git("branch", "-m", "main", LATIN, cwd=repo)
    run_everything(tmp_path)
    ran = flakesync("graph", "--json", cwd=tmp_path, env={**os.environ, "FLAKESYNC_CACHE": str(tmp_path / "cache")})
    assert {repo["base"] for repo in json.loads(ran.stdout)["repos"]} == {"caf\\xe9"}


def test_people_messages_and_files_in_latin_1_stand_in_nobodys_way(tmp_path: Path) -> None:
    for repo in make(tmp_path, mirrored=False):
        run_git("checkout", "-q", "-f", "HEAD", cwd=repo)
        (repo / LATIN).write_text("")
        run_git("add", "--", LATIN, cwd=repo)
        who = ("-c", f"user.name={LATIN}", "-c", "user.email=a@b")
        run_git(*who, "commit", "-q", "-m", LATIN, cwd=repo)
        run_git("tag", LATIN, cwd=repo)
        run_git("config", "user.name", LATIN, cwd=repo)
    run_everything(tmp_path)


def test_a_workspace_in_a_folder_that_is_no_utf_8_with_an_odd_remote_is_synced(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    make(tmp_path / "plain", mirrored=False)
    root = tmp_path / LATIN
    (tmp_path / "plain").rename(root)
    manifest = root / "workspace.toml"
    lines = manifest.read_text().splitlines(keepends=True)
    manifest.write_text("".join(line for line in lines if not line.startswith("url")))  # no address could name it
    for name in ("lib", "app"):
        with (root / "repos" / name / ".git/config").open("ab") as file:
            file.write(b'[remote "or\xffigin"]\n\turl = https://h.invalid/l\xffib\n')
    run_everything(root, synced=("updated", "unchanged"))

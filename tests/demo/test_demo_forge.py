"""`flakesync demo --forge`, from beginning to end."""

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import tomli

from flakesync.demo import forge_story, hosting
from flakesync.demo.forge.storage import Storage
from flakesync.demo.forge_story import run_forge_demo
from flakesync.demo.stage import Scene
from flakesync.errors import FlakesyncError
from tests.support.nix import RealNix

TOP = Path(__file__).parents[2]
COMMANDS = ["sync", "publish", "status", "land", "land --wait", "drift"]
MOVED = {"lib", "core", "docs-theme", "api", "cli", "fleet", "site"}


@pytest.fixture(autouse=True)
def _tokens_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who runs the demo may well have these, and they are for other forges."""
    for name in ("GITHUB_TOKEN", "GITLAB_TOKEN", "FORGEJO_TOKEN"):
        monkeypatch.setenv(name, "precious")


def _demo(directory: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-P", "-m", "flakesync", "demo", "--forge", str(directory)]
    env = {**os.environ, "PYTHONPATH": str(TOP)}
    return subprocess.run(argv, cwd=directory.parent, env=env, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_demo_lands_everything_on_three_forges(use_nix: RealNix, any_nix: RealNix, tmp_path: Path) -> None:
    run = _demo(tmp_path / "acme")
    assert run.returncode == 0, run.stdout + run.stderr
    place = (tmp_path / "acme").resolve()
    parts = dict(re.findall(r"^\$ flakesync ([^\n]+)\n(.*?)(?=^\$ |\Z)", run.stdout, re.MULTILINE | re.DOTALL))
    assert [*parts][:6] == COMMANDS
    assert "7 updated, 1 unchanged" in parts["sync"]
    assert _words("opened", parts["publish"]) == _words("open", parts["status"]) == MOVED
    # Nothing that the others move reaches api, and its forge asks for nothing: it waits for nobody.
    assert _words("landed", parts["land"]) == {"api"}
    assert _words("waiting", parts["land"]) == MOVED - {"lib", "api"}
    assert 'Required status check "build" is expected' in parts["land"] or "not reported yet: build" in parts["land"]
    assert "Does not have enough approvals" in parts["land"]
    assert _words("landed", parts["land --wait"]) == MOVED - {"lib", "api"}, parts
    assert "7 update branches deleted" in parts["land --wait"]
    assert "in step: 8 repos, no drift" in parts["drift"]
    _check_lib_was_squashed(run.stdout, place)
    _check_what_stays(place)
    _check_secrets(run.stdout + run.stderr, place)
    _check_the_forges_have_ended(place)


def _words(status: str, text: str) -> set[str]:
    return set(re.findall(rf"^{status} +(\S+) ", text, re.MULTILINE))


def _storage(place: Path, name: str) -> Storage:
    (found,) = place.glob(f"forge/*/acme/{name}.git")
    return Storage(found)


def _check_lib_was_squashed(told: str, place: Path) -> None:
    found = re.search(r"^published as (\w+), merged as (\w+)$", told, re.MULTILINE)
    assert found
    lib = _storage(place, "lib")
    assert (lib.branch("main") or "").startswith(found[2])
    assert found[1] not in lib.git("log", "--format=%h", "main")
    # What lib moved does not reach core, which stays at a commit of lib's main.
    lock = json.loads(_storage(place, "core").git("show", "main:flake.lock"))
    assert lock["nodes"]["lib"]["locked"]["rev"] in lib.git("log", "--format=%H", "main").split()


def _check_what_stays(place: Path) -> None:
    assert {entry.name for entry in place.iterdir()} == {"workspace.toml", "forge", "cache"}
    for name in MOVED:
        storage = _storage(place, name)
        assert [branch for branch in storage.branches() if "flakesync" in branch] == []
        assert "flakesync/update" not in storage.git("show", "main:flake.lock")
    argv = [sys.executable, "-P", "-m", "flakesync", "drift", "--offline"]
    env = {**os.environ, "PYTHONPATH": str(TOP), "XDG_CACHE_HOME": str(place / "cache")}
    later = subprocess.run(argv, cwd=place, env=env, capture_output=True, text=True, check=False)
    assert later.returncode == 0, later.stdout + later.stderr


def _check_secrets(told: str, place: Path) -> None:
    file = place / "forge/token"
    assert file.stat().st_mode & 0o077 == 0
    token = file.read_text().strip()
    assert len(token) == 32
    assert token not in told
    assert "precious" not in told
    for path in place.rglob("*"):
        if path.is_file() and path != file:
            content = path.read_bytes()
            assert token.encode() not in content, path
            assert b"precious" not in content, path


def _check_the_forges_have_ended(place: Path) -> None:
    forges = tomli.loads((place / "workspace.toml").read_text())["forges"]
    assert sorted(table["kind"] for table in forges.values()) == ["forgejo", "github", "gitlab"]
    for table in forges.values():
        with pytest.raises(urllib.error.URLError, match="refused"):
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(table["api"], timeout=5)


def test_a_step_that_ends_otherwise_ends_the_demo_and_the_forges(
    use_nix: RealNix,
    any_nix: RealNix,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(forge_story, "BEFORE", (Scene("Fails.", ("--version",), status=1),))
    assert run_forge_demo(tmp_path / "acme") == 1
    out, err = capfd.readouterr()
    assert "error[demo-step]: `flakesync --version` ended with status 0, not 1" in err
    assert "squashes" not in out
    _check_the_forges_have_ended(tmp_path / "acme")


def test_a_folder_that_is_not_empty_is_refused(use_nix: RealNix, any_nix: RealNix, tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(FlakesyncError, match="is not empty") as caught:
        run_forge_demo(tmp_path)
    assert caught.value.code == "demo-folder"
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine"]


def test_a_build_that_fails_leaves_nothing_behind(
    use_nix: RealNix, any_nix: RealNix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise FlakesyncError("no", "it fails")

    monkeypatch.setattr(hosting, "build_workspace", fail)
    with pytest.raises(FlakesyncError, match="it fails"):
        run_forge_demo(tmp_path / "acme")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("programs", "code"),
    [
        ({"git": "echo git version 2.39.5"}, "no-openssl"),
        ({"git": "echo git version 2.37.9", "openssl": "exit 0"}, "git-too-old"),
        ({"openssl": "echo unknown option -addext >&2; exit 1"}, "openssl"),
    ],
)
def test_without_what_the_forge_needs_nothing_is_made(
    use_nix: RealNix,
    any_nix: RealNix,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    programs: dict[str, str],
    code: str,
) -> None:
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    for name, does in programs.items():
        (bin_folder / name).write_text(f"#!/bin/sh\n{does}\n")
        (bin_folder / name).chmod(0o755)
    others = [os.environ["PATH"]] if "openssl" in programs else []
    monkeypatch.setenv("PATH", os.pathsep.join([str(bin_folder), *others]))
    with pytest.raises(FlakesyncError) as caught:
        run_forge_demo(tmp_path / "acme")
    assert caught.value.code == code
    assert not (tmp_path / "acme").exists()

"""The ground the other tests stand on."""

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.support.nix import RealNix, missing


def test_a_test_has_a_home_of_its_own(hermetic: Path, tmp_path: Path) -> None:
    assert Path.home() == hermetic
    assert hermetic not in tmp_path.parents
    assert Path(tempfile.gettempdir()) == hermetic / "tmp"
    who = subprocess.run(["git", "var", "GIT_AUTHOR_IDENT"], capture_output=True, text=True, check=True).stdout
    assert who.startswith("Test Author <author@test.example>")


def test_nothing_of_the_machine_s_git_or_tokens_leaks_in() -> None:
    left = {name for name in os.environ if name.startswith(("GIT_", "GITHUB_", "SSH_"))}
    assert left == {"GIT_CONFIG_NOSYSTEM", "GIT_TERMINAL_PROMPT"}


def test_nix_keeps_its_store_under_the_state_folder(nix: RealNix, tmp_path: Path) -> None:
    env = nix.env(tmp_path / "state")
    (tmp_path / "file").write_text("x")
    done = subprocess.run(
        ["nix", "store", "add-path", tmp_path / "file"], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(str(tmp_path / "state/store/"))


def test_the_warm_state_is_shared_and_a_cold_one_is_not(nix: RealNix, cold_nix_env: dict[str, str]) -> None:
    assert nix.env()["NIX_STORE_DIR"] == nix.env()["NIX_STORE_DIR"] != cold_nix_env["NIX_STORE_DIR"]


def test_use_nix_makes_it_the_nix_of_this_process(nix: RealNix, use_nix: RealNix) -> None:
    assert use_nix is nix
    version = subprocess.run(["nix", "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    assert version == nix.full_version


def test_a_required_version_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    have = ((Path("/a/nix"), "2.8.0"), (Path("/b/nix"), "2.35.1"))
    monkeypatch.setattr("tests.support.nix.installed", lambda: have)
    assert missing({"FLAKESYNC_REQUIRE_NIX": "2.8,2.26,2.34+,2.34"}) == ["2.26", "2.34"]
    assert missing({"FLAKESYNC_REQUIRE_NIX": "1"}) == []
    assert missing({}) == []

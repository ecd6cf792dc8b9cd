"""What real Nix makes of an import: sources that it takes into its store, and keeps there."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from flakesync.bundle.receive.nix_settings import settings_for
from flakesync.bundle.receive.options import ImportOptions
from flakesync.bundle.receive.run import import_bundle
from flakesync.nix.program.command import Nix
from flakesync.nix.store.store_path import source_path
from tests.bundle.receive.made import bundle_of_app
from tests.support.nix import RealNix


@pytest.fixture
def bundle(tmp_path: Path) -> tuple[Path, str]:
    """A bundle with the repo app, which takes lib, and the source of lib; and the narHash of that."""
    return bundle_of_app(tmp_path)


def must(argv: Sequence[str | Path], env: Mapping[str, str]) -> str:
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_sources_in_the_store_need_no_setting_and_their_roots_outlive_garbage_collection(
    nix: RealNix, cold_nix_env: dict[str, str], bundle: tuple[Path, str], tmp_path: Path
) -> None:
    place, nar_hash = bundle
    options = ImportOptions(
        tmp_path / "in/cache",
        tmp_path / "in/git",
        Nix.find(cold_nix_env),
        tmp_path / "in/roots",
        cold_nix_env["NIX_STORE_DIR"],
    )
    done = import_bundle(place, options, cold_nix_env)
    assert (done.failed, done.settings) == ([], [])
    path = source_path(nar_hash, store_dir=options.store_dir)
    assert os.readlink(tmp_path / "in/roots" / Path(path).name) == path
    must([nix.path.resolve().with_name("nix-store"), "--gc"], cold_nix_env)
    assert (Path(path) / "text").read_text() == "from afar"
    app = f"git+file://{tmp_path}/in/git/app.git?ref=main#v"
    offline = {**cold_nix_env, "NIX_CONFIG": "substituters ="}
    assert must([nix.path, "eval", "--raw", app, "--no-update-lock-file"], offline) == "from afar"


def test_the_settings_that_are_printed_are_enough(
    nix: RealNix, cold_nix_env: dict[str, str], bundle: tuple[Path, str], tmp_path: Path
) -> None:
    place, _ = bundle
    options = ImportOptions(tmp_path / "in/cache", tmp_path / "in/git", store_dir=cold_nix_env["NIX_STORE_DIR"])
    done = import_bundle(place, options, cold_nix_env)
    app = f"git+file://{tmp_path}/in/git/app.git?ref=main#v"
    told = {**cold_nix_env, "NIX_CONFIG": "\n".join(done.settings)}
    assert must([nix.path, "eval", "--raw", app, "--no-update-lock-file"], told) == "from afar"


def test_without_a_nix_all_that_a_machine_may_need_is_printed(tmp_path: Path) -> None:
    lines = settings_for(tmp_path / "c", {"PATH": "", "HOME": str(tmp_path)})
    assert f"substituters = file://{tmp_path}/c" in lines
    assert "substitute = true" in lines
    assert f"trusted-substituters = file://{tmp_path}/c" in lines
    assert any("--into-store" in line for line in lines)


def test_a_folder_that_no_setting_can_name_is_mentioned(tmp_path: Path) -> None:
    assert "plain name" in settings_for(tmp_path / "two words", {"PATH": "", "HOME": str(tmp_path)})[0]


@pytest.mark.parametrize(
    ("version", "network", "needed"),
    [((2, 8), False, True), ((2, 26), False, True), ((2, 34), False, False), ((2, 8), True, False)],
)
def test_old_nix_on_a_machine_with_loopback_only_is_told_to_substitute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int], network: bool, needed: bool
) -> None:
    from flakesync.bundle.receive import nix_settings

    monkeypatch.setattr(nix_settings, "has_network", lambda: network)
    monkeypatch.setattr(nix_settings, "read_settings", lambda _: {})
    monkeypatch.setattr(nix_settings, "trust_of", lambda _: "no-daemon")
    monkeypatch.setattr(Nix, "find", lambda _: Nix(Path("/nix"), version, "2"))
    lines = settings_for(tmp_path, {})
    assert ("substitute = true" in lines) is needed
    if needed:
        assert "nix.conf it has no effect" in lines[lines.index("substitute = true") - 1].replace("/etc/nix/", "")


def test_an_untrusted_user_is_shown_the_way_that_needs_no_administrator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flakesync.bundle.receive import nix_settings

    monkeypatch.setattr(nix_settings, "read_settings", lambda _: {})
    monkeypatch.setattr(nix_settings, "trust_of", lambda _: "untrusted")
    monkeypatch.setattr(Nix, "find", lambda _: Nix(Path("/nix"), (2, 34), "2"))
    lines = settings_for(tmp_path, {})
    assert "--into-store" in lines[0]
    assert f"trusted-substituters = file://{tmp_path}" in lines

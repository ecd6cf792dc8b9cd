"""Environments that nobody set up for people: nearly empty ones, without a home, with variables that hold nonsense."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from flakesync.cache.layout import cache_dir
from flakesync.cache.lock import exclusive
from flakesync.cli.main import run
from flakesync.errors import CacheError, FlakesyncError
from flakesync.net.http import NoAnswerError, Web, netrc_login
from tests.cli.conftest import ROOT, command, nixpkgs
from tests.support.forked import flakesync
from tests.support.workspaces import Ground, make_ground, takes


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    """A workspace of a mirrored repo and a clone, the second on a newer nixpkgs than the first."""
    flakes = {
        "lib": {"nixpkgs": nixpkgs("old", 1_760_000_000)},
        "app": {"lib": takes("lib"), "nixpkgs": nixpkgs("new", 1_762_000_000)},
    }
    pin = {"source": "github:NixOS/nixpkgs/nixos-25.11", "target": "newest-locked"}
    return make_ground(
        tmp_path, flakes, pins={"nixpkgs": pin}, settings={"author": "Bot <bot@acme.example>"}, mirrored=["lib"]
    )


def bare(tmp_path: Path) -> dict[str, str]:
    """The whole environment of a command: where its programs are, and where it may keep something."""
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home"), "FLAKESYNC_CACHE": str(tmp_path / "cache")}


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("graph",), 0),
        (("drift", "--offline"), 2),  # nothing is mirrored yet
        (("drift",), 1),
        (("plan", "--json"), 0),
        (("inputs",), 0),
        (("why", "lib"), 0),
        (("status",), 0),
        (("sync", "--dry-run"), 0),
        (("sync",), 0),
        (("schema", "drift"), 0),
        (("init", "-w", "new.toml", "."), 0),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_every_command_works_in_an_environment_that_holds_a_path_and_a_home_alone(
    ground: Ground, tmp_path: Path, arguments: tuple[str, ...], status: int
) -> None:
    (tmp_path / "flake").mkdir()
    (tmp_path / "flake/flake.nix").write_text("{ outputs = _: { }; }")
    ran = flakesync(*arguments, cwd=tmp_path, env=bare(tmp_path))
    assert "Traceback" not in ran.stderr
    if "--offline" in arguments:
        assert ran.returncode in (1, 2)
    else:
        assert (ran.returncode, "error[" in ran.stderr) == (status, False), ran.stderr


@pytest.mark.parametrize(("name", "status"), [("drift", 1), ("sync", 0)])
def test_a_real_start_does_without_a_home_too(ground: Ground, tmp_path: Path, name: str, status: int) -> None:
    env = {**bare(tmp_path), "PYTHONPATH": str(ROOT)}
    del env["HOME"]
    ran = subprocess.run(command(name, "-q"), cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (status, "")


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_nobody_else_reaches_what_is_in_the_cache_whatever_the_umask_is(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask: int
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("FLAKESYNC_CACHE", str(cache))
    before = os.umask(umask)
    try:
        status = run(["sync", "-q", "-w", str(ground.manifest)])
    finally:
        os.umask(before)
    assert status == 0
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in (cache, *cache.rglob("*"))}
    git_dirs = {path.parent for path in modes if path.name == "objects"}
    assert git_dirs
    for path, mode in modes.items():
        # What git itself makes has the umask's mode; the folder that it lies in lets nobody pass.
        if not any(folder in path.parents for folder in git_dirs):
            assert mode == (0o700 if path.is_dir() else 0o600), path


def test_without_any_home_the_hint_names_the_variable_for_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "FLAKESYNC_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2_000_000_123)  # whom no passwd knows
    with pytest.raises(FlakesyncError, match="HOME is not set") as caught:
        cache_dir()
    assert caught.value.code == "no-home"
    assert "FLAKESYNC_CACHE" in (caught.value.hint or "")
    assert netrc_login("host") is None


@pytest.mark.parametrize("home", ["rel", "", "./x"])
def test_a_home_that_is_no_absolute_folder_is_none(monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    for name in ("XDG_CACHE_HOME", "FLAKESYNC_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", home)
    with pytest.raises(FlakesyncError) as caught:
        cache_dir()
    assert caught.value.code == "no-home"


@pytest.mark.parametrize("place", ["/dev/null/x", "/proc/x"])
def test_a_cache_that_cannot_be_made_is_named_with_the_variable_for_another(
    ground: Ground, tmp_path: Path, place: str
) -> None:
    ran = flakesync("drift", cwd=tmp_path, env={**bare(tmp_path), "FLAKESYNC_CACHE": place})
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"error[cache]: {place}")
    assert "FLAKESYNC_CACHE" in ran.stderr


def test_a_full_disk_below_the_cache_is_named_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.open", full)
    with pytest.raises(CacheError) as caught, exclusive(tmp_path / "x.lock", wait=False):
        pass
    assert (caught.value.code, caught.value.message) == ("disk-full", f"{tmp_path}/x.lock: no space left on device")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("https_proxy", "socks5://127.0.0.1:1"),
        ("all_proxy", "foo://me:secret@x"),
        ("ALL_PROXY", "socks4://x"),
        ("http_proxy", "http://me:secret@a\nb"),
        ("HTTPS_PROXY", "\udcff"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named_by_its_variable_without_its_login(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv(variable, value)
    with (
        pytest.raises(NoAnswerError) as caught,
        Web(connect_s=1, read_s=1) as web,
        web.open("GET", "https://h.invalid/", headers={}, limit_bytes=1),
    ):
        pass
    assert caught.value.trouble == "connect"
    assert variable.lower() in caught.value.reason.lower()
    assert "secret" not in caught.value.reason


@pytest.mark.parametrize("content", [b"machine\n", b"\xff\xfe", b'machine h login "', b"macdef x"])
def test_a_netrc_that_cannot_be_read_has_no_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    (tmp_path / ".netrc").write_bytes(content)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)
    assert netrc_login("h") is None

"""Sync without Nix, with Nix for the rest, and with Nix looking over it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flakesync.sync.events import Event, Note
from flakesync.sync.lockers.auto import LockerChoice
from flakesync.sync.lockers.nix import NixLocker
from tests.support.nix import RealNix
from tests.support.nixspace import UPDATE_BRANCH, Space, Take, chain, read, run_sync

Lock = dict[str, Any]
LOCKERS: list[LockerChoice] = ["nix", "native"]
ATTRIBUTES = {".gitattributes": "*.txt export-ignore\n", "a.txt": "a"}


@pytest.fixture
def no_nix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave nothing but git on PATH."""
    git = shutil.which("git")
    assert git is not None
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").symlink_to(git)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def mixed(root: Path, *, subfolder: bool = True) -> Space:
    """Return sources, follows, several flakes in a repo, one of them an input (Nix 2.8 differs there)."""
    space = chain(root, 4)
    space.add("src", {"nixpkgs": Take(), "r2": Take(flake=False), "r0": Take(follows={"nixpkgs": "nixpkgs"})})
    space.add("end", {"nixpkgs": "src/nixpkgs", "src": Take(), "r1": Take(ref=None)}, dev={"r0": Take()})
    cut = {"end": Take(follows={"src": "", "nixpkgs": "pkgs"}), "pkgs": Take("nixpkgs")}
    space.add("cut", {**cut, **({"sub": Take("end", dir="dev")} if subfolder else {})})
    return space


@pytest.mark.usefixtures("no_nix")
@pytest.mark.parametrize("locker", ["auto", "native"])
def test_a_sync_needs_no_nix(tmp_path: Path, locker: LockerChoice) -> None:
    space = mixed(tmp_path / "space")
    ran = run_sync(space.manifest(), locker=locker)
    assert set(ran.statuses.values()) == {"updated"}, ran.errors
    assert ran.document.locker == "native"
    assert set(run_sync(space.manifest(), locker=locker).statuses.values()) == {"unchanged"}


def require_same_commits(space: Space) -> None:
    """Sync with each locker in turn, from the same beginning: all repos are updated, to the same commits."""
    manifest = space.manifest()
    made = []
    for locker in LOCKERS:
        ran = run_sync(manifest, locker=locker)
        assert set(ran.statuses.values()) == {"updated"}, ran.errors
        made.append({name: space.tip(name, UPDATE_BRANCH) for name in space.names})
        for name in space.names:
            (space.path(name) / ".git/refs/heads/flakesync/update").unlink()
    assert made[0] == made[1]


@pytest.mark.usefixtures("use_nix")
def test_native_makes_the_commits_that_nix_makes(nix: RealNix, tmp_path: Path) -> None:
    space = mixed(tmp_path / "space", subfolder=nix.version > (2, 8))
    manifest = space.manifest()
    made = []
    for locker in LOCKERS:
        ran = run_sync(manifest, locker=locker)
        assert set(ran.statuses.values()) == {"updated"}, ran.errors
        tips = {name: space.tip(name, UPDATE_BRANCH) for name in space.names}
        made.append({name: (tip, read(space.path(name), tip, "flake.lock")) for name, tip in tips.items()})
        for name in space.names:
            (space.path(name) / ".git/refs/heads/flakesync/update").unlink()
    assert made[0] == made[1]


CONFIG = 'nixConfig = rec { substituters = [ "https://c.example" ]; trusted-substituters = substituters; };'
UNUSUAL = """{
  CONFIG
  #\u3000wide
  INPUTS
  outputs = inputs: {
    a = { inherit inputs; b = rec { c = __hasAttr "x" inputs; }; };
    a.b.d = __elem 1 [ 1 ];
    e = { inherit (inputs) # none is left
      ; };
  };
}
"""


@pytest.mark.usefixtures("use_nix")
def test_what_every_nix_takes_in_a_flake_nix_is_locked_by_both_as_by_nix(nix: RealNix, tmp_path: Path) -> None:
    space = chain(tmp_path / "space", 2)
    space.add("end", {"nixpkgs": Take(), "r1": Take(follows={"nixpkgs": "nixpkgs", "r0": ""})})
    # Nix 2.8 reads the settings in the order in which their names lie in memory: it takes one that is another by luck.
    config = CONFIG if nix.version > (2, 8) else "nixConfig = { };"
    for name in space.names:
        text = read(space.path(name), space.tip(name), "flake.nix").decode()
        inputs = text[text.index("inputs = {") : text.index("  outputs")]
        inputs = inputs.replace('follows = "', 'follows = "//')
        space.commit(name, {"flake.nix": UNUSUAL.replace("CONFIG", config).replace("INPUTS", inputs)})
    require_same_commits(space)


@pytest.mark.usefixtures("use_nix")
def test_a_flake_nix_that_is_a_symlink_is_locked_by_both_as_by_nix(nix: RealNix, tmp_path: Path) -> None:
    space = chain(tmp_path / "space", 3)
    for name in space.names:
        text = read(space.path(name), space.tip(name), "flake.nix").decode()
        links = {
            "flake.nix": "link:./lnk/flake.nix",
            "lnk": "link:nix",
            "nix/flake.nix": "link:../x.nix",
            "x.nix": text,
        }
        space.commit(name, links)
    require_same_commits(space)


@pytest.mark.usefixtures("no_nix")
def test_an_upstream_whose_lock_is_a_symlink_is_left_to_nix(tmp_path: Path) -> None:
    space = chain(tmp_path / "space", 2)
    lock = read(space.path("r0"), space.tip("r0"), "flake.lock").decode()
    space.commit("r0", {"flake.lock": "link:nix/flake.lock", "nix/flake.lock": lock})
    ran = run_sync(space.manifest(), locker="native")
    assert ran.statuses == {"r0": "failed", "r1": "failed"}
    reasons = {each.repo: each.error.message for each in ran.document.repos if each.error is not None}
    assert "r0/flake.lock: is a symlink to nix/flake.lock" in reasons["r0"]
    assert f"flake.lock is a symlink in {space.tip('r0')}" in reasons["r1"]


@pytest.mark.usefixtures("use_nix")
def test_every_nix_agrees_when_it_looks_over_the_locks(nix: RealNix, tmp_path: Path) -> None:
    space = chain(tmp_path / "space", 3)
    ran = run_sync(space.manifest(), verify=True, locker="native")
    assert set(ran.statuses.values()) == {"updated"}, ran.errors
    assert ran.document.locker == f"native, verified by nix {nix.full_version}"


@pytest.mark.usefixtures("use_nix")
def test_a_lock_that_differs_from_that_of_nix_is_refused(
    any_nix: RealNix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = chain(tmp_path / "space", 2)
    monkeypatch.setattr(NixLocker, "lock", lambda _, request: request.lock)
    ran = run_sync(space.manifest(), verify=True, locker="auto")
    assert ran.errors == {"r0": "native-differs", "r1": "upstream-failed"}


def hazardous(root: Path) -> Space:
    """Return a repo that native leaves to Nix, as attributes change the tree of its upstream, and one that it does."""
    space = Space(root)
    space.add("lib", files=ATTRIBUTES).add("app", {"lib": Take()}).add("other")
    # Only what has been pushed can be locked at all: the library is where it should be.
    space.lock("lib", {".": {"nixpkgs": Take(at=space.tip("nixpkgs"))}})
    return space


@pytest.mark.usefixtures("use_nix")
def test_what_native_cannot_do_exactly_nix_does_and_it_is_told(any_nix: RealNix, tmp_path: Path) -> None:
    space = hazardous(tmp_path / "space")
    told: list[str] = []

    def listen(event: Event[object]) -> None:
        if isinstance(event, Note):
            told.append(event.text)

    ran = run_sync(space.manifest(), listener=listen, locker="auto")
    assert ran.statuses == {"app": "updated", "other": "updated", "lib": "unchanged"}, ran.errors
    assert ran.document.locker == f"native, nix {any_nix.full_version}"
    assert told == ["app: Nix writes its lock: .gitattributes line 1 has export-ignore, where Nix versions differ"]


@pytest.mark.usefixtures("no_nix")
@pytest.mark.parametrize(("locker", "hint"), [("auto", "install Nix"), ("native", "--locker auto")])
def test_without_nix_only_that_repo_fails(tmp_path: Path, locker: LockerChoice, hint: str) -> None:
    space = hazardous(tmp_path / "space")
    ran = run_sync(space.manifest(), locker=locker)
    assert ran.statuses == {"app": "failed", "other": "updated", "lib": "unchanged"}
    error = ran["app"].error
    assert error is not None
    assert error.code == "not-native"
    assert ".gitattributes line 1" in error.message
    assert hint in (error.hint or "")


@pytest.mark.usefixtures("no_nix")
def test_checks_run_without_nix(tmp_path: Path) -> None:
    space = Space(tmp_path / "space").add("lib")
    ran = run_sync(space.manifest(tables={"lib": {"checks": ["git --version"]}}), locker="auto")
    assert ran.statuses == {"lib": "updated"}
    assert [check.exit_status for check in ran["lib"].checks] == [0]


def as_version_5(lock: Lock) -> Lock:
    for node in lock["nodes"].values():
        if "locked" in node:
            node["info"] = {key: node["locked"].pop(key) for key in ("lastModified", "narHash")}
    return {**lock, "version": 5}


def with_a_left_over_node(lock: Lock) -> Lock:
    lock["nodes"]["old"] = {**lock["nodes"]["nixpkgs"], "inputs": {"nixpkgs": "nixpkgs"}}
    return lock


def with_other_labels(lock: Lock) -> Lock:
    """Name every node otherwise, the root too."""
    for node in lock["nodes"].values():
        inputs = node.get("inputs", {})
        inputs |= {name: f"my-{to}" for name, to in inputs.items() if isinstance(to, str)}
    return {**lock, "nodes": {f"my-{label}": node for label, node in lock["nodes"].items()}, "root": "my-root"}


def stale(lock: Lock) -> Lock:
    """Have an input that flake.nix does not name any more."""
    lock["nodes"]["gone"] = dict(lock["nodes"]["nixpkgs"])
    lock["nodes"]["root"]["inputs"]["gone"] = "gone"
    return lock


@pytest.mark.slow_between
@pytest.mark.usefixtures("use_nix")
@pytest.mark.parametrize("indent", [2, None], ids=["lines", "one-line"])
@pytest.mark.parametrize(
    "change", [as_version_5, lambda lock: {**lock, "version": 6}, with_a_left_over_node, with_other_labels, stale],
    ids=["version-5", "version-6", "left-over", "labels", "stale"],
)  # fmt: skip
def test_an_unusual_lock_goes_through_native_as_it_goes_through_nix(
    nix: RealNix, tmp_path: Path, change: Callable[[Lock], Lock], indent: int | None
) -> None:
    space = chain(tmp_path / "space", 2)
    usual = read(space.path("r1"), space.tip("r1"), "flake.lock").decode()
    space.commit("r1", {"flake.lock": json.dumps(change(json.loads(usual)), indent=indent)})
    held = space.manifest(tables={"r1": {"hold": ["*"]}})
    assert run_sync(held, locker="native").statuses == {"r0": "updated", "r1": "unchanged"}
    assert space.ref("r1") is None
    made = []
    for locker in LOCKERS:
        ran = run_sync(space.manifest(), locker=locker)
        tip = space.ref("r1")
        made.append((ran.errors, read(space.path("r1"), tip, "flake.lock").decode() if tip is not None else None))
        (space.path("r1") / ".git/refs/heads/flakesync/update").unlink(missing_ok=True)
    assert made[0] == made[1]
    assert made[0][0] == {}
    assert '"gone"' not in (made[0][1] or "")

"""A stale lock is mended: what flake.nix says by now is locked, and Nix takes the lock as it is."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from flakesync.errors import SyncError
from flakesync.nix.lock.file import LockFile
from flakesync.nix.lock.graph import ROOT
from flakesync.nix.program.command import Nix
from flakesync.sync.lockers.auto import LockerChoice
from flakesync.sync.verify import require_agreement
from tests.support import locks, repos
from tests.support.landing import Landing
from tests.support.nix import RealNix
from tests.support.nixspace import UPDATE, Ran, Space, Take, drift_of, read, ref_in, run_sync

LIB, NP, X = 'lib.url = "LIB"; ', 'np.url = "NP"; ', 'x.url = "X?ref=main"; '
Sides = tuple[str, str]
FLAKES: dict[str, Sides] = {
    "new": (LIB, LIB + X),
    "new-pinned": (LIB, LIB + NP),
    "new-repo": (NP, NP + LIB),
    "new-follows": (X, X + LIB + 'lib.inputs.np.follows = "x";'),
    "gone": (LIB + X, LIB),
    "all-gone": (NP, ""),
    "branch": (X, 'x.url = "X?ref=other";'),
    "follows": (LIB + NP, LIB + NP + 'lib.inputs.np.follows = "np";'),
    "follows-less": (LIB + NP + 'lib.inputs.np.follows = "np";', LIB + NP),
    "follows-now": (LIB + NP, LIB + 'np.follows = "lib/np";'),
    "nested-url": (LIB, LIB + 'lib.inputs.np.url = "X?ref=main";'),
    "source": (NP, NP + 's = { url = "X?ref=other"; flake = false; };'),
}


class Ground:
    """np (pinned), lib (a repo that takes np), x, and repos that were locked before their flake.nix changed."""

    def __init__(self, root: Path, flakes: Mapping[str, Sides]) -> None:
        self.root, self.flakes = root, flakes
        for name in ("np", "x"):
            repos.make_repo(root / name, {"flake.nix": "{ outputs = _: { }; }"})
        repos.commit(root / "x", {"flake.nix": "{ outputs = _: { }; }", "a": "b"}, branch="other")
        self.locked("lib", NP)
        for name, (old, new) in flakes.items():
            self.locked(name, old)
            repos.commit(root / name, {"flake.nix": self.text(new)})
        self.target = repos.commit(root / "np", {"more": ""})
        lines = ["[workspace]", 'name = "t"', "[pins.np]", f'source = "git+file://{root}/np?ref=main"']
        for name in ("lib", *flakes):
            lines += [f"[repos.{name}]", f'path = "{name}"', *([f'url = "git+file://{root}/lib"'] * (name == "lib"))]
        self.manifest = root / "workspace.toml"
        self.manifest.write_text("\n".join(lines))

    def locked(self, name: str, inputs: str) -> None:
        repos.make_repo(self.root / name, {"flake.nix": self.text(inputs)})
        subprocess.run(["nix", "flake", "lock", f"path:{self.root / name}"], check=True, capture_output=True)
        repos.commit(self.root / name, {"flake.lock": (self.root / name / "flake.lock").read_text()})

    def text(self, inputs: str) -> str:
        for name in ("np", "lib", "x"):
            inputs = inputs.replace(f'"{name.upper()}', f'"git+file://{self.root / name}')
        inputs = inputs.replace(f'file://{self.root / "np"}"', f'file://{self.root / "np"}?ref=main"')
        return f"{{ inputs = {{ {inputs} }}; outputs = _: {{ }}; }}"

    def made(self, name: str) -> bytes:
        rev = ref_in(self.root / name, UPDATE)
        assert rev is not None, name
        return read(self.root / name, rev, "flake.lock")

    def rev(self, name: str, path: str) -> object:
        node = LockFile.parse(self.made(name)).node(tuple(path.split("/")))
        return (node.locked or {}).get("rev") if node is not None else None

    def takes(self, name: str) -> bool:
        """Tell whether Nix takes the lock of an update as it is."""
        folder = self.root / f"{name}-check"
        folder.mkdir()
        (folder / "flake.nix").write_text(self.text(self.flakes[name][1]))
        (folder / "flake.lock").write_bytes(self.made(name))
        return Nix.find().check_lock(folder)


@pytest.mark.slow_but_newest
@pytest.mark.parametrize("locker", ["auto", "nix"])
def test_what_is_made_of_a_stale_lock_nix_takes_as_it_is(
    nix: RealNix, use_nix: RealNix, tmp_path: Path, locker: LockerChoice
) -> None:
    ground = Ground(tmp_path, FLAKES)
    assert {found.repo for found in drift_of(ground.manifest, at="base") if found.kind == "stale-lock"} == set(FLAKES)
    ran = run_sync(ground.manifest, locker=locker)
    assert ran.errors == {}
    assert set(ran.statuses.values()) == {"updated"}
    assert {name: ground.takes(name) for name in FLAKES} == dict.fromkeys(FLAKES, True)
    assert "stale-lock" not in {found.kind for found in drift_of(ground.manifest)}
    # What is new goes where the workspace wants it, and its own lock comes along.
    assert ground.rev("new-pinned", "np") == ground.target
    assert ground.rev("new-repo", "lib") == ref_in(tmp_path / "lib", "refs/heads/main")
    assert ground.rev("branch", "x") == ref_in(tmp_path / "x", "refs/heads/other")
    assert ground.rev("nested-url", "lib/np") == ref_in(tmp_path / "x", "refs/heads/main")
    assert b'"flake": false' in ground.made("source")
    assert list(LockFile.parse(ground.made("all-gone")).nodes) == [ROOT]
    # And it comes to rest.
    assert set(run_sync(ground.manifest, locker=locker).statuses.values()) == {"unchanged"}


@pytest.mark.slow_but_newest
@pytest.mark.parametrize("locker", ["auto", "nix"])
@pytest.mark.parametrize("nested", [False, True])
def test_inputs_that_share_a_node_get_one_each_at_the_same_commit(
    nix: RealNix, use_nix: RealNix, tmp_path: Path, locker: LockerChoice, nested: bool
) -> None:
    taken = f"git+file://{tmp_path}/y" if nested else "X?ref=main"
    both = f'a.url = "{taken}"; b.url = "{taken}"; '
    ground = Ground(tmp_path, {"y": (X, X), "app": (both, both)})
    lock = msgspec.json.decode((tmp_path / "app/flake.lock").read_bytes())
    if nested:
        lock["nodes"]["b"]["inputs"]["x"] = lock["nodes"]["a"]["inputs"]["x"]
    else:
        lock["nodes"]["root"]["inputs"]["b"] = "a"
    data = msgspec.json.encode(lock)
    before = LockFile.parse(data)
    repos.commit(tmp_path / "app", {"flake.lock": data})
    repos.commit(tmp_path / "x", {"moved": "on"})
    assert [found.kind for found in drift_of(ground.manifest, at="base") if found.repo == "app"][:1] == ["stale-lock"]
    ran = run_sync(ground.manifest, locker=locker)
    assert (ran.errors, ran["app"].status) == ({}, "updated")
    assert ground.takes("app")
    for path in ("a/x", "b/x") if nested else ("a", "b"):
        node = before.node(tuple(path.split("/")))
        assert node is not None
        assert ground.rev("app", path) == (node.locked or {})["rev"]
    assert "stale-lock" not in {found.kind for found in drift_of(ground.manifest)}
    assert set(run_sync(ground.manifest, locker=locker).statuses.values()) == {"unchanged"}


def changes_of(ran: Ran, name: str) -> dict[str, tuple[object, str]]:
    return {change.input: (change.to, change.reason) for change in ran[name].changes}


def test_the_changes_say_what_is_new_and_what_is_gone(use_nix: RealNix, tmp_path: Path) -> None:
    ground = Ground(tmp_path, {name: FLAKES[name] for name in ("new", "new-pinned", "gone", "follows")})
    ran = run_sync(ground.manifest)
    assert changes_of(ran, "new")["x"] == ({"flake_nix": f"git+file://{tmp_path}/x?ref=main"}, "is new")
    assert changes_of(ran, "new-pinned")["np"] == ({"rev": ground.target}, "is new, pin np")
    assert changes_of(ran, "gone")["x"] == ({"flake_nix": "gone"}, "is gone from flake.nix")
    assert changes_of(ran, "follows")["lib/np"] == ({"flake_nix": "follows np"}, "flake.nix says so")


def test_the_native_locker_mends_without_nix(use_nix: RealNix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = ("new", "new-pinned", "new-repo", "gone", "branch", "follows", "source")
    ground = Ground(tmp_path, {name: FLAKES[name] for name in chosen})
    monkeypatch.setenv("FLAKESYNC_NIX", str(tmp_path / "no-nix"))
    ran = run_sync(ground.manifest, locker="native")
    assert ran.errors == {}
    monkeypatch.delenv("FLAKESYNC_NIX")
    assert {name: ground.takes(name) for name in chosen} == dict.fromkeys(chosen, True)


def test_a_new_lock_that_is_stale_itself_is_refused() -> None:
    lock = LockFile.parse(locks.to_bytes(locks.lock({"a": locks.github("a", "b")})))
    flake_nix = b'{ inputs.a.url = "github:a/b"; outputs = _: { }; }'
    require_agreement(flake_nix, lock, file="flake.lock")
    with pytest.raises(SyncError, match=r"flake\.lock: the new lock is not as flake\.nix says: flake\.nix has b"):
        require_agreement(
            flake_nix.replace(b"outputs", b'inputs.b.url = "github:a/c"; outputs'), lock, file="flake.lock"
        )


def test_a_held_input_keeps_a_stale_lock_and_says_so(use_nix: RealNix, tmp_path: Path) -> None:
    ground = Ground(tmp_path, {"new": FLAKES["new"]})
    ground.manifest.write_text(ground.manifest.read_text() + '\nhold = ["*"]\n')
    ran = run_sync(ground.manifest)
    assert ran.statuses == {"lib": "updated", "new": "unchanged"}
    assert ref_in(tmp_path / "new", UPDATE) is None


def test_what_a_stale_lock_has_become_is_published_and_lands_as_it_was_tested(use_nix: RealNix, tmp_path: Path) -> None:
    space = Space(tmp_path / "space")
    space.make("x", {"flake.nix": "{ outputs = _: { }; }"})
    for name in ("lib", "new", "gone", "follows"):
        takes = {"nixpkgs": Take()} if name in ("lib", "new") else {"nixpkgs": Take(), "lib": Take()}
        space.add(name, takes)
    at = {name: f'{name}.url = "git+{space.url(name)}?ref=main"; ' for name in ("nixpkgs", "lib", "x")}
    flakes = {
        "new": at["nixpkgs"] + at["x"],
        "gone": at["nixpkgs"],
        "follows": at["nixpkgs"] + at["lib"] + 'lib.inputs.nixpkgs.follows = "nixpkgs";',
    }
    for name, inputs in flakes.items():
        space.commit(name, {"flake.nix": f"{{ inputs = {{ {inputs} }}; outputs = _: {{ }}; }}"})
    pinned = {"nixpkgs": {"source": f"git+{space.url('nixpkgs')}?ref=main", "target": space.first_nixpkgs}}
    landing = Landing(space, pins=pinned)
    assert landing.sync().errors == {}
    published = landing.publish()
    assert {outcome.repo for outcome in published.repos if outcome.status == "opened"} == set(flakes)
    tested = space.locked("new", "x")
    space.commit("x", {"more": ""})
    landed = landing.land()
    assert {name: landed.statuses[name] for name in flakes} == dict.fromkeys(flakes, "landed")
    base = LockFile.parse(read(space.path("new"), space.tip("new"), "flake.lock"))
    assert base.node(("x",)) is not None
    assert dict((base.node(("x",)) or base.nodes[base.root]).locked or {}) == tested
    assert [found for found in drift_of(landing.file, at="base") if found.kind == "stale-lock"] == []


def test_the_split_of_a_shared_node_lands_though_no_input_moves(use_nix: RealNix, tmp_path: Path) -> None:
    space = (
        Space(tmp_path / "space").add("app", {"a": Take("nixpkgs"), "b": Take("nixpkgs")}).add("top", {"app": Take()})
    )
    lock = msgspec.json.decode(read(space.path("app"), space.tip("app"), "flake.lock"))
    lock["nodes"]["root"]["inputs"]["b"] = "a"
    space.commit("app", {"flake.lock": msgspec.json.encode(lock).decode()})
    landing = Landing(space, pins={})
    assert landing.drift() == [("stale-lock", "app", None)]
    landing.sync()
    landing.publish()
    assert landing.land()["app"].status == "landed"
    landing.assert_done()
    assert set(landing.sync().statuses.values()) <= {"unchanged"}

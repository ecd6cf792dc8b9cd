"""A whole sync of what Nix has locked: inputs below the repo's own folders, inputs at HEAD, pins that are followed."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import tomli_w

from flakesync.sync.lockers.auto import LockerChoice
from tests.support import locks, repos
from tests.support.nix import RealNix
from tests.support.nixspace import UPDATE_BRANCH, drift_of, run_sync

LIB = 'inputs.lib.url = "git+file://{root}/lib";'
SUB = 'inputs.sub.url = "path:./sub";'

# Folder → the inputs of its flake; then the flakes that have a lock, in the order in which they were locked.
SHAPES: Mapping[str, tuple[Mapping[str, str], tuple[str, ...]]] = {
    "one lock": ({"": SUB, "sub": LIB}, ("",)),
    "two locks": ({"": SUB + LIB, "sub": LIB}, ("sub", "")),
    "folder in a folder": ({"": SUB, "sub": 'inputs.deep.url = "path:./deep";', "sub/deep": LIB}, ("",)),
    "followed from above": ({"": SUB + 'inputs.lib.follows = "sub/lib";', "sub": LIB}, ("sub", "")),
    "from below": ({"": LIB, "dev": 'inputs.root.url = "path:..";'}, ("", "dev")),
    "a source": ({"": SUB, "sub": LIB + "inputs.lib.flake = false;"}, ("",)),
}


def make(nix: RealNix, root: Path, flakes: Mapping[str, str], order: tuple[str, ...]) -> Path:
    """Make `lib` and an `app` that takes it as Nix locks it, give lib one commit more, and return the manifest."""
    repos.make_repo(root / "lib", {"flake.nix": "{ outputs = _: { }; }"})
    app = root / "app"
    files: dict[str, str | bytes | None] = {
        str(Path(dir, "flake.nix")): f"{{ {inputs.replace('{root}', str(root))} outputs = _: {{ }}; }}"
        for dir, inputs in flakes.items()
    }
    repos.make_repo(app, files)
    for dir in order:
        subprocess.run([nix.path, "flake", "lock"], cwd=app / dir, capture_output=True, check=True)
        repos.commit(app, {str(Path(dir, "flake.lock")): (app / dir / "flake.lock").read_bytes()})
    repos.commit(root / "lib", {"x": "y"})
    table = {"lib": {"path": "lib"}, "app": {"path": "app", "flakes": [dir or "." for dir in order]}}
    manifest = root / "workspace.toml"
    manifest.write_text(tomli_w.dumps({"workspace": {"name": "acme"}, "repos": table}))
    return manifest


def update_lock(app: Path, dir: str) -> Mapping[str, Mapping[str, Mapping[str, object]]]:
    file = str(Path(dir, "flake.lock"))
    shown = repos.run_git("show", f"{UPDATE_BRANCH}:{file}", cwd=app)
    nodes: Mapping[str, Mapping[str, Mapping[str, object]]] = json.loads(shown)["nodes"]
    return nodes


@pytest.mark.slow_between
@pytest.mark.parametrize("shape", SHAPES)
def test_inputs_below_a_folder_of_the_repo_are_moved(
    shape: str, nix: RealNix, use_nix: RealNix, tmp_path: Path
) -> None:
    flakes, order = SHAPES[shape]
    manifest = make(nix, tmp_path, flakes, order)
    app = tmp_path / "app"
    tip = repos.run_git("rev-parse", "HEAD", cwd=tmp_path / "lib")
    assert run_sync(manifest, locker="auto").statuses == {"app": "updated", "lib": "unchanged"}
    assert drift_of(manifest) == []
    repos.run_git("checkout", "--quiet", UPDATE_BRANCH, cwd=app)
    for dir in order:
        revs = {node["locked"]["rev"] for node in update_lock(app, dir).values() if "rev" in node.get("locked", {})}
        assert revs == {tip}
        argv = [str(nix.path), "flake", "lock", "--no-update-lock-file"]
        taken = subprocess.run(argv, cwd=app / dir, capture_output=True, check=False)
        assert taken.returncode == 0, taken.stderr
    repos.run_git("checkout", "--quiet", "main", cwd=app)
    assert run_sync(manifest, locker="auto").statuses == {"app": "unchanged", "lib": "unchanged"}


def test_a_later_nix_moves_what_is_below_a_folder_that_an_old_one_has_locked(
    any_nix: RealNix, use_nix: RealNix, tmp_path: Path
) -> None:
    if any_nix.version < (2, 26):
        pytest.skip("needs a Nix that locks folders without their hash")
    flakes, order = SHAPES["one lock"]
    manifest = make(any_nix, tmp_path, flakes, order)
    app = tmp_path / "app"
    document = json.loads((app / "flake.lock").read_text())
    document["nodes"]["sub"] |= {"locked": locks.folder("./sub", {}, old=True).locked}
    del document["nodes"]["sub"]["parent"]
    repos.commit(app, {"flake.lock": locks.to_bytes(document)})
    assert run_sync(manifest).statuses == {"app": "updated", "lib": "unchanged"}
    assert drift_of(manifest) == []
    assert update_lock(app, "")["sub"]["locked"] == {"path": "./sub", "type": "path"}


@pytest.mark.slow_between
@pytest.mark.parametrize("locker", ["nix", "auto"])
@pytest.mark.parametrize("flake", ["", "inputs.lib.flake = false;"])
def test_an_input_at_head_is_moved_and_stays_at_head(
    flake: str, locker: LockerChoice, nix: RealNix, use_nix: RealNix, tmp_path: Path
) -> None:
    at_head = LIB.replace('/lib"', '/lib?ref=HEAD"') + flake
    manifest = make(nix, tmp_path, {"": at_head}, ("",))
    assert run_sync(manifest, locker=locker).statuses == {"app": "updated", "lib": "unchanged"}
    node = update_lock(tmp_path / "app", "")["lib"]
    tip = repos.run_git("rev-parse", "HEAD", cwd=tmp_path / "lib")
    assert (node["original"]["ref"], node["locked"]["ref"], node["locked"]["rev"]) == ("HEAD", "HEAD", tip)
    assert run_sync(manifest, locker=locker).statuses == {"app": "unchanged", "lib": "unchanged"}

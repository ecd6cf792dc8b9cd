"""Lies in locks: what each real Nix makes of them, and which rule finds them."""

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import get_args

import pytest

from flakesync.audit.audit import Options, audit
from flakesync.cache.layout import cache_dir
from flakesync.documents.audit import AuditReport, Level
from flakesync.terms import RepoName
from flakesync.workspace.manifest import load_workspace
from tests.audit.lies import LIES, Expected, Kind, LyingSpace, Shape, add_shapes, node_at, tell_everywhere
from tests.support import nixspace, repos
from tests.support.kept import Kept
from tests.support.nix import RealNix
from tests.support.nixspace import Take, Takes

_TAKES = {"lib": Take(), "mid": Take()}
_EDGES = {**_TAKES, "top": Take(), "evil": Take()}
_GRAVE = ("high", "medium")
_WARM = {"A3", "A4c"}
"""Lies about content that Nix has fetched before; with a cold cache it would notice."""


def _space(folder: Path) -> LyingSpace:
    space = LyingSpace(folder)
    space.add("app", _TAKES)
    return space


def _edges(folder: Path) -> LyingSpace:
    space = LyingSpace(folder)
    space.add("top", {"mid": Take()})
    space.add("app", _EDGES)
    space.manifest()
    return space


class _Nix:
    """One Nix with a store of its own, and a folder with a flake that shows the note of `lib`, or of `mid/lib`."""

    def __init__(
        self, nix: RealNix, env: Mapping[str, str], space: LyingSpace, flake: Path, takes: Takes = _TAKES
    ) -> None:
        self._nix = nix
        self._env = env
        self._flake = flake
        text = space.flake_nix(takes)
        flake.mkdir()
        outputs = "lib = inputs.lib.note; mid = inputs.mid.note; top = inputs.top.note;"
        outputs += ' said = "${inputs.lib.rev} ${toString inputs.lib.lastModified}";'
        (flake / "flake.nix").write_text(text.replace("note = inputs.lib.note;", outputs))

    def lock(self) -> bool:
        """Tell whether `nix flake lock` has nothing against the lock, and leaves it as it is."""
        file = self._flake / "flake.lock"
        before = file.read_bytes()
        return self.run("flake", "lock", f"path:{self._flake}").returncode == 0 and file.read_bytes() == before

    def note(self, name: str) -> str | None:
        """Return what is built; None: Nix refuses."""
        done = self.run("eval", "--raw", f"path:{self._flake}#{name}")
        return done.stdout if done.returncode == 0 else None

    def put(self, lock: bytes) -> None:
        """Put a lock beside the flake.nix."""
        (self._flake / "flake.lock").write_bytes(lock)

    def run(self, *argv: str) -> "subprocess.CompletedProcess[str]":
        """Run Nix."""
        return subprocess.run(
            [self._nix.path, *argv],
            env=self._env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


_BUILT: Mapping[str, Mapping[str, str | None]] = {
    "A1": {"2.8": "evil", "2.26": "evil", "newest": "evil"},
    "A2": {"2.8": "pulled", "2.26": "pulled", "newest": "pulled"},
    "A3": {"2.8": "good", "2.26": "good", "newest": "good"},
    "A4": {"2.8": None, "2.26": None, "newest": None},
    "A4b": {"2.8": "evil", "2.26": "evil", "newest": "evil"},
    "A4c": {"2.8": "good", "2.26": "good", "newest": "good"},
    "A5": {"2.8": None, "2.26": "good", "newest": "good"},
    "A7": {"2.8": None, "2.26": None, "newest": "good"},
    "A8": {"2.8": "good", "2.26": "good", "newest": "good"},
    "A9": {"2.8": "good", "2.26": "good", "newest": "good"},
    "A10": {"2.8": "evil", "2.26": "evil", "newest": "evil"},
    "A11": {"2.8": "fixture", "2.26": "fixture", "newest": "fixture"},
}
"""What is built; None: Nix refuses. `good` under a lie: the content is right, and what is said of it is not."""
_NO_LOCK = {("A7", "2.8"), ("A7", "2.26"), ("A9", "2.8"), ("A9", "2.26"), ("A9", "newest")}
"""What `nix flake lock` does not pass without a word: it refuses, or locks anew."""
_PLACES = [
    pytest.param(id, path, marks=() if path == LIES[id].places[0] else pytest.mark.slow)
    for id in _BUILT
    for path in LIES[id].places
]


@pytest.mark.slow_but_newest
@pytest.mark.parametrize(("id", "path"), _PLACES)
def test_what_nix_makes_of_a_lie(
    kept: Kept, nix: RealNix, cold_nix_env: Mapping[str, str], tmp_path: Path, id: str, path: str
) -> None:
    space = kept.again("lies", _space)
    real = _Nix(nix, cold_nix_env, space, tmp_path / "flake")
    shown = path.split("/")[0]
    if id in _WARM:
        real.put(nixspace.read(space.path("app"), space.tip("app"), "flake.lock"))
        assert real.note(shown) == "good"
    if id != "A4":  # whose content is in no store
        assert real.run("eval", "--raw", f"git+{space.url('evil')}#note").stdout == "evil"
    real.put(nixspace.read(space.path("app"), space.lied(LIES[id], "app", path), "flake.lock"))
    version = nix.id if nix.id in _BUILT[id] else "newest"
    assert real.lock() == ((id, version) not in _NO_LOCK)
    assert real.note(shown) == _BUILT[id][version]


@pytest.mark.parametrize("id", ["A3", "A4b", "A4c"])
def test_a_lie_about_a_commit_is_what_nix_says_of_it(
    kept: Kept, any_nix: RealNix, cold_nix_env: Mapping[str, str], tmp_path: Path, id: str
) -> None:
    space = kept.again("lies", _space)
    real = _Nix(any_nix, cold_nix_env, space, tmp_path / "flake")
    real.put(nixspace.read(space.path("app"), space.tip("app"), "flake.lock"))
    honest = real.note("said")
    if id == "A4b":
        assert real.run("eval", "--raw", f"git+{space.url('evil')}#note").stdout == "evil"
    rev = space.lied(LIES[id], "app", "lib")
    real.put(nixspace.read(space.path("app"), rev, "flake.lock"))
    locked = space.locked("app", "lib", rev=rev)
    assert real.note("said") == f"{locked['rev']} {locked['lastModified']}"
    assert (real.note("said") == honest) == (id == "A4b")


def _ten(kind: Kind) -> Callable[[Path], tuple[LyingSpace, Mapping[str, Shape]]]:
    def make(folder: Path) -> tuple[LyingSpace, Mapping[str, Shape]]:
        space = LyingSpace(folder, kind)
        shapes = add_shapes(space)
        space.manifest()
        return space, shapes

    return make


def _audit(space: LyingSpace, shapes: Mapping[str, Shape], level: Level, at: str = "base") -> AuditReport:
    workspace = load_workspace(space.root / "workspace.toml")
    options = Options(level=level, at=at, offline=level == "offline")
    return audit(workspace, frozenset(map(RepoName, shapes)), options, cache_dir()).report


def _grave(report: AuditReport) -> Expected:
    return {(each.repo, each.flake, each.input, each.rule) for each in report.findings if each.severity in _GRAVE}


@pytest.mark.parametrize("kind", get_args(Kind))
def test_locks_without_a_lie_have_no_finding(kept: Kept, kind: Kind) -> None:
    space, shapes = kept.again(f"ten-{kind}", _ten(kind))
    report = _audit(space, shapes, "offline")
    assert (_grave(report), report.unchecked) == (set(), [])


@pytest.mark.slow_but_newest
@pytest.mark.parametrize(
    ("taker", "target"),
    [("top/mid", ["evil"]), ("top/mid", "evil"), ("mid", "evil")],
    ids=["follows", "deep", "shared"],
)
def test_an_input_of_an_input_that_is_led_elsewhere_is_built_and_found(
    kept: Kept, nix: RealNix, cold_nix_env: Mapping[str, str], tmp_path: Path, taker: str, target: object
) -> None:
    space = kept.again("edges", _edges)
    real = _Nix(nix, cold_nix_env, space, tmp_path / "flake", _EDGES)
    document = json.loads(nixspace.read(space.path("app"), space.tip("app"), "flake.lock"))
    node_at(document, taker)["inputs"]["lib"] = target
    led = json.dumps(document).encode()
    real.put(led)
    # A shared node is written twice, with what it holds.
    assert real.lock() == isinstance(target, list)
    assert real.note(taker.split("/")[0]) == "evil"
    space.commit("app", {"flake.lock": led}, branch="led")
    report = _audit(space, {"app": Shape()}, "offline", at="led")
    assert _grave(report) == {("app", ".", f"{taker}/lib", "flake-nix-differs")}


_OFFLINE = [lie.id for lie in LIES.values() if lie.level == "offline"]


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("id", _OFFLINE)
def test_a_lie_is_found_in_the_locks_alone(kept: Kept, id: str, kind: Kind) -> None:
    space, shapes = kept.again(f"ten-{kind}", _ten(kind))
    for place in LIES[id].places:
        expected = tell_everywhere(space, shapes, LIES[id], place)
        report = _audit(space, shapes, "offline", at=id)
        assert (_grave(report), report.unchecked) == (expected, [])
        for name in shapes:
            repos.run_git("update-ref", "-d", f"refs/heads/{id}", cwd=space.path(name))


def test_a_lie_is_found_in_repositories_of_this_machine_too(kept: Kept) -> None:
    space, shapes = kept.again("ten-file", _ten("file"))
    report = _audit(space, shapes, "mirror")
    assert (_grave(report), report.unchecked) == (set(), [])
    for lie in LIES.values():
        if lie.level == "mirror":
            for place in lie.places:
                expected = tell_everywhere(space, shapes, lie, place)
                assert _grave(_audit(space, shapes, "mirror", at=lie.id)) == expected
                for name in shapes:
                    repos.run_git("update-ref", "-d", f"refs/heads/{lie.id}", cwd=space.path(name))

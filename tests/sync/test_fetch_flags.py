"""How an input is fetched: up to flake.nix and to the upstream's flake.nix at each move, never to the old lock."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from flakesync.errors import FlakesyncError, SyncError
from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.nix.program.command import Nix
from flakesync.sync.lockers import FromClone, FromServer, Locker, Move, Request
from flakesync.sync.lockers.native.dialects import DIALECTS
from flakesync.sync.lockers.native.locker import NativeLocker
from flakesync.sync.lockers.native.sources import Sources
from flakesync.sync.lockers.native.values import NotNativeError
from flakesync.sync.lockers.nix import NixLocker, canonical_locked, override_reference
from flakesync.terms import FlakeDir, Rev
from tests.support import repos
from tests.support.nix import RealNix

OLD, NEW = Rev("a" * 40), Rev("b" * 40)
FACTS: dict[str, Any] = {"narHash": "sha256-new", "lastModified": 2, "rev": NEW}
STALE: dict[str, Any] = {
    "submodules": True, "lfs": True, "exportIgnore": True, "shallow": True, "allRefs": True, "verifyCommit": True,
    "publicKeys": "[]", "dirtyRev": f"{OLD}-dirty", "dirtyShortRev": "aaaaaaa-dirty", "__final": True,
    "narHash": "sha256-old", "lastModified": 1, "rev": OLD, "revCount": 1, "ref": "main",
}  # fmt: skip
GIT = {"type": "git", "url": "ssh://git@git.acme.example/acme/lib"}
GITHUB = {"type": "github", "owner": "acme", "repo": "lib"}


def canonical(original: dict[str, Any], locked: dict[str, Any], **found: Any) -> dict[str, Any]:
    source = FromClone(NEW, Path("/clones/lib"), "refs/heads/main", "main", pushed=False)
    node = LockNode(locked={**FACTS, "revCount": 7, **found}, original=original)
    return canonical_locked(Move(("lib",), original, locked, source), source, node)


def test_no_flag_of_the_old_node_is_kept() -> None:
    assert canonical(GIT, GIT | STALE) == GIT | FACTS | {"ref": "main", "revCount": 7}
    assert canonical(GITHUB, GITHUB | STALE) == GITHUB | FACTS
    assert canonical({"type": "indirect", "id": "lib"}, GITHUB | STALE) == GITHUB | FACTS


def test_what_the_upstream_asks_for_goes_before_what_flake_nix_asks_for() -> None:
    for asked in (True, False):
        new = canonical(GIT | {"submodules": not asked}, GIT, submodules=asked)
        assert new == GIT | FACTS | {"ref": "main", "revCount": 7, "submodules": asked}


@pytest.mark.parametrize("flag", ["submodules", "lfs"])
def test_a_hash_that_no_archive_has_is_not_written_for_one(flag: str) -> None:
    with pytest.raises(SyncError, match=f"inputs.self.{flag}"):
        canonical(GITHUB, GITHUB, **{flag: True})


def test_a_registry_name_is_fetched_without_what_the_upstream_once_asked_for() -> None:
    move = Move(("lib",), {"type": "indirect", "id": "lib"}, GIT | STALE | {"shallow": False}, FromServer(NEW, "main"))
    reference = override_reference(move)
    assert "submodules" not in reference
    assert "lfs" not in reference
    assert "dirty" not in reference


# ---- with real Nix --------------------------------------------------------------------------------------------------

UPSTREAMS = {
    "plain": "",
    "off": "inputs.self.submodules = false;",
    "on": "inputs.self.submodules = true;",
    "lfs": "inputs.self.lfs = true;",
    "both": "inputs.self = { submodules = true; lfs = false; };",
    "empty": "inputs.self = { };",
}


def make_app(nix: RealNix, root: Path, before: str, query: str, *, submodule: bool) -> Request | None:
    """Make a library and what takes it, locked by Nix; return a request to move nothing. None: Nix cannot lock it."""
    lib, app = root / "lib", root / "app"
    repos.make_repo(lib, {"flake.nix": flake_nix(UPSTREAMS[before])})
    if submodule:
        repos.run_git("config", "--global", "protocol.file.allow", "always", cwd=root)
        repos.make_repo(root / "part", {"part.txt": "part"})
        repos.run_git("submodule", "add", "-q", f"{root / 'part'}", "part", cwd=lib)
        repos.run_git("commit", "-qm", "part", cwd=lib)
    app.mkdir()
    (app / "flake.nix").write_text(flake_nix(f'inputs.lib.url = "git+file://{lib}{query}";'))
    data = flake_lock(nix, app, "lock")
    if data is None:
        return None
    rev = repos.make_repo(app, {"flake.nix": (app / "flake.nix").read_text(), "flake.lock": data})
    return Request(app, rev, FlakeDir("."), LockFile.parse(data), ())


def flake_nix(inputs: str) -> str:
    return f"{{ {inputs} outputs = _: {{ }}; }}\n"


def flake_lock(nix: RealNix, folder: Path, *words: str) -> bytes | None:
    """Return the flake.lock that Nix writes; None: it refuses."""
    done = subprocess.run([nix.path, "flake", *words, f"path:{folder}"], capture_output=True, check=False)
    return (folder / "flake.lock").read_bytes() if done.returncode == 0 else None


def locked_by(locker: Locker, request: Request) -> bytes | FlakesyncError:
    try:
        return locker.lock(request).to_bytes()
    except FlakesyncError as error:
        return error


CHANGES = [
    ("plain", "on"), ("on", "plain"), ("off", "on"), ("on", "off"), ("plain", "plain"),
    ("plain", "lfs"), ("lfs", "empty"), ("plain", "both"),
]  # fmt: skip
QUERIES = ["", "&submodules=1", "&submodules=0", "&exportIgnore=1", "&shallow=1", "&allRefs=1"]
ASKED_FOR = (2, 27)
"""From here on Nix knows what a flake asks for itself."""


def flags() -> list[object]:
    """Return changes, references and whether there is a submodule; most are slow.

    The plain reference goes with each change, all others with those that matter most.
    """
    found: list[object] = []
    for change in CHANGES:
        for query in QUERIES if change in MOST else [""]:
            quick = (change, query) in QUICK
            found.append(pytest.param(change, query, False, marks=() if quick or not query else pytest.mark.slow))
            found.append(pytest.param(change, query, True, marks=() if quick else pytest.mark.slow))
    return found


MOST = [("plain", "on"), ("on", "plain"), ("plain", "plain")]
QUICK = [(("plain", "on"), ""), (("on", "plain"), "&submodules=1"), (("plain", "plain"), "&exportIgnore=1")]
"""Of each kind one, with a submodule and without."""


@pytest.mark.slow_but_newest
@pytest.mark.usefixtures("use_nix")
@pytest.mark.parametrize(("change", "query", "submodule"), flags())
def test_both_lockers_write_the_flags_that_nix_writes(
    nix: RealNix, tmp_path: Path, change: tuple[str, str], query: str, submodule: bool
) -> None:
    request = make_app(nix, tmp_path, change[0], f"?ref=main{query}", submodule=submodule)
    if request is None:
        # What knows what a flake asks for itself cannot do both of these.
        assert nix.version < ASKED_FOR or "exportIgnore" in query
        return
    (tmp_path / "lib/flake.nix").write_text(flake_nix(UPSTREAMS[change[1]]))
    repos.run_git("commit", "-q", "--allow-empty", "-am", "two", cwd=tmp_path / "lib")
    new = Rev(repos.run_git("rev-parse", "HEAD", cwd=tmp_path / "lib").strip())
    wanted = flake_lock(nix, tmp_path / "app", "lock", "--update-input", "lib")
    node = request.lock.node(("lib",))
    assert node is not None
    sources = Sources({}, (), tmp_path / "cache")
    native = NativeLocker(sources, DIALECTS["nix-2.8" if nix.version == (2, 8) else "nix-2.26+"])
    for source in (
        FromServer(new, "main"),
        FromClone(new, tmp_path / "lib", "refs/heads/main", "main", pushed=True),
    ):
        asked = replace(request, moves=[Move(("lib",), node.original or {}, node.locked or {}, source)])
        real, mine = (locked_by(each, asked) for each in (NixLocker(Nix.find()), native))
        if wanted is None:
            assert isinstance(real, FlakesyncError), (query, source)
            # 2.27 to 2.30, which its dialect stands for too, know what a flake asks for itself.
            assert isinstance(mine, FlakesyncError) or nix.version == (2, 26), (query, source)
            continue
        assert not isinstance(real, FlakesyncError), real
        assert real.decode() == wanted.decode(), (query, source)
        if isinstance(mine, NotNativeError):
            assert submodule or (nix.version == (2, 8) and query), mine.message
        else:
            assert not isinstance(mine, FlakesyncError), mine
            assert mine.decode() == wanted.decode(), (query, source)

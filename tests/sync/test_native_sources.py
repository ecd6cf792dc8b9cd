"""What native finds out about a commit by itself, and what it leaves to Nix rather than guess."""

from pathlib import Path

import pytest

from flakesync.nix.lock.file import LockFile
from flakesync.nix.reference.flakeref import Attr, FlakeRef, identity_of
from flakesync.sync.lockers import FromServer, Move, Request
from flakesync.sync.lockers.native.locker import NativeLocker
from flakesync.sync.lockers.native.sources import Sources
from flakesync.sync.lockers.native.values import NotNativeError
from flakesync.terms import FlakeDir, NodeLabel, Rev
from tests.support import locks, repos

FLAKE = {"flake.nix": "{ outputs = _: { }; }"}
REV = "a" * 40
HASH = f"sha256-{'B' * 43}="
WEB = "https://git.example/acme/lib"


def of_clone(tmp_path: Path) -> tuple[Sources, Rev]:
    """Return sources that know one clone, of WEB, and its commit."""
    rev = repos.make_repo(tmp_path / "lib", FLAKE)
    identity = identity_of({"type": "git", "url": WEB})
    assert identity is not None
    return Sources({identity: tmp_path / "lib"}, [], tmp_path / "cache", offline=True), rev


def test_of_a_clone_that_lacks_commits_it_is_not_told_how_many_there_are(tmp_path: Path) -> None:
    repos.make_repo(tmp_path / "whole", FLAKE)
    rev = repos.commit(tmp_path / "whole", {"other": "1"})
    repos.run_git("clone", "-q", "--depth=1", f"file://{tmp_path}/whole", str(tmp_path / "shallow"), cwd=tmp_path)
    sources = Sources({}, [], tmp_path / "cache", offline=True)
    assert sources.facts(tmp_path / "whole", rev, served=False).rev_count == 2
    with pytest.raises(NotNativeError, match="is a shallow clone"):
        sources.facts(tmp_path / "shallow", rev, served=False)


def test_what_is_known_of_a_commit_is_kept_for_the_next_run(tmp_path: Path) -> None:
    fetched = tmp_path / "cache/commits/lib"
    rev = repos.make_repo(fetched, FLAKE)
    found = Sources({}, [], tmp_path / "cache").facts(fetched, rev, served=False)
    fetched.rename(tmp_path / "away")
    assert Sources({}, [], tmp_path / "cache").facts(fetched, rev, served=False) == found


def test_a_commit_of_git_is_noted_with_its_branch_or_not_at_all(tmp_path: Path) -> None:
    sources, rev = of_clone(tmp_path)
    reference: dict[str, Attr] = {"type": "git", "url": WEB, "rev": rev}
    locked = sources.fetch(FlakeRef.from_attrs({**reference, "ref": "main"})).locked({})
    assert (locked["ref"], locked["revCount"]) == ("main", 1)
    # Nix asks the server which branch is its usual one, and notes that.
    with pytest.raises(NotNativeError, match=r"the branch of .* is not known"):
        sources.fetch(FlakeRef.from_attrs(reference))
    shallow = sources.fetch(FlakeRef.from_attrs({**reference, "shallow": True})).locked({})
    assert not {"ref", "revCount"} & shallow.keys()


@pytest.mark.parametrize(
    ("attrs", "why"),
    [
        ({"submodules": True}, "cannot fetch with `submodules`"),
        ({"submodules": True, "exportIgnore": True}, "both `submodules` and `exportIgnore`"),
        ({"publicKey": "x"}, "cannot fetch with `publicKey`"),
        ({"submodules": False, "lfs": True}, None),
    ],
    ids=["submodules", "both", "signed", "none"],
)
def test_a_commit_that_is_more_than_its_tree_is_left_to_nix(
    tmp_path: Path, attrs: dict[str, Attr], why: str | None
) -> None:
    sources, _ = of_clone(tmp_path)
    rev = repos.commit(tmp_path / "lib", {".gitmodules": '[submodule "part"]\npath = part\n'})
    if why is None:
        sources.require_plain(tmp_path / "lib", rev, attrs)
        return
    with pytest.raises(NotNativeError, match=why):
        sources.require_plain(tmp_path / "lib", rev, attrs)


def test_a_lock_that_shows_no_nix_is_written_as_the_lock_of_what_it_takes_in(tmp_path: Path) -> None:
    def node(attrs: dict[str, Attr]) -> dict[str, object]:
        facts = {"rev": "c" * 40, "narHash": HASH, "lastModified": 7, "revCount": 1}
        return {"locked": {**attrs, **facts}, "original": {key: attrs[key] for key in ("type", "url", "ref")}}

    def lock(**nodes: dict[str, Attr]) -> bytes:
        root = {"inputs": {name: name for name in nodes}}
        named = {name: node(attrs) for name, attrs in nodes.items()}
        return locks.to_bytes({"nodes": {"root": root, **named}, "root": "root", "version": 7})

    lib, x, y = (
        {"type": "git", "url": f"https://git.example/acme/{name}", "ref": "main"} for name in ("lib", "x", "y")
    )
    fork = f"git+file://{tmp_path}/fork?ref=main"
    repos.make_repo(tmp_path / "fork", FLAKE)
    # Which Nix has locked app matters for what is noted of the input that it overrides; lib's lock has what only new
    # ones know.
    for name, old_nix in (("lib", False), ("old", True)):
        inputs = "".join(f'inputs.{each}.url = "git+https://git.example/acme/{each}?ref=main"; ' for each in "xy")
        own = lock(x=dict(x), y={**y, **({} if old_nix else {"lfs": True})})
        rev = repos.make_repo(
            tmp_path / name, {"flake.nix": f"{{ {inputs} outputs = _: {{ }}; }}", "flake.lock": own.decode()}
        )
        identity = identity_of(lib)
        assert identity is not None
        locker = NativeLocker(Sources({identity: tmp_path / name}, [], tmp_path / "cache", offline=True))
        old = LockFile.parse(lock(lib=dict(lib)))
        inputs = f'inputs.lib.url = "git+{lib["url"]}?ref=main"; inputs.lib.inputs.x.url = "{fork}";'
        app = repos.make_repo(tmp_path / f"app-{name}", {"flake.nix": f"{{ {inputs} outputs = _: {{ }}; }}"})
        locked = old.nodes[NodeLabel("lib")].locked
        move = Move(("lib",), dict(lib), locked or {}, FromServer(rev, "main"))
        request = Request(tmp_path / f"app-{name}", app, FlakeDir("."), old, [move])
        if old_nix:
            with pytest.raises(NotNativeError, match="write different locks here"):
                locker.lock(request)
        else:
            original = locker.lock(request).nodes[NodeLabel("x")].original
            assert original == {"type": "git", "url": f"file://{tmp_path}/fork", "ref": "main"}


@pytest.mark.parametrize(
    ("attrs", "why"),
    [
        ({"type": "tarball", "url": "https://channels.example/a.tar.xz"}, "cannot fetch sources of type tarball"),
        ({"type": "hg", "url": WEB}, "cannot fetch sources of type hg"),
        ({"type": "git", "url": WEB, "ref": "main", "verifyCommit": True}, "cannot fetch with `verifyCommit`"),
        ({"type": "github", "owner": "acme", "repo": "lib", "narHash": HASH}, "cannot fetch with `narHash`"),
    ],
    ids=lambda each: each["type"] if isinstance(each, dict) else None,
)
def test_what_is_not_fetched_as_it_is_here_is_left_to_nix_though_a_lock_has_it(
    tmp_path: Path, attrs: dict[str, Attr], why: str
) -> None:
    reference = {**attrs, "rev": REV}
    facts: dict[str, Attr] = {"narHash": f"sha256-{'A' * 43}=", "lastModified": 7, "revCount": 3}
    document = {
        "nodes": {"root": {"inputs": {"x": "x"}}, "x": {"locked": {**reference, **facts}, "original": attrs}},
        "root": "root",
        "version": 7,
    }
    known = LockFile.parse(locks.to_bytes(document))
    sources = Sources({}, [known, LockFile.parse(locks.to_bytes(locks.small_lock()))], tmp_path / "cache", offline=True)
    with pytest.raises(NotNativeError, match=why):
        sources.fetch(FlakeRef.from_attrs(reference))
    # What else the locks of the workspace have is taken from them all the same.
    other = locks.github("acme", "data").locked
    asked = FlakeRef.from_attrs({key: other[key] for key in ("type", "owner", "repo", "rev")})
    assert sources.fetch(asked).locked({}) == other

"""What native finds out about a commit by itself, and what it leaves to Nix rather than guess."""

from pathlib import Path

import pytest

from flakesync.nix.lock.file import LockFile
from flakesync.nix.reference.flakeref import Attr, FlakeRef, identity_of
from flakesync.sync.lockers.native.sources import Sources
from flakesync.sync.lockers.native.values import NotNativeError
from flakesync.terms import Rev
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
    with pytest.raises(NotNativeError, match=why):
        Sources({}, [known], tmp_path / "cache", offline=True).fetch(FlakeRef.from_attrs(reference))

"""What a bundle has: each source once, whatever locks call it, and nothing whose narHash is another one."""

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest
import zstandard

from flakesync.bundle.layout.reader import open_layout
from flakesync.nix.store.narhash import sri
from tests.bundle.send.sender import Json, Sender, hash_of_commit, hash_of_disk
from tests.support import repos

OTHER = "sha256-" + "A" * 43 + "="
ATTRIBUTES = {".gitattributes": "secret export-ignore\nrev export-subst\n", "secret": "s\n", "rev": "$Format:%H$\n"}


@pytest.fixture
def sender(tmp_path: Path) -> Sender:
    """Three repos: app takes lib, and tool, which the workspace does not list."""
    sender = Sender(tmp_path)
    lib, tool = sender.add("lib"), sender.add("tool", {"text": "text\n" * 10_000}, listed=False)
    sender.add("app")
    sender.take("app", {"lib": sender.node("lib", lib), "tool": sender.elsewhere("tool", tool)})
    return sender


def nar_of(sender: Sender, place: str, digest: str) -> bytes:
    layout = open_layout(sender.root / place)
    return zstandard.ZstdDecompressor().decompressobj().decompress(b"".join(layout.blob(digest)))


def test_sources_of_the_workspace_are_made_of_commits_and_all_others_are_sent_once(sender: Sender) -> None:
    tool = sender.elsewhere("tool", repos.run_git("rev-parse", "HEAD", cwd=sender.clone("tool")))
    sender.add("site")
    sender.take("site", {"tool": tool | {"dir": "sub"}, "again": tool | {"shallow": True}})
    bundled = sender.bundle("b")
    assert (bundled.sources.new, bundled.sources.in_base, bundled.sources.from_repos) == (1, 0, 1)
    made, sent = sorted(sender.manifest("b").sources, key=lambda source: source.blob is not None)
    assert made.from_ is not None
    assert (made.from_.repo, made.from_.tree, made.blob) == ("lib", "raw", None)
    assert sent.blob is not None
    assert [(use.repo, use.input) for use in sent.nodes] == [("app", "tool"), ("site", "again"), ("site", "tool")]
    nar = nar_of(sender, "b", sent.blob)
    assert (sri(hashlib.sha256(nar).digest()), len(nar)) == (tool["narHash"], sent.nar_size)
    assert (sender.root / "b.json").read_bytes() == open_layout(sender.root / "b").config


@pytest.mark.parametrize("listed", [True, False])
def test_a_commit_of_which_locks_have_the_tree_and_the_archive_is_had_as_both(tmp_path: Path, listed: bool) -> None:
    sender = Sender(tmp_path)
    rev = sender.add("odd", ATTRIBUTES, listed=listed)
    node = sender.node if listed else sender.elsewhere
    sender.add("app")
    sender.take("app", {"raw": node("odd", rev), "archive": node("odd", rev, "archive")})
    bundled = sender.bundle("b")
    assert (bundled.sources.new, bundled.sources.from_repos) == ((0, 2) if listed else (2, 0))
    trees = {source.from_.tree for source in sender.manifest("b").sources if source.from_ is not None}
    assert trees == ({"raw", "archive"} if listed else set())


def test_an_older_commit_of_a_repo_and_one_of_a_repo_that_is_not_sent_come_as_they_are(sender: Sender) -> None:
    rewritten = repos.commit(sender.clone("lib"), {"x": "x"})
    node = sender.node("lib", rewritten)
    repos.run_git("reset", "-q", "--hard", "HEAD^", cwd=sender.clone("lib"))
    sender.take("app", {"lib": node})
    assert sender.bundle("b").sources.new == 1
    assert sender.bundle("c", "--repo", "app").sources.new == 1
    assert [repo.name for repo in sender.manifest("c").repos] == ["app"]


def test_archives_files_folders_and_submodules_are_had(tmp_path: Path) -> None:
    sender = Sender(tmp_path)
    inner, outer = sender.add("inner", listed=False), sender.clone("outer")
    sender.add("outer", listed=False)
    repos.run_git("-c", "protocol.file.allow=always", "submodule", "add", "-q", "../inner", "deep/dep", cwd=outer)
    repos.run_git("-c", "user.name=t", "-c", "user.email=t@t.example", "commit", "-qm", "Sub", cwd=outer)
    rev = repos.run_git("rev-parse", "HEAD", cwd=outer)
    whole = tmp_path / "whole"
    repos.run_git(
        "-c", "protocol.file.allow=always", "clone", "-q", "--recursive", str(outer), str(whole), cwd=tmp_path
    )
    for folder in (whole, whole / "deep/dep"):
        git = folder / ".git"
        git.unlink() if git.is_file() else __import__("shutil").rmtree(git)
    archive = tmp_path / "source.tar.xz"
    with tarfile.open(archive, "w:xz") as tar:
        tar.add(whole, "top")
    alone = tmp_path / "file"
    alone.write_text("alone\n")
    assert inner
    sender.add("app", {"sub/flake.nix": "{ }\n"})
    sub = tmp_path / "repos/app/sub"
    sender.take("app", {
        "modules": sender.elsewhere("outer", rev) | {"submodules": True, "narHash": hash_of_disk(whole)},
        "without": sender.elsewhere("outer", rev),
        "tar": {"type": "tarball", "url": f"file://{archive}", "narHash": hash_of_disk(whole)},
        "file": {"type": "file", "url": f"file://{alone}", "narHash": hash_of_disk(alone)},
        "path": {"type": "path", "path": str(whole / "deep"), "narHash": hash_of_disk(whole / "deep")},
        "old": {"type": "path", "path": "./sub", "narHash": hash_of_disk(sub)},
        "new": {"type": "path", "path": "./sub"},
    })  # fmt: skip
    bundled = sender.bundle("b")
    assert (bundled.failed, bundled.sources.new) == ([], 5)


def test_what_is_had_and_differs_is_not_taken_and_both_hashes_are_told(sender: Sender) -> None:
    tool = sender.elsewhere("tool", repos.run_git("rev-parse", "HEAD", cwd=sender.clone("tool")))
    sender.take("app", {"tool": tool | {"narHash": OTHER}, "good": tool})
    bundled = sender.bundle("b", status=1)
    assert [(each.code, each.inputs) for each in bundled.failed] == [("source-differs", ["app#tool"])]
    assert OTHER in bundled.failed[0].message
    assert str(tool["narHash"]) in bundled.failed[0].message
    assert bundled.digest is None
    assert not (sender.root / "b/index.json").exists()
    assert not (sender.root / "b.json").exists()
    partial = sender.bundle("b", "--partial", status=1)
    assert partial.digest is not None
    assert [source.nar_hash for source in sender.manifest("b").sources] == [tool["narHash"]]


def test_a_source_that_nothing_gives_names_every_way_that_was_tried(sender: Sender, tmp_path: Path) -> None:
    gone = f"file://{tmp_path}/gone.tar.gz"
    sender.take("app", {
        "hub": {"type": "github", "owner": "acme", "repo": "x", "rev": "a" * 40, "narHash": OTHER},
        "tar": {"type": "tarball", "url": gone, "narHash": OTHER},
    })  # fmt: skip
    bundled = sender.bundle("b", status=1)
    (failed,) = bundled.failed
    assert (failed.code, failed.inputs) == ("source-missing", ["app#hub", "app#tar"])
    for way in ("archive of github:acme/x", "git fetch of https://github.com/acme/x", gone, "nix: "):
        assert way in failed.message


def test_an_input_without_a_nar_hash_is_unlocked_unless_it_is_a_folder_of_its_flake(sender: Sender) -> None:
    sender.take("app", {"a": {"type": "git", "url": "https://git.example/x", "rev": "a" * 40},
                        "b": {"type": "path", "path": "./b"}})  # fmt: skip
    bundled = sender.bundle("b", status=1)
    assert [(each.code, each.inputs, each.nar_hash) for each in bundled.failed] == [("unlocked", ["app#a"], None)]


def test_a_folder_that_holds_a_pipe_or_a_device_ends(sender: Sender, tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    os.mkfifo(tmp_path / "odd/pipe")
    sender.take("app", {"odd": {"type": "path", "path": str(tmp_path / "odd"), "narHash": OTHER},
                        "pipe": {"type": "path", "path": str(tmp_path / "odd/pipe"), "narHash": OTHER}})  # fmt: skip
    assert [each.code for each in sender.bundle("b", status=1).failed] == ["source-missing"]


def test_an_archive_that_is_no_archive_is_the_failure_of_its_input_alone(sender: Sender, tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(io.BytesIO(b"no archive").getvalue())
    sender.take("app", {"x": {"type": "tarball", "url": f"file://{tmp_path}/x.tar", "narHash": OTHER}})
    assert [each.code for each in sender.bundle("b", status=1).failed] == ["source-missing"]


def test_one_hash_in_two_spellings_is_one_source(sender: Sender) -> None:
    import base64

    rev = repos.run_git("rev-parse", "HEAD", cwd=sender.clone("tool"))
    node = sender.elsewhere("tool", rev)
    hexadecimal = base64.b64decode(str(node["narHash"])[7:]).hex()
    assert hash_of_commit(sender.clone("tool"), rev) == node["narHash"]
    sender.take("app", {"a": node, "b": node | {"narHash": f"sha256:{hexadecimal}"}})
    assert len(sender.manifest(sender.bundle("b").path.rpartition("/")[2]).sources) == 1


def test_sources_are_asked_for_at_mirrors_and_the_manifest_has_their_own_addresses(tmp_path: Path) -> None:
    sender = Sender(tmp_path)
    rev = sender.add("odd", ATTRIBUTES, listed=False)
    (tmp_path / "files").mkdir()
    with tarfile.open(tmp_path / "files/x.tar.gz", "w:gz") as tar:
        tar.add(sender.clone("odd") / "flake.nix", "top/flake.nix")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "flake.nix").write_bytes((sender.clone("odd") / "flake.nix").read_bytes())
    hub = {"type": "github", "owner": "acme", "repo": "odd", "rev": rev, "lastModified": repos.DATE}
    sender.add("app")
    sender.take("app", {
        "hub": hub | {"narHash": hash_of_commit(sender.clone("odd"), rev, "archive")},
        "tar": {"type": "tarball", "url": "https://files.example/x.tar.gz", "narHash": hash_of_disk(inside)},
    })  # fmt: skip
    sender.mirrors = {
        "github:acme/odd": f"git+file://{sender.clone('odd')}",
        "https://files.example/x.tar.gz": f"file://{tmp_path}/files/x.tar.gz",
    }
    assert sender.bundle("b").sources.new == 2
    refs = {use.ref for source in sender.manifest("b").sources for use in source.nodes}
    assert refs == {f"github:acme/odd/{rev}", "https://files.example/x.tar.gz"}


def test_archives_as_tar_makes_them_are_had(tmp_path: Path) -> None:
    """With fractions of seconds, `./` before each name, and hard links."""
    sender = Sender(tmp_path)
    top = tmp_path / "in/top"
    top.mkdir(parents=True)
    (top / "a").write_text("a\n")
    (top / "b").hardlink_to(top / "a")
    os.utime(top / "a", ns=(1_500_000_000, 1_500_000_001))
    with tarfile.open(tmp_path / "x.tar.bz2", "w:bz2", format=tarfile.PAX_FORMAT) as tar:
        tar.add(tmp_path / "in", ".")
    sender.add("app")
    node: Json = {"type": "tarball", "url": f"file://{tmp_path}/x.tar.bz2", "narHash": hash_of_disk(top)}
    sender.take("app", {"tar": node})
    assert sender.bundle("b").sources.new == 1


def test_a_commit_is_fetched_without_its_history_also_when_no_branch_has_it_any_more(tmp_path: Path) -> None:
    sender = Sender(tmp_path)
    old = sender.add("tool", {"old": "old\n"}, listed=False)
    gone = repos.commit(sender.clone("tool"), {"old": None, "gone": "gone\n"})
    node = sender.node("tool", gone)
    repos.run_git("reset", "-q", "--hard", old, cwd=sender.clone("tool"))
    sender.add("app")
    sender.take("app", {"tool": node})
    sender.mirrors = {"git+https://git.example/acme/tool": f"git+file://{sender.clone('tool')}"}
    assert sender.bundle("b").sources.new == 1
    (place,) = [
        folder
        for folder in (Path(os.environ["HOME"]) / ".cache/flakesync/commits").iterdir()
        if folder.is_dir() and (folder / "shallow").exists()
    ]
    assert repos.run_git("rev-list", "--count", gone, cwd=place) == "1"

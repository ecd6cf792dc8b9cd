"""The second bundle has what the receiver lacks, and the same input gives the same bytes."""

import filecmp
import json
from pathlib import Path

import msgspec
import pytest

from flakesync.documents.airgap.receipt import Receipt, ReceiptRepo
from flakesync.terms import Rev
from tests.bundle.send.sender import Json, Sender
from tests.support import repos


@pytest.fixture
def sender(tmp_path: Path) -> Sender:
    """Eight repos; app takes lib and tool, site takes tool; the workspace does not list tool. Their bundle is `one`."""
    sender = Sender(tmp_path)
    sender.add("tool", {"text": "text\n"}, listed=False)
    lib = sender.add("lib")
    for name in ("app", "site", "a", "b", "c", "d", "e"):
        sender.add(name)
    sender.take("app", {"lib": sender.node("lib", lib), "tool": tool(sender)})
    sender.take("site", {"tool": tool(sender)})
    sender.bundle("one")
    return sender


def tool(sender: Sender) -> Json:
    return sender.elsewhere("tool", repos.run_git("rev-parse", "HEAD", cwd=sender.clone("tool")))


def blobs(place: Path) -> set[str]:
    return {blob.name for blob in (place / "blobs/sha256").iterdir()}


def size(place: Path) -> int:
    return sum(file.stat().st_size for file in place.rglob("*") if file.is_file())


@pytest.mark.parametrize("base", ["one", "one.json"])
def test_an_unchanged_workspace_has_nothing_to_send(sender: Sender, base: str) -> None:
    bundled = sender.bundle("two", "--base", str(sender.root / base))
    assert (bundled.sources.new, bundled.sources.in_base, bundled.sources.from_repos) == (0, 2, 0)
    assert len(blobs(sender.root / "two")) == 2  # the manifest, and what names it
    assert size(sender.root / "two") < 50_000
    manifest = sender.manifest("two")
    assert len(manifest.base) == 1
    assert {source.in_ for source in manifest.sources} == set(manifest.base)
    assert {repo.blob for repo in manifest.repos} == {None}


def test_one_bump_is_one_source_and_one_thin_bundle_for_each_repo_that_moved(sender: Sender) -> None:
    repos.commit(sender.clone("tool"), {"text": "new\n"})
    before = repos.run_git("rev-parse", "HEAD", cwd=sender.clone("site"))
    sender.take("site", {"tool": tool(sender)})
    bundled = sender.bundle("two.tar", "--base", str(sender.root / "one.json"))
    assert (bundled.sources.new, bundled.sources.in_base) == (1, 2)
    moved = [repo for repo in sender.manifest("two.tar").repos if repo.blob is not None]
    assert [(repo.name, repo.prerequisites) for repo in moved] == [("site", [before])]


def test_a_thin_bundle_is_taken_by_a_repository_that_has_what_it_stands_on_and_by_no_other(
    sender: Sender, tmp_path: Path
) -> None:
    with_old = repos.clone_bare(sender.clone("site"), tmp_path / "old.git")
    tip = repos.commit(sender.clone("site"), {"flake.nix": "{ outputs = _: { x = 1; }; }\n"})
    sender.bundle("two", "--base", str(sender.root / "one"))
    (moved,) = [repo for repo in sender.manifest("two").repos if repo.blob is not None]
    assert moved.blob is not None
    file = sender.root / "two/blobs/sha256" / moved.blob[7:]
    repos.run_git("fetch", "-q", str(file), "refs/heads/main:refs/heads/new", cwd=with_old)
    assert repos.run_git("rev-parse", "new", cwd=with_old) == tip
    repos.run_git("fsck", "--strict", cwd=with_old)
    repos.make_bare(tmp_path / "other.git", {"x": "x"})
    with pytest.raises(Exception, match="fetch"):
        repos.run_git("fetch", "-q", str(file), "refs/heads/main:refs/heads/new", cwd=tmp_path / "other.git")


def test_what_a_receipt_has_is_left_out(sender: Sender) -> None:
    one = sender.manifest("one")
    receipt = Receipt(
        bundles=["sha256:" + "0" * 64],
        sources=[source.nar_hash for source in one.sources],
        repos=[ReceiptRepo(name=repo.name, tips=[branch.tip for branch in repo.branches]) for repo in one.repos],
    )
    (sender.root / "receipt.json").write_bytes(msgspec.json.encode(receipt))
    bundled = sender.bundle("two", "--base", str(sender.root / "receipt.json"))
    assert (bundled.sources.new, bundled.sources.in_base) == (0, 2)
    assert sender.manifest("two").base == receipt.bundles
    assert {repo.blob for repo in sender.manifest("two").repos} == {None}
    full = sender.bundle("three", "--full", "--base", str(sender.root / "receipt.json"))
    assert (full.sources.new, full.sources.in_base, full.sources.from_repos) == (1, 0, 1)


def test_a_commit_that_the_sender_has_lost_is_no_base(sender: Sender) -> None:
    """An update branch that was made anew, and its old commit collected."""
    base = json.loads((sender.root / "one.json").read_bytes())
    for repo in base["repos"]:
        repo["branches"][0]["tip"] = "f" * 40
    (sender.root / "lost.json").write_text(json.dumps(base))
    sender.bundle("two", "--base", str(sender.root / "lost.json"))
    assert all(repo.blob is not None and not repo.prerequisites for repo in sender.manifest("two").repos)


def test_the_same_input_gives_the_same_bytes_however_the_clones_are_packed(sender: Sender, tmp_path: Path) -> None:
    for name in ("lib", "app", "tool"):
        repos.run_git("repack", "-qadf", "--depth=3", "--window=2", cwd=sender.clone(name))
        repos.run_git("config", "core.compression", "9", cwd=sender.clone(name))
    sender.bundle("two", "-j", "1")
    compared = filecmp.dircmp(sender.root / "one", sender.root / "two")
    assert (compared.left_only, compared.right_only) == ([], [])
    assert blobs(sender.root / "one") == blobs(sender.root / "two")
    assert (sender.root / "one/index.json").read_bytes() == (sender.root / "two/index.json").read_bytes()
    sender.bundle("x.tar")
    sender.bundle("y.tar", "-j", "4")
    assert (sender.root / "x.tar").read_bytes() == (sender.root / "y.tar").read_bytes()


def test_a_rerun_writes_no_blob_again(sender: Sender) -> None:
    folder = sender.root / "one/blobs/sha256"
    manifest = sender.manifest("one")
    layers = [source.blob for source in manifest.sources if source.blob] + [repo.blob for repo in manifest.repos]
    before = {blob: (folder / str(blob)[7:]).stat().st_mtime_ns for blob in layers}
    (sender.root / "one/index.json").unlink()
    (sender.root / "one/unfinished").mkdir()
    written = [
        {"key": source.nar_hash, "digest": source.blob, "size": source.size, "nar_size": source.nar_size}
        for source in manifest.sources
        if source.blob
    ]
    text = "".join(json.dumps(each) + "\n" for each in written)
    (sender.root / "one/unfinished/written.jsonl").write_text(text + '{"key": "sha')
    sender.bundle("one")
    nars = [source.blob for source in manifest.sources if source.blob]
    assert nars
    assert all(before[blob] == (folder / str(blob)[7:]).stat().st_mtime_ns for blob in nars)
    assert sender.manifest("one") == manifest


def test_a_dry_run_writes_nothing_and_tells_what_is_to_be_sent(sender: Sender) -> None:
    before = sorted(sender.root.iterdir())
    bundled = sender.bundle("two", "--dry-run")
    assert (bundled.digest, bundled.sources.new, bundled.sources.from_repos) == (None, 1, 1)
    assert sorted(sender.root.iterdir()) == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"schema": "flakesync/plan/1"}', b"\0" * 4096, None])
def test_a_base_that_is_none_says_so_before_anything_is_written(
    sender: Sender, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (sender.root / "base").write_bytes(content)
    sender.fails("two", "--base", str(sender.root / "base"))
    assert any(code in capsys.readouterr().err for code in ("error[bad-base]", "error[bad-bundle]"))
    assert not (sender.root / "two").exists()


def test_update_branches_are_sent_beside_their_bases(sender: Sender) -> None:
    base = repos.run_git("rev-parse", "HEAD", cwd=sender.clone("lib"))
    update = repos.commit(
        sender.clone("lib"), {"x": "x"}, branch="flakesync/update", parents=[Rev(base)], checkout=False
    )
    for at, names in (("update", ["flakesync/update"]), ("both", ["flakesync/update", "main"])):
        sender.bundle(at, "--at", at)
        (lib,) = [repo for repo in sender.manifest(at).repos if repo.name == "lib"]
        assert [branch.name for branch in lib.branches] == names
        assert {branch.tip for branch in lib.branches if branch.update} == {update}


def test_a_folder_of_somebody_is_no_place_for_a_bundle(
    sender: Sender, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/text").write_text("mine")
    sender.fails("mine")
    assert "error[not-a-bundle]" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["text"]

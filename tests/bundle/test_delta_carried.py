"""The source of a repository that has moved on goes across as a delta, from a bundle or a receipt as the base."""

import json
import random
import shutil
from pathlib import Path

import msgspec
import pytest

from flakesync.bundle.layout.reader import open_layout
from flakesync.bundle.receive.options import ImportOptions
from flakesync.bundle.receive.run import import_bundle, verify_bundle
from flakesync.documents.airgap.imported import Imported
from flakesync.documents.airgap.manifest import BundleSource, SourceDelta
from flakesync.errors import FlakesyncError
from flakesync.nix.store.static_cache import StaticCache
from tests.bundle.send.sender import Json, Sender
from tests.support import repos

FILES = {f"pkgs/{n}.nix": "".join(random.Random(n).choices("abcdefgh \n", k=2000)) for n in range(30)}


@pytest.fixture
def sender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sender:
    """App takes tool, which the workspace does not list and which has moved on since the bundle `one`."""
    monkeypatch.setenv("FLAKESYNC_NIX", "no-nix-for-bundles")
    sender = Sender(tmp_path)
    sender.add("tool", FILES, listed=False)
    sender.add("app")
    sender.take("app", {"tool": tool(sender)})
    sender.bundle("one")
    repos.commit(sender.clone("tool"), {"pkgs/7.nix": FILES["pkgs/7.nix"] + "more\n", "pkgs/new.nix": "new\n"})
    sender.take("app", {"tool": tool(sender)})
    return sender


def tool(sender: Sender) -> Json:
    return sender.elsewhere("tool", repos.run_git("rev-parse", "HEAD", cwd=sender.clone("tool")))


def take(sender: Sender, place: str, cache: str = "cache") -> Imported:
    return import_bundle(
        sender.root / place, ImportOptions(cache=sender.root / cache, repos=sender.root / f"{cache}-git"), {}
    )


def only_source(sender: Sender, place: str) -> tuple[BundleSource, SourceDelta]:
    (source,) = sender.manifest(place).sources
    assert isinstance(source.delta, SourceDelta)
    return source, source.delta


@pytest.mark.parametrize("base", ["one", "one.json", "cache/receipt.json"])
def test_a_bump_goes_across_as_a_delta(sender: Sender, base: str) -> None:
    take(sender, "one")
    bundled = sender.bundle("two", "--base", str(sender.root / base))
    assert (bundled.sources.new, bundled.failed) == (1, [])
    source, delta = only_source(sender, "two")
    assert (source.blob, source.in_, source.from_, source.size) == (None, None, None, None)
    (old,) = sender.manifest("one").sources
    assert (delta.base, old.size is not None and delta.size < old.size / 10) == (old.nar_hash, True)
    with open_layout(sender.root / "two") as layout:
        assert layout.layers[delta.blob].media_type == "application/vnd.flakesync.nar-delta.v1"
    imported = take(sender, "two")
    assert (imported.sources.new, imported.failed) == (1, [])
    cache = StaticCache(sender.root / "cache")
    assert len(b"".join(cache.nar(source.nar_hash))) == source.nar_size
    assert cache.verify(deep=True).faults == ()
    assert take(sender, "two").sources.there == 1


def test_an_archive_is_taken_and_the_cache_is_as_it_is_after_a_full_bundle(sender: Sender) -> None:
    sender.bundle("two.tar", "--base", str(sender.root / "one"))
    sender.bundle("full.tar")
    only_source(sender, "two.tar")
    for place, cache in (("one", "a"), ("two.tar", "a"), ("one", "b"), ("full.tar", "b")):
        assert take(sender, place, cache).failed == []
    names = [sorted(path.name for path in (sender.root / cache).rglob("*.*")) for cache in ("a", "b")]
    assert names[0] == names[1]


def test_the_same_input_gives_the_same_bytes_and_a_rerun_writes_none_again(sender: Sender) -> None:
    base = str(sender.root / "one")
    sender.bundle("x.tar", "--base", base)
    sender.bundle("y.tar", "--base", base, "-j", "4")
    assert (sender.root / "x.tar").read_bytes() == (sender.root / "y.tar").read_bytes()
    sender.bundle("two", "--base", base)
    blob = sender.root / "two/blobs/sha256" / only_source(sender, "two")[1].blob[7:]
    before = blob.stat().st_mtime_ns
    sender.bundle("two", "--base", base)
    assert blob.stat().st_mtime_ns == before
    assert len(list(blob.parent.iterdir())) == 4  # the delta, the commits, the manifest, and what names it


def test_a_run_that_was_cut_off_before_its_index_keeps_its_delta(sender: Sender) -> None:
    sender.bundle("two", "--base", str(sender.root / "one"))
    source, delta = only_source(sender, "two")
    blob = sender.root / "two/blobs/sha256" / delta.blob[7:]
    before = blob.stat().st_mtime_ns, (sender.root / "two.json").read_bytes()
    (sender.root / "two/index.json").unlink()
    (sender.root / "two/unfinished").mkdir()
    known = {"key": f"delta:{delta.base}:{source.nar_hash}", "digest": delta.blob, "size": delta.size}
    (sender.root / "two/unfinished/written.jsonl").write_text(json.dumps(known | {"nar_size": source.nar_size}) + "\n")
    sender.bundle("two", "--base", str(sender.root / "one"))
    assert (blob.stat().st_mtime_ns, (sender.root / "two.json").read_bytes()) == before


def test_a_source_that_has_little_of_its_old_one_goes_as_a_whole(sender: Sender) -> None:
    repos.commit(sender.clone("tool"), {path: text[::-1] for path, text in FILES.items()})
    sender.take("app", {"tool": tool(sender)})
    sender.bundle("two", "--base", str(sender.root / "one"))
    (source,) = sender.manifest("two").sources
    assert (source.blob is not None, bool(source.delta)) == (True, False)


def test_an_old_source_that_is_nowhere_here_makes_no_delta_but_an_earlier_bundle_has_it(sender: Sender) -> None:
    """The old rev was replaced and collected, as in a clone that is shallow."""
    clone = sender.clone("tool")
    repos.run_git("checkout", "-q", "--orphan", "new", cwd=clone)
    repos.commit(clone, {**FILES, "pkgs/new.nix": "newer\n"}, parents=[])
    repos.run_git("branch", "-D", "main", cwd=clone)
    repos.run_git("branch", "-m", "new", "main", cwd=clone)
    for args in (("reflog", "expire", "--expire=now", "--all"), ("gc", "-q", "--prune=now")):
        repos.run_git(*args, cwd=clone)
    sender.take("app", {"tool": tool(sender)})
    shutil.copytree(sender.root / "one", sender.root / "kept")
    shutil.copy(sender.root / "one.json", sender.root / "alone.json")
    sender.bundle("two", "--base", str(sender.root / "alone.json"))
    assert sender.manifest("two").sources[0].blob is not None
    sender.bundle("three", "--base", str(sender.root / "kept"))
    only_source(sender, "three")
    sender.bundle("four", "--full", "--base", str(sender.root / "kept"))
    assert sender.manifest("four").sources[0].blob is not None


def test_a_manifest_says_which_old_source_it_is_where_the_commit_that_had_the_lock_is_gone(sender: Sender) -> None:
    """An update branch that was replaced. The bundle itself is still here."""
    clone = sender.clone("app")
    text = (clone / "flake.lock").read_text()
    repos.run_git("checkout", "-q", "--orphan", "new", cwd=clone)
    repos.commit(clone, {"flake.nix": "{ outputs = _: { }; }\n", "flake.lock": text}, parents=[])
    repos.run_git("branch", "-M", "new", "main", cwd=clone)
    for args in (("reflog", "expire", "--expire=now", "--all"), ("gc", "-q", "--prune=now")):
        repos.run_git(*args, cwd=clone)
    sender.bundle("two", "--base", str(sender.root / "one.json"))
    assert only_source(sender, "two")[1].base == sender.manifest("one").sources[0].nar_hash


def test_a_delta_without_its_base_is_refused_before_anything_is_written(sender: Sender) -> None:
    sender.bundle("two", "--base", str(sender.root / "one"))
    with pytest.raises(FlakesyncError) as caught:
        take(sender, "two", "new")
    assert caught.value.code == "missing-base"
    assert not (sender.root / "new").exists()
    verified = verify_bundle(sender.root / "two", None)
    assert (verified.failed, verified.sources.unproven) == ([], 1)


def test_a_damaged_delta_is_a_bad_blob_and_no_source(sender: Sender) -> None:
    take(sender, "one")
    sender.bundle("two", "--base", str(sender.root / "one"))
    source, delta = only_source(sender, "two")
    blob = sender.root / "two/blobs/sha256" / delta.blob[7:]
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.write_bytes(data)
    for imported in (take(sender, "two"), verify_bundle(sender.root / "two", None)):
        assert [(each.what, each.code) for each in imported.failed] == [(source.nar_hash, "bad-blob")]
    cache = StaticCache(sender.root / "cache")
    assert not cache.has(source.nar_hash)
    assert list((sender.root / "cache/nar").glob(".*")) == []


def test_a_damaged_base_in_the_cache_is_named(sender: Sender) -> None:
    take(sender, "one")
    sender.bundle("two", "--base", str(sender.root / "one"))
    (nar,) = (sender.root / "cache/nar").iterdir()
    data = bytearray(nar.read_bytes())
    data[-5] ^= 1
    nar.write_bytes(data)
    (failed,) = take(sender, "two").failed
    assert failed.code == "bad-blob"
    assert only_source(sender, "two")[1].base in failed.message


@pytest.mark.parametrize(
    "edit",
    [
        {"base": "sha256-x"},
        {"base": "../../x"},
        {"blob": "sha256:" + "0" * 64},
        {"blob": "../x"},
        {"size": 7},
        {"size": -1},
    ],
)
def test_a_manifest_with_a_delta_that_cannot_be_is_refused(sender: Sender, edit: Json) -> None:
    from flakesync.bundle.receive.contents import read_manifest

    sender.bundle("two", "--base", str(sender.root / "one"))
    with open_layout(sender.root / "two") as layout:
        manifest = msgspec.json.decode(layout.config)
        read_manifest(msgspec.json.encode(manifest), layout.layers)
        manifest["sources"][0]["delta"].update(edit)
        with pytest.raises(FlakesyncError) as caught:
            read_manifest(msgspec.json.encode(manifest), layout.layers)
    assert caught.value.code == "bad-bundle"

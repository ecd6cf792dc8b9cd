"""What only Nix fetches is asked of it last, and believed no more than anybody else."""

import os
import zipfile
from pathlib import Path

import pytest

from tests.bundle.send.sender import Json, Sender, hash_of_disk
from tests.support.nix import RealNix

OTHER = "sha256-" + "A" * 43 + "="


def test_an_archive_that_only_nix_unpacks_is_had_by_nix(
    outer_nix: RealNix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in outer_nix.env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FLAKESYNC_NIX", os.fspath(outer_nix.path))
    sender = Sender(tmp_path)
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "quote\"${x}'").write_text("text\n")
    archive = tmp_path / 'odd"${builtins.abort "x"}.zip'
    with zipfile.ZipFile(archive, "w") as file:
        file.write(tree / "quote\"${x}'", "top/quote\"${x}'")
    (tree / "quote\"${x}'").chmod(0o644)
    sender.add("app")
    url = f"file://{tmp_path}/odd%22$%7Bbuiltins.abort%20%22x%22%7D.zip"
    node: Json = {"type": "tarball", "url": url}
    sender.take("app", {"zip": node | {"narHash": hash_of_disk(tree)}})
    assert sender.bundle("b").sources.new == 1
    sender.take("app", {"zip": node | {"narHash": OTHER}})
    (failed,) = sender.bundle("c", status=1).failed
    assert failed.code == "source-missing"
    assert "nix " in failed.message

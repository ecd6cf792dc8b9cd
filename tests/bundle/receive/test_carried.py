"""Bundles that other programs have carried: their index.json is another one, their blobs are the same."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.bundle.receive.made import Made, narinfos, stem_of, take


@pytest.fixture
def made() -> Made:
    made = Made()
    made.add(b"one")
    made.add(b"two" * 1000)
    return made


def files(root: Path) -> dict[str, bytes]:
    return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}


def test_an_index_as_skopeo_writes_it_is_read(made: Made, tmp_path: Path) -> None:
    place = made.write(tmp_path / "bundle")
    index = json.loads((place / "index.json").read_text())
    del index["mediaType"]
    index["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": "monday"}
    (place / "index.json").write_text(json.dumps(index, indent=2))
    assert take(place, tmp_path / "in").failed == []
    assert narinfos(tmp_path / "in") == {stem_of(source.nar_hash) for source in made.sources}


def test_an_image_of_something_else_is_no_bundle(made: Made, tmp_path: Path) -> None:
    from flakesync.bundle.layout import oci
    from flakesync.bundle.layout.reader import open_layout
    from flakesync.errors import FlakesyncError

    place = made.write(tmp_path / "bundle")
    digest = json.loads((place / "index.json").read_text())["manifests"][0]["digest"]
    image = (place / "blobs/sha256" / digest[7:]).read_bytes()
    other = image.replace(oci.CONFIG_TYPE.encode(), b"application/vnd.oci.image.config.v1+json")
    (place / "blobs/sha256" / oci.digest_of(other)[7:]).write_bytes(other)
    (place / "index.json").write_bytes(oci.index(other))
    with pytest.raises(FlakesyncError, match="no bundle"):
        open_layout(place)


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
def test_what_skopeo_has_copied_comes_to_the_same_cache(made: Made, tmp_path: Path) -> None:
    place = made.write(tmp_path / "bundle")
    policy = tmp_path / "policy.json"
    policy.write_text('{"default":[{"type":"insecureAcceptAnything"}]}')
    for source, target in (("oci:bundle", "oci-archive:b.tar"), ("oci-archive:b.tar", "oci:b2:monday")):
        argv = ["skopeo", "--policy", str(policy), "copy", "--quiet", source, target]
        subprocess.run(argv, cwd=tmp_path, check=True, stdin=subprocess.DEVNULL)
    for name in ("bundle", "b.tar", "b2"):
        take(tmp_path / name, tmp_path / f"in-{name}", with_repos=False)
    assert files(tmp_path / "in-b2") == files(tmp_path / "in-b.tar") == files(tmp_path / "in-bundle")
    assert place.is_dir()

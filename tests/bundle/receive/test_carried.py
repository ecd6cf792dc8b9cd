"""Bundles that other programs have carried: their index.json is another one, their blobs are the same."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bundle.receive.made import Made, narinfos, stem_of, take
from tests.support.tools import tool


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


def skopeo(folder: Path, source: str, target: str) -> None:
    (folder / "policy.json").write_text('{"default":[{"type":"insecureAcceptAnything"}]}')
    argv = [tool("skopeo"), "--policy", "policy.json", "copy", "--quiet", "--dest-tls-verify=false"]
    subprocess.run([*argv, "--src-tls-verify=false", source, target], cwd=folder, check=True, stdin=subprocess.DEVNULL)


def answers(host: str, port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex((host, port)) == 0


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """Run a registry on loopback, which keeps what it gets in a folder; give its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    storage = {"filesystem": {"rootdirectory": str(folder / "registry")}}
    (folder / "registry.yml").write_text(
        json.dumps({"version": 0.1, "storage": storage, "http": {"addr": address}, "log": {"level": "error"}})
    )
    with (folder / "registry.log").open("w") as log:
        process = subprocess.Popen(
            [tool("docker-registry"), "serve", "registry.yml"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            host, port = address.split(":")
            while not answers(host, int(port)):
                assert process.poll() is None, (folder / "registry.log").read_text()
                time.sleep(0.05)
            yield address
        finally:
            process.kill()
            process.wait()


@pytest.mark.packaging
def test_what_skopeo_has_copied_comes_to_the_same_cache(made: Made, tmp_path: Path) -> None:
    made.write(tmp_path / "bundle")
    skopeo(tmp_path, "oci:bundle", "oci-archive:b.tar")
    skopeo(tmp_path, "oci-archive:b.tar", "oci:b2:monday")
    for name in ("bundle", "b.tar", "b2"):
        take(tmp_path / name, tmp_path / f"in-{name}", with_repos=False)
    assert files(tmp_path / "in-b2") == files(tmp_path / "in-b.tar") == files(tmp_path / "in-bundle")


@pytest.mark.packaging
def test_a_bundle_comes_through_a_registry_as_it_went_in(made: Made, tmp_path: Path) -> None:
    made.write(tmp_path / "bundle")
    with registry(tmp_path) as address:
        skopeo(tmp_path, "oci:bundle", f"docker://{address}/acme/workspace:monday")
        skopeo(tmp_path, f"docker://{address}/acme/workspace:monday", "oci:back:monday")
    assert files(tmp_path / "back/blobs") == files(tmp_path / "bundle/blobs")
    for name in ("bundle", "back"):
        take(tmp_path / name, tmp_path / f"in-{name}", with_repos=False)
    assert files(tmp_path / "in-back") == files(tmp_path / "in-bundle")

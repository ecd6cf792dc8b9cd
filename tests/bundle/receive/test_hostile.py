"""Manifests that nobody's sender has written: all of one is refused before any of it is used."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flakesync.errors import FlakesyncError
from tests.bundle.receive.made import Made, bundle_of_one_repo, take
from tests.support import repos

Json = Any


def _repo(manifest: Json) -> Json:
    return manifest["repos"][0]


def _source(manifest: Json) -> Json:
    return manifest["sources"][0]


def _rename(name: str) -> Callable[[Json], object]:
    return lambda manifest: _repo(manifest).update(name=name)


def _branch(**values: object) -> Callable[[Json], object]:
    return lambda manifest: _repo(manifest)["branches"][0].update(values)


def _of_source(**values: object) -> Callable[[Json], object]:
    return lambda manifest: _source(manifest).update({key.rstrip("_"): value for key, value in values.items()})


EDITS: dict[str, Callable[[Json], object]] = {
    "no schema": lambda manifest: manifest.update(schema="flakesync/bundle/2"),
    "no repos": lambda manifest: manifest.pop("repos"),
    "base": lambda manifest: manifest.update(base=["../x"]),
    "name up": _rename("../../etc"),
    "name absolute": _rename("/etc"),
    "name hidden": _rename(".git"),
    "name option": _rename("--upload-pack=x"),
    "name empty": _rename(""),
    "name long": _rename("x" * 300),
    "name line": _rename("a\nb"),
    "name nul": _rename("a\0b"),
    "name twice": lambda manifest: manifest["repos"].append({**_repo(manifest), "name": "APP"}),
    "branch up": _branch(name="../x"),
    "branch line": _branch(name="a\nb"),
    "branch lock": _branch(name="main.lock"),
    "branch twice": lambda manifest: _repo(manifest)["branches"].append(_repo(manifest)["branches"][0]),
    "tip short": _branch(tip="abc"),
    "tip option": _branch(tip="--output=/tmp/x"),
    "tip capitals": _branch(tip="A" * 40),
    "tree": _branch(tree="HEAD"),
    "prerequisites": lambda manifest: _repo(manifest).update(prerequisites=["HEAD"]),
    "blob of another": lambda manifest: _repo(manifest).update(blob="sha256:" + "0" * 64),
    "blob up": lambda manifest: _repo(manifest).update(blob="sha256:../../etc/passwd"),
    "size": lambda manifest: _repo(manifest).update(size=1),
    "hash": _of_source(nar_hash="sha256-x"),
    "hash sha1": _of_source(nar_hash="sha1-" + "A" * 27 + "="),
    "path": _of_source(store_path="/nix/store/../../etc"),
    "path of another": _of_source(store_path="/nix/store/" + "0" * 32 + "-source"),
    "nar size": _of_source(nar_size=-1),
    "nar size missing": _of_source(nar_size=None),
    "nar size huge": _of_source(nar_size=1 << 62),
    "no way": _of_source(blob=None),
    "two ways": _of_source(in_="sha256:" + "0" * 64),
    "in": _of_source(blob=None, in_="x"),
    "from nowhere": _of_source(blob=None, from_={"repo": "lib", "rev": "0" * 40, "tree": "raw"}),
    "from option": _of_source(blob=None, from_={"repo": "app", "rev": "--help", "tree": "raw"}),
    "from tree": _of_source(blob=None, from_={"repo": "app", "rev": "0" * 40, "tree": "other"}),
    "compression": _of_source(compression="xz"),
    "source twice": lambda manifest: manifest["sources"].append(_source(manifest)),
    "source twice, spelled otherwise": lambda manifest: manifest["sources"].append(
        {**_source(manifest), "nar_hash": _source(manifest)["nar_hash"].rstrip("=")}
    ),
}


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return bundle_of_one_repo(tmp_path)


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_a_manifest_with_what_none_has_is_refused_and_nothing_is_written(
    made: Made, tmp_path: Path, edit: Callable[[Json], object]
) -> None:
    manifest = json.loads(msgspec.json.encode(made.manifest()))
    edit(manifest)
    place = made.write(tmp_path / "bundle", json.dumps(manifest).encode())
    with pytest.raises(FlakesyncError) as caught:
        take(place, tmp_path / "in")
    assert caught.value.code == "bad-bundle"
    assert not (tmp_path / "in").exists()


@pytest.mark.parametrize("config", [b"", b"[]", b"null", b"{" * 100_000, b"[" * 100_000, b'{"schema":1}', b"\xff"])
def test_what_is_no_manifest_is_refused(made: Made, tmp_path: Path, config: bytes) -> None:
    place = made.write(tmp_path / "bundle", config)
    with pytest.raises(FlakesyncError) as caught:
        take(place, tmp_path / "in")
    assert caught.value.code == "bad-bundle"


def test_a_manifest_of_a_later_version_says_so(made: Made, tmp_path: Path) -> None:
    place = made.write(tmp_path / "bundle", b'{"schema":"flakesync/bundle/2"}')
    with pytest.raises(FlakesyncError, match="bundle/2") as caught:
        take(place, tmp_path / "in")
    assert caught.value.hint == "use a newer one"


@pytest.mark.parametrize(
    "data", [b"no bundle", b"# v2 git bundle\n\n", b"# v2 git bundle\n" + b"0" * 40 + b" refs/heads/main\n\nPACK"]
)
def test_what_is_no_git_bundle_is_a_bad_blob(made: Made, tmp_path: Path, data: bytes) -> None:
    other = Made(sources=made.sources, blobs=[made.blobs[0]])
    clone = tmp_path / "clones" / "app"
    other.add_repo(clone)
    repo = other.repos[0]
    other.blobs[-1] = (other.blobs[-1][0], data)
    from tests.bundle.receive.made import digest_of

    other.repos = [msgspec.structs.replace(repo, blob=digest_of(data), size=len(data))]
    done = take(other.write(tmp_path / "bundle"), tmp_path / "in")
    assert [(failed.what, failed.code) for failed in done.failed] == [("repo app", "bad-blob")]
    assert done.sources.new == 1


def test_a_git_bundle_with_another_commit_than_the_manifest_says_moves_nothing(made: Made, tmp_path: Path) -> None:
    clone = tmp_path / "clones" / "app"
    other = Made()
    other.add_repo(clone, {"main": repos.commit(clone, {"b": "later"}, branch="later")})
    made.repos = [msgspec.structs.replace(made.repos[0], branches=other.repos[0].branches)]
    done = take(made.write(tmp_path / "bundle"), tmp_path / "in")
    assert [(failed.what, failed.code) for failed in done.failed] == [("repo app", "bad-blob")]
    assert {each.status for each in done.repos} == {"failed"}


def test_a_tree_that_is_not_the_commits_is_refused(made: Made, tmp_path: Path) -> None:
    branch = msgspec.structs.replace(made.repos[0].branches[0], tree="0" * 40)
    made.repos = [msgspec.structs.replace(made.repos[0], branches=[branch])]
    done = take(made.write(tmp_path / "bundle"), tmp_path / "in")
    assert [failed.code for failed in done.failed] == ["bad-blob"]

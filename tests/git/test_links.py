"""Files read through symlinks of a commit, as each Nix reads a flake.nix."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakesync.git.store.links import link_target, read_through
from flakesync.git.store.objects import ObjectReader
from flakesync.git.store.trees import list_files
from flakesync.terms import Rev
from tests.support import repos
from tests.support.nix import RealNix

IT = '{ description = "it"; outputs = _: { }; }'

FOLLOWED: dict[str, repos.Files] = {
    "itself": {"flake.nix": IT},
    "below": {"flake.nix": "link:nix/flake.nix", "nix/flake.nix": IT},
    "with a dot": {"flake.nix": "link:./nix/./flake.nix", "nix/flake.nix": IT},
    "in a row": {"flake.nix": "link:c/a", "c/a": "link:../b/x.nix", "b/x.nix": IT},
    "through a folder": {"flake.nix": "link:c/a", "c/a": "link:../lnk/x.nix", "lnk": "link:b", "b/x.nix": IT},
    "a slash at its end": {"flake.nix": "link:x.nix/", "x.nix": IT},
    "beside a folder of the name": {"flake.nix": "link:a/flake.nix", "a/flake.nix": "link:../b.nix", "b.nix": IT},
}
NOWHERE: dict[str, repos.Files] = {
    "dangling": {"flake.nix": "link:nope"},
    "dangling below": {"flake.nix": "link:nope/flake.nix"},
    "below a file": {"flake.nix": "link:x/flake.nix", "x": IT},
    "a folder": {"flake.nix": "link:nix", "nix/flake.nix": IT},
    "absolute": {"flake.nix": "link:/x.nix", "x.nix": IT},
    "out of the repository": {"flake.nix": "link:../x.nix", "x.nix": IT},
    "out and in again": {"flake.nix": "link:../repo/x.nix", "x.nix": IT},
    "a circle": {"flake.nix": "link:a", "a": "link:flake.nix"},
    "itself again": {"flake.nix": "link:flake.nix"},
    "not there": {"x.nix": IT},
}
IN_DOUBT: dict[str, repos.Files] = {
    "up after down": {"flake.nix": "link:nope/../x.nix", "x.nix": IT},
    "up from a file": {"flake.nix": "link:x.nix/../x.nix", "x.nix": IT},
    "up from a link": {"flake.nix": "link:lnk/../x.nix", "lnk": "link:d/e", "d/e/f": "", "d/x.nix": IT},
}


def made(folder: Path, files: repos.Files) -> tuple[ObjectReader, Rev]:
    rev = repos.make_repo(folder, files)
    return ObjectReader.open(folder), rev


@pytest.mark.parametrize("title", [*FOLLOWED, *NOWHERE, *IN_DOUBT])
def test_links_inside_of_the_tree_are_followed_and_no_others(tmp_path: Path, title: str) -> None:
    reader, rev = made(tmp_path / "repo", (FOLLOWED | NOWHERE | IN_DOUBT)[title])
    assert read_through(reader, rev, "flake.nix") == (IT.encode() if title in FOLLOWED else None)


def test_a_flake_below_is_read_through_its_own_link_and_not_through_a_linked_folder(tmp_path: Path) -> None:
    reader, rev = made(tmp_path / "repo", {"x.nix": IT, "sub/flake.nix": "link:../x.nix", "lnk": "link:sub"})
    assert read_through(reader, rev, "sub/flake.nix") == IT.encode()
    assert read_through(reader, rev, "lnk/flake.nix") is None
    assert link_target(reader, rev, "sub/flake.nix") == "../x.nix"
    assert link_target(reader, rev, "x.nix") is None
    assert link_target(reader, rev, "nothing") is None


def test_files_of_a_name_are_listed_with_links_that_lead_to_files(tmp_path: Path) -> None:
    files = {"a/f": "link:../x", "b/f": "link:nope", "c/f": "", "d/f/g": "", "e": "link:c", "x": ""}
    reader, rev = made(tmp_path / "repo", files)
    assert list_files(reader, rev, name="f") == ["a/f", "c/f"]


@pytest.mark.nix
@pytest.mark.parametrize("title", [*FOLLOWED, *NOWHERE])
def test_nix_follows_the_same_links(nix: RealNix, tmp_path: Path, title: str) -> None:
    rev = repos.make_repo(tmp_path / "repo", (FOLLOWED | NOWHERE)[title])
    place = f"git+file://{tmp_path}/repo?rev={rev}"
    argv = [str(nix.path), "flake", "metadata", "--json", place]
    said = subprocess.run(argv, env=nix.env(), capture_output=True, stdin=subprocess.DEVNULL, check=False)
    found = json.loads(said.stdout).get("description") if said.returncode == 0 else None
    assert found == ("it" if title in FOLLOWED else None), said.stderr


@pytest.mark.nix
@pytest.mark.parametrize("link", ["link:nix/flake.lock", "link:nope"])
def test_newer_nix_refuses_a_lock_that_is_a_link(nix: RealNix, tmp_path: Path, link: str) -> None:
    lock = '{"nodes": {"root": {}}, "root": "root", "version": 7}'
    rev = repos.make_repo(tmp_path / "repo", {"flake.nix": IT, "flake.lock": link, "nix/flake.lock": lock})
    argv = [str(nix.path), "flake", "metadata", "--json", f"git+file://{tmp_path}/repo?rev={rev}"]
    said = subprocess.run(argv, env=nix.env(), capture_output=True, stdin=subprocess.DEVNULL, check=False)
    assert (said.returncode == 0) == (nix.version < (2, 26) and link != "link:nope"), said.stderr


PARTS = st.lists(st.sampled_from(["a", "b", "c", "..", ".", ""]), min_size=1, max_size=4)


@given(st.dictionaries(st.sampled_from(["a", "b", "c/a", "c/b", "c/c"]), st.just("x") | PARTS, min_size=1))
def test_any_links_end(tmp_path_factory: pytest.TempPathFactory, files: dict[str, str | list[str]]) -> None:
    folder = tmp_path_factory.mktemp("links")
    named = {path: text if isinstance(text, str) else f"link:{'/'.join(text) or '.'}" for path, text in files.items()}
    reader, rev = made(folder, named)
    for path in named:
        found = read_through(reader, rev, path)
        assert found in (None, content_behind(folder / path))


def content_behind(path: Path) -> bytes | None:
    """Return what the file behind links holds; None: they lead nowhere."""
    try:
        return Path(os.path.realpath(path, strict=True)).read_bytes()
    except NotADirectoryError:  # from Python 3.14 on, of `file/.`, in which Nix leaves the dot out
        end = Path(os.path.realpath(path))
        return end.read_bytes() if end.is_file() else None
    except (OSError, RuntimeError):
        return None

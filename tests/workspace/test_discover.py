import errno
import json
import os
from pathlib import Path

import pygit2
import pytest

from flakesync.errors import ManifestError
from flakesync.workspace.discover import Discovery, discover
from flakesync.workspace.manifest import Workspace, load_workspace
from flakesync.workspace.references import flake_url
from tests.support.repos import make_bare, make_repo

FLAKE = "{ outputs = _: { }; }\n"
NIXPKGS = {"type": "github", "owner": "NixOS", "repo": "nixpkgs"}


def lock(**inputs: dict[str, str]) -> str:
    """Return a flake.lock whose root has these inputs, each with its `original`."""
    nodes: dict[str, object] = {
        name: {
            "locked": {**original, "rev": "a" * 40, "narHash": f"sha256-{'A' * 43}=", "lastModified": 1},
            "original": original,
        }
        for name, original in inputs.items()
    }
    nodes["root"] = {"inputs": {name: name for name in inputs}}
    return json.dumps({"nodes": nodes, "root": "root", "version": 7}, indent=2, sort_keys=True) + "\n"


def clone(path: Path, origin: str | None = None, **files: str) -> Path:
    """Make a clone with a flake at its top, a lock without inputs, and `files`."""
    make_repo(path, {"flake.nix": FLAKE, "flake.lock": lock(), **files})
    if origin is not None:
        pygit2.Repository(str(path)).remotes.create("origin", origin)
    return path


def written(found: Discovery) -> Workspace:
    """Return what load_workspace reads back."""
    found.write()
    return load_workspace(found.file)


def init(*folders: Path) -> Discovery:
    return discover(folders, folders[0] / "workspace.toml")


@pytest.mark.parametrize(
    ("remote", "reference"),
    [
        ("git@github.com:o/r.git", "github:o/r"),
        ("https://github.com/O/R.git", "github:O/R"),
        ("https://token@github.com/o/r/", "github:o/r"),
        ("ssh://git@github.com:22/o/r", "github:o/r"),
        ("ssh://git@ssh.github.com:443/o/r.git", "github:o/r"),
        ("git@gitlab.com:g/r.git", "gitlab:g/r"),
        ("git@gitlab.com:g/sub/r.git", "git+https://gitlab.com/g/sub/r"),
        ("git@git.acme.example:team/lib.git", "git+ssh://git@git.acme.example/team/lib.git"),
        ("ssh://git@git.acme.example:2222/team/lib", "git+ssh://git@git.acme.example:2222/team/lib"),
        ("ssh://me:pw@git.acme.example/lib", "git+ssh://me@git.acme.example/lib"),
        ("host:/srv/git/lib.git", "git+ssh://host/srv/git/lib.git"),
        ("https://me:t0ken@git.acme.example/team/lib.git", "git+https://git.acme.example/team/lib.git"),
        ("http://git.acme.example/a b", "git+http://git.acme.example/a%20b"),
        ("https://git.acme.example/a%20b", "git+https://git.acme.example/a%20b"),
        ("git://git.acme.example/lib.git", "git://git.acme.example/lib.git"),
        ("file:///srv/git/lib.git", "git+file:///srv/git/lib.git"),
        ("/srv/git/lib.git", "git+file:///srv/git/lib.git"),
        ("/srv/a b/$HOME/it's #?%41", "git+file:///srv/a%20b/%24HOME/it%27s%20%23%3F%2541"),
        ("/srv/line\nfeed ", "git+file:///srv/line%0Afeed%20"),
        ("/srv/\udcff", "git+file:///srv/%FF"),
        ("file:///srv/a b/%41%20?#", "git+file:///srv/a%20b/A%20%3F%23"),
        ("file://localhost/srv/lib/", "git+file:///srv/lib"),
        ("file://host/srv/lib", None),
        ("../lib", None),
        ("ext::sh -c evil", None),
        ("https://github.com/", None),
        ("ssh://-oProxyCommand=x/lib", None),
        ("-oProxyCommand=x:lib", None),
        ("", None),
    ],
)
def test_an_origin_becomes_a_flake_reference_without_ref(remote: str, reference: str | None) -> None:
    assert flake_url(remote) == reference


def test_the_written_manifest_is_read_back_with_every_repo(tmp_path: Path) -> None:
    clone(tmp_path / "lib", "git@github.com:acme/lib.git")
    clone(
        tmp_path / "team/app", "https://git.acme.example/app.git", **{"dev/flake.nix": FLAKE, "dev/flake.lock": lock()}
    )
    found = init(tmp_path)
    assert [(repo.name, repo.path, repo.url, repo.flakes) for repo in found.repos] == [
        ("lib", "lib", "github:acme/lib", (".",)),
        ("app", "team/app", "git+https://git.acme.example/app.git", (".", "dev")),
    ]
    assert found.notes == ()
    workspace = written(found)
    assert workspace.name == tmp_path.name
    lib, app = workspace.repos
    assert (lib.name, lib.path, lib.flakes) == ("lib", tmp_path / "lib", (".",))
    assert (app.name, app.path, app.flakes) == ("app", tmp_path / "team/app", (".", "dev"))
    assert app.url is not None
    assert app.url.to_url() == "git+https://git.acme.example/app.git"


def test_hidden_folders_build_results_and_links_are_not_entered(tmp_path: Path) -> None:
    clone(tmp_path / "lib")
    for name in (".direnv/flake-inputs/x", "node_modules/x", "result/x", "result-dev/x", ".cache", "a/.hidden"):
        (tmp_path / "lib" / name).mkdir(parents=True)
        (tmp_path / "lib" / name / "flake.nix").write_text(FLAKE)
        (tmp_path / "lib" / name / "flake.lock").write_text(lock())
    (tmp_path / "lib/loop").symlink_to(".")
    (tmp_path / "again").symlink_to("lib")
    found = init(tmp_path)
    assert [(repo.name, repo.flakes) for repo in found.repos] == [("lib", (".",))]


def test_flakes_below_the_top_without_a_lock_are_left_out_with_a_note(tmp_path: Path) -> None:
    clone(tmp_path / "lib", "git@github.com:acme/lib.git", **{"nix/go/flake.nix": FLAKE})
    found = init(tmp_path)
    assert found.repos[0].flakes == (".",)
    assert found.notes == ("lib: without a flake.lock, and so not in `flakes`: nix/go",)


def test_a_repo_whose_only_flakes_have_no_lock_is_still_a_repo(tmp_path: Path) -> None:
    make_repo(tmp_path / "lib", {"nix/flake.nix": FLAKE})
    assert init(tmp_path).repos[0].flakes == ("nix",)


def test_a_git_repo_without_a_flake_is_no_repo_but_what_lies_in_it_may_be(tmp_path: Path) -> None:
    make_repo(tmp_path / "umbrella", {"README": ""})
    clone(tmp_path / "umbrella/lib")
    assert [repo.path for repo in init(tmp_path).repos] == ["umbrella/lib"]


def test_a_clone_inside_a_clone_is_a_repo_of_its_own(tmp_path: Path) -> None:
    clone(tmp_path / "app", **{"dev/flake.nix": FLAKE, "dev/flake.lock": lock()})
    clone(tmp_path / "app/vendor/lib", **{"dev/flake.nix": FLAKE, "dev/flake.lock": lock()})
    assert [(repo.path, repo.flakes) for repo in init(tmp_path).repos] == [
        ("app", (".", "dev")),
        ("app/vendor/lib", (".", "dev")),
    ]


def test_plain_folders_are_listed_by_path_with_a_note(tmp_path: Path) -> None:
    for name in ("a", "b", "b/dev"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "flake.nix").write_text(FLAKE)
        (tmp_path / name / "flake.lock").write_text(lock())
    found = init(tmp_path)
    assert [(repo.path, repo.url, repo.flakes) for repo in found.repos] == [
        ("a", None, (".",)),
        ("b", None, (".", "dev")),
    ]
    assert found.notes == ("plain folders, which graph, drift and plan read but sync refuses: a, b",)
    assert [repo.path for repo in written(found).repos] == [tmp_path / "a", tmp_path / "b"]


def test_the_folder_itself_can_be_the_repo(tmp_path: Path) -> None:
    clone(tmp_path / "lib")
    workspace = written(init(tmp_path / "lib"))
    assert [(repo.name, repo.path) for repo in workspace.repos] == [("lib", tmp_path / "lib")]


def test_a_bare_repository_is_read_at_its_default_branch(tmp_path: Path) -> None:
    make_bare(tmp_path / "lib.git", {"flake.nix": FLAKE, "dev/flake.nix": FLAKE, "dev/flake.lock": lock()})
    found = init(tmp_path)
    assert [(repo.name, repo.path, repo.flakes) for repo in found.repos] == [("lib", "lib.git", (".", "dev"))]


def test_names_are_unique_and_fit_for_a_manifest(tmp_path: Path) -> None:
    for path in ("x/lib", "y/lib", "z/y/lib", "z/My Lib", "z/-"):
        clone(tmp_path / path)
    found = init(tmp_path)
    assert {repo.path: repo.name for repo in found.repos} == {
        "x/lib": "lib",
        "y/lib": "y-lib",
        "z/y/lib": "lib-2",
        "z/My Lib": "My-Lib",
        "z/-": "repo",
    }
    assert len(written(found).repos) == 5


def test_two_clones_of_one_repository_are_listed_once(tmp_path: Path) -> None:
    clone(tmp_path / "old", "https://github.com/Acme/Lib")
    clone(tmp_path / "new", "git@github.com:acme/lib.git")
    clone(tmp_path / "main")
    pygit2.Repository(str(tmp_path / "main")).add_worktree("side", str(tmp_path / "a-worktree"))
    found = init(tmp_path)
    assert [repo.path for repo in found.repos] == ["main", "new"]
    assert found.notes[:2] == (
        "old is the same repository as new: left out",
        "a-worktree is the same repository as main: left out",
    )
    written(found)


def test_a_clone_of_a_repository_that_is_also_there_is_listed_instead_of_it(tmp_path: Path) -> None:
    make_bare(tmp_path / "a.git", {"flake.nix": FLAKE})
    clone(tmp_path / "lib", str(tmp_path / "a.git"))
    clone(tmp_path / "rel", "../b.git")
    found = init(tmp_path)
    assert [(repo.path, repo.url) for repo in found.repos] == [
        ("lib", f"git+file://{tmp_path}/a.git"),
        ("rel", f"git+file://{tmp_path}/b.git"),
    ]
    written(found)


def test_each_ref_of_nixpkgs_that_two_repos_take_is_a_pin(tmp_path: Path) -> None:
    stable, unstable = NIXPKGS | {"ref": "nixos-25.11"}, NIXPKGS | {"ref": "nixos-unstable"}
    older = NIXPKGS | {"ref": "nixos-24.05"}
    for name, original, other in [
        ("a", stable, older),
        ("b", {**stable, "owner": "nixos"}, unstable),
        ("c", unstable, unstable),
        ("d", {"type": "indirect", "id": "nixpkgs"}, unstable),
        ("e", {**NIXPKGS, "rev": "b" * 40}, unstable),
    ]:
        clone(tmp_path / name, **{"flake.lock": lock(nixpkgs=original, other=other)})
    found = init(tmp_path)
    assert [tuple(pin) for pin in found.pins] == [
        ("nixpkgs", "github:NixOS/nixpkgs/nixos-25.11", 2),
        ("nixpkgs-unstable", "github:NixOS/nixpkgs/nixos-unstable", 4),
    ]
    assert "no pin for what fewer than two repos take: github:NixOS/nixpkgs/nixos-24.05: these stay as they are" in (
        found.notes
    )
    pins = written(found).pins
    assert [(pin.name, pin.source.to_url(), pin.target) for pin in pins] == [
        (name, source, "latest") for name, source, _ in found.pins
    ]


def test_no_pin_is_called_as_the_branch_of_another_one(tmp_path: Path) -> None:
    first, second, third = (NIXPKGS | {"ref": ref} for ref in ("nixos-25.11", "nixos-unstable", "nixpkgs-unstable"))
    for name in "abc":
        clone(tmp_path / name, **{"flake.lock": lock(nixpkgs=first, other=second)})
    for name in "de":
        clone(tmp_path / name, **{"flake.lock": lock(other=third)})
    assert [(pin.name, pin.source.rpartition("/")[2]) for pin in init(tmp_path).pins] == [
        ("nixpkgs", "nixos-25.11"),
        ("nixpkgs-nixos-unstable", "nixos-unstable"),
        ("nixpkgs-unstable", "nixpkgs-unstable"),
    ]


def test_a_name_of_the_registry_with_a_ref_counts_for_the_pin_of_that_ref(tmp_path: Path) -> None:
    stable = NIXPKGS | {"ref": "nixos-25.11"}
    by_name = json.loads(lock(nixpkgs=stable))
    by_name["nodes"]["nixpkgs"]["original"] = {"type": "indirect", "id": "nixpkgs", "ref": "nixos-25.11"}
    for name, text in (("a", lock(nixpkgs=stable)), ("b", json.dumps(by_name)), ("c", json.dumps(by_name))):
        clone(tmp_path / name, **{"flake.lock": text})
    assert [tuple(pin) for pin in init(tmp_path).pins] == [("nixpkgs", "github:NixOS/nixpkgs/nixos-25.11", 3)]


def test_a_ref_that_one_repo_takes_is_the_pin_where_no_other_is(tmp_path: Path) -> None:
    clone(
        tmp_path / "a",
        **{
            "flake.lock": lock(
                nixpkgs=NIXPKGS | {"ref": "nixos-25.11"}, lib={"type": "github", "owner": "a", "repo": "b"}
            )
        },
    )
    assert [(pin.name, pin.source) for pin in init(tmp_path).pins] == [("nixpkgs", "github:NixOS/nixpkgs/nixos-25.11")]
    clone(tmp_path / "x/b", **{"flake.lock": lock(lib=NIXPKGS)})
    assert [pin.source for pin in init(tmp_path / "x").pins] == ["github:NixOS/nixpkgs"]


def test_flakes_of_examples_templates_and_tests_are_left_out_unless_they_are_included(tmp_path: Path) -> None:
    names = ("dev", "examples/a", "nix/tests/b", "templates/go", "testing")
    inner = {f"{name}/{file}": text for name in names for file, text in (("flake.nix", FLAKE), ("flake.lock", lock()))}
    clone(tmp_path / "tests/lib", **inner)
    found = init(tmp_path)
    assert found.repos[0].flakes == (".", "dev", "testing")
    left = "examples/a, nix/tests/b, templates/go"
    assert found.notes == (
        "no `origin` that others could use, add `url` where there is one: lib",
        "left out, `--include` takes them in: lib/examples/a, lib/nix/tests/b, lib/templates/go",
    )
    assert f"[repos.lib]\n# left out, `init --include` takes them in: {left}\n" in found.text
    written(found)
    for given, flakes in [
        ({"include": ["examples"]}, (".", "dev", "examples/a", "testing")),
        ({"include": ["examples/*", "./templates/go/"]}, (".", "dev", "examples/a", "templates/go", "testing")),
        ({"exclude": ["tests/lib/dev", "test*"], "include": ["nix"]}, ("nix/tests/b",)),
        ({"exclude": ["lib"], "include": ["dev"]}, ("dev",)),
        ({"exclude": ["d?v"]}, (".", "testing")),
    ]:
        (repo,) = discover([tmp_path], tmp_path / "other.toml", **given).repos
        assert repo.flakes == flakes, given


def test_a_repo_can_be_left_out_by_its_path_and_all_of_them_is_an_error(tmp_path: Path) -> None:
    for name in ("team/app", "vendor/lib"):
        clone(tmp_path / name)
    found = discover([tmp_path], tmp_path / "w.toml", exclude=["vendor/*"])
    assert [repo.name for repo in found.repos] == ["app"]
    with pytest.raises(ManifestError) as caught:
        discover([tmp_path], tmp_path / "w.toml", exclude=["team", "vendor"])
    assert caught.value.code == "no-flakes"
    assert "--include" in (caught.value.hint or "")
    with pytest.raises(ManifestError) as caught:
        discover([tmp_path], tmp_path / "w.toml", exclude=["a/[z"])
    assert caught.value.code == "usage"


@pytest.mark.parametrize("content", ["", " \n", "<<<<<<< HEAD\n", "{}", "[]"])
def test_an_unusable_lock_is_left_out_with_a_comment_and_fails_nothing_else(tmp_path: Path, content: str) -> None:
    clone(tmp_path / "lib", **{"dev/flake.nix": FLAKE, "dev/flake.lock": content})
    found = init(tmp_path)
    assert found.repos[0].flakes == (".",)
    assert "[repos.lib]\n# left out: dev/flake.lock: " in found.text
    assert sum(note.startswith(f"{tmp_path}/lib/dev/flake.lock cannot be used: ") for note in found.notes) == 1
    written(found)


def test_the_schema_that_the_first_line_names_lies_beside_the_manifest(tmp_path: Path) -> None:
    clone(tmp_path / "lib")
    found = init(tmp_path)
    written(found)
    first = found.text.splitlines()[0]
    assert first == "#:schema ./workspace.schema.json"
    assert json.loads((tmp_path / "workspace.schema.json").read_text())["title"] == "flakesync workspace"
    (tmp_path / "workspace.schema.json").write_text("mine")
    (tmp_path / "workspace.toml").unlink()
    written(init(tmp_path))
    assert (tmp_path / "workspace.schema.json").read_text() == "mine"


def test_a_broken_lock_or_repository_is_a_note(tmp_path: Path) -> None:
    clone(tmp_path / "a", **{"flake.lock": "<<<<<<< HEAD\n"})
    clone(tmp_path / "b", **{"flake.lock": lock(nixpkgs=NIXPKGS)})
    (tmp_path / "c/.git").mkdir(parents=True)
    (tmp_path / "c/flake.nix").write_text(FLAKE)
    found = init(tmp_path)
    assert [repo.name for repo in found.repos] == ["a", "b", "c"]
    assert [pin.source for pin in found.pins] == ["github:NixOS/nixpkgs"]
    assert sum(str(tmp_path / "a/flake.lock") in note for note in found.notes) == 1
    assert sum(note.startswith("c: ") for note in found.notes) == 1


@pytest.mark.parametrize(
    "place", ["https://h.example/team/l\udcffib", "git@h.example:team/l\udcffib.git", "/srv/l\udcffib"]
)
def test_an_origin_that_is_no_utf_8_keeps_its_bytes(place: str) -> None:
    found = flake_url(place)
    assert found is not None
    assert "l%FFib" in found


@pytest.mark.parametrize("name", ["d\udcff", "line\nfeed"])
def test_a_flake_in_a_folder_that_no_manifest_can_name_is_left_out_alone(tmp_path: Path, name: str) -> None:
    clone(tmp_path / "lib")
    inner = tmp_path / "lib" / name
    inner.mkdir()
    for file in ("flake.nix", "flake.lock"):
        (inner / file).write_bytes((tmp_path / "lib" / file).read_bytes())
    found = init(tmp_path)
    assert "[repos.lib]" in found.text
    found.text.encode("utf-8")
    (note,) = [note for note in found.notes if "a manifest cannot hold" in note]
    assert ("d\\xff" if "\udcff" in name else "line\\nfeed") in note


def test_no_password_of_an_origin_reaches_the_manifest(tmp_path: Path) -> None:
    clone(tmp_path / "lib", "https://me:s3cret@git.acme.example/lib.git")
    found = init(tmp_path)
    assert "s3cret" not in f"{found.text}{found.notes}"


def test_an_existing_manifest_is_never_overwritten(tmp_path: Path) -> None:
    clone(tmp_path / "lib")
    found = init(tmp_path)
    (tmp_path / "workspace.toml").write_text("mine")
    for attempt in (lambda: init(tmp_path), found.write):
        with pytest.raises(ManifestError, match="is already there") as caught:
            attempt()
        assert caught.value.code == "manifest-exists"
    assert (tmp_path / "workspace.toml").read_text() == "mine"


def test_finding_nothing_or_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        init(tmp_path)
    assert caught.value.code == "no-flakes"
    with pytest.raises(ManifestError) as caught:
        init(tmp_path / "nowhere")
    assert caught.value.code == "no-such-folder"


def test_a_folder_whose_name_no_manifest_can_hold_is_left_out(tmp_path: Path) -> None:
    clone(tmp_path / "lib")
    clone(tmp_path / "bad\nname")
    os.mkdir(os.fsencode(tmp_path) + b"/\xff")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff/flake.nix")).write_text(FLAKE)
    found = init(tmp_path)
    assert [repo.name for repo in found.repos] == ["lib"]
    assert sum("a manifest cannot hold" in note for note in found.notes) == 2
    written(found)


def test_folders_named_twice_are_searched_once(tmp_path: Path) -> None:
    clone(tmp_path / "lib")
    found = discover([tmp_path, tmp_path / "lib", tmp_path], tmp_path / "elsewhere.toml")
    assert len(found.repos) == 1


def test_paths_are_relative_to_the_manifest(tmp_path: Path) -> None:
    clone(tmp_path / "repos/lib")
    (tmp_path / "ws").mkdir()
    found = discover([tmp_path / "repos"], tmp_path / "ws/workspace.toml")
    assert found.repos[0].path == "../repos/lib"
    assert written(found).repos[0].path == tmp_path / "repos/lib"


def test_a_repo_without_commits_is_left_out(tmp_path: Path) -> None:
    clone(tmp_path / "lib")
    pygit2.init_repository(str(tmp_path / "new"))
    (tmp_path / "new/flake.nix").write_text(FLAKE)
    found = init(tmp_path)
    assert [repo.name for repo in found.repos] == ["lib"]
    assert "new has no commit yet: left out" in found.notes


def test_what_a_killed_run_has_left_of_its_manifest_is_in_nobodys_way(tmp_path: Path) -> None:
    clone(tmp_path / "lib")
    (tmp_path / ".workspace.toml.flakesync-part").write_text("[worksp")
    found = init(tmp_path)
    found.write()
    assert (tmp_path / "workspace.toml").read_text() == found.text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lib", "workspace.schema.json", "workspace.toml"]


def test_a_manifest_is_written_without_hard_links_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    clone(tmp_path / "lib")
    found = init(tmp_path)
    monkeypatch.setattr(os, "link", link)
    found.write()
    assert (tmp_path / "workspace.toml").read_text() == found.text
    (tmp_path / "workspace.toml").write_text("mine")
    with pytest.raises(ManifestError, match="is already there"):
        found.write()
    assert (tmp_path / "workspace.toml").read_text() == "mine"

"""What a dependent's lock says of an upstream on a forge: the canonical reference of a commit that nobody has pushed.

Everything runs in a network where github.com and the others are this machine: real Nix of every version makes the first
locks, `flakesync sync` moves them, and in the end a Nix with an empty store accepts every hash in them.
"""

import contextlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import tomli_w

from flakesync.demo.forge.model import Kind
from flakesync.nix.lock.file import LockFile
from tests.support import repos
from tests.support.forge.world import NO_INPUTS, Json, World, make_world
from tests.support.nix import RealNix

pytestmark = pytest.mark.slow_but_newest

UPDATE = "flakesync/update"
NIXPKGS = "github:NixOS/nixpkgs/nixos-25.11"
SITES: list[tuple[str, Kind]] = [
    ("github.com", "github"),
    ("gitlab.com", "gitlab"),
    ("codeberg.org", "forgejo"),
    ("git.acme.example", "gitlab"),
]
DAY_S = 86_400


@dataclass(frozen=True)
class Library:
    """A library: where it lies, how its dependents refer to it, and what their locks say beside the commit."""

    host: str
    path: str
    reference: str
    url: str
    locked: Mapping[str, str]


LIBRARIES = {
    "github": Library(
        "github.com", "acme/lib", "github:acme/lib", "github:acme/lib",
        {"type": "github", "owner": "acme", "repo": "lib"},
    ),
    "gitlab": Library(
        "gitlab.com", "acme/lib", "gitlab:acme/lib", "gitlab:acme/lib",
        {"type": "gitlab", "owner": "acme", "repo": "lib"},
    ),
    "self-hosted": Library(
        "git.acme.example", "acme/base", "gitlab:acme/base?host=git.acme.example",
        "gitlab:acme/base?host=git.acme.example",
        {"type": "gitlab", "owner": "acme", "repo": "base", "host": "git.acme.example"},
    ),
    "https": Library(
        "codeberg.org", "acme/lib", "git+https://codeberg.org/acme/lib?ref=main", "git+https://codeberg.org/acme/lib",
        {"type": "git", "url": "https://codeberg.org/acme/lib"},
    ),
    "ssh": Library(
        "codeberg.org", "acme/inner", "git+ssh://git@codeberg.org/acme/inner?ref=main",
        "git+ssh://git@codeberg.org/acme/inner",
        {"type": "git", "url": "ssh://git@codeberg.org/acme/inner"},
    ),
}  # fmt: skip


def flake(text: str, **inputs: str) -> dict[str, str]:
    """Return the files of a flake; `text` makes its commits and hashes its own."""
    lines = "".join(f'  inputs.{name}.url = "{url}";\n' for name, url in inputs.items())
    return {"flake.nix": f'{{\n  description = "{text}";\n{lines}  outputs = _: {{ }};\n}}\n', "tool": "exec:#!sh\n"}


@pytest.fixture
def world(nix: RealNix, tmp_path: Path) -> Iterator[World]:
    """The world with one Nix; the test runs once with each."""
    with open_world(tmp_path, nix) as world:
        yield world


@pytest.fixture
def outer_world(outer_nix: RealNix, tmp_path: Path) -> Iterator[World]:
    """The world with the oldest Nix, then with the newest."""
    with open_world(tmp_path, outer_nix) as world:
        yield world


@pytest.fixture
def any_world(any_nix: RealNix, tmp_path: Path) -> Iterator[World]:
    """The world with the newest Nix."""
    with open_world(tmp_path, any_nix) as world:
        yield world


@contextlib.contextmanager
def open_world(root: Path, nix: RealNix) -> Iterator[World]:
    """Give a world with nixpkgs on GitHub, a pin on it, and no repos yet."""
    with make_world(root, nix, SITES) as world:
        nixpkgs = world.forge.site("github.com").create("NixOS/nixpkgs", branch="nixos-25.11")
        url = "https://github.com/NixOS/nixpkgs"
        world.add("nixpkgs", nixpkgs, url, {"flake.nix": NO_INPUTS}, lock=False)
        world.manifest = {
            "workspace": {"name": "acme", "jobs": 2},
            "pins": {"nixpkgs": {"source": NIXPKGS}},
            "repos": {},
        }
        yield world


def add(world: World, name: str, library: Library, files: Mapping[str, str], *, by_path: bool = True) -> None:
    """Put a repo on the forge and into the manifest."""
    project = world.forge.site(library.host).create(library.path)
    world.add(name, project, library.locked.get("url", f"https://{library.host}/{library.path}"), files)
    place: Json = {"path": f"repos/{name}"} if by_path else {}
    world.manifest["repos"][name] = {"url": library.url, **place}


def add_dependent(world: World, name: str, reference: str, *, by_path: bool = True) -> None:
    where = Library("github.com", f"acme/{name}", "", f"github:acme/{name}", {})
    add(world, name, where, flake(name, nixpkgs=NIXPKGS, upstream=reference), by_path=by_path)


def move_nixpkgs(world: World) -> str:
    """Let nixpkgs have a new commit; return it."""
    rev = repos.commit(world.clone("nixpkgs"), {"new.txt": "new"}, date=repos.DATE + DAY_S)
    world.git("nixpkgs", "push", "-q", "origin", "nixos-25.11")
    return rev


def sync(world: World, *, locker: str = "auto", statuses: Sequence[int] = (0,)) -> dict[str, Json]:
    """Run sync; return what became of each repo."""
    found = world.flakesync("sync", "--locker", locker, statuses=statuses)["repos"]
    assert isinstance(found, list)
    return {outcome["repo"]: outcome for outcome in found}


def repository(world: World, name: str, *, by_path: bool) -> Path:
    """Return where flakesync commits: the clone, or the mirror."""
    if by_path:
        return world.clone(name)
    tip = repos.run_git("rev-parse", "main", cwd=world.clone(name))
    mirrors = Path(world.env["XDG_CACHE_HOME"], "flakesync", "mirrors").glob("*/")
    return next(path for path in mirrors if (path / "refs/remotes/origin/main").read_text().strip() == tip)


def checked_out(world: World, name: str, *, by_path: bool) -> Path:
    """Return a working tree of the update branch, as a colleague would get it."""
    folder = world.root / "checkouts" / name
    if not folder.exists():
        source = str(repository(world, name, by_path=by_path))
        repos.run_git("clone", "-q", "--branch", UPDATE, source, str(folder), cwd=world.root)
    return folder


def push(world: World, name: str, *, by_path: bool) -> None:
    """Push the update branch to the forge with plain git."""
    url = repos.run_git("remote", "get-url", "origin", cwd=world.clone(name))
    source = repository(world, name, by_path=by_path)
    world.net.run("git", "push", "-q", url, UPDATE, cwd=source, env=world.env)


def node(folder: Path, *path: str) -> Json:
    """Return `locked` of an input."""
    found = LockFile.parse((folder / "flake.lock").read_bytes()).node(path)
    assert found is not None
    assert found.locked is not None
    return dict(found.locked)


def test_dependents_hold_the_canonical_node_and_a_cold_nix_accepts_it_after_the_push(world: World) -> None:
    check_dependents(world, tuple(LIBRARIES), by_path=True)


@pytest.mark.slow
def test_dependents_of_mirrors_hold_the_canonical_node_too(any_world: World) -> None:
    check_dependents(any_world, ("github", "self-hosted", "ssh"), by_path=False)


def check_dependents(world: World, names: Sequence[str], *, by_path: bool) -> None:
    libraries = {name: LIBRARIES[name] for name in names}
    for name, library in libraries.items():
        add(world, name, library, flake(name, nixpkgs=NIXPKGS), by_path=by_path)
        add_dependent(world, f"app-{name}", library.reference, by_path=by_path)
    rev = move_nixpkgs(world)
    found = sync(world)

    for name, library in libraries.items():
        folder = checked_out(world, f"app-{name}", by_path=by_path)
        data = (folder / "flake.lock").read_bytes()
        expected: Json = {**library.locked, "rev": found[name]["commit"]}
        if library.locked["type"] == "git":
            expected |= {"ref": UPDATE, "revCount": 3}
        locked = node(folder, "upstream")
        assert {key: locked[key] for key in locked.keys() - {"narHash", "lastModified"}} == expected
        assert node(folder, "upstream", "nixpkgs")["rev"] == rev
        assert not any(place in data for place in (str(world.root).encode(), b"/store/", b"file:", b'"path"'))
        world.run_nix("flake", "lock", "--no-update-lock-file", cwd=folder)
        assert (folder / "flake.lock").read_bytes() == data

    for name in libraries:
        push(world, name, by_path=by_path)
    world.forge.forget_log()
    with world.cold() as env:
        for name in libraries:
            folder = checked_out(world, f"app-{name}", by_path=by_path)
            world.run_nix("flake", "archive", "--no-update-lock-file", cwd=folder, env=env)
    for name, library in libraries.items():  # Nix has really fetched what it has found to be right
        if library.locked["type"] != "git":
            assert world.forge.requests("GET", path=f"(archive|tarball).*{found[name]['commit']}")


@pytest.mark.parametrize("kind", ["github", "git"])
def test_a_pin_is_asked_for_once_and_fetched_once_however_many_repos_take_it(outer_world: World, kind: str) -> None:
    world = outer_world
    reference = NIXPKGS if kind == "github" else "git+https://github.com/NixOS/nixpkgs?ref=nixos-25.11"
    world.manifest["pins"] = {"nixpkgs": {"source": reference}}
    names = ["one", "two", "three", "four"]
    for name in names:
        library = Library("github.com", f"acme/{name}", "", f"github:acme/{name}", {})
        add(world, name, library, flake(name, nixpkgs=reference))
    rev = move_nixpkgs(world)
    world.forge.forget_log()
    found = sync(world)

    assert {outcome["status"] for outcome in found.values()} == {"updated"}
    assert {node(checked_out(world, name, by_path=True), "nixpkgs")["rev"] for name in names} == {rev}
    everything = [str(exchange) for exchange in world.forge.log]
    asked = [exchange for exchange in everything if "NixOS/nixpkgs" in exchange]
    for name in names:  # once too, and before anything is decided
        of_repo = [exchange for exchange in everything[: 2 * len(names)] if f"acme/{name}/" in exchange]
        assert [exchange.split()[0] for exchange in of_repo] == ["GET", "POST"]
    assert len(everything) == len(asked) + 2 * len(names)
    listed = ["GET github.com/NixOS/nixpkgs/info/refs?service=git-upload-pack 200"]
    listed += ["POST github.com/NixOS/nixpkgs/git-upload-pack 200"]
    assert asked[:2] == listed
    if kind == "github":
        assert len(asked) == 3
        assert re.search(rf"(tarball|archive)/{rev}", asked[2])
    else:  # once more for the fetch, which lists what there is, and takes it
        assert asked[2] == listed[0]
        assert asked[3:] == [listed[1]] * (len(asked) - 3)
        assert asked.count(listed[0]) == 2
        assert len(asked) <= 5


def test_offline_nix_locks_what_it_has_and_asks_nobody_for_the_rest(outer_world: World) -> None:
    world = outer_world
    add(world, "lib", LIBRARIES["github"], flake("lib", nixpkgs=NIXPKGS))
    add_dependent(world, "app", LIBRARIES["github"].reference)
    rev = move_nixpkgs(world)
    add(
        world,
        "ahead",
        Library("github.com", "acme/ahead", "", "github:acme/ahead", {}),
        flake("ahead", nixpkgs=NIXPKGS),
    )
    (world.root / "workspace.toml").write_text(tomli_w.dumps(world.manifest))
    world.forge.forget_log()
    command = ("sync", "--offline", "--locker", "nix", "--json")
    with world.cold() as env:
        ran = world.net.flakesync(*command, cwd=world.root, env=env)
        assert {each["repo"]: each["status"] for each in json.loads(ran.stdout)["repos"]} == {
            "lib": "failed",
            "app": "skipped",
            "ahead": "unchanged",
        }
        error = json.loads(ran.stdout)["repos"][0]["error"]
    assert (error["code"], error["hint"]) == ("nix-offline", "run without --offline")
    assert error["message"].startswith("nix cannot lock the input nixpkgs: ")
    assert f"{rev}" in error["message"]
    assert "(not asked with --offline)" in error["message"]
    ran = world.net.flakesync(*command, cwd=world.root, env=world.env)
    assert {each["repo"]: each["status"] for each in json.loads(ran.stdout)["repos"]} == {
        "lib": "updated",
        "app": "updated",
        "ahead": "unchanged",
    }
    assert node(checked_out(world, "app", by_path=True), "nixpkgs")["rev"] == rev
    assert world.forge.log == []


@pytest.mark.parametrize("locker", ["auto", "nix"])
def test_a_dependent_of_an_update_with_export_attributes_fails_and_the_others_go_on(
    any_world: World, locker: str
) -> None:
    world = any_world
    for name in ("github", "gitlab", "https"):
        files = flake(name, nixpkgs=NIXPKGS)
        if name != "gitlab":
            files[".gitattributes"] = "# kept small\ntool export-ignore\n"
        add(world, name, LIBRARIES[name], files)
        add_dependent(world, f"app-{name}", LIBRARIES[name].reference)
    move_nixpkgs(world)
    found = sync(world, locker=locker, statuses=(1,))
    failed = {name for name, outcome in found.items() if outcome["status"] != "updated"}
    # What a forge serves is known without Nix.
    assert failed == ({"app-https"} if locker == "auto" else {"app-github", "app-https"})
    for name in failed:
        error = found[name]["error"]
        assert isinstance(error, dict)
        assert error["code"] == "attributes"
        assert ".gitattributes line 2 has export-ignore" in error["message"]
        assert repos.run_git("for-each-ref", f"refs/heads/{UPDATE}", cwd=world.clone(name)) == ""


@pytest.mark.slow
def test_a_cold_nix_accepts_what_a_forge_serves_with_files_left_out_and_text_put_in(outer_world: World) -> None:
    world = outer_world
    attributes = "tool export-ignore\nflake.nix export-subst\nversion export-subst\n"
    for name in ("github", "gitlab"):
        files = {**flake(f"{name} $Format:%H$", nixpkgs=NIXPKGS), "version": "$Format:%H %ct$\n"}
        add(world, name, LIBRARIES[name], {**files, ".gitattributes": attributes})
        add_dependent(world, f"app-{name}", LIBRARIES[name].reference)
    move_nixpkgs(world)
    sync(world, locker="native")
    for name in ("github", "gitlab"):
        push(world, name, by_path=True)
    with world.cold() as env:
        for name in ("github", "gitlab"):
            folder = checked_out(world, f"app-{name}", by_path=True)
            world.run_nix("flake", "archive", "--no-update-lock-file", cwd=folder, env=env)


@pytest.mark.parametrize("name", ["github", "https"])
def test_what_has_been_pushed_is_locked_from_the_server_where_attributes_change_the_hash(
    outer_world: World, name: str
) -> None:
    world = outer_world
    files = {**flake(name), ".gitattributes": "tool export-ignore\n"}
    add(world, name, LIBRARIES[name], files)
    add_dependent(world, "app", LIBRARIES[name].reference)
    rev = repos.commit(world.clone(name), {"more.txt": "more"}, date=repos.DATE + DAY_S)
    world.git(name, "push", "-q", "origin", "main")
    found = sync(world)
    assert found["app"]["status"] == "updated"
    folder = checked_out(world, "app", by_path=True)
    assert node(folder, "upstream")["rev"] == rev
    with world.cold() as env:
        world.run_nix("flake", "archive", "--no-update-lock-file", cwd=folder, env=env)


SUBGROUP = Library(
    "git.acme.example", "acme/sub/lib",
    'type = "gitlab"; owner = "acme%2Fsub"; repo = "lib"; host = "git.acme.example";',
    "git+https://git.acme.example/acme/sub/lib.git",
    {"type": "gitlab", "owner": "acme%2Fsub", "repo": "lib", "host": "git.acme.example"},
)  # fmt: skip


@pytest.mark.parametrize("pushed", [pytest.param(False, marks=pytest.mark.slow), True], ids=["clone", "server"])
def test_a_project_in_a_gitlab_subgroup_is_found_by_every_nix(world: World, pushed: bool) -> None:
    attributes = {".gitattributes": "tool export-ignore\n"} if pushed else {}
    add(world, "lib", SUBGROUP, {**flake("lib", nixpkgs=NIXPKGS), **attributes})
    text = f"{{ inputs.upstream = {{ {SUBGROUP.reference} }}; outputs = _: {{ }}; }}"
    add(world, "app", Library("github.com", "acme/app", "", "github:acme/app", {}), {"flake.nix": text})
    if pushed:
        repos.commit(world.clone("lib"), {"more.txt": "more"}, date=repos.DATE + DAY_S)
        world.git("lib", "push", "-q", "origin", "main")
    else:
        move_nixpkgs(world)
    assert sync(world)["app"]["status"] == "updated"
    if not pushed:
        push(world, "lib", by_path=True)
    folder = checked_out(world, "app", by_path=True)
    assert node(folder, "upstream").items() >= SUBGROUP.locked.items()
    with world.cold() as env:
        world.run_nix("flake", "archive", "--no-update-lock-file", cwd=folder, env=env)


def test_what_a_reference_says_about_fetching_stays(world: World) -> None:
    base = "git+https://codeberg.org/acme/lib"
    references = {
        "dir": "github:acme/lib?dir=sub",
        "dir-git": f"{base}?ref=main&dir=sub",
        "full": f"{base}?ref=refs/heads/main",
        "shallow": f"{base}?ref=main&shallow=1",
        "submodules": f"{base}?ref=main&submodules=1",
        "source": "github:acme/lib",
    }
    if world.nix.version >= (2, 9):  # Nix 2.8 takes the default branch to be master
        references["no-ref"] = base
    files = flake("lib", nixpkgs=NIXPKGS)
    for name in ("github", "https"):
        add(world, name, LIBRARIES[name], {**files, "sub/flake.nix": files["flake.nix"], "name": name})
    text = flake("app", **references)["flake.nix"].replace("outputs", "inputs.source.flake = false;\n  outputs")
    add(world, "app", Library("github.com", "acme/app", "", "github:acme/app", {}), {"flake.nix": text})
    before = {name: node(world.clone("app"), name) for name in references}
    move_nixpkgs(world)
    found = sync(world)

    folder = checked_out(world, "app", by_path=True)
    moved = {"rev", "narHash", "lastModified", "revCount", "ref"}
    for name, old in before.items():
        new = node(folder, name)
        assert new["rev"] == found["github" if old["type"] == "github" else "https"]["commit"]
        assert {key: new[key] for key in new.keys() - moved} == {key: old[key] for key in old.keys() - moved}
        assert new.keys() == old.keys()
        if "ref" in old:
            assert new["ref"] == str(old["ref"]).replace("main", UPDATE)
    world.run_nix("flake", "lock", "--no-update-lock-file", cwd=folder)
    for name in ("github", "https"):
        push(world, name, by_path=True)
    with world.cold() as env:
        world.run_nix("flake", "archive", "--no-update-lock-file", cwd=folder, env=env)


def test_links_and_submodules_hash_alike_in_a_clone_and_in_an_archive(outer_world: World) -> None:
    world = outer_world
    files = {**flake("github", nixpkgs=NIXPKGS), "link": "link:flake.nix", "späth/ß": "ü", "empty": ""}
    add(world, "github", LIBRARIES["github"], files)
    clone = world.clone("github")
    repos.run_git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},vendor/sub", cwd=clone)
    repos.run_git("commit", "-q", "--message", "A submodule", cwd=clone)
    world.git("github", "push", "-q", "origin", "main")
    add_dependent(world, "app", LIBRARIES["github"].reference)
    move_nixpkgs(world)
    sync(world)
    push(world, "github", by_path=True)
    with world.cold() as env:
        folder = checked_out(world, "app", by_path=True)
        world.run_nix("flake", "archive", "--no-update-lock-file", cwd=folder, env=env)


def test_a_cold_nix_refuses_a_wrong_hash(any_world: World) -> None:
    world = any_world
    add(world, "github", LIBRARIES["github"], flake("github", nixpkgs=NIXPKGS))
    folder = world.clone("github")
    good = (folder / "flake.lock").read_text()
    wrong = re.sub(r'(?<="narHash": "sha256-)....', "AAAA", good)
    assert wrong != good
    (folder / "flake.lock").write_text(wrong)
    with world.cold() as env:
        done = world.net.run(world.nix.path, "flake", "archive", cwd=folder, env=env, check=False)
    assert done.returncode != 0
    assert "mismatch" in done.stderr

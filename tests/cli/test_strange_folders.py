"""The whole pipeline in folders whose names mean something to shells, to Python, to git and to URLs."""

import json
import os
import shutil
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

import pytest
import tomli_w

from flakesync.errors import EXIT_WAITING, plain
from tests.cli.conftest import Ran
from tests.support.nix import RealNix
from tests.support.nixspace import UPDATE, Space, Take, contents, ref_in
from tests.support.repos import run_git

Flakesync = Callable[..., Ran]

NAMES = (
    "$HOME", "$FOO", "${FOO}", "~", "~x", "~root", "a b", "it's", 'say "x"', "#", "%41", "?", "a&b;c", "a=b", "a+b",
    "a:b", "\\", "*[x]", "-C", "@{u}", "%(prefix)", "ü",
)  # fmt: skip
UNPRINTABLE = ("line\nfeed", "tab\tstop", "\x01", "\udcff")
"""Names that a manifest cannot hold; the folder that it lies in may have them."""
ALL = "-C ~ $FOO it's #%41?"
"""One name with each kind of meaning; the whole pipeline in folders of most names by themselves is slow."""
QUICK = (ALL, "~x", "\udcff")


def slow_but_quick(names: Sequence[str]) -> list[object]:
    return [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in names]


class Odd(Space):
    """`lib`, and `app` that takes it, with clones in a folder of that name; what the server has is in `served`."""

    def __init__(self, top: Path, name: str, served: str = "served") -> None:
        self.top = top
        self.name = name
        self.served = top / served
        self.inner = name if name.isprintable() else "inner"
        super().__init__(top / name / "acme")
        self.add("lib").add("app", {"lib": Take(), "nixpkgs": Take()})
        for repo in (*self.names, "nixpkgs"):
            self.server(repo).parent.mkdir(parents=True, exist_ok=True)
            copy_bare(self.path(repo), self.server(repo))

    def path(self, name: str) -> Path:
        return self.root / self.inner / name

    def server(self, name: str) -> Path:
        """Return where the bare repository of a repo lies."""
        return self.served / f"{name}.git"

    def url(self, name: str) -> str:
        return f"file://{quote(os.fsencode(self.server(name)))}"

    def write_manifest(self, *, mirrored: bool) -> None:
        """Write workspace.toml. mirrored: lib is known by its address alone."""
        repos = {name: {"url": f"git+{self.url(name)}", "path": f"./{self.inner}/{name}"} for name in self.names}
        if mirrored:
            del repos["lib"]["path"]
        document = {
            "workspace": {"name": "acme"},
            "pins": {"nixpkgs": {"source": f"git+{self.url('nixpkgs')}?ref=main"}},
            "defaults": {"checks": ["test -f flake.nix", "git -c core.autocrlf=false diff --exit-code HEAD"]},
            "repos": repos,
        }
        (self.root / "workspace.toml").write_text(tomli_w.dumps(document))


def copy_bare(clone: Path, to: Path) -> None:
    """Do what `git clone --bare` does, without its process: how these got there is not what is tested."""
    shutil.copytree(clone / ".git", to)
    (to / "index").unlink()
    (to / "config").write_text((to / "config").read_text().replace("bare = false", "bare = true"))


def write_ref(git_dir: Path, ref: str, rev: str) -> None:
    (git_dir / ref).parent.mkdir(parents=True, exist_ok=True)
    (git_dir / ref).write_text(f"{rev}\n")


def enter(space: Odd, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in the workspace's folder, with TMPDIR and the cache in folders of its name."""
    for variable, place in (("TMPDIR", "tmp"), ("FLAKESYNC_CACHE", "cache")):
        (space.top / space.name / place).mkdir()
        monkeypatch.setenv(variable, str(space.top / space.name / place))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("FOO", "other")
    monkeypatch.chdir(space.root)


def make_others(space: Odd, home: Path) -> dict[Path, dict[str, bytes]]:
    """Make the same clones in the folders that the names would expand to; return what is in these folders."""
    others = [space.root / "other", space.top / "other", home / "lib", space.root / "~x" / "other", space.top / "A"]
    for folder in others:
        for name in space.names:
            if not (folder / name).exists():
                shutil.copytree(space.path(name), folder / name)
                write_ref(folder / name / ".git", UPDATE, space.tip(name))
    return {folder: contents(folder) for folder in others}


def run_all(flakesync: Flakesync, space: Odd, end: str, *options: str) -> None:
    """Run the pipeline to its end, `land` or `abandon`; every step has to do what it does anywhere."""

    def call(*argv: str, status: int = 0) -> dict[str, object]:
        ran = flakesync(*argv)
        assert ran.status == status, (argv, ran.out, ran.err)
        document: dict[str, object] = json.loads(ran.out)
        return document

    def statuses(*argv: str, status: int = 0) -> dict[str, str]:
        repos = call(*argv, "--json", status=status)["repos"]
        assert isinstance(repos, list)
        return {repo["repo"]: repo["status"] for repo in repos}

    def merge(name: str) -> None:
        """Merge an update branch, as a person does it."""
        update = ref_in(space.server(name), UPDATE)
        run_git("update-ref", "refs/heads/main", str(update), cwd=space.server(name))

    bases = {name: space.tip(name) for name in space.names}
    assert call("graph", "--json")["waves"] == [["lib"], ["app"]]
    call("drift", "--json", status=1)
    assert len(call("plan", "--json")["waves"]) == 2  # type: ignore[arg-type]
    assert statuses("sync", "--dry-run", *options) == {"lib": "updated", "app": "updated"}
    assert statuses("sync", *options) == {"lib": "updated", "app": "updated"}
    assert statuses("sync", *options) == {"lib": "unchanged", "app": "unchanged"}
    assert statuses("publish") == {"lib": "updated", "app": "updated"}
    published = {name: ref_in(space.server(name), UPDATE) for name in space.names}
    assert None not in published.values()
    assert space.locked("app", "lib", rev=published["app"])["rev"] == published["lib"]
    call("status", "--json")
    call("drift", "--at", "update", "--json")
    if end == "abandon":
        assert statuses("abandon") == {"lib": "abandoned", "app": "abandoned"}
        assert [ref_in(space.server(name), UPDATE) for name in space.names] == [None, None]
    else:
        merge("lib")
        assert statuses("land", status=EXIT_WAITING)["app"] == "waiting"
        assert ref_in(space.server("app"), UPDATE) != published["app"]  # locked to what lib has on its base now
        merge("app")
        assert statuses("land") == {}
        assert [ref_in(space.server(name), UPDATE) for name in space.names] == [None, None]
    assert {name: space.tip(name) for name in space.names} == bases
    assert list(Path(os.environ["TMPDIR"]).iterdir()) == []
    assert list((Path(os.environ["FLAKESYNC_CACHE"])).iterdir()) != []


@pytest.mark.parametrize("name", slow_but_quick([ALL, *NAMES]))
def test_a_workspace_is_synced_in_a_folder_of_any_name(
    tmp_path: Path, hermetic: Path, monkeypatch: pytest.MonkeyPatch, flakesync: Flakesync, name: str
) -> None:
    odd = Odd(tmp_path / "top", name)
    odd.write_manifest(mirrored=False)
    before = make_others(odd, hermetic)
    enter(odd, monkeypatch)
    run_all(flakesync, odd, "abandon")
    assert {folder: contents(folder) for folder in before} == before


@pytest.mark.parametrize("name", slow_but_quick([ALL, *UNPRINTABLE, "$FOO", "a b"]))
def test_mirrors_and_clones_land_below_a_folder_of_any_name(
    tmp_path: Path, hermetic: Path, monkeypatch: pytest.MonkeyPatch, flakesync: Flakesync, name: str
) -> None:
    odd = Odd(tmp_path / "top", name)
    odd.write_manifest(mirrored=True)
    before = make_others(odd, hermetic)
    enter(odd, monkeypatch)
    run_all(flakesync, odd, "land")
    assert {folder: contents(folder) for folder in before} == before


@pytest.mark.slow_but_newest
@pytest.mark.parametrize(
    "name", slow_but_quick([ALL, "a b", "$FOO", "it's", "%41", "#", "?", "~", "line\nfeed", "\udcff"])
)
def test_nix_takes_a_folder_of_any_name_or_it_is_told_which_one_it_cannot_take(
    outer_nix: RealNix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flakesync: Flakesync, name: str
) -> None:
    """The server lies in such a folder too, so that its name is in the locks."""
    odd = Odd(tmp_path / "top", name, f"{name}/served")
    odd.write_manifest(mirrored=False)
    for key, value in outer_nix.env().items():
        monkeypatch.setenv(key, value)
    enter(odd, monkeypatch)
    if outer_nix.version >= (2, 26) or name == "~":
        return run_all(flakesync, odd, "land", "--locker", "nix")
    ran = flakesync("sync", "--json", "--locker", "nix")
    assert ran.status == 1
    errors = [repo["error"] for repo in json.loads(ran.out)["repos"]]
    assert errors[0]["code"] == "nix-path"
    assert plain(str(odd.top / name / "tmp")) in errors[0]["message"]
    assert [odd.ref(each) for each in odd.names] == [None, None]
    return None


@pytest.mark.parametrize("name", NAMES)
def test_init_finds_what_lies_in_a_folder_of_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flakesync: Flakesync, name: str
) -> None:
    odd = Odd(tmp_path / "top", name, f"{name}/served")
    for each in odd.names:
        run_git("remote", "add", "origin", str(odd.server(each)), cwd=odd.path(each))
    enter(odd, monkeypatch)
    assert flakesync("init").status == 0
    found = tomllib.loads((odd.root / "workspace.toml").read_text())["repos"]
    assert {each: found[each] for each in odd.names} == {
        each: {"url": f"git+{odd.url(each)}", "path": f"{odd.inner}/{each}"} for each in odd.names
    }
    assert flakesync("graph").status == 0

"""External sources that native fetches itself, each once: from archives of forges, and by git; the locks are Nix's."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from flakesync.demo.forge.model import Kind
from flakesync.demo.forge.web.messages import Answer, Request
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.sync.lockers.native.archives import archive_url, read_archive
from flakesync.sync.lockers.native.sources import Sources
from flakesync.sync.lockers.native.values import NotNativeError
from flakesync.workspace.hosts import Hosts, find_token
from flakesync.workspace.model import ForgeSettings
from tests.forge.test_choose import workspace
from tests.support import repos
from tests.support.forge import Forge
from tests.support.forge.faults import Perform
from tests.support.forge.world import World, make_world
from tests.support.nix import RealNix

UPDATE = "flakesync/update"
SITES: list[tuple[str, Kind]] = [
    ("github.com", "github"),
    ("gitlab.com", "gitlab"),
    ("codeberg.org", "forgejo"),
    ("git.acme.example", "gitlab"),
]
SOURCES = {
    "hub": ("github.com", "acme/hub", "github:acme/hub"),
    "lab": ("gitlab.com", "acme/lab", "gitlab:acme/lab"),
    "own": ("git.acme.example", "acme/own", "gitlab:acme/own?host=git.acme.example"),
    "plain": ("codeberg.org", "acme/plain", "git+https://codeberg.org/acme/plain?ref=main"),
}
ATTRIBUTES = "tool export-ignore\n"
DAY_S = 86_400
REV = "a" * 40


def flake(**inputs: str) -> str:
    lines = "".join(f'  inputs.{name}.url = "{url}";\n' for name, url in inputs.items())
    return f"{{\n{lines}  outputs = _: {{ }};\n}}\n"


@pytest.fixture
def world(nix: RealNix, tmp_path: Path) -> Iterator[World]:
    """Sources on four forges, each of which takes `base`, and a repo that takes them all; they have all moved on."""
    with make_world(tmp_path, nix, SITES) as world:
        base = world.forge.site("github.com").create("acme/base")
        world.add("base", base, "https://github.com/acme/base", {"flake.nix": flake()}, lock=False)
        for name, (host, path, _) in SOURCES.items():
            files = {"flake.nix": flake(base="github:acme/base"), "tool": "exec:#!sh\n", "b/link": "link:../tool"}
            if name == "hub":
                files[".gitattributes"] = ATTRIBUTES
            world.add(name, world.forge.site(host).create(path), f"https://{host}/{path}", files)
        references = {name: reference for name, (_, _, reference) in SOURCES.items()}
        for name in ("app", "tool"):
            project = world.forge.site("github.com").create(f"acme/{name}")
            text = flake(**references).replace("outputs", 'inputs.lab.inputs.base.follows = "own/base";\n  outputs')
            world.add(name, project, f"https://github.com/acme/{name}", {"flake.nix": text})
        for name in SOURCES:
            repos.commit(world.clone(name), {"new.txt": name}, date=repos.DATE + DAY_S)
            world.git(name, "push", "-q", "origin", "main")
        world.manifest = {
            "workspace": {"name": "acme", "jobs": 2, "external": "latest"},
            "repos": {name: {"url": f"github:acme/{name}", "path": f"repos/{name}"} for name in ("app", "tool")},
        }
        yield world


def synced(world: World, locker: str) -> dict[str, str]:
    """Sync with a locker, take the update branches away, and return their commits."""
    document = world.flakesync("sync", "--locker", locker)
    assert document["locker"] == locker if locker == "native" else True
    commits = {}
    for name in ("app", "tool"):
        ref = world.clone(name) / ".git/refs/heads" / UPDATE
        commits[name] = ref.read_text().strip()
        ref.unlink()
    return commits


@pytest.mark.slow_but_newest
def test_the_commits_are_those_of_nix_and_each_source_is_fetched_once(world: World) -> None:
    world.forge.forget_log()
    native = synced(world, "native")
    asked = [str(exchange) for exchange in world.forge.log if re.search("archive|tarball", str(exchange))]
    assert len(asked) == len(set(asked)) == 3
    world.forge.forget_log()
    assert synced(world, "native") == native
    assert not [exchange for exchange in world.forge.log if re.search("archive|tarball", str(exchange))]
    assert synced(world, "nix") == native
    folder = world.root / "checkout"
    repos.run_git("clone", "-q", str(world.clone("app")), str(folder), cwd=world.root)
    repos.run_git("fetch", "-q", "origin", native["app"], cwd=folder)
    repos.run_git("checkout", "-q", native["app"], cwd=folder)
    with world.cold() as env:
        world.run_nix("flake", "archive", "--no-update-lock-file", cwd=folder, env=env)


@pytest.mark.parametrize(
    ("reference", "token", "url"),
    [
        (f"github:o/r/{REV}", False, f"https://github.com/o/r/archive/{REV}.tar.gz"),
        (f"github:o/r/{REV}", True, f"https://api.github.com/repos/o/r/tarball/{REV}"),
        (f"github:o/r/{REV}?host=ghe.acme.example", True, f"https://ghe.acme.example/api/v3/repos/o/r/tarball/{REV}"),
        (f"gitlab:o/r/{REV}", False, f"https://gitlab.com/api/v4/projects/o%2Fr/repository/archive.tar.gz?sha={REV}"),
        (f"sourcehut:~o/r/{REV}", False, f"https://git.sr.ht/~o/r/archive/{REV}.tar.gz"),
    ],
)
def test_archives_are_where_nix_looks_for_them(reference: str, token: bool, url: str) -> None:
    assert archive_url(FlakeRef.parse(reference), token=token) == url


def test_a_gitlab_subgroup_is_one_name() -> None:
    attrs = {"type": "gitlab", "owner": "a%2Fb", "repo": "r", "rev": REV}
    assert "/projects/a%2Fb%2Fr/" in archive_url(FlakeRef.from_attrs(attrs), token=False)


def test_tokens_go_to_their_own_hosts_only() -> None:
    settings = "access-tokens = git.acme.example=PAT:own\nextra-access-tokens = gitlab.com=OAuth2:lab"
    environ = {"GITHUB_TOKEN": "hub", "GITLAB_TOKEN": "other", "NIX_CONFIG": settings}
    hosts = Hosts(workspace(), environ)
    names = ("github.com", "gitlab.com", "git.acme.example", "ghe.acme.example", "git.sr.ht")
    assert [find_token(name, environ, hosts.account(name)) for name in names] == ["hub", "lab", "own", None, None]


def test_the_usual_token_of_a_forge_of_ones_own_does_not_go_to_the_public_one() -> None:
    environ = {"GITLAB_TOKEN": "own"}
    hosts = Hosts(workspace(forges={"git.acme.example": ForgeSettings(kind="gitlab")}), environ)
    assert find_token("git.acme.example", environ, hosts.account("git.acme.example")) == "own"
    assert find_token("gitlab.com", environ, hosts.account("gitlab.com")) is None


def private_archive(forge: Forge, token: str | None) -> tuple[FlakeRef, Hosts, str, str]:
    """Return a private project's reference, what is known of its host, its place, and that of another server."""
    project = forge.site("git.acme.example").create("acme/own", private=True)
    rev = repos.commit(project.storage.path, {"flake.nix": flake()})
    forge.site("git.acme.example").add_account("own-token")
    here, there = (f"localhost:{forge.open_port(host)}" for host in ("git.acme.example", "gitlab.com"))
    table = {here: ForgeSettings(kind="gitlab", token_env="OWN", ca_file=forge.certificates.ca)}
    hosts = Hosts(workspace(forges=table), {"OWN": token} if token else {})
    # No reference that Nix reads has a port in it; a test has no other way to have two servers.
    return FlakeRef("gitlab", {"owner": "acme", "repo": "own", "rev": rev, "host": here}), hosts, here, there


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Forge]:
    with Forge(tmp_path / "forge", SITES) as running:
        yield running


def test_a_private_archive_comes_with_the_token_of_its_host_and_from_its_authority(
    forge: Forge, tmp_path: Path
) -> None:
    ref, hosts, _, _ = private_archive(forge, "own-token")
    assert read_archive(ref, tmp_path / "cache", hosts, offline=False).files["flake.nix"] == flake().encode()


@pytest.mark.parametrize(
    ("token", "cure"),
    [
        (None, "put a token for {host} into OWN"),
        ("wr0ng-token", "is the token in OWN still valid, and may it read that repository?"),
    ],
)
def test_an_archive_that_is_refused_names_the_variable(
    forge: Forge, tmp_path: Path, token: str | None, cure: str
) -> None:
    ref, hosts, here, _ = private_archive(forge, token)
    with pytest.raises(NotNativeError) as caught:
        read_archive(ref, tmp_path / "cache", hosts, offline=False)
    assert caught.value.hint == cure.format(host=here)
    assert "wr0ng" not in caught.value.message


def test_an_archive_of_another_commit_is_refused_and_not_kept(forge: Forge, tmp_path: Path) -> None:
    ref, hosts, here, _ = private_archive(forge, "own-token")
    project = forge.site("git.acme.example").find("acme/own")
    assert project is not None
    other = repos.commit(project.storage.path, {"flake.nix": flake(), "other": "1"})
    argv = ["git", "archive", "--format=tar.gz", "--prefix=own/", other]
    sent = subprocess.run(argv, cwd=project.storage.path, check=True, capture_output=True).stdout
    forge.faults.add(lambda request, perform: Answer(200, sent, content_type="application/gzip"), times=2)
    for _ in range(2):
        with pytest.raises(NotNativeError, match=f"{here} has sent the commit {other}"):
            read_archive(ref, tmp_path / "cache", hosts, offline=False)
    assert read_archive(ref, tmp_path / "cache", hosts, offline=False).files["flake.nix"] == flake().encode()


def test_an_archive_that_names_no_commit_is_taken(forge: Forge, tmp_path: Path) -> None:
    # Of a tree git writes no commit into it, as some forges do not of any.
    ref, hosts, _, _ = private_archive(forge, "own-token")
    project = forge.site("git.acme.example").find("acme/own")
    assert project is not None
    whole = read_archive(ref, tmp_path / "cache", hosts, offline=False)
    argv = ["git", "archive", "--format=tar.gz", "--prefix=own/", f"{ref.rev}^{{tree}}"]
    sent = subprocess.run(argv, cwd=project.storage.path, check=True, capture_output=True).stdout
    forge.faults.add(lambda request, perform: Answer(200, sent, content_type="application/gzip"))
    found = read_archive(ref, tmp_path / "another", hosts, offline=False)
    assert (found.nar_hash, found.files) == (whole.nar_hash, whole.files)


def test_what_is_no_archive_is_refused(forge: Forge, tmp_path: Path) -> None:
    ref, hosts, _, _ = private_archive(forge, "own-token")
    forge.faults.add(lambda request, perform: Answer(200, b"<html>", content_type="application/gzip"))
    with pytest.raises(NotNativeError, match=f"{re.escape(str(ref))}: the archive cannot be read"):
        read_archive(ref, tmp_path / "cache", hosts, offline=False)


def test_a_private_source_of_git_is_asked_for_with_the_token_of_its_host(forge: Forge, tmp_path: Path) -> None:
    ref, hosts, here, _ = private_archive(forge, "own-token")
    source = FlakeRef.parse(f"git+https://{here}/acme/own?ref=main")
    found = Sources({}, [], tmp_path / "cache", hosts=hosts).newest(source)
    assert found.locked({})["rev"] == ref.rev
    with pytest.raises(NotNativeError):
        Sources({}, [], tmp_path / "cache").newest(source)


def test_offline_an_archive_that_is_not_here_says_what_to_do(tmp_path: Path) -> None:
    ref = FlakeRef.parse(f"github:acme/lib/{'a' * 40}")
    with pytest.raises(NotNativeError) as caught:
        read_archive(ref, tmp_path / "cache", None, offline=True)
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("run without --offline; ")


@pytest.mark.parametrize("login", ["token", "netrc"])
def test_no_login_goes_to_the_server_that_an_archive_is_redirected_to(
    forge: Forge, tmp_path: Path, hermetic: Path, login: str
) -> None:
    ref, hosts, here, there = private_archive(forge, "own-token" if login == "token" else None)
    if login == "netrc":
        # For one port of the machine it is for all of them: a netrc knows names only.
        (hermetic / ".netrc").write_text("machine localhost login me password own-token\n")
        there = there.replace("localhost", "127.0.0.1")

    def send_on(request: Request, perform: Perform) -> Answer:
        if request.authority != here:
            return perform()
        return Answer(302, b"", (("Location", f"https://{there}{request.target}"),), "text/html")

    forge.faults.add(send_on, times=None)
    with pytest.raises(NotNativeError):
        read_archive(ref, tmp_path / "cache", hosts, offline=False)
    logins = {exchange.request.authority: exchange.request.secret for exchange in forge.log}
    assert logins == {here: "own-token", there: None}

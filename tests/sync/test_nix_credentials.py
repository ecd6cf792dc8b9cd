"""Real Nix on private inputs: it logs in with the tokens that flakesync has, and no other server sees them.

Everything runs in a network where the forges have their real names.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import tomli_w

from flakesync.demo.forge.model import Kind
from flakesync.demo.forge.web import smart_http
from flakesync.demo.forge.web.messages import Answer, Request
from flakesync.nix.lock.file import LockFile
from flakesync.sync.lockers import FromServer, Move
from flakesync.sync.lockers.nix import override_reference, with_login
from flakesync.terms import Rev
from tests.support import repos
from tests.support.forge.faults import Perform
from tests.support.forge.world import Json, World, make_world
from tests.support.nix import RealNix
from tests.support.private import command_lines

SITES: list[tuple[str, Kind]] = [
    ("github.com", "github"),
    ("gitlab.com", "gitlab"),
    ("codeberg.org", "forgejo"),
    ("git.acme.example", "forgejo"),
]
SOURCES = {
    "hub": ("github.com", "github:acme/hub"),
    "lab": ("gitlab.com", "gitlab:acme/lab"),
    "plain": ("codeberg.org", "git+https://codeberg.org/acme/plain?ref=main"),
}
# No other test's: it is looked for in the command lines of all processes.
TOKEN = "t0ken-of-the-nightly-run"
TOKENS = {"GITHUB_TOKEN": TOKEN, "GITLAB_TOKEN": TOKEN, "FORGEJO_TOKEN": TOKEN}
PASSWORD = "pa55word-of-the-nightly-run"
LOGIN = f"https://me:{PASSWORD}@codeberg.org/acme/plain"
OVERRIDE = "\0--override-input\0"
DAY_S = 86_400


@dataclass
class Setting:
    """`app` is known by its address and takes sources of which each has moved on; all of them are private."""

    world: World
    references: Mapping[str, str]
    processes: set[str] = field(default_factory=set)

    def sync(self, *argv: str, env: Mapping[str, str], status: int = 0) -> Json:
        """Run sync; return the outcome of app. env: tokens; the user has set up nothing for git or Nix."""
        world = self.world
        (world.root / "workspace.toml").write_text(tomli_w.dumps(world.manifest))
        base = {name: value for name, value in world.env.items() if not name.startswith("GIT_CONFIG")}
        done = world.net.flakesync("sync", "--json", *argv, cwd=world.root, env={**base, **env})
        assert done.returncode == status, done.stdout + done.stderr
        assert TOKEN not in done.stdout + done.stderr
        (outcome,) = json.loads(done.stdout)["repos"]
        return dict(outcome)

    def lock(self, outcome: Json) -> LockFile:
        """Return the lock that was written."""
        (mirror,) = (Path(self.world.env["XDG_CACHE_HOME"]) / "flakesync/mirrors").glob("*/")
        return LockFile.parse(repos.run_git("show", f"{outcome['commit']}:flake.lock", cwd=mirror).encode())

    def rev(self, name: str) -> str:
        """Return the newest commit of a source."""
        return repos.run_git("rev-parse", "main", cwd=self.world.clone(name))


def flake(inputs: Mapping[str, str]) -> str:
    lines = "".join(f'  inputs.{name}.url = "{url}";\n' for name, url in inputs.items())
    return f"{{\n{lines}  outputs = _: {{ }};\n}}\n"


def hint(outcome: Json) -> object:
    error = outcome["error"]
    assert isinstance(error, dict)
    return error["hint"]


def make(world: World, references: Mapping[str, str]) -> Setting:
    places = {**{name: host for name, (host, _) in SOURCES.items() if name in references}, "app": "github.com"}
    for name, host in places.items():
        project = world.forge.site(host).create(f"acme/{name}")
        text = flake(references if name == "app" else {})
        world.add(name, project, f"https://{host}/acme/{name}", {"flake.nix": text}, lock=name == "app")
    for site in world.forge.sites.values():
        site.add_account(TOKEN)
    for name, host in places.items():
        if name != "app":
            repos.commit(world.clone(name), {"new.txt": name}, date=repos.DATE + DAY_S)
            world.git(name, "push", "-q", "origin", "main")
        world.forge.site(host).projects[f"acme/{name}"].private = True
    world.manifest = {
        "workspace": {"name": "acme", "jobs": 1, "author": "Bot <bot@acme.example>", "external": "latest"},
        "repos": {"app": {"url": "github:acme/app"}},
    }
    world.forge.forget_log()
    setting = Setting(world, references)

    def look(request: Request, perform: Perform) -> Answer:
        setting.processes |= set(command_lines())
        return perform()

    world.forge.faults.add(look, times=None)
    return setting


@pytest.fixture
def world(any_nix: RealNix, tmp_path: Path) -> Iterator[World]:
    with make_world(tmp_path, any_nix, SITES) as world:
        yield world


@pytest.mark.parametrize("argv", [("--locker", "nix"), ("--verify",), ("--locker", "native")], ids=" ".join)
def test_private_inputs_are_locked_with_the_tokens_alone(world: World, argv: tuple[str, ...]) -> None:
    setting = make(world, {name: reference for name, (_, reference) in SOURCES.items()})
    world.manifest["forges"] = {"codeberg.org": {"kind": "forgejo"}}
    outcome = setting.sync(*argv, env=TOKENS)
    assert outcome["status"] == "updated", outcome
    lock = setting.lock(outcome)
    for name in SOURCES:
        node = lock.node((name,))
        assert node is not None
        assert (node.locked or {}).get("rev") == setting.rev(name)
    assert "native" in argv or any(OVERRIDE in line for line in setting.processes)
    assert not [line for line in setting.processes if TOKEN in line]
    cache = Path(world.env["XDG_CACHE_HOME"])
    assert not [path for path in cache.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]


def test_access_tokens_of_the_user_count_before_the_variables(world: World) -> None:
    setting = make(world, {"hub": SOURCES["hub"][1]})
    world.forge.site("github.com").add_account("of-nix")
    config = {"NIX_CONFIG": f"{world.env['NIX_CONFIG']}access-tokens = github.com=of-nix\n"}
    assert setting.sync("--locker", "nix", env={**TOKENS, **config})["status"] == "updated"
    asked = [each.request for each in world.forge.requests(host="api.github.com")]
    assert {request.secret for request in asked} == {"of-nix"}


@pytest.mark.parametrize("locker", ["auto", "nix", "native"])
@pytest.mark.parametrize(
    ("name", "variables"),
    [("hub", "GITHUB_TOKEN or GH_TOKEN"), ("lab", "GITLAB_TOKEN"), ("plain", "ACME_TOKEN")],
)
def test_what_cannot_be_fetched_without_a_token_names_the_variable(
    world: World, locker: str, name: str, variables: str
) -> None:
    host, reference = SOURCES[name]
    setting = make(world, {name: reference})
    # A commit that is named is not asked for, only fetched; and the repo itself may be read.
    world.manifest["workspace"]["external"] = "hold"
    world.manifest["pins"] = {"it": {"source": reference, "target": setting.rev(name)}}
    world.manifest["forges"] = {"codeberg.org": {"kind": "forgejo", "token-env": "ACME_TOKEN"}}
    world.forge.site("github.com").projects["acme/app"].private = False
    outcome = setting.sync("--locker", locker, env={}, status=1)
    assert hint(outcome) == f"put a token for {host} into {variables}", outcome
    refused = dict.fromkeys(("GITHUB_TOKEN", "GITLAB_TOKEN", "ACME_TOKEN"), "wr0ng-token")
    outcome = setting.sync("--locker", locker, env=refused, status=1)
    first = variables.split()[0]
    assert hint(outcome) == f"is the token in {first} still valid, and may it read that repository?", outcome
    assert "wr0ng" not in json.dumps(outcome)


def send_on(world: World, to: str) -> None:
    """Let codeberg.org send git on to another server, once it has logged in."""
    other = world.forge.site(to).create("acme/plain")
    repos.put_on_server(world.clone("plain"), other.storage.path, f"https://{to}/acme/plain")

    def action(request: Request, perform: Perform) -> Answer:
        if request.host != "codeberg.org" or not request.path.startswith("/acme/plain"):
            return perform()
        if request.secret is None:
            return smart_http.ask_for_password()
        return Answer(301, b"", (("Location", f"https://{to}{request.target}"),), "text/html")

    world.forge.faults.clear()
    world.forge.faults.add(action, path="info/refs", times=None)


@pytest.mark.parametrize(("locker", "login"), [("nix", "token"), ("nix", "userinfo"), ("native", "token")])
def test_no_login_goes_to_the_server_that_a_redirect_leads_to(world: World, locker: str, login: str) -> None:
    reference = SOURCES["plain"][1] if login == "token" else f"git+{LOGIN}?ref=main"
    world.forge.site("codeberg.org").add_account(PASSWORD)
    setting = make(world, {"plain": reference})
    send_on(world, "git.acme.example")
    env = {"GITHUB_TOKEN": TOKEN} | ({"FORGEJO_TOKEN": TOKEN} if login == "token" else {})
    world.manifest["forges"] = {"codeberg.org": {"kind": "forgejo", "token-env": "FORGEJO_TOKEN"}}
    world.manifest["pins"] = {"it": {"source": SOURCES["plain"][1], "target": setting.rev("plain")}}
    world.manifest["workspace"]["external"] = "hold"
    # After the login git goes on at the first server, and the sync may fail; what counts is who has seen what.
    with contextlib.suppress(AssertionError):
        setting.sync("--locker", locker, env=env)
    secrets = {each.request.secret for each in world.forge.requests(host="codeberg.org")}
    assert (TOKEN if login == "token" else PASSWORD) in secrets
    assert {each.request.secret for each in world.forge.requests(host="git.acme.example")} <= {None}


def test_a_password_in_an_address_stays_in_the_lock_and_is_in_no_list_of_processes(world: World) -> None:
    unseen = "pa55word-of-this-test-alone"
    login = LOGIN.replace(PASSWORD, unseen)
    world.forge.site("codeberg.org").add_account(unseen)
    setting = make(world, {"plain": f"git+{login}?ref=main"})
    found = setting.sync("--locker", "nix", env=TOKENS)
    assert found["status"] == "updated", found
    node = setting.lock(found).node(("plain",))
    assert node is not None
    assert (node.locked or {})["url"] == login
    assert (node.locked or {})["rev"] == setting.rev("plain")
    assert any(OVERRIDE in line for line in setting.processes)
    assert not [line for line in setting.processes if unseen in line]


def test_an_address_in_a_lock_has_its_login_once(world: World) -> None:
    world.forge.site("codeberg.org").add_account(PASSWORD)
    make(world, {"plain": f"git+{LOGIN}?ref=main"})
    clone = world.clone("app")
    data = (clone / "flake.lock").read_bytes()
    original = LockFile.parse(data).node(("plain",))
    assert original is not None
    rev = Rev(repos.run_git("rev-parse", "main", cwd=world.clone("plain")))
    source = FromServer(rev, "main")
    move = Move(("plain",), original.original or {}, original.locked or {}, source)
    moved = {**(original.locked or {}), "rev": rev}
    for url in (LOGIN, LOGIN.replace(f"me:{PASSWORD}@", "")):
        lock = LockFile.parse(data).replace(("plain",), locked={**moved, "url": url})
        node = with_login(lock, move, override_reference(move)).node(("plain",))
        assert node is not None
        assert (node.locked or {})["url"] == LOGIN

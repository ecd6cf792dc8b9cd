"""`flakesync audit --level forge` as it is met on a command line, on a forge of each kind."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flakesync.demo.forge.model import Kind
from tests.support import forked, locks
from tests.support.forge import Forge, faults
from tests.support.forge.client import HOSTS
from tests.support.locks import Input

TOKEN = "s3cret-token"
RULES = ("moved", "archived")
APIS = {"github": "", "gitlab": "/api/v4", "forgejo": "/api/v1"}


@dataclass
class Ground:
    """A workspace of plain folders, whose locks take repositories of a forge by https."""

    root: Path
    forge: Forge
    kind: Kind
    port: int
    repos: dict[str, dict[str, object]] = field(default_factory=dict)

    def url(self, path: str) -> str:
        return f"https://localhost:{self.port}/{path}"

    def write(self, name: str, **inputs: str | Input) -> None:
        """Write a repo that takes these repositories."""
        made = {key: locks.git(self.url(each)) if isinstance(each, str) else each for key, each in inputs.items()}
        (self.root / name).mkdir()
        (self.root / name / "flake.nix").write_text("{ outputs = _: { }; }")
        (self.root / name / "flake.lock").write_text(json.dumps(locks.lock(made)))
        self.repos[name] = {"path": name}

    def manifest(self) -> None:
        """Write the manifest; of TOML only what JSON writes in the same way."""
        lines = ['[workspace]\nname = "acme"', f'[forges."localhost:{self.port}"]', f'kind = "{self.kind}"']
        lines += [f'api = "{self.url("")[:-1]}{APIS[self.kind]}"', 'token-env = "THE_TOKEN"']
        lines += [f'ca-file = "{self.forge.certificates.ca}"']
        for name, keys in self.repos.items():
            lines += [f"[repos.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]
        (self.root / "workspace.toml").write_text("\n".join(lines) + "\n")

    def run(self, *argv: str, token: str | None = TOKEN) -> tuple[int, str, str]:
        self.manifest()
        more = {"THE_TOKEN": token} if token is not None else {}
        done = forked.flakesync("audit", *argv, cwd=self.root, env={**os.environ, **more})
        assert "Traceback" not in done.stderr
        assert TOKEN not in done.stdout + done.stderr
        return done.returncode, done.stdout, done.stderr

    def report(self, *argv: str, token: str | None = TOKEN) -> Mapping[str, list[dict[str, object]]]:
        status, out, err = self.run(*RULES, "--json", *argv, token=token)
        assert status == 0, err
        found: Mapping[str, list[dict[str, object]]] = json.loads(out)
        return found

    def found(self, *argv: str, token: str | None = TOKEN) -> list[tuple[object, ...]]:
        return [
            (each["rule"], each["severity"], each["repo"], each["input"])
            for each in self.report("--level", "forge", *argv, token=token)["findings"]
        ]


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Forge]:
    with Forge(tmp_path / "forge", [(host, kind) for kind, host in HOSTS.items()]) as forge:
        yield forge


@pytest.fixture(params=list(HOSTS))
def ground(request: pytest.FixtureRequest, tmp_path: Path, forge: Forge) -> Ground:
    return make_ground(tmp_path, forge, request.param)


def make_ground(tmp_path: Path, forge: Forge, kind: Kind) -> Ground:
    """Make a workspace with `old`, which moved from acme to corp, `dead`, which is archived, and `fine`."""
    site = forge.sites[HOSTS[kind]]
    site.add_account(TOKEN, "bot", "read")
    for name in ("old", "dead", "fine"):
        site.create(f"acme/{name}")
    site.move("acme/old", "corp/new")
    dead = site.find("acme/dead")
    assert dead is not None
    dead.archived = True
    (tmp_path / "ws").mkdir()
    made = Ground(tmp_path / "ws", forge, kind, forge.open_port(HOSTS[kind]))
    below = locks.Input(*_attrs(made.url("acme/fine")), inputs={"deep": locks.git(made.url("acme/dead.git"))})
    made.write("app", old="acme/old", fine=below)
    made.write("site", fine="acme/fine")
    return made


def _attrs(url: str) -> tuple[locks.Json, locks.Json]:
    made = locks.git(url)
    return made.locked, made.original


def test_what_moved_and_what_is_archived_is_found_at_any_depth(ground: Ground) -> None:
    assert ground.found() == [("archived", "low", "app", "fine/deep"), ("moved", "low", "app", "old")]
    assert "unchecked" in ground.report("--level", "forge")
    assert ground.report("--level", "forge")["unchecked"] == []


def test_channels_and_archives_of_nobody_s_repository_leave_nothing_unchecked(ground: Ground) -> None:
    ground.write(
        "channels",
        nixpkgs=locks.tarball("https://channels.nixos.org/nixos-unstable/nixexprs.tar.xz"),
        flakehub=locks.tarball("https://api.flakehub.com/f/pinned/acme/lib/1.0.0/x/source.tar.gz"),
        released=locks.tarball(ground.url("acme/fine/releases/download/v1/fine.tar.gz")),
        folder=locks.folder("/home/me/lib", {}, old=True),
    )
    assert ground.run(*RULES, "--level", "forge", "--strict", "--repo", "channels")[0] == 0
    assert ground.report("--level", "forge", "--repo", "channels")["unchecked"] == []
    assert ground.forge.log == []


def test_each_repository_is_asked_about_once_a_day_however_often_it_is_locked(ground: Ground) -> None:
    ground.found()
    ground.found()
    moved = 2  # the redirect, and what it leads to
    assert len(ground.forge.log) == 2 + moved


def test_below_the_level_of_forges_nobody_is_asked(ground: Ground) -> None:
    for level in ("offline", "mirror"):
        assert ground.report("--level", level)["findings"] == []
    assert ground.forge.log == []


def test_rules_that_forges_say_nothing_of_ask_nobody(ground: Ground) -> None:
    assert ground.run("unlocked", "--level", "forge")[0] == 0
    assert ground.forge.log == []


def test_offline_what_was_kept_is_all_there_is(ground: Ground) -> None:
    unchecked = ground.report("--level", "forge", "--offline")["unchecked"]
    assert {each["reason"] for each in unchecked} == {f"localhost:{ground.port} was not asked"}
    assert ground.forge.log == []
    found = ground.found()
    asked = len(ground.forge.log)
    assert ground.found("--offline") == found
    assert len(ground.forge.log) == asked


def test_an_alias_of_a_repo_of_the_workspace_is_no_finding(ground: Ground) -> None:
    ground.write("new")
    ground.repos["new"] |= {"url": f"git+{ground.url('corp/new')}", "aliases": [f"git+{ground.url('acme/old')}"]}
    assert [each[0] for each in ground.found("--repo", "app")] == ["archived"]


def test_a_limit_is_said_and_is_no_finding_and_strict_makes_it_a_failure(tmp_path: Path, forge: Forge) -> None:
    ground = make_ground(tmp_path, forge, "github")
    forge.faults.add(faults.primary_limit(3_000), times=None)
    status, out, err = ground.run(*RULES, "--level", "forge", token=None)
    assert (status, err) == (0, "")
    assert "has answered as many questions as its rate limit allows" in " ".join(out.split())
    assert "THE_TOKEN" in out
    assert ground.run(*RULES, "--level", "forge", "--strict", token=None)[0] == 1


def test_a_forge_that_nobody_reaches_is_no_end(ground: Ground) -> None:
    ground.forge.stop()
    report = ground.report("--level", "forge")
    assert report["findings"] == []
    assert len(report["unchecked"]) == 2 * 4

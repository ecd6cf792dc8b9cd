"""Inputs that seem to be a repo of the workspace under another address are named, and never taken for it."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import tomli_w

from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.survey.lookalikes import find_lookalikes
from flakesync.survey.read import read_survey
from flakesync.workspace.manifest import load_workspace
from tests.support import locks, repos
from tests.support.locks import Input
from tests.support.workspaces import Flakes, Scene, pin, repo, scene

FLAKE = {"flake.nix": "{ outputs = _: { }; }"}
SSH = "git+ssh://git@g.example.com:2222/acme/lib"
HTTPS = "https://g.example.com/acme/lib"


def known_as(url: str, taken: Input, *, aliases: tuple[str, ...] = ()) -> Scene:
    """Return a scene of `lib`, known by `url`, and `app`, which takes `taken`."""
    return scene({"lib": {".": None}, "app": {"lib": taken}}, repos={"lib": repo("lib", url=url, aliases=aliases)})


@pytest.mark.parametrize(
    ("url", "taken", "line"),
    [
        (SSH, locks.git(HTTPS), f"git+{HTTPS}"),
        (SSH, locks.git(f"{HTTPS}.git", ref="main"), f"git+{HTTPS}.git"),
        (f"git+{HTTPS}", locks.git("ssh://git@g.example.com:2222/acme/lib"), SSH),
        ("git+https://g.example.com:8443/acme/lib", locks.git("ssh://git@g.example.com:2222/acme/lib"), SSH),
        ("git+ssh://git@github.com:2222/acme/lib", locks.github("Acme", "Lib", ref="v1"), "github:Acme/Lib"),
    ],
)
def test_an_address_that_differs_in_its_port_is_named_with_the_line_to_write(url: str, taken: Input, line: str) -> None:
    snapshot = known_as(url, taken).snapshot()
    (text,) = find_lookalikes(snapshot)
    assert text.startswith(f"app takes {FlakeRef.parse(line)}, the address of lib ({url}) but for the port: ")
    assert text.endswith(f'write `aliases = ["{line}"]` under [repos.lib]')
    assert list(find_lookalikes(known_as(url, taken, aliases=(line,)).snapshot())) == []


@pytest.mark.parametrize(
    "other", [HTTPS.replace("acme", "other"), HTTPS.replace("g.example", "h.example"), f"{HTTPS}-2", HTTPS.upper()]
)
def test_another_path_or_host_is_another_repository(other: str) -> None:
    assert list(find_lookalikes(known_as(SSH, locks.git(other)).snapshot())) == []


def test_a_repo_that_has_aliases_gets_one_more() -> None:
    (text,) = find_lookalikes(known_as(SSH, locks.git(HTTPS), aliases=("github:acme/lib",)).snapshot())
    assert text.endswith(f'add "git+{HTTPS}" to `aliases` of [repos.lib]')


def test_all_that_take_it_are_one_sentence() -> None:
    flakes: dict[str, Flakes] = {"lib": {".": None}}
    flakes |= {f"r{number}": {".": locks.lock({"lib": locks.git(HTTPS)})} for number in range(6)}
    (text,) = find_lookalikes(scene(flakes, repos={"lib": repo("lib", url=SSH)}).snapshot())
    assert text.startswith(f"r0, r1, r2 and 3 more take git+{HTTPS}, ")


def test_what_a_pin_pins_is_no_lookalike() -> None:
    found = scene(
        {"lib": {".": None}, "app": {"lib": locks.git(HTTPS)}},
        repos={"lib": repo("lib", url=SSH)}, pins=[pin("lib", f"git+{HTTPS}")],
    )  # fmt: skip
    assert list(find_lookalikes(found.snapshot())) == []


class Renamed(SimpleHTTPRequestHandler):
    """A web server with the files of bare repositories, where `old` has been renamed to `new`."""

    def do_GET(self) -> None:
        if self.path.startswith("/old/"):
            self.send_response(301)
            self.send_header("Location", self.path.replace("/old/", "/new/", 1))
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a server on which `old/lib` is now `new/lib`."""
    bare = tmp_path / "web/new/lib"
    repos.make_bare(bare, FLAKE)
    repos.run_git("update-server-info", cwd=bare)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Renamed, directory=str(tmp_path / "web"))) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{web.server_port}"
        web.shutdown()


def notes_of(root: Path, url: str, taken: str, *, cloned: bool) -> list[str]:
    """Return what is noted of `lib` at `url`, and `app` that takes `taken`."""
    lock = locks.to_bytes(locks.lock({"lib": locks.git(taken)})).decode()
    repos.make_repo(root / "app", {**FLAKE, "flake.lock": lock})
    if cloned:
        repos.run_git("clone", "-q", str(root / "web/new/lib"), str(root / "lib"), cwd=root)
    tables = {"lib": {"url": f"git+{url}"} | ({"path": "lib"} if cloned else {}), "app": {"path": "app"}}
    (root / "workspace.toml").write_text(tomli_w.dumps({"repos": tables}))
    notes: list[str] = []
    read_survey(load_workspace(root / "workspace.toml"), note=notes.append)
    return notes


@pytest.mark.parametrize("cloned", [False, True])
def test_a_repo_whose_server_leads_elsewhere_is_named_with_its_new_address(
    tmp_path: Path, server: str, cloned: bool
) -> None:
    (text,) = notes_of(tmp_path, f"{server}/old/lib", f"{server}/new/lib", cloned=cloned)
    assert text == (
        f"lib: its server leads git+{server}/old/lib to git+{server}/new/lib: inputs that name it so are not taken for "
        f'lib yet, write `aliases = ["git+{server}/new/lib"]` under [repos.lib]'
    )


def test_an_input_whose_server_leads_to_a_repo_is_named_with_its_old_address(tmp_path: Path, server: str) -> None:
    (text,) = notes_of(tmp_path, f"{server}/new/lib", f"{server}/old/lib", cloned=False)
    assert text == (
        f"app takes git+{server}/old/lib, which its server leads to lib (git+{server}/new/lib): "
        f'write `aliases = ["git+{server}/old/lib"]` under [repos.lib]'
    )


def test_a_fork_of_the_same_name_is_somebody_elses(tmp_path: Path, server: str) -> None:
    repos.clone_bare(tmp_path / "web/new/lib", tmp_path / "web/fork/lib")
    repos.run_git("update-server-info", cwd=tmp_path / "web/fork/lib")
    assert notes_of(tmp_path, f"{server}/new/lib", f"{server}/fork/lib", cloned=False) == []

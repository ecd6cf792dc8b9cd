"""`--offline`: nothing of flakesync, and no git that it starts, asks a server."""

import shlex
import shutil
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from flakesync.errors import FlakesyncError, GitError
from flakesync.git import process
from flakesync.git.remotes.remote import ls_remote
from flakesync.net.http import Web
from flakesync.net.wall import offline, require_online
from tests.cli.conftest import command, environment
from tests.support import locks, repos
from tests.support.workspaces import make_ground, takes

COMMANDS = [
    ("graph",),
    ("graph", "--at", "update"),
    ("drift",),
    ("audit",),
    ("audit", "--level", "forge"),
    ("sbom",),
    ("inputs",),
    ("why", "app"),
    ("plan", "--out", "plan.json"),
    ("task", "lib", "--plan", "plan.json", "--locker", "native"),
    ("task", "app", "--plan", "plan.json", "--locker", "native"),
    ("collect", "--plan", "plan.json"),
    ("follow",),
    ("move", "--check"),
    ("status",),
    ("doctor",),
    ("report", "page", "--history", "https://acme.test/history.jsonl"),
    ("bisect", "app", "--locker", "native", "--run", "true"),
    ("sync", "--locker", "native", "--dry-run"),
    ("sync", "--locker", "native"),
]
WATCH = """\
import os, sys

def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        with open(os.environ["CONTACTS"], "a") as file:
            file.write(f"{event} {args[1:]}\\n")
        raise OSError("there is no network in this test")

sys.addaudithook(watch)
"""


def ask(url: str) -> None:
    with Web(connect_s=5, read_s=5) as web, web.open("GET", url, headers={}, limit_bytes=0):
        pass


def test_behind_the_wall_no_request_is_made_in_any_thread(tmp_path: Path) -> None:
    codes: list[str] = []

    def contact() -> None:
        for act in (lambda: ask("https://forge.test/x"), lambda: ls_remote(str(tmp_path), None)):
            with pytest.raises(FlakesyncError) as caught:
                act()
            codes.append(caught.value.code)

    with offline(True), offline(False):
        thread = threading.Thread(target=contact)
        thread.start()
        thread.join()
    assert codes == ["offline", "offline"]
    require_online("forge.test", FlakesyncError)


def test_an_error_behind_the_wall_is_of_the_kind_that_its_callers_know() -> None:
    with offline(True), pytest.raises(GitError, match=r"https://forge\.test/x is not asked"):
        ls_remote("https://me:s3cret@forge.test/x", None)


def test_git_fetches_nothing_that_a_partial_clone_lacks(tmp_path: Path) -> None:
    rev = repos.make_bare(tmp_path / "lib.git", {"x": "1"})
    repos.run_git("config", "uploadpack.allowFilter", "true", cwd=tmp_path / "lib.git")
    clone = tmp_path / "clone"
    argv = ["clone", "-q", "--bare", "--filter=blob:none", f"file://{tmp_path}/lib.git", str(clone)]
    repos.run_git(*argv, cwd=tmp_path)
    with offline(True):
        assert process.git(["cat-file", "-p", f"{rev}:x"], cwd=clone, check=False).status != 0
    assert process.git(["cat-file", "-p", f"{rev}:x"], cwd=clone).text == "1"


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """A workspace that would ask all kinds of servers: mirrors, pins by git and by http, external inputs, a forge."""
    pkgs = locks.github("acme-pkgs", "nixpkgs", rev=locks.rev_of("pkgs"), ref="main", last_modified=5)
    old = locks.github("acme-pkgs", "nixpkgs", rev=locks.rev_of("old"), ref="main", last_modified=4)
    channel = locks.tarball("https://channels.test/x.tar.gz")
    tool = locks.git("https://forge.test/acme/tool", rev=locks.rev_of("tool"), ref="main")
    flakes = {
        "lib": {"nixpkgs": pkgs, "channel": channel, "tool": tool},
        "app": {"lib": takes("lib"), "nixpkgs": old},
    }
    ground = make_ground(
        tmp_path,
        flakes,
        settings={"external": "latest"},
        pins={
            "nixpkgs": {"source": "github:acme-pkgs/nixpkgs/main"},
            "channel": {"source": "https://channels.test/x.tar.gz"},
        },
        mirrored=["lib"],
    )
    return ground.manifest


def run(manifest: Path, *argv: str) -> tuple[int, str, list[str]]:
    """Return the exit status of a command, what it said, and its contacts: of Python, and by git."""
    folder = manifest.parent / "watched"
    folder.mkdir(exist_ok=True)
    contacts, said = folder / "contacts", folder / "git"
    (folder / "sitecustomize.py").write_text(WATCH)
    real = shutil.which("git")
    assert real is not None
    script = f'#!/bin/sh\nprintf "%s\\n" "git $*" >> {shlex.quote(str(said))}\nexec {shlex.quote(real)} "$@"\n'
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin/git").write_text(script)
    (folder / "bin/git").chmod(stat.S_IRWXU)
    for file in (contacts, said):
        file.write_text("")
    env = environment()
    env |= {
        "PYTHONPATH": f"{folder}:{env['PYTHONPATH']}",
        "PATH": f"{folder / 'bin'}:{env['PATH']}",
        "CONTACTS": str(contacts),
    }
    ran = subprocess.run(
        command(*argv), cwd=manifest.parent, env=env, capture_output=True, text=True, check=False, timeout=240
    )
    words = ("ls-remote", " fetch ", " push ")
    asked = [line for line in said.read_text().splitlines() if any(word in line for word in words)]
    return ran.returncode, ran.stdout + ran.stderr, [*contacts.read_text().splitlines(), *asked]


def test_no_command_contacts_anybody_with_offline(manifest: Path) -> None:
    assert any("ls-remote" in line for line in run(manifest, "graph")[2])
    for argv in COMMANDS:
        status, said, contacts = run(manifest, *argv, "--offline")
        assert (status in (0, 1), contacts) == (True, []), said
        assert "error[bug]" not in said


def test_the_watch_sees_a_contact(manifest: Path) -> None:
    assert any(line.startswith("socket.") for line in run(manifest, "drift")[2])

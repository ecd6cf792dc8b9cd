"""A repo taken as its forge's archive: moved to the archive of the commit on its base, as Nix would lock it."""

import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest

from tests.support import repos
from tests.support.nix import RealNix
from tests.support.nixspace import UPDATE, drift_of, read, ref_in, run_sync

FLAKE = "{ outputs = _: { }; }"


class Forge(ThreadingHTTPServer):
    """Serves `/acme/lib/archive/REF.tar.gz` from a repository, as Forgejo does. links: whether it names the commit."""

    links = True

    def __init__(self, path: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.path = path
        self.url = f"http://127.0.0.1:{self.server_port}/acme/lib"


class _Handler(BaseHTTPRequestHandler):
    server: Forge

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        name, kind = unquote(self.path).partition("?")[0].removeprefix("/acme/lib/archive/"), "tar.gz"
        if name.endswith(".zip"):
            kind = "zip"
        ref = name.removesuffix(f".{kind}")
        git = ["git", "-C", str(self.server.path)]
        found = subprocess.run([*git, "rev-parse", "--verify", f"{ref}^{{commit}}"], capture_output=True, text=True)
        if found.returncode != 0:
            self.send_error(404)
            return
        rev = found.stdout.strip()
        data = subprocess.run(
            [*git, "archive", f"--format={kind}", "--prefix=lib/", rev], capture_output=True, check=True
        ).stdout
        self.send_response(200)
        if self.server.links:
            self.send_header("Link", f'<{self.server.url}/archive/{rev}.{kind}?rev={rev}>; rel="immutable"')
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def forge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Forge]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    repos.make_repo(tmp_path / "lib", {"flake.nix": FLAKE})
    with Forge(tmp_path / "lib") as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def node_of(lock: bytes) -> dict[str, object]:
    found: dict[str, object] = msgspec.json.decode(lock)["nodes"]["lib"]["locked"]
    return found


def nix_locks(folder: Path, url: str) -> bytes:
    folder.mkdir(exist_ok=True)
    (folder / "flake.nix").write_text(f'{{ inputs.lib.url = "{url}"; outputs = _: {{ }}; }}')
    subprocess.run(["nix", "flake", "lock", f"path:{folder}"], check=True, capture_output=True)
    return (folder / "flake.lock").read_bytes()


def make_app(root: Path, forge: Forge, url: str) -> Path:
    """Make a repo that takes lib by this URL, locked by Nix, and return the manifest."""
    lock = nix_locks(root / "old", url)
    flake_nix = (root / "old" / "flake.nix").read_text()
    repos.make_repo(root / "app", {"flake.nix": flake_nix, "flake.lock": lock.decode()})
    manifest = root / "workspace.toml"
    manifest.write_text(f"""[workspace]
name = "t"
read = "local"
[repos.lib]
url = "git+{forge.url}"
path = "lib"
[repos.app]
path = "app"
""")
    return manifest


@pytest.mark.parametrize("name", ["main.tar.gz", "refs/heads/main.tar.gz", "dev.tar.gz", "main.zip"])
def test_an_archive_of_a_repo_is_moved_as_nix_moves_it(
    any_nix: RealNix, use_nix: RealNix, tmp_path: Path, forge: Forge, name: str
) -> None:
    if use_nix.version < (2, 19):
        pytest.skip("this Nix notes no commit for an archive")
    first = ref_in(tmp_path / "lib", "refs/heads/main")
    assert first is not None
    subprocess.run(["git", "-C", str(tmp_path / "lib"), "branch", "dev"], check=True)
    url = f"{forge.url}/archive/{name}"
    manifest = make_app(tmp_path, forge, url)
    branch = name.removeprefix("refs/heads/").partition(".")[0]
    tip = repos.commit(tmp_path / "lib", {"flake.nix": FLAKE, "more": ""}, branch=branch, parents=[first])
    assert [(found.kind, found.wanted_rev) for found in drift_of(manifest, at="base")] == [("upstream", tip)]
    ran = run_sync(manifest)
    assert ran.errors == {}
    assert ran.statuses["app"] == "updated"
    rev = ref_in(tmp_path / "app", UPDATE)
    assert rev is not None
    made = node_of(read(tmp_path / "app", rev, "flake.lock"))
    assert made["rev"] == tip
    subprocess.run(["nix", "flake", "update", "lib", "--flake", f"path:{tmp_path / 'old'}", "--refresh"], check=True)
    assert made == node_of((tmp_path / "old" / "flake.lock").read_bytes())
    assert drift_of(manifest) == []


def test_an_archive_that_names_a_commit_is_not_moved(
    any_nix: RealNix, use_nix: RealNix, tmp_path: Path, forge: Forge
) -> None:
    first = ref_in(tmp_path / "lib", "refs/heads/main")
    manifest = make_app(tmp_path, forge, f"{forge.url}/archive/{first}.tar.gz")
    repos.commit(tmp_path / "lib", {"flake.nix": FLAKE, "more": ""})
    assert drift_of(manifest, at="base") == []
    assert run_sync(manifest).statuses["app"] == "unchanged"


def test_an_archive_without_a_commit_is_named_as_never_moved(
    any_nix: RealNix, use_nix: RealNix, tmp_path: Path, forge: Forge
) -> None:
    forge.links = False
    manifest = make_app(tmp_path, forge, f"{forge.url}/archive/main.tar.gz")
    (found,) = drift_of(manifest, at="base")
    assert found.kind == "unlocked"
    assert found.detail.startswith("an archive of lib without a commit: it is never moved")

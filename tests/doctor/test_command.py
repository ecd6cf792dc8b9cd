"""`flakesync doctor` as people run it: anywhere, with any manifest, interrupted, into a pipe."""

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.conftest import command, environment
from tests.support import forked
from tests.support.repos import make_repo


def spawn(*argv: str, cwd: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run flakesync, with more of an environment."""
    return forked.flakesync(*argv, cwd=cwd, env={**os.environ, **more})


pytestmark = pytest.mark.usefixtures("away")


def test_without_a_manifest_the_machine_is_looked_at(away: Path) -> None:
    done = spawn("doctor", "--offline", "--json", cwd=away)
    found = json.loads(done.stdout)
    assert found["manifest"] is None
    groups = {row["group"] for row in found["rows"]}
    assert groups <= {"manifest", "programs", "nix", "git", "machine"}
    assert {"manifest", "programs", "git", "machine"} <= groups
    assert done.returncode == int(any(row["how"] == "fails" for row in found["rows"]))


def test_a_manifest_that_is_named_and_not_there_is_no_start(away: Path) -> None:
    done = spawn("doctor", "-w", "nowhere.toml", cwd=away)
    assert (done.returncode, done.stdout) == (2, "")
    assert "error[no-manifest]" in done.stderr


@pytest.mark.parametrize(
    "text", ["[workspace\n", '[workspace]\nname = "acme"\nbaes = "x"\n', "\0\n", '[repos."a\tb"]\n']
)
def test_a_broken_manifest_is_a_row_and_an_exit_status(away: Path, text: str) -> None:
    (away / "workspace.toml").write_text(text)
    done = spawn("doctor", "--offline", cwd=away)
    assert done.returncode == 1
    assert "  fails    workspace.toml" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_repo_that_is_not_there_is_no_start(away: Path) -> None:
    make_repo(away / "lib", {"flake.nix": "{ }"})
    (away / "workspace.toml").write_text('[workspace]\nname = "acme"\n[repos.lib]\npath = "lib"\n')
    done = spawn("doctor", "--repo", "lbi", cwd=away)
    assert (done.returncode, "error[unknown-repo]" in done.stderr) == (2, True)
    assert spawn("doctor", "--offline", "--repo", "lib", cwd=away).returncode == 0


def test_nothing_is_written(away: Path) -> None:
    make_repo(away / "lib", {"flake.nix": "{ }"})
    (away / "workspace.toml").write_text('[workspace]\nname = "acme"\n[repos.lib]\npath = "lib"\n')
    home = Path(os.environ["HOME"])

    def everything() -> set[tuple[str, int]]:
        files = (path for top in (home, away) for path in top.rglob("*"))
        return {(str(path), path.lstat().st_mtime_ns) for path in files if path.is_file()}

    before = everything()
    assert spawn("doctor", cwd=away).returncode == 0
    assert {path for path, _ in everything() - before if "/nix" not in path} == set()


def test_tokens_of_nix_are_named_by_host_alone(away: Path, any_nix: object) -> None:
    secret = "s3cret-of-the-nix-configuration"
    done = spawn("doctor", "--offline", cwd=away, NIX_CONFIG=f"access-tokens = git.acme.example={secret}")
    assert "git.acme.example in nix.conf" in done.stdout
    assert secret not in done.stdout + done.stderr


@pytest.mark.parametrize("locker", ["silent", "drips"])
def test_ctrl_c_ends_it_while_a_server_says_nothing(away: Path, locker: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (away / "workspace.toml").write_text(
            f'[workspace]\nname = "acme"\n[forges."127.0.0.1:{port}"]\nkind = "gitlab"\ntoken-env = "ACME_TOKEN"\n'
            f'[repos.lib]\nurl = "git+https://127.0.0.1:{port}/acme/lib.git"\n'
        )
        process = subprocess.Popen(
            command("doctor"), cwd=away, env=environment(ACME_TOKEN="t0ken"), start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        with process:
            connection, _ = server.accept()
            with connection:
                if locker == "drips":
                    connection.sendall(b"\x16")
                process.send_signal(signal.SIGINT)
                begun = time.monotonic()
                _, said = process.communicate(timeout=30)
        assert process.returncode == 130, said
        assert time.monotonic() - begun < 20
        assert "Traceback" not in said

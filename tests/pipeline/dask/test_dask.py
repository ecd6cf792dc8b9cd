"""Tasks on Dask workers: the commits of `sync`, pushed; workers may be lost; nothing goes out in clear text."""

import json
import os
import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from flakesync.errors import FlakesyncError
from flakesync.pipeline.dask.cluster import require_tls
from flakesync.pipeline.executors import executor_of
from flakesync.workspace.manifest import load_workspace
from tests.pipeline.dask.cluster import PATIENCE_S, cluster
from tests.pipeline.machines import AUTHOR, forget_updates
from tests.support.nixspace import Space, Take, run_sync

pytestmark = pytest.mark.skipif(find_spec("distributed") is None, reason="distributed is not installed")


def make_space(root: Path) -> Space:
    space = Space(root / "space")
    space.add("lib").add("tool", {"nixpkgs": Take(), "lib": Take()})
    return space.add("app", {"nixpkgs": Take(), "tool": Take(follows={"lib": "lib"}), "lib": Take()})


def ended(process: "subprocess.Popen[bytes]") -> tuple[int, dict[str, dict[str, object]], str]:
    """Return how a sync has ended: its exit status, the outcomes by repo, what it said."""
    out, err = process.communicate(timeout=PATIENCE_S)
    document = json.loads(out) if out else {"repos": []}
    return process.returncode, {each["repo"]: each for each in document["repos"]}, err.decode()


@pytest.mark.slow
def test_two_workers_make_the_commits_of_sync_over_tls_and_push_them(tmp_path: Path) -> None:
    space = make_space(tmp_path)
    manifest = space.manifest(AUTHOR, mirrored=space.names)
    with cluster(tmp_path / "dask", tls=True) as dask:
        assert dask.address.startswith("tls://127.0.0.1:")
        for name in ("one", "two"):
            dask.worker(name)
        status, outcomes, err = ended(dask.sync(manifest))
        assert (status, {name: each["status"] for name, each in outcomes.items()}) == (
            0, dict.fromkeys(("lib", "tool", "app"), "updated"),
        ), err  # fmt: skip
        assert {name: each["commit"] for name, each in outcomes.items()} == {n: space.ref(n) for n in outcomes}
        again = ended(dask.sync(manifest))
        assert {each["status"] for each in again[1].values()} == {"unchanged"}, again[2]
    forget_updates(space)
    ran = run_sync(manifest, locker="native")
    assert {name: ran[name].commit for name in outcomes} == {n: each["commit"] for n, each in outcomes.items()}
    assert {name: ran[name].locks for name in outcomes} == {n: each["locks"] for n, each in outcomes.items()}


@pytest.mark.slow
def test_a_worker_that_is_killed_in_the_midst_of_a_check_is_made_up_for(tmp_path: Path) -> None:
    space = make_space(tmp_path)
    began, go_on = tmp_path / "began", tmp_path / "go-on"
    check = f"sh -c 'echo $PPID >> {began}; while ! test -e {go_on}; do sleep 0.1; done'"
    manifest = space.manifest(AUTHOR, mirrored=space.names, tables={"lib": {"checks": [check]}})
    with cluster(tmp_path / "dask") as dask:
        workers = {process.pid: process for process in (dask.worker("one"), dask.worker("two"))}
        running = dask.sync(manifest)
        deadline = time.monotonic() + PATIENCE_S
        while not began.exists() or not began.read_text():
            assert time.monotonic() < deadline
            assert running.poll() is None, running.communicate()
            time.sleep(0.05)
        busy = int(began.read_text().split()[0])
        os.kill(busy if busy in workers else next(iter(workers)), signal.SIGKILL)
        assert busy in workers
        go_on.touch()
        status, outcomes, err = ended(running)
    assert status == 0, err
    assert {name: each["commit"] for name, each in outcomes.items()} == {name: space.ref(name) for name in outcomes}
    assert len(began.read_text().split()) == 2


@pytest.mark.slow
def test_a_worker_with_another_version_is_refused(tmp_path: Path) -> None:
    space = make_space(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (other / "sitecustomize.py").write_text("import flakesync\nflakesync.__version__ = '0.0.1'\n")
    with cluster(tmp_path / "dask") as dask:
        path = f"{other}{os.pathsep}{dask.env['PYTHONPATH']}"
        dask.worker("old", PYTHONPATH=path)
        status, _, err = ended(dask.sync(space.manifest(AUTHOR, mirrored=space.names)))
    assert status == 2
    assert "error[dask-version]" in err
    assert "0.0.1" in err
    assert {space.ref(name) for name in space.names} == {None}


@pytest.mark.slow
def test_a_client_without_a_certificate_is_told_what_it_needs(tmp_path: Path) -> None:
    space = make_space(tmp_path)
    with cluster(tmp_path / "dask", tls=True) as dask:
        dask.env = {name: value for name, value in dask.env.items() if not name.startswith("DASK_")}
        status, _, err = ended(dask.sync(space.manifest(AUTHOR, mirrored=space.names)))
    assert status == 2
    assert "error[dask-tls]" in err
    assert "DASK_DISTRIBUTED__COMM__TLS__CA_FILE" in err


@pytest.mark.slow
def test_repos_known_by_their_folder_alone_and_dry_runs_are_refused(tmp_path: Path) -> None:
    space = make_space(tmp_path)
    manifest = space.manifest(AUTHOR)
    manifest.write_text(
        "\n".join(line for line in manifest.read_text().split("\n") if '/tool"' not in line or "path" in line)
    )
    with cluster(tmp_path / "dask") as dask:
        status, _, err = ended(dask.sync(manifest))
        assert (status, "error[dask-path]" in err, "tool" in err) == (2, True, True), err
        status, _, err = ended(dask.sync(space.manifest(AUTHOR), "--dry-run"))
        assert (status, "error[dask-dry-run]" in err) == (2, True), err


@pytest.mark.parametrize(
    "address",
    ["tcp://10.0.0.7:8786", "tcp://scheduler.example:8786", "tcp://127.0.0.1.example:1", "tcp://[2001:db8::1]:1"],
)
def test_clear_text_to_another_machine_is_refused_before_anything_is_imported_or_asked(
    tmp_path: Path, address: str
) -> None:
    workspace = load_workspace(make_space(tmp_path).manifest())
    with pytest.raises(FlakesyncError) as caught:
        executor_of(f"dask:{address}", workspace)
    assert caught.value.code == "dask-cleartext"
    assert "tls://" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:1", "tcp://localhost:1", "tcp://[::1]:1", "tls://scheduler.example:1"]
)
def test_clear_text_may_go_to_this_machine(address: str) -> None:
    require_tls(address)


@pytest.mark.parametrize("text", ["dask", "dask:", "dask:scheduler:8786", "dask:http://x", "dask:tcp://", "ray:x"])
def test_what_names_no_executor_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(FlakesyncError) as caught:
        executor_of(text, load_workspace(make_space(tmp_path).manifest()))
    assert caught.value.code == "bad-executor"

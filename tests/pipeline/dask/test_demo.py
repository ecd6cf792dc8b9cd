"""The example workspace on its three forges: Dask workers, processes and one thread make the same commits."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import flakesync
from flakesync.demo.hosting import Hosted, host_workspace
from tests.pipeline.dask.cluster import PATIENCE_S, cluster
from tests.support.nix import RealNix

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("distributed") is None, reason="distributed is not installed"),
]

DAY = date(2026, 11, 29)
UPDATE = "flakesync/update"


def sync(hosted: Hosted, cache: Path, executor: str, env: Mapping[str, str]) -> dict[str, Any]:
    """Return the document of a sync on a machine with its own cache."""
    manifest = hosted.place / "workspace.toml"
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "flakesync", "sync", "--json", "-w", str(manifest), "--executor", executor],
        env={**env, "FLAKESYNC_CACHE": str(cache), "PYTHONPATH": str(Path(flakesync.__file__).parents[1])},
        capture_output=True, check=False, timeout=5 * PATIENCE_S,
    )  # fmt: skip
    assert ended.returncode in (0, 1), ended.stderr.decode()
    document: dict[str, Any] = json.loads(ended.stdout)
    return document


def told(document: Mapping[str, Any]) -> dict[str, tuple[object, ...]]:
    """Return what a document says of each repo, but for times."""
    return {
        each["repo"]: (each["status"], each["commit"], each["changes"], each["locks"], each["error"])
        for each in document["repos"]
    }


def test_dask_workers_processes_and_one_thread_make_the_same_of_the_demo(
    use_nix: RealNix, any_nix: RealNix, tmp_path: Path
) -> None:
    hosted = host_workspace(tmp_path / "acme", DAY)
    try:
        env = {**os.environ, **hosted.environment}
        wanted = sync(hosted, tmp_path / "cache-inline", "inline", env)
        assert "updated" in {each["status"] for each in wanted["repos"]}
        assert told(sync(hosted, tmp_path / "cache-processes", "processes:2", env)) == told(wanted)
        with cluster(tmp_path / "dask", env, tls=True) as dask:
            dask.worker("one")
            dask.worker("two")
            found = sync(hosted, tmp_path / "cache-client", f"dask:{dask.address}", dask.env)
        assert told(found) == told(wanted)
        for each in wanted["repos"]:
            if each["status"] == "updated":
                assert hosted.project(each["repo"]).storage.branch(UPDATE) == each["commit"]
    finally:
        hosted.forge.stop()

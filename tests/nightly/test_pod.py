"""A night as the CronJob runs it: its user, a root that cannot be written to, and the volumes that it has."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.nightly.night import make_place
from tests.nightly.pod import Pod
from tests.nightly.recipes import TOP
from tests.support.nix import RealNix

BUILD = (
    'nix build --impure --no-link --expr \'derivation { name = "built"; system = builtins.currentSystem; '
    'builder = "/bin/sh"; args = [ "-c" "echo 1 >$out" ]; }\''
)
"""Writes into the store, and into the database of it."""
CLOSED = "sh -c 'for each in /x /etc/x /usr/x /opt/x; do if touch $each; then exit 1; fi; done; test $(id -u) = 10001'"


@pytest.mark.slow
def test_a_night_in_a_pod_builds_publishes_and_leaves_its_page(tmp_path: Path, use_nix: RealNix) -> None:
    if os.getuid() != 0 or subprocess.run(["unshare", "--mount", "true"], check=False).returncode != 0:
        pytest.skip("mounts cannot be made here: that takes root")
    place = make_place(tmp_path, checks={"app": [BUILD], "docs": [CLOSED]})
    programs = use_nix.path.parent
    pod = Pod(tmp_path / "pod", (TOP / ".venv/bin", programs), (TOP,), (tmp_path / "server",))
    manifest = (place.folder / "workspace.toml").read_text()
    author = '[workspace]\nauthor = "Flake Bot <bot@acme.example>"\n'
    ran = pod.run({"workspace.toml": manifest.replace("[workspace]\n", author, 1)}, {"GITHUB_TOKEN": "token-0123"})
    assert ran.returncode == 0, ran.stderr + ran.stdout
    assert all(place.published().values())
    report, cache = pod.volume("report"), pod.volume("cache")
    assert {"index.html", "history.jsonl", "sync.json"} <= {each.name for each in report.iterdir()}
    assert {each.stat().st_uid for each in report.iterdir()} == {10001}
    assert (cache / "flakesync").is_dir()
    assert len([*(pod.volume("nix") / "store").glob("*-built")]) == 1

"""Targets that locks decide, where the source's server can tell what its branch has."""

from pathlib import Path

import pytest

from flakesync.survey.read import read_survey
from flakesync.terms import Rev
from flakesync.workspace.manifest import load_workspace
from tests.support import locks, repos
from tests.support.drift import NEXT
from tests.support.forge import Forge
from tests.support.forge.client import client_of
from tests.support.locks import Inputs
from tests.support.workspaces import DAY_S, make_ground


def test_the_server_of_a_source_tells_what_its_branch_has(
    tmp_path: Path, forge: Forge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_SSL_CAINFO", str(forge.certificates.ca))
    url = client_of(forge, "forgejo").git_url()
    url = "https://" + url.rpartition("@")[2]
    known = Rev(repos.run_git("ls-remote", url, "refs/heads/main", cwd=tmp_path).split()[0])
    flakes: dict[str, Inputs] = {
        "app": {"nixpkgs": locks.git(url, rev=known, ref="main", last_modified=repos.DATE)},
        "lib": {"nixpkgs": locks.git(url, rev=NEXT, ref="main", last_modified=repos.DATE + DAY_S)},
    }
    pins = {"nixpkgs": {"source": f"git+{url}?ref=main", "target": "newest-locked"}}
    manifest = make_ground(tmp_path, flakes, pins=pins).manifest
    ((_, found),) = read_survey(load_workspace(manifest)).targets.items()
    assert (found.rev, found.note) == (known, f"newest in any lock; {NEXT[:7]} of lib is not on main")
    ((_, offline),) = read_survey(load_workspace(manifest), offline=True).targets.items()
    assert (offline.rev, offline.note) == (NEXT, "newest in any lock; not proven to be on main")
    flakes["lib"] = flakes["app"]
    manifest = make_ground(tmp_path / "proven", flakes, pins=pins).manifest
    ((_, offline),) = read_survey(load_workspace(manifest), offline=True).targets.items()
    assert (offline.rev, offline.note) == (known, "newest in any lock")

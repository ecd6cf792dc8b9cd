"""A release that moves by edits of flake.nix is one unit beside the others, called by its pins."""

from pathlib import Path

import msgspec
import pytest

from flakesync.analysis.plan import make_plan
from flakesync.cache.layout import cache_dir
from flakesync.survey.read import read_survey
from flakesync.sync.bisect.bisect import bisect
from flakesync.sync.bisect.documents import bisect_document
from flakesync.sync.bisect.run import BisectOptions
from flakesync.sync.options import Options
from flakesync.terms import RepoName
from flakesync.workspace.manifest import load_workspace, select
from tests.support.releases import HM_NEW, NEW, Releases
from tests.sync.bisect.bisecting import guilty


def test_a_release_that_breaks_the_checks_is_named_by_its_pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAKESYNC_NIX", "no-nix-here")
    releases = Releases(tmp_path / "w")
    releases.space.commit("lib", {"note": "1"})
    workspace = msgspec.structs.replace(load_workspace(releases.manifest()), jobs=1)
    survey = read_survey(workspace)
    plan = make_plan(survey, select(workspace, (), (), ()))
    found = bisect(
        survey, plan, RepoName("app"), Options(cache=cache_dir(), locker="native"), BisectOptions(),
        checks=(("sh", "-c", f"! grep {HM_NEW} flake.nix flake.lock"),),
    )  # fmt: skip
    assert guilty(found) == ["hm nixpkgs"]
    document = bisect_document(found, dict(plan.changes())[RepoName("app")])
    assert [unit.id for unit in document.units] == ["hm nixpkgs", "lib"]
    assert [move.to for move in document.units[0].moves] == [
        releases.space.tip("hm", HM_NEW),
        releases.space.tip("nixpkgs", NEW),
    ]
    assert document.passing == ["lib"]

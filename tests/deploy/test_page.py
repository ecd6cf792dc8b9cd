"""docs/kubernetes.md: its examples are valid and keep the rules, and what it says of the files is so."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from flakesync import __version__
from flakesync.workspace.manifest import load_workspace
from tests.deploy.conftest import ROOT, Checks
from tests.nightly import recipes

PAGE = ROOT / "docs/kubernetes.md"
OVERLAYS = ("base", "overlays/airgap")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.deploy
def test_the_overlay_of_the_page_is_rendered_beside_a_clone(checks: Checks, tools: Any, tmp_path: Path) -> None:
    (overlay,) = [text for text in blocks("yaml") if "kind: Kustomization" in text]
    shutil.copytree(ROOT / "deploy", tmp_path / "flakesync/deploy")
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme/kustomization.yaml").write_text(overlay)
    (tmp_path / "acme/workspace.toml").write_text("[repos]\n")
    variant = checks.renderings.Variant("page", "../../../acme")
    rendered = checks.renderings.by_kustomize(tools, tmp_path / "flakesync/deploy", variant)
    assert list(checks.rules.broken(rendered)) == []
    found = {checks.renderings.title(each): each for each in rendered}
    assert found["ConfigMap/flakesync-workspace"]["data"] == {"workspace.toml": "[repos]\n"}
    (container,) = found["CronJob/flakesync"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"registry.example.com/acme/flakesync:{__version__}"
    assert "GIT_SSH_COMMAND" in {each["name"] for each in container["env"]}


@pytest.mark.deploy
def test_the_import_job_of_the_page_is_valid_and_keeps_the_rules(checks: Checks, tools: Any) -> None:
    (text,) = [text for text in blocks("yaml") if "kind: Job" in text]
    job = checks.renderings.load(text)
    for version in checks.cluster_tools.VERSIONS:
        assert list(checks.schemas.invalid(tools.schemas, version, job)) == []
    rendered = checks.renderings.by_kustomize(tools, ROOT / "deploy", checks.renderings.VARIANTS[1])
    # The claim with the bundles is the reader's own.
    missing = "Job/None: volumes bundles: there is no claim flakesync-bundles"
    assert list(checks.rules.broken([*rendered, *job], air_gap=True)) == [missing]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_example_manifests_are_ones(overlay: str) -> None:
    workspace = load_workspace(ROOT / "deploy/kustomize" / overlay / "workspace.toml")
    assert {repo.name for repo in workspace.repos} == {"lib", "app"}


def test_the_page_shows_the_air_gap_manifest_and_the_arguments_as_they_are() -> None:
    (tables,) = blocks("toml")
    assert tables in (ROOT / "deploy/kustomize/overlays/airgap/workspace.toml").read_text()
    (container,) = recipes.cronjob_pod()["containers"]
    assert f"`{' '.join([*container['command'], *container['args']])}`" in PAGE.read_text()


def test_the_page_has_every_value_of_the_chart() -> None:
    rows = "\n".join(line for line in PAGE.read_text().splitlines() if line.startswith("| `"))
    for name in recipes.load(ROOT / "deploy/chart/values.yaml"):
        assert f"`{name}" in rows, name

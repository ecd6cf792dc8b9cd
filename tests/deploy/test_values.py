"""The chart's values: what values.schema.json refuses, and what each value makes of the CronJob."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.conftest import ROOT, Checks

pytestmark = pytest.mark.deploy
CHART = ROOT / "deploy/chart"


def helm(tools: Any, folder: Path, values: dict[str, Any]) -> tuple[int, str, str]:
    """Return exit status, output and errors of `helm template` with these values."""
    file = folder / "values.json"
    file.write_text(json.dumps(values))
    argv = [str(tools.helm), "template", "flakesync", str(CHART), "--namespace=flakesync", f"--values={file}"]
    ran = subprocess.run(argv, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout, ran.stderr


REFUSED: dict[str, tuple[str, Any]] = {
    "unknown key": ("tolerance", []),
    "moving tag": ("image", {"tag": "latest"}),
    "tag with a registry": ("image", {"repository": "registry.internal/flakesync:1"}),
    "short digest": ("image", {"digest": "sha256:12"}),
    "no schedule": ("schedule", "tomorrow"),
    "number for a schedule": ("schedule", 3),
    "unknown step": ("steps", ["sync", "fly"]),
    "step twice": ("steps", ["sync", "sync"]),
    "number for an argument": ("extraArgs", [1]),
    "no Secret": ("secrets", {"tokens": ""}),
    "token in the settings": ("nixConfig", ["access-tokens = github.com=x"]),
    "two lines": ("nixConfig", ["cores = 2\nsandbox = true"]),
    "no size": ("storage", {"cache": {"size": "big"}}),
    "no port": ("networkPolicy", {"ports": [70000]}),
    "no network": ("networkPolicy", {"cidrs": ["internal"]}),
    "text for a switch": ("suspend", "no"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_values_that_cannot_be_meant_are_refused_by_their_key(name: str, tools: Any, tmp_path: Path) -> None:
    key, value = REFUSED[name]
    status, out, errors = helm(tools, tmp_path, {"workspace": "[repos]", key: value})
    assert (status, out) == (1, "")
    assert key in errors


def test_without_a_manifest_the_chart_says_how_to_give_one(tools: Any, tmp_path: Path) -> None:
    status, _, errors = helm(tools, tmp_path, {})
    assert status == 1
    assert "--set-file workspace=workspace.toml" in errors


def test_every_value_arrives_as_it_was_written_and_the_result_is_valid(
    checks: Checks, tools: Any, tmp_path: Path
) -> None:
    manifest = '[workspace]\nname = "a: {{ b }} \\"é\\" <c> #"\n\n\n'
    arguments = ["--merge", '--history=https://x.example/"y": {z} #1', "-- ", "{{ .Values }}", "yes"]
    given = {
        "workspace": manifest,
        "image": {"repository": "registry.internal:5000/team/flakesync", "tag": "0.2.0-rc.1", "pullSecrets": ["pull"]},
        "schedule": "*/30 1-5 * * MON",
        "timeZone": "Europe/Berlin",
        "suspend": True,
        "steps": ["sync", "report"],
        "extraArgs": arguments,
        "nixConfig": ["extra-substituters = https://cache.example.com", "cores = 2"],
        "secrets": {"tokens": "mine", "ssh": "key"},
        "authorities": "ours",
        "storage": {
            "cache": {"existingClaim": "kept"},
            "nix": {"existingClaim": "store"},
            "sources": {"enabled": True},
        },
        "networkPolicy": {"cidrs": ["10.0.0.0/8", "fd00::/8"], "ports": [443, 8443]},
        "resources": {"limits": {"memory": "8Gi", "cpu": 2}},
        "nodeSelector": {"kubernetes.io/arch": "amd64"},
        "tolerations": [{"key": "night", "operator": "Exists"}],
    }
    status, out, errors = helm(tools, tmp_path, given)
    assert status == 0, errors
    rendered = checks.renderings.load(out)
    for version in checks.cluster_tools.VERSIONS:
        assert list(checks.schemas.invalid(tools.schemas, version, rendered)) == []
    # What is there already is no part of the release.
    missing = "CronJob/flakesync: volumes {}: there is no claim {}"
    assert list(checks.rules.broken(rendered)) == [missing.format("cache", "kept"), missing.format("nix", "store")]
    found = {each["kind"]: each for each in rendered}
    assert found["ConfigMap"]["data"] == {"workspace.toml": manifest}
    spec = found["CronJob"]["spec"]
    assert (spec["schedule"], spec["timeZone"], spec["suspend"]) == ("*/30 1-5 * * MON", "Europe/Berlin", True)
    pod = spec["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["args"][2:] == ["--steps=sync report", *arguments]
    assert container["image"] == "registry.internal:5000/team/flakesync:0.2.0-rc.1"
    env = {each["name"]: each["value"] for each in container["env"]}
    assert env["NIX_CONFIG"].splitlines()[2:] == given["nixConfig"]
    assert container["resources"]["limits"] == {"memory": "8Gi", "cpu": 2}
    assert (pod["imagePullSecrets"], pod["nodeSelector"]) == ([{"name": "pull"}], given["nodeSelector"])
    assert pod["tolerations"] == given["tolerations"]


def test_a_release_of_any_name_is_valid_and_two_share_nothing(checks: Checks, tools: Any, tmp_path: Path) -> None:
    names = []
    for release in ("flakesync", "team-a", "a" * 53):
        argv = [str(tools.helm), "template", release, str(CHART), "--set=workspace=x"]
        ran = subprocess.run(argv, capture_output=True, text=True, check=True)
        rendered = checks.renderings.load(ran.stdout)
        assert list(checks.rules.broken(rendered)) == []
        names += [checks.renderings.title(each) for each in rendered]
        # A Job's name, and with it the label of its pods, is that of the CronJob and eleven characters.
        assert max(len(each["metadata"]["name"]) for each in rendered if each["kind"] == "CronJob") <= 52
    assert len(set(names)) == len(names)

"""`make deploy-check`: deploy/ is valid and the same by kustomize and helm, and what is wrong there is found."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.conftest import ROOT, Checks

pytestmark = pytest.mark.deploy
JOB = ("kustomize/base/cronjob.yaml", "chart/templates/cronjob.yaml")
IMAGE = ("kustomize/base/kustomization.yaml", "chart/Chart.yaml")
CLAIMS = ("kustomize/base/storage.yaml", "chart/templates/storage.yaml")
POLICY = ("kustomize/base/networkpolicy.yaml", "chart/templates/networkpolicy.yaml")
AIR_GAP = ("kustomize/overlays/airgap/kustomization.yaml", "chart/values-airgap.yaml")
AIR_GAP_POLICY = ("kustomize/overlays/airgap/networkpolicy.yaml", "chart/values-airgap.yaml")


@dataclass(frozen=True)
class Fault:
    """What a regular expression finds in each of some files is replaced. said: what has to be said of it."""

    files: tuple[str, ...]
    old: str
    new: str
    said: str


# Planted on both sides, so that the comparison alone does not find them.
FAULTS = {
    "wrong type": Fault(JOB, "backoffLimit: 0", "backoffLimit: never", "not valid for Kubernetes 1.28: 'never'"),
    "unknown key": Fault(JOB, "  schedule:", "  shedule: x\n  schedule:", "('shedule' was unexpected)"),
    "missing schedule": Fault(JOB, "  schedule:", "  suspend: false #", "'schedule' is a required property"),
    "moving tag": Fault(
        IMAGE, r"(newTag|appVersion): .+", r"\1: latest", "image: flakesync:latest may be another one tomorrow"
    ),
    "root": Fault(JOB, "runAsUser: 10001", "runAsUser: 0", "the user is not 10001, or may be root"),
    "may be root": Fault(JOB, "runAsNonRoot: true", "runAsNonRoot: false", "the user is not 10001, or may be root"),
    "root is writable": Fault(JOB, "OnlyRootFilesystem: true", "OnlyRootFilesystem: false", "root can be written"),
    "capabilities": Fault(JOB, "- ALL", "- NET_RAW", "capabilities: some are left"),
    "system calls": Fault(JOB, "type: RuntimeDefault", "type: Unconfined", "system calls are not filtered"),
    "two at once": Fault(JOB, "concurrencyPolicy: Forbid", "concurrencyPolicy: Allow", "two nights can run at once"),
    "no time": Fault(JOB, "schedule:", "schedule: tomorrow #", "'tomorrow' is no schedule"),
    "hangs": Fault(JOB, "activeDeadlineSeconds:", "completions: 1 #", "activeDeadlineSeconds is missing"),
    "no store": Fault(JOB, "mountPath: /nix", "mountPath: /nicks", "volumeMounts /nix: it cannot be written to"),
    "no claim": Fault(CLAIMS, "PersistentVolumeClaim", "ConfigMap", "there is no claim flakesync-cache"),
    "token": Fault(JOB, "name: HOME", "name: GITHUB_TOKEN", "env GITHUB_TOKEN: a secret has to be named"),
    "token for the API": Fault(JOB, "automountServiceAccountToken: false", "", "gets a token for the cluster's API"),
    "wrong network": Fault(POLICY, "matchLabels:", "matchLabels:\n      is: other", "no NetworkPolicy is for its pods"),
    "open network": Fault(POLICY, "- Egress", "", "others reach the pod, or it reaches everything"),
    "no digest": Fault(AIR_GAP, "digest: sha256:", "# ", "is not of a named registry, by its digest"),
    "outside": Fault(AIR_GAP_POLICY, "10.0.0.0/8", "0.0.0.0/0", "the outside is not cut off"),
}


def plant(deploy: Path, fault: Fault) -> None:
    for name in fault.files:
        text = (deploy / name).read_text()
        changed, times = re.subn(fault.old, fault.new, text)
        assert times, name
        (deploy / name).write_text(changed)


@pytest.fixture
def deploy(tmp_path: Path) -> Path:
    """Return a copy of deploy/."""
    return Path(shutil.copytree(ROOT / "deploy", tmp_path / "deploy"))


def test_both_are_valid_safe_and_the_same(checks: Checks, tools: Any) -> None:
    assert list(checks.check.problems(tools, ROOT / "deploy")) == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_on_both_sides(name: str, deploy: Path, checks: Checks, tools: Any) -> None:
    fault = FAULTS[name]
    plant(deploy, fault)
    default, air_gap, _ = checks.renderings.VARIANTS
    variant = air_gap if "airgap" in fault.files[0] else default
    found = list(checks.check.problems(tools, deploy, [variant]))
    for side in ("kustomize", "helm"):
        assert any(f": {side}: " in line and fault.said in line for line in found), found


@pytest.mark.parametrize("side", [0, 1], ids=["kustomize", "helm"])
def test_a_change_on_one_side_alone_is_found(side: int, deploy: Path, checks: Checks, tools: Any) -> None:
    plant(deploy, Fault((JOB[side],), "--report=/srv/report", "--report=/srv/page", ""))
    found = list(checks.check.problems(tools, deploy, checks.renderings.VARIANTS[:1]))
    (place,) = (line.partition(": kustomize has ")[0] for line in found)
    assert place == "default: CronJob/flakesync spec jobTemplate spec template spec containers flakesync args"


def test_the_program_says_what_it_found_and_fails(deploy: Path, tools: Any) -> None:
    argv = [sys.executable, str(ROOT / ".ci/deploy/check.py"), str(deploy)]
    ran = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("deploy/ is valid for Kubernetes 1.28, 1.32, 1.37; kustomize and helm agree")
    plant(deploy, FAULTS["root"])
    ran = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert FAULTS["root"].said in ran.stderr

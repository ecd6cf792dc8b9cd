"""What kustomize and helm make of deploy/, as values, and where the two differ."""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster_tools import Tools
from ruamel.yaml import YAML

Manifest = dict[str, Any]

_NAMED = {"containers": "name", "env": "name", "volumes": "name", "volumeMounts": "mountPath"}
"""Lists whose order means nothing, and what names an entry."""
_OF_HELM = ("app.kubernetes.io/managed-by", "helm.sh/chart", "helm.sh/resource-policy")
"""Labels and annotations that only a chart has."""


class RenderError(Exception):
    """kustomize or helm refused what it was given: its last words."""


@dataclass(frozen=True)
class Variant:
    """One way to deploy. overlay: a folder of deploy/kustomize. values: what helm is given for the same."""

    name: str
    overlay: str
    values: tuple[str, ...] = ()
    components: tuple[str, ...] = ()


VARIANTS = (
    Variant("default", "base"),
    Variant("air gap", "overlays/airgap", ("--values={chart}/values-airgap.yaml",)),
    Variant("ssh", "base", ("--set=secrets.ssh=flakesync-ssh",), ("components/ssh",)),
)


def load(text: str) -> list[Manifest]:
    """Return the documents of a YAML text, read as Kubernetes reads it (YAML 1.1)."""
    yaml = YAML(typ="safe")
    yaml.version = (1, 1)
    return [each for each in yaml.load_all(text) if each]


def by_kustomize(tools: Tools, deploy: Path, variant: Variant) -> list[Manifest]:
    """Return what `kubectl kustomize` makes of a variant. Raises RenderError."""
    folder = deploy / "kustomize" / variant.overlay
    if not variant.components:
        return load(_run([tools.kubectl, "kustomize", folder]))
    with tempfile.TemporaryDirectory() as scratch:
        # kustomize takes no absolute names.
        named = {"resources": [folder], "components": [deploy / "kustomize" / each for each in variant.components]}
        lines = ["apiVersion: kustomize.config.k8s.io/v1beta1", "kind: Kustomization"]
        for key, folders in named.items():
            lines += [f"{key}:", *(f"  - {os.path.relpath(each, Path(scratch).resolve())}" for each in folders)]
        (Path(scratch) / "kustomization.yaml").write_text("\n".join(lines) + "\n")
        return load(_run([tools.kubectl, "kustomize", scratch]))


def by_helm(tools: Tools, deploy: Path, variant: Variant) -> list[Manifest]:
    """Return what `helm template` makes of a variant, after `helm lint`. Raises RenderError."""
    chart = deploy / "chart"
    workspace = deploy / "kustomize" / variant.overlay / "workspace.toml"
    given = [f"--set-file=workspace={workspace}", *(each.format(chart=chart) for each in variant.values)]
    _run([tools.helm, "lint", "--strict", "--quiet", chart, *given])
    return load(_run([tools.helm, "template", "flakesync", chart, "--namespace=flakesync", *given]))


def _run(argv: Sequence[str | Path]) -> str:
    ran = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120, check=False)
    if ran.returncode != 0:
        # `helm lint` says why on standard output, and that it failed on standard error.
        raise RenderError("\n".join(filter(None, (ran.stdout.strip(), ran.stderr.strip())))[-2000:])
    return ran.stdout


def title(manifest: Manifest) -> str:
    """Return kind and name."""
    return f"{manifest.get('kind')}/{manifest.get('metadata', {}).get('name')}"


def differences(kustomize: Sequence[Manifest], chart: Sequence[Manifest]) -> Iterator[str]:
    """Give each place where two renderings differ, but for the labels of helm and the order of named lists."""
    one, other = ({title(each): _comparable(each) for each in each_side} for each_side in (kustomize, chart))
    yield from _differences("", one, other)


def _comparable(value: Any) -> Any:
    """Return a value without what only helm adds; named lists become dicts."""
    match value:
        case dict():
            kept = {key: _comparable(each) for key, each in value.items() if key not in _OF_HELM}
            for key, name in _NAMED.items():
                if isinstance(kept.get(key), list):
                    kept[key] = {each[name]: each for each in kept[key]}
            return {key: each for key, each in kept.items() if key != "annotations" or each}
        case list():
            return [_comparable(each) for each in value]
    return value


def _differences(place: str, one: Any, other: Any) -> Iterator[str]:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in sorted(one.keys() | other.keys()):
            inner = f"{place} {key}".strip()
            if key not in one or key not in other:
                yield f"{inner}: only {'kustomize' if key in one else 'the chart'} has it"
            else:
                yield from _differences(inner, one[key], other[key])
    elif one != other or type(one) is not type(other):
        yield f"{place}: kustomize has {one!r}, the chart {other!r}"

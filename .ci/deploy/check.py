"""Looks at deploy/: what kustomize and helm make of it is valid, safe and the same. `make deploy-check` runs it.

python .ci/deploy/check.py [FOLDER]      FOLDER: by default deploy/ of this checkout

Each variant (default, air gap, ssh) is rendered by both. Each rendering is held, strictly, to the schemas of three
versions of Kubernetes and to rules.py, and the two are compared.
Exit status: 0; 1 with a line for each problem; 2 where there are no tools.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from cluster_tools import ROOT, VERSIONS, MissingToolError, Tools, fetch
from renderings import VARIANTS, RenderError, Variant, by_helm, by_kustomize, differences
from rules import broken
from schemas import invalid

RENDERERS = {"kustomize": by_kustomize, "helm": by_helm}


def problems(tools: Tools, deploy: Path, variants: Sequence[Variant] = VARIANTS) -> Iterator[str]:
    """Give what is wrong with a folder like deploy/, a line each."""
    for variant in variants:
        yield from (f"{variant.name}: {problem}" for problem in _of(tools, deploy, variant))


def _of(tools: Tools, deploy: Path, variant: Variant) -> Iterator[str]:
    rendered = {}
    for name, render in RENDERERS.items():
        try:
            rendered[name] = render(tools, deploy, variant)
        except RenderError as error:
            yield f"{name}: {error}"
    for name, manifests in rendered.items():
        for version in VERSIONS:
            yield from (f"{name}: {problem}" for problem in invalid(tools.schemas, version, manifests))
        yield from (f"{name}: {rule}" for rule in broken(manifests, air_gap=variant.name == "air gap"))
    if len(rendered) == len(RENDERERS):
        yield from differences(rendered["kustomize"], rendered["helm"])


def main() -> int:
    """Return the exit status."""
    try:
        tools = fetch()
    except MissingToolError as error:
        print(f"deploy-check: {error}", file=sys.stderr)
        return 2
    found = list(problems(tools, Path(sys.argv[1]) if sys.argv[1:] else ROOT / "deploy"))
    for problem in found:
        print(f"deploy-check: {problem}", file=sys.stderr)
    if not found:
        names = ", ".join(variant.name for variant in VARIANTS)
        print(f"deploy/ is valid for Kubernetes {', '.join(VERSIONS)}; kustomize and helm agree: {names}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

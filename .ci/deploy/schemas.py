"""Whether resources are valid for a version of Kubernetes, strictly: an unknown key is an error too."""

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from renderings import Manifest, title


def invalid(schemas: Path, version: str, manifests: Sequence[Manifest]) -> Iterator[str]:
    """Give what is wrong with each resource. schemas: the folder with those of each version. version: as `1.32`."""
    for manifest in manifests:
        api, kind = str(manifest.get("apiVersion")), str(manifest.get("kind"))
        validator = _validator(schemas / version, api, kind)
        if validator is None:
            yield f"{title(manifest)}: Kubernetes {version} has no {kind} of {api}"
            continue
        for error in validator.iter_errors(manifest):
            place = " ".join(str(each) for each in error.absolute_path)
            yield f"{title(manifest)} {place}: not valid for Kubernetes {version}: {error.message[:300]}"


@cache
def _validator(folder: Path, api: str, kind: str) -> Draft202012Validator | None:
    # The names of the files, as kubernetes-validate makes them: rbac.authorization.k8s.io/v1 is rbac-v1.
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api)
    if not re.fullmatch(r"[A-Za-z]+", kind) or not re.fullmatch(r"[a-z0-9-]+", group):
        return None
    file = folder / f"{kind.lower()}-{group}.json"
    return Draft202012Validator(json.loads(file.read_bytes()), registry=_registry(folder)) if file.exists() else None


@cache
def _registry(folder: Path) -> "Registry[Any]":
    definitions = DRAFT202012.create_resource(json.loads((folder / "_definitions.json").read_bytes()))
    registry: Registry[Any] = Registry().with_resource("https://kubernetes.io/api/_definitions.json", definitions)
    return registry

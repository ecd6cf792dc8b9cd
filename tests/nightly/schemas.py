"""The schemas that check-jsonschema comes with, in this process: to start the program takes more than a second."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import check_jsonschema  # type: ignore[import-untyped]
import jsonschema  # type: ignore[import-untyped]


@cache
def _validator(name: str) -> Any:
    (file,) = Path(check_jsonschema.__file__).parent.rglob(f"{name}.json")
    schema = json.loads(file.read_bytes())
    return jsonschema.validators.validator_for(schema)(schema)


def faults(name: str, document: object) -> list[str]:
    """Return what a document has that a schema (`github-workflows`, `github-actions`, `gitlab-ci`) does not allow."""
    return [error.message for error in _validator(name).iter_errors(document)]

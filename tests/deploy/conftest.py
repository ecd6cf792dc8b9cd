"""The checks of .ci/deploy as modules, and the tools that `make deploy-check` fetches."""

import importlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NAMES = ("cluster_tools", "renderings", "schemas", "rules", "check")


@dataclass(frozen=True)
class Checks:
    """A module of .ci/deploy each."""

    cluster_tools: ModuleType
    renderings: ModuleType
    schemas: ModuleType
    rules: ModuleType
    check: ModuleType


@pytest.fixture(scope="session")
def checks() -> Checks:
    """Import the modules, which find each other by their folder."""
    sys.path.insert(0, str(ROOT / ".ci/deploy"))
    try:
        return Checks(*(importlib.import_module(name) for name in NAMES))
    finally:
        sys.path.remove(str(ROOT / ".ci/deploy"))


@pytest.fixture
def tools(checks: Checks) -> Any:
    """Return helm, kubectl and the schemas; skip the test without them, fail with FLAKESYNC_REQUIRE_TOOLS."""
    if found := checks.cluster_tools.fetched():
        return found
    message = "helm, kubectl and schemas are missing: `make deploy-check` fetches them"
    if os.environ.get("FLAKESYNC_REQUIRE_TOOLS"):
        pytest.fail(message)
    pytest.skip(message)

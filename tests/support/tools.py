"""Programs that only some tests need: a browser, a checker of man pages, what comes from npm."""

import importlib
import os
import shutil
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import pytest

NPM = Path(__file__).parents[2] / ".cache/npm/node_modules"


def tool(name: str) -> str:
    """Return the path of a program; skip the test where it is missing, fail with FLAKESYNC_REQUIRE_TOOLS."""
    return shutil.which(name) or _missing(name)


def npm_file(path: str) -> Path:
    """Return a file of a package that `.ci/setup tools` installs with npm, as `axe-core/axe.min.js`."""
    found = NPM / path
    return found if found.exists() else _missing(path)


def module(name: str) -> ModuleType:
    """Return a module of a package that `.ci/setup tools` installs."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        _missing(name)


def _missing(name: str) -> NoReturn:
    if os.environ.get("FLAKESYNC_REQUIRE_TOOLS"):
        pytest.fail(f"{name} is missing: `make tools` installs it")
    pytest.skip(f"{name} is missing: `make tools` installs it")

"""The bill of materials of a release: each library with version and licence, and what the strict licences ask for."""

import importlib.util
import json
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from flakesync import __version__
from tests.packaging import built

ROOT = Path(__file__).parents[2]
STRONG = re.compile(r"\b(?:A?GPL|EPL)")


@pytest.fixture(scope="module")
def bill() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bill", ROOT / ".ci/bill.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def component(name: str = "x", licence: dict[str, Any] | None = None, **more: object) -> dict[str, Any]:
    given = {"licenses": [{"license": licence}]} if licence else {}
    return {"name": name, "version": "1", **given, **more}


def made(*components: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"component": {"name": "flakesync"}, "tools": {}}, "components": list(components)}


@pytest.mark.packaging
def test_the_bill_names_every_library_with_version_and_licence(installed: Path, tmp_path: Path) -> None:
    out = tmp_path / "bill.json"
    argv = (sys.executable, ROOT / ".ci/bill.py", installed / "bin/python", out)
    ran = built.run(*argv, cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    text = out.read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    found = json.loads(text)
    main = found["metadata"]["component"]
    assert (main["name"], main["version"]) == ("flakesync", __version__)
    named = {str(canonicalize_name(each["name"])): each for each in found["components"]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {canonicalize_name(Requirement(line).name) for line in project["dependencies"]} <= named.keys()
    assert all(each["version"] and each["licenses"] for each in named.values())
    strong = {name for name, each in named.items() if STRONG.search(json.dumps(each["licenses"]))}
    assert strong == {"pygit2"}
    assert "linking exception" in named["pygit2"]["properties"][0]["value"]
    # The same environment gives the same bill.
    again = tmp_path / "again.json"
    assert built.run(*argv[:3], again, cwd=tmp_path).returncode == 0
    assert again.read_text() == text


def test_a_library_under_a_strict_licence_needs_a_note(bill: ModuleType) -> None:
    for licence in ({"id": "GPL-3.0-only"}, {"id": "AGPL-3.0-or-later"}, {"name": "EPL-2.0"}):
        assert "write a note" in bill.completed(made(component(licence=licence)), "1", {})[0]
    noted = {"x": {"licence": "GPL-3.0-only", "note": "why"}}
    with_note = made(component(licence={"id": "GPL-3.0-only"}))
    assert bill.completed(with_note, "1", noted) == []
    assert with_note["components"][0]["properties"] == [{"name": "note", "value": "why"}]


@pytest.mark.parametrize(
    "licence", [{"id": "LGPL-3.0-only"}, {"id": "MIT"}, {"name": "License :: OSI Approved :: BSD License"}]
)
def test_other_licences_need_none(bill: ModuleType, licence: dict[str, str]) -> None:
    assert bill.completed(made(component(licence=licence)), "1", {}) == []


def test_what_a_library_says_in_its_own_words_is_read(bill: ModuleType) -> None:
    own = {"name": "declared license of 'x'", "text": {"content": "GPLv2 with linking exception"}}
    assert "write a note" in bill.completed(made(component(licence=own)), "1", {})[0]
    coded = {"name": "declared license of 'x'", "text": {"content": "R1BMdjM=", "encoding": "base64"}}
    assert "write a note" in bill.completed(made(component(licence=coded)), "1", {})[0]


def test_what_names_no_version_or_no_licence_makes_no_bill(bill: ModuleType) -> None:
    only_a_file = {"name": "declared license file: LICENSE", "text": {"content": "MIT"}}
    assert bill.completed(made(component(version="", licence={"id": "MIT"})), "1", {}) == ["x has no version"]
    for each in (component(), component(licence=only_a_file)):
        assert "names no licence" in bill.completed(made(each), "1", {})[0]


def test_the_bill_names_no_registry_in_its_own_part(bill: ModuleType) -> None:
    listed = made(component(licence={"id": "MIT"}))
    bill.completed(listed, "9", {})
    assert listed["metadata"] == {"component": {"name": "flakesync", "version": "9"}}

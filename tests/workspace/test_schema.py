"""The JSON Schema of workspace.toml says what the reader of the manifest does, as far as a schema can."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import tomli
import tomli_w

from flakesync.errors import ManifestError
from flakesync.workspace.manifest import load_workspace
from flakesync.workspace.schema.document import manifest_schema
from flakesync.workspace.schema.keys import (
    AUDIT,
    FORGE,
    HOLD,
    IGNORE,
    PIN,
    POLICY,
    PUBLISH,
    REPO,
    SHARED,
    WORKSPACE,
    Key,
)
from tests.workspace.test_manifest import WHOLE

ROOT = Path(__file__).parents[2]
VALIDATOR = jsonschema.Draft7Validator(json.loads(json.dumps(manifest_schema())))
REPOS = "[repos.a]\nurl = 'github:a/a'\n"


def is_valid(text: str) -> bool:
    return bool(VALIDATOR.is_valid(tomli.loads(text)))


def documented(heading: str) -> set[str]:
    """Return the keys in the table below a heading of docs/workspace.md."""
    text = (ROOT / "docs/workspace.md").read_text()
    table = text.partition(f"\n## {heading}\n")[2].partition("| key | type | default |")[2].partition("\n\n")[0]
    return set(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE))


def test_it_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(manifest_schema())


def test_the_manifest_of_this_repository_fits() -> None:
    assert is_valid((ROOT / "workspace.toml").read_text())


def test_the_manifest_that_has_every_key_fits() -> None:
    assert is_valid(WHOLE)
    used = {key for table in tomli.loads(WHOLE)["repos"].values() for key in table}
    assert used | {"propagate"} >= REPO.keys() - {
        "checks",
        "after",
        "keep",
        "follow",
        "on-failure",
        "bisect-limit",
        "max-checks",
    }


def test_every_example_in_the_documentation_fits() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/workspace.md").read_text(), re.DOTALL)
    tables = [block for block in blocks if block.lstrip().startswith("[")]
    assert tables
    for block in tables:
        assert is_valid(block if "[repos" in block else f"{block}\n{REPOS}"), block


@pytest.mark.parametrize(
    ("heading", "keys"),
    [
        ("`[workspace]`", WORKSPACE),
        ("`[pins.NAME]`", PIN),
        ("`[repos.NAME]`", REPO),
        ('`[forges."HOST"]`', FORGE),
        ("`[publish]`", PUBLISH),
        ("`[audit]`", AUDIT),
        ("`[[audit.ignore]]`", IGNORE),
        ('`[external-policy."GLOB"]`', POLICY),
        ("`[[hold]]`", HOLD),
    ],
)
def test_every_key_is_documented(heading: str, keys: Mapping[str, Key]) -> None:
    assert documented(heading) == keys.keys()


PLACES: Mapping[tuple[str, ...], Mapping[str, Key]] = {
    ("workspace",): WORKSPACE,
    ("pins", "n"): PIN,
    ("defaults",): SHARED,
    ("repos", "a"): {name: key for name, key in REPO.items() if name not in SHARED},
    ("publish",): PUBLISH,
    ("audit",): AUDIT,
    ("external-policy", "github:b/*"): POLICY,
}
DEFAULTS = [
    (place, name, key.default)
    for place, keys in PLACES.items()
    for name, key in keys.items()
    if key.default is not None
]


@pytest.mark.parametrize(
    ("place", "name", "default"),
    DEFAULTS,
    ids=lambda each: ".".join(map(str, each)) if isinstance(each, tuple) else str(each),
)
def test_a_default_of_the_schema_is_what_the_reader_takes(
    tmp_path: Path, place: tuple[str, ...], name: str, default: object
) -> None:
    manifest: dict[str, Any] = {"pins": {"n": {"source": "github:a/n/main"}}, "repos": {"a": {"url": "github:a/a"}}}
    table = manifest
    for part in place:
        table = table.setdefault(part, {})
    if place[0] == "external-policy":
        manifest["workspace"] = {"external": "latest"}
    if name == "ci-depth":
        table["require-ci"] = True
    file = tmp_path / "workspace.toml"
    file.write_text(tomli_w.dumps(manifest))
    without = load_workspace(file)
    table[name] = default
    file.write_text(tomli_w.dumps(manifest))
    assert load_workspace(file) == without


@pytest.mark.parametrize("keys", PLACES.values(), ids=map(".".join, PLACES))
def test_a_key_says_what_holds_without_it_unless_it_is_required_or_nothing_does(keys: Mapping[str, Key]) -> None:
    silent = {name for name, key in keys.items() if key.default is None and not key.otherwise}
    assert silent <= {"release", "source", "at-least", "at-least-reason", "url", "allowed-signers"}


def test_what_a_repo_can_say_the_defaults_can_say_but_for_what_names_one_repo() -> None:
    assert REPO.keys() - SHARED.keys() == {"url", "path", "aliases"}


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "[repos]\n",
        "[repos.a]\nbase = 'main'\n",
        "[repos.'a b']\nurl = 'github:a/a'\n",
        f"[workspace]\njobs = 0\n{REPOS}",
        f"[workspace]\njobs = '8'\n{REPOS}",
        f"[workspace]\nexternal = 'newest'\n{REPOS}",
        f"[workspace]\nbranhc = 'x'\n{REPOS}",
        f"[workspace]\nsign-off = 'yes'\n{REPOS}",
        f"[workspace]\nauthor = 'Bot'\n{REPOS}",
        f"[workspace]\nname = ''\n{REPOS}",
        f"[pins.n]\ntarget = 'latest'\n{REPOS}",
        f"[pins.n]\nsource = 'github:a/n'\ntarget = 'newest'\n{REPOS}",
        f"[pins.n]\nsource = 'github:a/n'\nmax-age = '30'\n{REPOS}",
        f"[pins.n]\nsource = 'github:a/n'\ninputs = []\n{REPOS}",
        f"[defaults]\nurl = 'github:a/b'\n{REPOS}",
        f"[defaults]\nhold = 'x'\n{REPOS}",
        f"[publish]\nmerge-method = 'ff'\n{REPOS}",
        f"[publish]\nlabels = ['a', 'a']\n{REPOS}",
        f"[forges.'git.example.com']\nkind = 'svn'\n{REPOS}",
        f"[policy]\n{REPOS}",
        f"{REPOS}branch = 'x'\n",
        f"{REPOS}flakes = []\n",
        f"{REPOS}groups = ['a b']\n",
    ],
)
def test_what_the_schema_refuses_the_reader_refuses(tmp_path: Path, wrong: str) -> None:
    assert not is_valid(wrong)
    file = tmp_path / "workspace.toml"
    file.write_text(wrong)
    with pytest.raises(ManifestError):
        load_workspace(file)

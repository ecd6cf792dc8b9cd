"""docs/reference: every command, key and recipe, as the program has them."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from flakesync.cli.app import COMMANDS, build
from flakesync.workspace.schema.document import manifest_schema

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs/reference"


@pytest.fixture(scope="module")
def made() -> Any:
    spec = importlib.util.spec_from_file_location("reference", ROOT / ".ci/reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def section(page: str, name: str) -> str:
    """Return what stands below the heading of a command, up to the next one."""
    return re.split(r"^#{2,3} ", page.partition(f"\n### {name}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def test_the_pages_are_what_the_program_says_today(made: Any) -> None:
    stale = [name for name, text in made.pages().items() if (PAGES / name).read_text("utf-8") != text]
    assert stale == [], "run `make reference`"
    assert {file.name for file in PAGES.iterdir()} == made.pages().keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_there_with_its_usage_options_and_examples(name: str) -> None:
    page = (PAGES / "commands.md").read_text("utf-8")
    command = build(completion=False).get_command(None, name)  # type: ignore[arg-type]
    assert command is not None
    part = section(page, name)
    common = page.partition("## Options of all commands")[2].partition("\n## ")[0]
    assert part.startswith(f"\n```\nflakesync {name} ")
    for parameter in command.params:
        for option in (
            parameter.opts if parameter.param_type_name == "option" and not getattr(parameter, "hidden", False) else ()
        ):
            assert re.search(rf"`(?:-\w, )?{re.escape(option)}\b", part + common), option
    for line in (command.help or "").partition("Examples:\n")[2].splitlines():
        assert line.strip() in part


def test_every_key_of_the_manifest_is_there_with_what_it_is_and_what_holds_without_it() -> None:
    page = (PAGES / "manifest-keys.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", page, re.MULTILINE)
    listed = {name for name, *_ in rows}

    def keys(schema: Any) -> set[str]:
        inner = schema.get("additionalProperties") or schema.get("items") or schema
        below = inner.get("properties", {}) if isinstance(inner, dict) else {}
        return {*below}

    wanted = set().union(*map(keys, manifest_schema()["properties"].values()))  # type: ignore[attr-defined]
    assert wanted <= listed
    assert len(rows) == len(re.findall(r"^\| `", page, re.MULTILINE))


def test_the_words_of_a_help_text_are_words_in_markdown_too(made: Any) -> None:
    assert made.plain("Take <this> or *that*,\n  a_b [c]; `<d>` with --now PIN") == (
        r"Take \<this\> or \*that\*, a\_b \[c\]; `<d>` with `--now PIN`"
    )


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("Does.\n\nExits with 1 when a repo failed. More.", "a repo failed"),
        ("Exits with 1 when a\nrepo failed, with 4 when something waits.", "a repo failed"),
        ("Exits with 0 when it is written.", "–"),
        ("Does.", "–"),
    ],
)
def test_when_a_command_ends_with_1_is_taken_from_its_help(made: Any, text: str, when: str) -> None:
    assert made._when(text) == when

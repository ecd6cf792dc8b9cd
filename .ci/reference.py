"""Writes docs/reference/: every command, every key of the manifest and every recipe, from what the program itself has.

python .ci/reference.py           a test compares the pages with what this makes
"""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from flakesync.cli.app import COMMANDS, GROUPS, PROGRAM, build
from flakesync.workspace.schema.document import manifest_schema

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs/reference"
RECIPES = ROOT / "examples/nightly"
NOTE = "<!-- Made by `make reference` from the program; changes belong there. -->\n\n"

COMMANDS_SAY = """\
What `flakesync --help` and `flakesync COMMAND --help` print. [Exit statuses](../exit-statuses.md) mean the same for all
commands; the table says when one ends with 1."""
KEYS_SAY = """\
Every key that workspace.toml may have, as `flakesync schema workspace` describes them to editors.
[The manifest](../workspace.md) explains them, with examples."""
RECIPES_SAY = """\
The files of `examples/nightly`, whole, to be copied. [Every night](../nightly.md) explains them."""

_LANGUAGES = {".yml": "yaml", ".sh": "sh", ".service": "ini", ".timer": "ini"}
_TABLES = {
    "pins": "pins.NAME",
    "repos": "repos.NAME",
    "forges": 'forges."HOST"',
    "external-policy": 'external-policy."GLOB"',
}
_EXITS = re.compile(r"Exits with (1 .*?)\.(?= |$)", re.DOTALL)


def pages() -> Mapping[str, str]:
    """Return the text of each page of docs/reference, by file name."""
    return {"commands.md": commands(), "manifest-keys.md": manifest_keys(), "recipes.md": recipes()}


def plain(text: str) -> str:
    """Return a help text as Markdown: options and names of the manifest as code, nothing else with a meaning."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(part if part.startswith("`") else _escaped(part) for part in parts)


def _escaped(text: str) -> str:
    pieces = re.split(r"((?<![\w-])--?[a-z][a-z-]*(?: [A-Z]+\b)?|\[\[[a-z.]+\]\])", text)
    return "".join(
        f"`{piece}`" if number % 2 else re.sub(r"([\\*_<>\[\]|])", r"\\\1", piece)
        for number, piece in enumerate(pieces)
    )


def _paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs of a command's help; those that Typer keeps as they are become blocks of code."""
    for paragraph in text.split("\n\n"):
        if not paragraph.startswith("\b"):
            yield plain(paragraph)
            continue
        lines = paragraph.removeprefix("\b").strip("\n").splitlines()
        words = [line for line in lines if not line.startswith("  ")]
        code = [line.removeprefix("  ") for line in lines if line.startswith("  ")]
        yield plain(" ".join(words))
        yield "\n".join(["```sh", *code, "```"])


def _records(parameters: list[Any], context: typer.Context) -> list[tuple[str, str]]:
    """Return what --help has for each option, as (spelling, meaning with its default)."""
    found = []
    for parameter in parameters:
        record = parameter.get_help_record(context)
        if record is None:
            continue
        name, text = record
        said = [each.strip() for each in re.findall(r"\[([^\[\]]*: [^\[\]]*|required|[^\[\]]*[<>]=?[^\[\]]*)\]", text)]
        meaning = plain(text.partition("  [")[0])
        notes = ", ".join(plain(each.replace("x>=", "at least ")) for each in said)
        found.append((f"`{' '.join(name.split())}`", f"{meaning} ({notes})" if notes else meaning))
    return found


def _list(records: list[tuple[str, str]]) -> list[str]:
    return [f"- {name}: {meaning}" for name, meaning in records]


def commands() -> str:
    """Return docs/reference/commands.md."""
    group = build(completion=True)
    root = typer.Context(group, info_name=PROGRAM)
    options = [each for each in group.params if each.param_type_name == "option"]
    shared = [each for each in options if each.name in _common_names()]
    own = [each for each in options if each not in shared]
    common = _records(shared, root)
    parts = [
        "# Commands",
        COMMANDS_SAY,
        "\n".join(_overview(group)),
        "## Options of all commands",
        "They may stand before or after the command. Each command says which of them it has.",
        "\n".join(_list(common)),
        f"Of `{PROGRAM}` itself:",
        "\n".join(_list(_records(own, root))),
    ]
    for title, names in GROUPS.items():
        parts.append(f"## {title}")
        for name in names:
            parts += _command(group, name, common)
    return NOTE + "\n\n".join(parts) + "\n"


def _common_names() -> frozenset[str]:
    from flakesync.cli.options import ALL

    return frozenset(ALL)


def _overview(group: Any) -> Iterator[str]:
    yield "| command | does | exit status 1 when |"
    yield "|---|---|---|"
    for name in COMMANDS:
        text = group.get_command(None, name).help
        first = plain(text.split("\n\n")[0])
        yield f"| [`{name}`](#{name}) | {first} | {_when(text)} |"


def _when(text: str) -> str:
    """Return when a command ends with 1, as its help has it; a dash where it never does."""
    said = _EXITS.search(" ".join(text.split()))
    if said is None:
        return "–"
    return plain(re.sub(r"^1 (?:too )?(?:when |where )?|, with 4 when.*$", "", said[1]))


def _command(group: Any, name: str, common: list[tuple[str, str]]) -> Iterator[str]:
    command = group.get_command(None, name)
    context = typer.Context(command, info_name=name, parent=typer.Context(group, info_name=PROGRAM))
    yield f"### {name}"
    yield f"```\n{' '.join(context.get_usage().removeprefix('Usage: ').split())}\n```"
    yield from _paragraphs(command.help)
    arguments = _records([each for each in command.params if each.param_type_name == "argument"], context)
    if arguments:
        yield "Arguments:"
        yield "\n".join(_list(arguments))
    options = _records([each for each in command.get_params(context) if each.param_type_name == "option"], context)
    own = [each for each in options if each not in common and "--help" not in each[0]]
    if own:
        yield "Options:"
        yield "\n".join(_list(own))
    has = [each[0] for each in common if each in options]
    if has:
        names = "all of them" if len(has) == len(common) else ", ".join(has)
        yield f"[Options of all commands](#options-of-all-commands): {names}."


def manifest_keys() -> str:
    """Return docs/reference/manifest-keys.md."""
    schema: Any = manifest_schema()
    parts = ["# Keys of the manifest", KEYS_SAY]
    for name, table in schema["properties"].items():
        parts += _table(name, table)
    return NOTE + "\n\n".join(parts) + "\n"


def _table(name: str, table: Any) -> Iterator[str]:
    if table.get("type") == "array":
        yield from _keys(f"[[{name}]]", table["description"], table["items"])
        return
    inner = table.get("additionalProperties") or table
    yield from _keys(f"[{_TABLES.get(name, name)}]", table["description"], inner)
    for key, value in inner["properties"].items():
        if value.get("items", {}).get("properties") and name == "audit":
            yield from _keys(f"[[{name}.{key}]]", f"{value['description'].capitalize()}.", value["items"])


def _keys(heading: str, says: str, table: Any) -> Iterator[str]:
    anchor = re.sub(r"[^\w-]", "", heading.lower())
    yield f"## `{heading}`"
    yield f"{plain(says)} [More](../workspace.md#{anchor})"
    rows = ["| key | type | default | what it is |", "|---|---|---|---|"]
    required = table.get("required", ())
    for name, key in table["properties"].items():
        text, _, otherwise = key["description"].partition("; default: ")
        default = f"`{_toml(key['default'])}`" if "default" in key else plain(otherwise) or "–"
        if name in required:
            default = "required"
        rows.append(f"| `{name}` | {_type(key)} | {default} | {plain(text)} |")
    yield "\n".join(rows)


def _type(key: Any) -> str:
    """Return what a value may be, in words."""
    if "enum" in key:
        several = len(key["enum"]) > 6
        return "one word of a list: " + _words(key["enum"]) if several else _words(key["enum"])
    if "anyOf" in key:
        return " or ".join(_type(each) for each in key["anyOf"])
    if "not" in key:
        return "day"
    kinds = key["type"] if isinstance(key["type"], list) else [key["type"]]
    if kinds == ["array"]:
        item = key["items"]
        return f"array of {'tables' if item['type'] == 'object' else f'{_type(item)}s'}"
    words = {"object": "table", "integer": f"integer from {key.get('minimum')}"}
    return " or ".join(words.get(kind, str(kind)) for kind in kinds)


def _words(values: list[str]) -> str:
    quoted = [f'`"{each}"`' for each in values]
    return f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def recipes() -> str:
    """Return docs/reference/recipes.md."""
    parts = ["# Recipes", RECIPES_SAY]
    for file in sorted(RECIPES.rglob("*")):
        if file.suffix in _LANGUAGES:
            parts.append(f"## {file.relative_to(RECIPES)}")
            parts.append(f"```{_LANGUAGES[file.suffix]}\n{file.read_text('utf-8').rstrip()}\n```")
        elif file.suffix == ".md":
            parts.append(f"## {file.relative_to(RECIPES)}")
            parts.append(_one_deeper(file.read_text("utf-8").rstrip()))
    return NOTE + "\n\n".join(parts) + "\n"


def _one_deeper(text: str) -> str:
    """Return a document as part of another one in docs/reference: without its title, headings one level down."""
    _, _, text = text.partition("\n\n")
    parts = text.split("```")  # every second one is code
    parts[::2] = [re.sub(r"^(#+ )", r"#\1", part, flags=re.MULTILINE) for part in parts[::2]]
    return "```".join(parts).replace("](../../../docs/", "](../")


def main() -> int:
    """Write the pages; return the exit status."""
    PAGES.mkdir(exist_ok=True)
    for name, text in pages().items():
        (PAGES / name).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

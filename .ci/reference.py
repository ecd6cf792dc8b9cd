"""Writes docs/reference/: every command, every key of the manifest and every recipe, from what the program itself has.

python .ci/reference.py           a test compares the pages with what this makes
"""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from flakesync.cli.app import GROUPS, PROGRAM
from flakesync.cli.manual.read import CommandHelp, Listing, Parameter, ProgramHelp, Prose, read_help
from flakesync.workspace.schema.document import manifest_schema

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs/reference"
EXAMPLES = ROOT / "examples"
RECIPES = (EXAMPLES / "nightly", EXAMPLES / "pipeline")
NOTE = "<!-- Made by `make reference` from the program; changes belong there. -->\n\n"

COMMANDS_SAY = """\
What `flakesync --help` and `flakesync COMMAND --help` print. [Exit statuses](../exit-statuses.md) mean the same for all
commands; the table says when one ends with 1."""
KEYS_SAY = """\
Every key that workspace.toml may have, as `flakesync schema workspace` describes them to editors.
[The manifest](../workspace.md) explains them, with examples."""
RECIPES_SAY = """\
The files of `examples/nightly` and `examples/pipeline`, whole, to be copied. [Every night](../nightly.md) explains the
ones, [pipelines](../pipelines.md) the others."""

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


def _paragraphs(paragraphs: Sequence[Prose | Listing]) -> Iterator[str]:
    """Yield the paragraphs of a command's help; what stays as it is becomes a block of code."""
    for paragraph in paragraphs:
        match paragraph:
            case Prose(text):
                yield plain(text)
            case Listing(title, lines):
                yield plain(title)
                yield "\n".join(["```sh", *lines, "```"])


def _list(parameters: Sequence[Parameter]) -> str:
    return "\n".join(
        f"- `{each.spelling}`: {plain(each.meaning)}"
        + (f" ({', '.join(map(plain, each.notes))})" if each.notes else "")
        for each in parameters
    )


def commands() -> str:
    """Return docs/reference/commands.md."""
    program = read_help()
    parts = [
        "# Commands",
        COMMANDS_SAY,
        "\n".join(_overview(program)),
        "## Options of all commands",
        "They may stand before or after the command. Each command says which of them it has.",
        _list(program.shared),
        f"Of `{PROGRAM}` itself:",
        _list(program.options),
    ]
    of_name = {command.name: command for command in program.commands}
    for title, names in GROUPS.items():
        parts.append(f"## {title}")
        for name in names:
            parts += _command(of_name[name], program)
    return NOTE + "\n\n".join(parts) + "\n"


def _overview(program: ProgramHelp) -> Iterator[str]:
    yield "| command | does | exit status 1 when |"
    yield "|---|---|---|"
    for command in program.commands:
        prose = [each.text for each in command.paragraphs if isinstance(each, Prose)]
        yield f"| [`{command.name}`](#{command.name}) | {plain(prose[0])} | {_when(' '.join(prose))} |"


def _when(text: str) -> str:
    """Return when a command ends with 1, as its help has it; a dash where it never does."""
    said = _EXITS.search(text)
    if said is None:
        return "–"
    return plain(re.sub(r"^1 (?:too )?(?:when |where )?|, with 4 when.*$", "", said[1]))


def _command(command: CommandHelp, program: ProgramHelp) -> Iterator[str]:
    yield f"### {command.name}"
    yield f"```\n{command.usage}\n```"
    yield from _paragraphs(command.paragraphs)
    if command.arguments:
        yield "Arguments:"
        yield _list(command.arguments)
    if command.options:
        yield "Options:"
        yield _list(command.options)
    if command.shared:
        spelled = ", ".join(f"`{each.spelling}`" for each in command.shared)
        names = "all of them" if len(command.shared) == len(program.shared) else spelled
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
    if "properties" not in inner:
        inner = {"properties": {"address": inner}}
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
    for file in (file for folder in RECIPES for file in sorted(folder.rglob("*"))):
        title = file.relative_to(RECIPES[0] if RECIPES[0] in file.parents else EXAMPLES)
        if file.suffix in _LANGUAGES:
            parts.append(f"## {title}")
            parts.append(f"```{_LANGUAGES[file.suffix]}\n{file.read_text('utf-8').rstrip()}\n```")
        elif file.suffix == ".md":
            parts.append(f"## {title}")
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

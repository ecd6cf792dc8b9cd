"""What `--help` has, as values: for pages that are made of the same texts."""

import re
from collections.abc import Iterator

import msgspec
import typer
from typer.core import TyperCommand

from flakesync.cli.app import COMMANDS, PROGRAM, build
from flakesync.cli.options import ALL

_NOTES = re.compile(r"\[([^\[\]]*: [^\[\]]*|required|[^\[\]]*[<>]=?[^\[\]]*)\]")


class Parameter(msgspec.Struct, frozen=True):
    """An option or an argument. spelling: as in --help, `-j, --jobs N`. notes: its default, its bounds."""

    spelling: str
    meaning: str
    notes: tuple[str, ...]

    @property
    def text(self) -> str:
        """The meaning, and the notes after it in brackets."""
        return f"{self.meaning} ({', '.join(self.notes)})" if self.notes else self.meaning


class Prose(msgspec.Struct, frozen=True):
    """A paragraph of a help text, in one line."""

    text: str


class Listing(msgspec.Struct, frozen=True):
    """Lines of a help text that stay as they are, as examples, with the words above them."""

    title: str
    lines: tuple[str, ...]


class CommandHelp(msgspec.Struct, frozen=True):
    """The help of one command.

    usage: `flakesync why [OPTIONS] REPO [INPUT]`. summary: the first sentence, without its full stop. options: its own
    ones; shared: those of all commands that it has.
    """

    name: str
    usage: str
    summary: str
    paragraphs: tuple[Prose | Listing, ...]
    arguments: tuple[Parameter, ...]
    options: tuple[Parameter, ...]
    shared: tuple[Parameter, ...]


class ProgramHelp(msgspec.Struct, frozen=True):
    """The help of the program: options of its own, those that all commands share, and the commands."""

    summary: str
    paragraphs: tuple[Prose | Listing, ...]
    options: tuple[Parameter, ...]
    shared: tuple[Parameter, ...]
    commands: tuple[CommandHelp, ...]


def read_help() -> ProgramHelp:
    """Return the help of all commands, in the order of `--help`. Imports every one of them."""
    group = build(completion=True)
    root = typer.Context(group, info_name=PROGRAM)
    options = [each for each in group.params if each.param_type_name == "option"]
    shared = tuple(_parameters([each for each in options if each.name in ALL], root))
    own = tuple(_parameters([each for each in options if each.name not in ALL], root))
    commands = []
    for name in COMMANDS:
        command = group.get_command(root, name)
        if isinstance(command, TyperCommand):
            commands.append(_command(command, name, root, shared))
    return ProgramHelp(summary_of(group.help or ""), tuple(_paragraphs(group.help or "")), own, shared, tuple(commands))


def summary_of(text: str) -> str:
    """Return the first sentence of a help text, in one line, without what follows a colon and without its full stop."""
    return re.split(r"\.(?: |$)|: ", " ".join(text.split("\n\n")[0].split()), maxsplit=1)[0]


def _command(command: TyperCommand, name: str, root: typer.Context, shared: tuple[Parameter, ...]) -> CommandHelp:
    context = typer.Context(command, info_name=name, parent=root)
    parameters: list[object] = list(command.get_params(context))
    of_kind = {
        kind: tuple(_parameters([each for each in parameters if getattr(each, "param_type_name", "") == kind], context))
        for kind in ("argument", "option")
    }
    return CommandHelp(
        name=name,
        usage=" ".join(context.get_usage().removeprefix("Usage: ").split()),
        summary=summary_of(command.help or ""),
        paragraphs=tuple(_paragraphs(command.help or "")),
        arguments=of_kind["argument"],
        options=tuple(each for each in of_kind["option"] if each not in shared and "--help" not in each.spelling),
        shared=tuple(each for each in shared if each in of_kind["option"]),
    )


def _parameters(parameters: "list[object]", context: typer.Context) -> Iterator[Parameter]:
    for parameter in parameters:
        record = parameter.get_help_record(context)  # type: ignore[attr-defined]  # Typer's own class of parameters
        if record is None:
            continue
        spelling, text = record
        notes = tuple(each.strip().replace("x>=", "at least ") for each in _NOTES.findall(text))
        yield Parameter(" ".join(spelling.split()), " ".join(text.partition("  [")[0].split()), notes)


def _paragraphs(text: str) -> Iterator[Prose | Listing]:
    """Yield the paragraphs of a help text; those that Typer keeps as they are begin with a backspace."""
    for paragraph in text.strip().split("\n\n"):
        if not paragraph.startswith("\b"):
            yield Prose(" ".join(paragraph.split()))
            continue
        lines = paragraph.removeprefix("\b").strip("\n").splitlines()
        title = [line for line in lines if not line.startswith("  ")]
        yield Listing(" ".join(title), tuple(line.removeprefix("  ") for line in lines if line.startswith("  ")))

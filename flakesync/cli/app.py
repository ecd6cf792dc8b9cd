"""The commands, each imported only when it is asked for: a start costs what the one command costs."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from keyword import iskeyword
from typing import Annotated, Protocol

import typer
from typer.core import TyperCommand, TyperGroup

from flakesync import __version__
from flakesync.cli.options import Common, with_common

GROUPS = {
    "Look": ("graph", "drift", "audit", "sbom", "inputs", "why", "plan", "seen", "report"),
    "Change": ("sync", "task", "collect", "move", "follow", "bisect", "hold"),
    "Land": ("publish", "status", "land", "abandon"),
    "Carry": ("bundle", "import"),
    "Set up": ("init", "doctor", "schema", "demo", "man"),
}
"""What a person is about to do, and the commands for it; `--help` shows them so."""

_FOLDERS = {name: title.lower().replace(" ", "_") for title, names in GROUPS.items() for name in names}

COMMANDS = tuple(name for names in GROUPS.values() for name in names)
PROGRAM = "flakesync"


class _Formatter(Protocol):
    """What Typer's formatter of help texts does here."""

    width: int

    def section(self, name: str) -> AbstractContextManager[None]:
        """Begin a section that ends with the context."""

    def write_dl(self, rows: Sequence[tuple[str, str]]) -> None:
        """Write words with what they mean beside them."""


class LazyGroup(TyperGroup):
    """The commands of `flakesync.cli.commands`, a folder each group and a module each command, loaded by name."""

    def list_commands(self, ctx: object) -> list[str]:
        """Return the names in the order of `--help`."""
        return list(COMMANDS)

    def format_commands(self, ctx: object, formatter: _Formatter) -> None:
        """Write the commands, below what a person is about to do."""
        room = formatter.width - 6 - max(map(len, COMMANDS))
        for title, names in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name, _load(name).get_short_help_str(room)) for name in names])

    def get_command(self, ctx: object, cmd_name: str) -> TyperCommand | None:
        """Return a command. None: there is no such command; all are loaded then, to suggest one."""
        if cmd_name not in COMMANDS:
            self.commands.update((name, _load(name)) for name in COMMANDS)
            return None
        return _load(cmd_name)


def _load(name: str) -> TyperCommand:
    # A module and a function cannot be called `import`.
    own = f"{name}_" if iskeyword(name) else name
    function: Callable[..., int] = getattr(import_module(f"flakesync.cli.commands.{_FOLDERS[name]}.{own}"), own)
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name)(function)
    command = typer.main.get_command(app)
    assert isinstance(command, TyperCommand)
    return command


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


def build(*, completion: bool) -> TyperGroup:
    """Return the whole command line. completion: with the options that install shell completion."""
    app = typer.Typer(
        cls=LazyGroup,
        add_completion=completion,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.callback()(_root)
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return group


@with_common()
def _root(
    common: Common,
    version: Annotated[
        bool, typer.Option("--version", "-V", is_eager=True, callback=_show_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """One nixpkgs, one update, tested together, landed in order.

    For organisations with many Nix flake repositories that take each other as
    inputs. workspace.toml lists them; everything else is read from their locks.

    \b
    A first look:
      flakesync init ~/src/acme     list the repos in workspace.toml
      flakesync graph               who takes whom
      flakesync drift               who is behind
      flakesync plan                what a sync would move
      flakesync sync                bump all of them, in order
      flakesync publish             push, and open a pull request for each
      flakesync land                merge them in order

    \b
    Exit status: 0 in step or done, 1 findings or failed repos, 2 could not run,
    3 a bug, 4 something still waits (land), 130 interrupted.
    Options may stand before or after the command.
    """

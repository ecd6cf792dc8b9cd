"""Options of several commands; those that every command has are accepted before or after the command's name."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer

from flakesync.cli import complete
from flakesync.net.wall import offline

R = TypeVar("R")

LockerOption = Annotated[
    Literal["auto", "nix", "native"],
    typer.Option("--locker", help="Who writes the locks: flakesync itself where that is exact, else Nix (auto)."),
]
DialectOption = Annotated[
    Literal["nix-2.8", "nix-2.10+", "lix", "nix-2.26+"] | None,
    typer.Option(
        "--dialect", help="Write like these versions of Nix: nix-2.10+ ends at 2.19.  [default: what each lock shows]"
    ),
]
VerifyOption = Annotated[
    bool, typer.Option("--verify", help="Let Nix look over every lock that flakesync writes itself.")
]
JsonFileOption = Annotated[
    Path | None, typer.Option("--json-file", metavar="FILE", help="Write the JSON document to a file, too.")
]
AlwaysJsonOption = Annotated[bool, typer.Option("--json", help="Changes nothing: the answer is always JSON.")]
"""Of commands that have no other answer: who asks every command for JSON need not know which these are."""


@dataclass(frozen=True, slots=True)
class Common:
    """What the options of all commands say.

    workspace: None for the nearest workspace.toml upward. jobs: None for what the manifest says.
    """

    workspace: Path | None = None
    repo: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    jobs: int | None = None
    json: bool = False
    offline: bool = False
    local: bool = False
    quiet: bool = False
    verbose: bool = False

    def over(self, before: "Common") -> "Common":
        """Return these options, filled up with those given before the command; lists of both are joined."""
        return Common(
            workspace=self.workspace or before.workspace,
            repo=before.repo + self.repo,
            group=before.group + self.group,
            exclude=before.exclude + self.exclude,
            jobs=self.jobs or before.jobs,
            json=self.json or before.json,
            offline=self.offline or before.offline,
            local=self.local or before.local,
            quiet=self.quiet or before.quiet,
            verbose=self.verbose or before.verbose,
        )


class Session:
    """What is known of one run of the program: filled while its arguments are read, asked when an error is shown."""

    def __init__(self) -> None:
        """Start with no option given."""
        self.common = Common()


_DECLARED: dict[str, tuple[object, object]] = {
    "workspace": (
        Annotated[
            Path | None,
            typer.Option(
                "--workspace", "-w", metavar="FILE", help="The manifest.  [default: nearest workspace.toml upward]"
            ),
        ],
        None,
    ),
    "repo": (
        Annotated[
            list[str] | None,
            typer.Option("--repo", metavar="NAME", help="Only this repo (repeatable).", autocompletion=complete.repos),
        ],
        None,
    ),
    "group": (
        Annotated[
            list[str] | None,
            typer.Option(
                "--group",
                metavar="NAME",
                help="Only the repos of this group (repeatable).",
                autocompletion=complete.groups,
            ),
        ],
        None,
    ),
    "exclude": (
        Annotated[
            list[str] | None,
            typer.Option(
                "--exclude",
                metavar="NAME",
                help="Not this repo or group (repeatable).",
                autocompletion=complete.repos_and_groups,
            ),
        ],
        None,
    ),
    "jobs": (
        Annotated[
            int | None,
            typer.Option(
                "--jobs", "-j", min=1, metavar="N", help="How many repos at once.  [default: see workspace.toml]"
            ),
        ],
        None,
    ),
    "json": (Annotated[bool, typer.Option("--json", help="Answer with a JSON document.")], False),
    "offline": (
        Annotated[bool, typer.Option("--offline", help="Ask no server; use what the locks and mirrors know.")],
        False,
    ),
    "local": (
        Annotated[bool, typer.Option("--local", help="Read clones at their own branches, not at their servers'.")],
        False,
    ),
    "quiet": (Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")], False),
    "verbose": (Annotated[bool, typer.Option("--verbose", "-v", help="More detail, and tracebacks.")], False),
}
ALL = tuple(_DECLARED)


def with_common(*names: str) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Give a command the common options called `names` (all of them if none is named).

    The command takes a Common as its first argument, positionally; Typer sees the options instead of it.
    """
    assert {field.name for field in fields(Common)} == _DECLARED.keys()
    wanted = names or ALL

    def decorate(command: Callable[..., R]) -> Callable[..., R]:
        def run(ctx: typer.Context, **given: object) -> R:
            after = Common(**{name: _value(name, given.pop(name)) for name in wanted})  # type: ignore[arg-type]
            session = ctx.find_root().obj
            assert isinstance(session, Session)
            session.common = after.over(session.common)
            with offline(session.common.offline):
                return command(session.common, **given)

        own = list(inspect.signature(command).parameters.values())[1:]
        context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
        common = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)
            for name, (kind, default) in _DECLARED.items()
            if name in wanted
        ]
        own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
        parameters = [context, *own, *common]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        run.__name__ = command.__name__
        run.__doc__ = command.__doc__
        return run

    return decorate


def _value(name: str, given: object) -> object:
    """Return an option's value as Common holds it: what can be repeated as a tuple."""
    if name in ("repo", "group", "exclude"):
        return tuple(given) if isinstance(given, list | tuple) else ()
    return given

"""Help texts as man pages, in mdoc(7)."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from flakesync.cli.app import GROUPS, PROGRAM
from flakesync.cli.manual.read import CommandHelp, Listing, Parameter, ProgramHelp, Prose

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December",
)  # fmt: skip  # strftime's follow the user's language
EXIT_STATUSES = (
    ("0", "In step, or done."),
    ("1", "Findings, or repos that failed or were skipped."),
    ("2", "Could not run: usage, manifest, no repo is chosen, a tool or a token is missing, another run is at work."),
    ("3", "A bug in flakesync."),
    ("4", "Something still waits (land)."),
    ("129, 130, 143", "Interrupted: HUP, ctrl-C, TERM."),
)
VARIABLES = (
    ("FLAKESYNC_CACHE", "The cache folder. Without it: $XDG_CACHE_HOME/flakesync, or $HOME/.cache/flakesync."),
    ("FLAKESYNC_NIX", "The nix to run. Without it: nix on PATH."),
    ("FLAKESYNC_DEBUG", "Set: errors come with a traceback."),
    ("GITHUB_TOKEN, GITLAB_TOKEN, FORGEJO_TOKEN", "Tokens of the forges; workspace.toml may name other variables."),
    ("NO_COLOR, FORCE_COLOR", "No colours at all; colours in a pipe, too."),
)
FILES = (
    ("workspace.toml", "The manifest; the nearest one upward is taken."),
    ("~/.cache/flakesync", "Mirrors, and what else is kept; it may be deleted but for seen.json."),
)


def pages(program: ProgramHelp, version: str, day: date) -> dict[str, str]:
    """Return the text of each man page, by file name: flakesync.1, and flakesync-COMMAND.1 for each command."""
    found = {f"{PROGRAM}.1": _program_page(program, version, day)}
    for command in program.commands:
        found[f"{PROGRAM}-{command.name}.1"] = _command_page(program, command, version, day)
    return found


def _program_page(program: ProgramHelp, version: str, day: date) -> str:
    lines = [
        *_head(PROGRAM, program.summary, version, day),
        ".Sh SYNOPSIS",
        ".Nm",
        ".Op Ar OPTIONS",
        ".Ar COMMAND",
        ".Op Ar ARGUMENTS",
        ".Sh DESCRIPTION",
        *_body(each for each in program.paragraphs[1:] if isinstance(each, Prose)),
        ".Pp",
        "The commands, each with a page of its own:",
        ".Bl -tag -width publish",
    ]
    for command in program.commands:
        lines += [f".It Xr {PROGRAM}-{command.name} 1", *_sentences(f"{command.summary}.")]
    lines += [".El", ".Pp", "Options of all commands, before or after the command:", *_list(program.shared)]
    lines += [".Pp", f"Options of {PROGRAM} itself:", *_list(program.options)]
    examples = [each for each in program.paragraphs if isinstance(each, Listing) and each.lines]
    lines += [*_surroundings(), *_examples(examples), ".Sh SEE ALSO"]
    return _text([*lines, ".Xr git 1 ,", ".Xr nix 1"])


def _command_page(program: ProgramHelp, command: CommandHelp, version: str, day: date) -> str:
    name = f"{PROGRAM}-{command.name}"
    lines = [
        *_head(name, command.summary[:1].lower() + command.summary[1:], version, day),
        ".Sh SYNOPSIS",
        f".Nm {PROGRAM}",
        f".Cm {_word(command.name)}",
        *_synopsis(command.usage),
        ".Sh DESCRIPTION",
        *_body(each for each in command.paragraphs if isinstance(each, Prose)),
    ]
    if command.arguments:
        lines += [".Pp", "Arguments:", *_list(command.arguments)]
    if command.options:
        lines += [".Pp", "Options:", *_list(command.options)]
    if command.shared:
        lines += [".Pp", "Options that other commands have too:", *_list(command.shared)]
    listings = [each for each in command.paragraphs if isinstance(each, Listing) and each.lines]
    group = next(names for names in GROUPS.values() if command.name in names)
    see = [f".Xr {PROGRAM} 1", *(f".Xr {PROGRAM}-{name} 1" for name in sorted(group) if name != command.name)]
    lines += [*_surroundings(), *_examples(listings), ".Sh SEE ALSO", *(f"{line} ," for line in see[:-1]), see[-1]]
    return _text(lines)


def _head(name: str, summary: str, version: str, day: date) -> Iterator[str]:
    yield f'.\\" Made by `{PROGRAM} man`.'
    yield f".Dd {_MONTHS[day.month - 1]} {day.day}, {day.year}"
    yield f".Dt {name.upper()} 1"
    yield f".Os {PROGRAM} {version}"
    yield ".Sh NAME"
    yield f".Nm {name}"
    yield f'.Nd "{_escaped(summary)}"'


def _surroundings() -> Iterator[str]:
    for title, rows in (("ENVIRONMENT", VARIABLES), ("FILES", FILES), ("EXIT STATUS", EXIT_STATUSES)):
        yield f".Sh {title}"
        yield ".Bl -tag -width Ds"
        for what, meaning in rows:
            yield f'.It "{_escaped(what)}"'
            yield from _sentences(meaning)
        yield ".El"


def _examples(listings: Sequence[Listing]) -> Iterator[str]:
    if not listings:
        return
    yield ".Sh EXAMPLES"
    for number, listing in enumerate(listings):
        if number:
            yield ".Pp"
        if listing.title and listing.title != "Examples:":
            yield from _sentences(listing.title)
        yield ".Bd -literal -compact"
        yield from (_line(each) for each in listing.lines)
        yield ".Ed"


def _synopsis(usage: str) -> Iterator[str]:
    """Yield what stands after the command in its usage: `[OPTIONS] {REPO} [INPUT]...`."""
    for each in usage.split()[2:]:
        name = each.removesuffix("...")
        dots = " ..." if each.endswith("...") else ""
        if name.startswith("["):
            yield f".Op Ar {_word(name.strip('[]'))}{dots}"
        else:
            yield f".Ar {_word(name.strip('{}'))}{dots}"


def _list(parameters: Iterable[Parameter]) -> Iterator[str]:
    yield ".Bl -tag -width Ds"
    for parameter in parameters:
        # One string and not Fl and Ar: what a metavar holds is no macro then.
        yield f'.It "{_escaped(parameter.spelling.strip("{}[]"))}"'
        yield from _sentences(parameter.text) if parameter.text else (".Pp",)
    yield ".El"


def _body(paragraphs: Iterable[Prose]) -> Iterator[str]:
    for number, paragraph in enumerate(paragraphs):
        if number:
            yield ".Pp"
        yield from _sentences(paragraph.text)


def _sentences(text: str) -> Iterator[str]:
    """Yield a text with one sentence a line, as mdoc wants it."""
    for sentence in re.split(r"(?<=[.?!]) +", text.strip()):
        yield _line(sentence)


def _line(text: str) -> str:
    """Return a line that holds no request: a full stop or an apostrophe at its beginning is text."""
    shown = _escaped(text, quotes=False)
    return f"\\&{shown}" if shown.startswith((".", "'")) else shown


def _escaped(text: str, *, quotes: bool = True) -> str:
    """Return a text as it is read: backslashes and hyphens as themselves; with quotes: inside of double quotes."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return text.replace('"', "\\(dq") if quotes else text


def _word(text: str) -> str:
    """Return one word that is an argument of a macro and none itself."""
    return f'"\\&{_escaped(text)}"'


def _text(lines: Iterable[str]) -> str:
    return "\n".join(line for line in lines if line) + "\n"

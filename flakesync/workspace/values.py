"""The small languages inside workspace.toml: each function reads one kind of value and says what is wrong with it.

All of them raise ManifestError (code `manifest`) with a message that follows on the name of the key:
`repos.lib.base: is not a branch name that git accepts`.
"""

import re
from collections.abc import Callable, Collection, Iterable
from functools import cache, lru_cache, wraps
from typing import TypeVar

from flakesync import globs
from flakesync.errors import ManifestError
from flakesync.patterns import pattern
from flakesync.terms import FlakeDir, InputPath

T = TypeVar("T")

NAME = pattern(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
"""What a repo, a pin and a group may be called: safe as a file name, an option's value and a word in `repo:NAME`."""

_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
DURATION = pattern(r"([0-9]{1,9})([mhdw])")
AUTHOR = pattern(r"[^<>\x00-\x1f\x7f]*[^<>\x00-\x20\x7f] <[^<>\x00-\x20\x7f]+>")
_BAD_BRANCH = pattern(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|\Z)|\A[-./]|[./]\Z|\A(?:@|HEAD)\Z")
_REV_LIKE = pattern(r"[0-9a-fA-F]{40}(?:[0-9a-fA-F]{24})?")
_PLAIN_COMMAND = pattern(r"[ A-Za-z0-9_@%+=:,./#^~!?*{}\[\]()$&|;<>-]+")
_SHELL_WORDS = frozenset({"&&", "||", "|", ";", "&", ">", ">>", "<", "2>&1"})
_WITHIN_NAME = "[^/]"
_ANY_NAME = globs.STAR
LONGEST_GLOB = 200
"""Characters of a glob."""
_ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./'+@")


def bad(message: str, hint: str | None = None) -> ManifestError:
    """Return the error for one value; whoever reads the table adds the key and the file."""
    return ManifestError("manifest", message, hint=hint)


def kind_of(value: object) -> str:
    """Return the TOML name of a value's type, with its article, for messages."""
    match value:
        case bool():
            return "a boolean"
        case str():
            return "a string"
        case int():
            return "an integer"
        case float():
            return "a float"
        case list():
            return "an array"
        case dict():
            return "a table"
        case _:
            return "a date or time"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the hint "did you mean …" with the most alike of `known`, None when none is alike."""
    from difflib import get_close_matches  # only wanted when something is wrong

    by_lower = {name.lower(): name for name in known}
    close = get_close_matches(word.lower(), [*by_lower], n=1, cutoff=0.6)
    return f"did you mean `{by_lower[close[0]]}`?" if close else None


def did_you_mean(word: str, known: Collection[str]) -> str | None:
    """Return a hint with the nearest of `known`, or with all of them when they are few; None when neither helps."""
    listed = f"there are: {', '.join(sorted(known))}" if 0 < len(known) <= 12 else None
    return nearest(word, known) or listed


def text(value: object) -> str:
    """Return a string that is not empty and has no control characters."""
    if not isinstance(value, str):
        raise bad(f"must be a string, not {kind_of(value)}")
    if not value or value.isspace():
        raise bad("must not be empty")
    if not value.isprintable():
        raise bad("must not contain line feeds, tabs or control characters")
    return value


def _remembered(read: Callable[[str], T]) -> Callable[[object], T]:
    """Let a reader of words look at each word once: thousands of repos share their branches, groups and globs."""
    known: dict[str, T] = {}

    @wraps(read)
    def run(value: object) -> T:
        if isinstance(value, str) and value in known:
            return known[value]
        word = text(value)
        result = known[word] = read(word)
        return result

    return run


def choice(value: object, known: tuple[str, ...]) -> str:
    """Return one of a few words."""
    word = text(value)
    if word not in known:
        listed = ", ".join(f"`{name}`" for name in known)
        raise bad(f"must be one of {listed}, not `{word}`", nearest(word, known))
    return word


@_remembered
def name(word: str) -> str:
    """Return a name of a group; repos and pins are named by the same rule."""
    if not NAME.fullmatch(word):
        raise not_a_name(word)
    return word


def not_a_name(word: str) -> ManifestError:
    """Return the error for a word that NAME does not match."""
    hint = "a name is made of ASCII letters, digits, `_`, `-`, `+` and `.`, and begins with a letter, a digit or `_`"
    return bad(f"`{word}` is not a name", hint)


@_remembered
def branch(word: str) -> str:
    """Return a branch name by the rules of `git check-ref-format --branch`, and none that begins with `-`."""
    if word.startswith("refs/"):
        raise bad(f"`{word}` is a full ref name", f"write the branch alone: `{word.removeprefix('refs/heads/')}`")
    if _BAD_BRANCH.search(word):
        raise bad(f"`{word}` is not a branch name that git accepts", "see `git help check-ref-format`")
    if _REV_LIKE.fullmatch(word):
        raise bad("is a commit id, and must be a branch")
    return word


def duration(value: object) -> int:
    """Return the seconds of `90m`, `12h`, `30d` or `2w`."""
    word = text(value)
    found = DURATION.fullmatch(word)
    if found is None or not int(found[1]):
        raise bad(f"`{word}` is not a duration", "a number above 0 and a unit: `90m`, `12h`, `30d` or `2w`")
    return int(found[1]) * _SECONDS[found[2]]


def count(value: object) -> int:
    """Return a whole number from 1."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise bad(f"must be an integer, not {kind_of(value)}")
    if value < 1:
        raise bad(f"must be 1 or more, not {value}")
    return value


def flag(value: object) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise bad(f"must be a boolean, not {kind_of(value)}", "`true` or `false`, without quotes")
    return value


def author(value: object) -> str:
    """Return an author as git takes it: `Name <mail>`."""
    word = text(value)
    if not AUTHOR.fullmatch(word):
        raise bad(f"`{word}` is not an author", "write `Name <mail>`, for example `Flake Bot <bot@acme.example>`")
    return word


def template(value: object, placeholders: Collection[str]) -> str:
    """Return a template whose every placeholder is known; `{{` and `}}` are braces."""
    from string import Formatter  # rarely needed

    word = text(value)
    try:
        parts = [*Formatter().parse(word)]
    except ValueError as error:
        raise bad(f"`{word}` has a brace without its other half: {error}", "a brace itself is written `{{`") from None
    for _, name, form, conversion in parts:
        if name is None:
            continue
        if name not in placeholders:
            raise bad(f"there is no placeholder `{{{name}}}`", did_you_mean(name, placeholders))
        if form or conversion:
            raise bad(f"`{{{name}}}` is written without a format", f"write `{{{name}}}` alone")
    return word


@_remembered
def flake_dir(word: str) -> FlakeDir:
    """Return the folder of a flake inside its repo in one spelling: `./dev/` is `dev`."""
    parts = [part for part in word.split("/") if part not in ("", ".")]
    if word.startswith("/"):
        raise bad(f"`{word}` is absolute", "name the folder relative to the top of the repo")
    if ".." in parts:
        raise bad(f"`{word}` climbs with `..`", "name the folder relative to the top of the repo")
    if parts and parts[-1] in ("flake.nix", "flake.lock"):
        raise bad(f"`{word}` is a file", f"name its folder: `{'/'.join(parts[:-1]) or '.'}`")
    return FlakeDir("/".join(parts) or ".")


@_remembered
def command(line: str) -> tuple[str, ...]:
    """Return the argv of a check, split as a POSIX shell would, without any other meaning of a shell."""
    if _PLAIN_COMMAND.fullmatch(line):
        argv = line.split()
        for word in argv:
            if word in _SHELL_WORDS:
                raise bad(f"`{word}` needs a shell, and checks run without one", f'write `sh -c "{line}"`')
        return tuple(argv)
    from shlex import split  # slow, and rarely needed

    try:
        argv = split(line)
    except ValueError as error:
        raise bad(f"cannot be split into words: {str(error).lower()}", "look at its quotes and backslashes") from None
    if not argv[0]:
        raise bad("names no program to run")
    return tuple(argv)


def fragments(glob: str) -> list[str]:
    """Return one regular expression per character that the glob matches, `*` as a repetition."""
    found = []
    at = 0
    while at < len(glob):
        char = glob[at]
        at += 1
        if char == "*":
            found.append(_ANY_NAME)
        elif char == "?":
            found.append(_WITHIN_NAME)
        elif char == "[":
            negated = glob.startswith("!", at)
            at += negated
            end = glob.find("]", at + 1)
            if end < 0:
                raise bad(f"`{glob}` has a `[` that is never closed")
            if "--" in glob[at:end]:
                raise bad(f"`{glob}` has a bad range in `[…]`", "a range goes upward: `[a-z]`")
            body = re.sub(r"([\\\[\]^&~|])", r"\\\1", glob[at:end])
            found.append(f"(?!/)[{'^' if negated else ''}{body}]")
            at = end + 1
        else:
            found.append(re.escape(char))
    return found


@_remembered
def glob(word: str) -> str:
    """Return a glob on input paths: `*`, `?` and `[…]` match within one input name, `/` goes one input deeper."""
    if len(word) > LONGEST_GLOB:
        raise bad(f"`{word[:40]}…` is longer than {LONGEST_GLOB} characters")
    if any(char.isspace() for char in word):
        raise bad(f"`{word}` contains a space", "an input path looks like `nixpkgs` or `fenix/nixpkgs`")
    if not all(word.split("/")):
        raise bad(f"`{word}` has an empty part", "an input path looks like `nixpkgs` or `fenix/nixpkgs`")
    if "**" in word:
        raise bad(f"`{word}` uses `**`", "`*` matches within one input name; write one `*` per level: `*/nixpkgs`")
    try:
        if "[" in word:
            re.compile("".join(fragments(word)))
    except re.error:
        raise bad(f"`{word}` has a bad range in `[…]`", "a range goes upward: `[a-z]`") from None
    return word


@lru_cache(maxsize=4096)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(_expression, words)) if words else r"(?!)")


def _expression(word: str) -> str:
    parts: list[list[str]] = [[]]
    for fragment in fragments(word):
        if fragment == "/":
            parts.append([])
        else:
            parts[-1].append(fragment)
    return globs.path([[globs.part(part) for part in parts]])


def matches(words: tuple[str, ...], path: InputPath) -> bool:
    """Tell whether one of these globs (as in `hold` and a pin's `inputs`) matches this whole input path."""
    return _pattern(words).fullmatch("/".join(path)) is not None


def overlap(left: str, right: str) -> bool:
    """Tell whether there is an input path that both globs match."""
    ours, theirs = fragments(left), fragments(right)
    alphabet = _ALPHABET | set(left) | set(right)

    @cache
    def meet(one: str, other: str) -> bool:
        return any(re.fullmatch(one, char) and re.fullmatch(other, char) for char in alphabet)

    # The pairs of places that both globs can have reached after the same characters.
    seen = {(0, 0)}
    todo = [(0, 0)]
    while todo:
        i, j = todo.pop()
        one = ours[i] if i < len(ours) else None
        other = theirs[j] if j < len(theirs) else None
        if one is None and other is None:
            return True
        steps = []
        if one == _ANY_NAME:
            steps.append((i + 1, j))
        if other == _ANY_NAME:
            steps.append((i, j + 1))
        if one is not None and other is not None and meet(one, other):
            steps.append((i + (one != _ANY_NAME), j + (other != _ANY_NAME)))
        todo.extend(step for step in steps if step not in seen)
        seen.update(steps)
    return False

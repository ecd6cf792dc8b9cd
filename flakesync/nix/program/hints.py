"""What to do about troubles of flakes that Nix names and does not explain, found by its words.

Versions word them differently: 2.8 and 2.26 speak of a file in the store that is not there, where 2.34 names git; all
three are looked for. A text that is not surely one of these gets no hint.
"""

import difflib
import re
from collections.abc import Callable
from os.path import lexists
from pathlib import Path

from flakesync.errors import plain

_MOST_BYTES = 1 << 20
_LONGEST_TEXT = 1 << 17
_LONGEST_LINE = 600
"""Of longer ones only the beginning is looked at: patterns take time by the square of a line's length."""
_LONGEST_NAME = 200
_IN_STORE = r"/[^'\"’”\n]*?/[0-9a-z]{32}-source/(?P<file>[^'\"’”\n]+?)"
_OPEN, _CLOSE = "['\"‘“]", "['\"’”]"

_UNTRACKED = re.compile(rf"[Pp]ath {_OPEN}(?P<file>[^'\"’”\n]+){_CLOSE} in the repository .* is not tracked by Git")
_NOT_THERE = (
    re.compile(rf"[Pp]ath {_OPEN}(?P<file>[^'\"’”\n]+){_CLOSE} does not exist in Git repository"),
    re.compile(
        rf"(?:getting status of|(?:opening|reading|reading from) (?:file|directory)) {_OPEN}?{_IN_STORE}{_CLOSE}?"
        r":\s+No such file or directory"
    ),
    re.compile(rf"path {_OPEN}{_IN_STORE}{_CLOSE}\s+does not exist(?! and)"),
)
_NO_ATTRIBUTE = re.compile(rf"attribute {_OPEN}(?P<name>[^'\"’”\n]+){_CLOSE} missing")
_NO_OUTPUT = re.compile(rf"does not provide attribute [^\n]*?{_OPEN}(?P<path>[^'\"’”\n]+){_CLOSE}\s*(?:$|\n)")
_NEAR_BY_NIX = re.compile(r"Did you mean ")
_FOLLOWS = re.compile(
    rf"input {_OPEN}(?P<input>[^'\"’”\n]+){_CLOSE} follows a non-existent input {_OPEN}(?P<target>[^'\"’”\n]*){_CLOSE}"
)
_OVERRIDE = re.compile(
    rf"input {_OPEN}(?P<input>[^'\"’”\n]+){_CLOSE} has an override for a non-existent input"
    rf" {_OPEN}(?P<target>[^'\"’”\n]+){_CLOSE}"
)
_NO_PATH = re.compile(
    rf"path {_OPEN}(?P<path>[^'\"’”\n]+){_CLOSE}\s+(?:is required, but there is no substituter that can build it"
    r"|does not exist and cannot be created)"
)
_SYSTEM = (
    re.compile(
        rf"a {_OPEN}(?P<needs>[^'\"’”\n]+){_CLOSE} with features {{(?P<features>[^}}\n]*)}} is required to build"
        rf" .*?but I am a {_OPEN}(?P<has>[^'\"’”\n]+){_CLOSE}"
    ),
    re.compile(
        rf"Required system: {_OPEN}(?P<needs>[^'\"’”\n]+){_CLOSE}(?: with features {{(?P<features>[^}}\n]*)}})?"
        rf"\s+Current system: {_OPEN}(?P<has>[^'\"’”\n]+){_CLOSE}"
    ),
)
_FEATURES = re.compile(r"Required features: {(?P<features>[^}\n]*)}")
_RECURSION = "infinite recursion encountered"
_OF_MODULES = re.compile(
    r"lib/modules\.nix|evaluating the module argument|while evaluating the option `|reference `config` in `imports`"
    r"|^ *\d+\|.*\b(?:if|imports)\b.*\bconfig\b"
    r"|^ *\d+\|.*\b(?:optionalAttrs|optional|optionals)\b.*\bconfig\b",
    re.MULTILINE,
)
_NAMES = re.compile(r"[A-Za-z_][A-Za-z0-9_'-]*")
_ERROR = re.compile(r"^\s*error:", re.MULTILINE)


def hint_in(output: str, folder: Path | None = None) -> str | None:
    """Return what to do about the trouble that Nix names in `output`; None: none of those that are known here.

    output: of nix, or the end of what a check wrote, which may hold anything. folder: the repo's working tree, in which
    a file may lie that git does not track, and whose flake.nix has the names that there are; None: it is not known.
    """
    text = "\n".join(line[:_LONGEST_LINE] for line in plain(output[-_LONGEST_TEXT:]).split("\n"))
    return next((hint for find in _KNOWN if (hint := find(text, folder)) is not None), None)


def _untracked(text: str, folder: Path | None) -> str | None:
    """Return which file to add to git."""
    if (found := _UNTRACKED.search(text)) is not None:
        return _to_add(found["file"])
    for words in _NOT_THERE:
        for found in words.finditer(text):
            file = found["file"]
            if folder is None or not (folder / ".git").exists():
                return f"if it is a file of the repo, {_to_add(file)}"
            # One that is not there either was never written, or belongs to an input that has lost it.
            if _lies_in(folder, file):
                return _to_add(file)
    return None


def _to_add(file: str) -> str:
    return f"Nix sees only what git tracks: `git add {_quoted(file)}`, and commit it"


def _lies_in(folder: Path, file: str) -> bool:
    parts = file.split("/")
    return ".." not in parts and not file.startswith("/") and "\0" not in file and lexists(folder / file)


def _quoted(file: str) -> str:
    from shlex import quote

    return quote(file[:_LONGEST_NAME])


def _missing(text: str, folder: Path | None) -> str | None:
    """Return which names there are that are like an attribute that is missing; Nix may have said so itself."""
    if _NEAR_BY_NIX.search(text):
        return None
    found = _NO_ATTRIBUTE.search(text)
    name = found["name"] if found is not None else None
    if name is None and (output := _NO_OUTPUT.search(text)) is not None:
        name = output["path"].rpartition(".")[2]
    if name is None or len(name) > _LONGEST_NAME:
        return None
    near = difflib.get_close_matches(name, _names(folder) - {name}, n=3, cutoff=0.75)
    if near:
        return f"flake.nix has {' and '.join(f'`{each}`' for each in near)}: is that meant by `{name}`?"
    return f"if it was there before, an input that moved has renamed or removed `{name}`: see `flakesync why`"


def _names(folder: Path | None) -> set[str]:
    """Return the names that stand in a folder's flake.nix, without evaluating it."""
    if folder is None:
        return set()
    try:
        with (folder / "flake.nix").open("rb") as file:
            text = file.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return set()
    return set(_NAMES.findall(text))


def _follows_nothing(text: str, folder: Path | None) -> str | None:
    """Return which `follows` leads nowhere; what is only a warning counts where there is no error."""
    if (found := _FOLLOWS.search(text)) is not None:
        target = found["target"]
        near = difflib.get_close_matches(target.rpartition("/")[2], _names(folder) - {target}, n=1, cutoff=0.75)
        like = f"; is `{near[0]}` meant?" if near else ""
        return f"add the input `{target}` to flake.nix, or take away the `follows` of `{found['input']}` to it{like}"
    if (found := _OVERRIDE.search(text)) is not None and _ERROR.search(text) is None:
        return (
            f"`inputs.{found['input']}.inputs.{found['target']}` overrides nothing: take it out of flake.nix"
            " (`flakesync follow` lists all of these)"
        )
    return None


def _no_path(text: str, folder: Path | None) -> str | None:
    """Return why Nix has nothing to build or to download."""
    if (found := _NO_PATH.search(text)) is not None:
        return (
            f"nothing here builds {_base(found['path'])}, and no binary cache in `substituters` has it: add the cache"
            " that does (and its key to `trusted-public-keys`), or push it there first"
        )
    for words in _SYSTEM:
        if (found := words.search(text)) is not None and found["needs"] != found["has"]:
            return (
                f"it needs a machine of {found['needs']}, and this one is {found['has']}: a binary cache that has it,"
                " a remote builder (`builders`), or a check for this system alone"
            )
        if found is not None:
            return _of_features(found["features"] or "")
    features = _FEATURES.search(text)
    return _of_features(features["features"]) if features is not None else None


def _of_features(features: str) -> str:
    return f"no builder has all of the features {{{features}}}: see `system-features` and `builders` in nix.conf"


def _base(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2][:_LONGEST_NAME]


def _recursion(text: str, folder: Path | None) -> str | None:
    """Return how a module may depend on `config`; other recursions have causes of their own."""
    if _RECURSION not in text or _OF_MODULES.search(text) is None:
        return None
    return (
        "a module that decides by `config` which options it sets, or what it imports, needs itself: put what depends on"
        " `config` into `lib.mkIf`, and import always"
    )


_KNOWN: tuple[Callable[[str, Path | None], str | None], ...] = (
    _untracked,
    _follows_nothing,
    _recursion,
    _no_path,
    _missing,
)

"""The files of an update commit beside its locks: edited flake.nix files, and what commands of `after` have written.

The commit names each in a trailer, with the id of its blob (zeros: it is gone): it says itself what it may hold.

Flakesync-File: 4b825dc642cb6eb9a060e54bf8d69288fbee4904 deps.json
"""

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from flakesync.git.store.objects import GITLINK, TREE, ObjectReader
from flakesync.git.trailers import trailers
from flakesync.git.values import Commit
from flakesync.patterns import pattern
from flakesync.terms import InputPath, Rev, is_lock_file

if TYPE_CHECKING:
    from flakesync.nix.expression.inputs import InputSpec

FILE = "Flakesync-File"

_GONE = "0"
_LONGEST = 1 << 20
"""Bytes of a flake.nix; what is longer is none."""
_LETTERS = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 34: '"', 92: "\\"}
_BYTES = {letter: byte for byte, letter in _LETTERS.items()}
_ESCAPE = pattern(r'\\(?:([abtnvfr"\\])|([0-3][0-7]{2}))')


def file_lines(blobs: Mapping[str, str | None], like: str) -> tuple[str, ...]:
    """Return the trailers of files. blobs: the id of each one's blob, by path; None: it is gone. like: any id."""
    return tuple(f"{FILE}: {oid or _GONE * len(like)} {quote_path(path)}" for path, oid in sorted(blobs.items()))


def other_files(changed: Collection[str]) -> list[str]:
    """Return those of some paths that are no locks, in order."""
    return sorted(path for path in changed if not is_lock_file(path))


def names_its_files(reader: ObjectReader, commit: Commit, changed: Collection[str]) -> bool:
    """Tell whether a commit names each of its files that is no lock, as it is, and nothing else.

    changed: the paths that differ from its parent.
    """
    named = named_files(commit)
    others = other_files(changed)
    return (
        named is not None
        and named.keys() == set(others)
        and all(_blob(reader, commit.rev, path) == named[path] for path in others)
    )


def named_files(commit: Commit) -> dict[str, str] | None:
    """Return the blobs that the trailers of a commit name, by path; None: not all of these are so written."""
    named: dict[str, str] = {}
    for value in trailers(commit, FILE):
        oid, _, quoted = value.partition(" ")
        path = unquote_path(quoted)
        if path is None or path in named:
            return None
        named[path] = oid
    return named


def _blob(reader: ObjectReader, rev: Rev, path: str) -> str | None:
    """Return the id of the file at a path, zeros where there is none; None for a submodule, which has no blob."""
    mode, oid = reader.entry(rev, path) or (TREE, "")
    if mode == GITLINK:
        return None
    return _GONE * len(rev) if mode == TREE else oid


def quote_path(path: str) -> str:
    """Return a path in one line of ASCII, in quotes where git would quote it (`quote_c_style` in quote.c).

    And where it begins or ends with a blank, which would be lost in a trailer.
    """
    data = path.encode("utf-8", "surrogateescape")
    if all(32 <= byte < 127 and byte not in (34, 92) for byte in data) and path == path.strip():
        return path
    return f'"{"".join(map(_quoted, data))}"'


def _quoted(byte: int) -> str:
    if byte in _LETTERS:
        return f"\\{_LETTERS[byte]}"
    return chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}"


def unquote_path(text: str) -> str | None:
    """Return the path that `quote_path` has written; None: it has not written this."""
    path = text
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):
        data = _ESCAPE.sub(lambda found: chr(_BYTES[found[1]] if found[1] else int(found[2], 8)), text[1:-1])
        try:
            path = data.encode("latin-1").decode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            return None
    return path if path and quote_path(path) == text else None


# ---- flake.nix: edits are there or not, whatever else has changed in the file --------------------------------------


def has_edits(before: bytes | None, after: bytes | None, now: bytes | None) -> bool:
    """Tell whether a flake.nix has what edits have made of its inputs. before, after: the edits; now: as it is by now.

    False too where the files are no flake.nix, or one would have to be evaluated to tell.
    """
    made = _changes(before, after)
    if not made or now is None:
        return False
    found = _inputs(now)
    return found is not None and all(found.get(path) == said for path, said in made.items())


def says_the_same(before: bytes | None, after: bytes | None, now: bytes | None) -> bool:
    """Tell whether an edited flake.nix has by now still the inputs that it had before the edits; see `has_edits`."""
    return before is not None and now is not None and bool(_changes(before, after)) and _inputs(before) == _inputs(now)


_Said = tuple[object, ...]


def _changes(before: bytes | None, after: bytes | None) -> dict[InputPath, _Said | None]:
    old, new = (_inputs(each) if each is not None else None for each in (before, after))
    if old is None or new is None:
        return {}
    return {path: new.get(path) for path in old.keys() | new.keys() if old.get(path) != new.get(path)}


def _inputs(flake_nix: bytes) -> dict[InputPath, _Said] | None:
    """Return what a flake.nix says of each input, by path; None: it would have to be evaluated."""
    from flakesync.nix.expression.inputs import FlakeInputs, read_inputs  # hardly any update edits a flake.nix

    read = read_inputs(flake_nix) if len(flake_nix) <= _LONGEST else None
    return dict(_said((), read.inputs)) if isinstance(read, FlakeInputs) else None


def _said(above: InputPath, inputs: "Mapping[str, InputSpec]") -> Iterator[tuple[InputPath, _Said]]:
    todo = [((*above, name), spec) for name, spec in inputs.items()]
    while todo:
        path, spec = todo.pop()
        yield path, (spec.ref, spec.follows, spec.flake)
        todo += [((*path, name), below) for name, below in spec.inputs.items()]

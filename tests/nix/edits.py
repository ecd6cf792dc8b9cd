"""Short ways to write an edit of a flake.nix, and what comes of it."""

import pytest

from flakesync.nix.expression.edit import CannotEditError, Edit, Edited, RemoveFollows, SetFollows, edit_inputs
from flakesync.terms import InputPath

OUTPUTS = "  outputs = { self, ... }: { };\n}\n"


def path(text: str) -> InputPath:
    return tuple(filter(None, text.split("/")))


def follow(input_: str, target: str = "np") -> SetFollows:
    return SetFollows(path(input_), path(target))


def unfollow(input_: str) -> RemoveFollows:
    return RemoveFollows(path(input_))


def edited(source: str, *edits: Edit) -> str:
    """Return a flake.nix with edits made; that they are made twice changes nothing."""
    made = edit_inputs(source.encode(), edits)
    assert edit_inputs(made.source, edits) == Edited(made.source, ())
    return made.source.decode()


def refused(source: str, *edits: Edit) -> tuple[int, int, str]:
    with pytest.raises(CannotEditError) as stop:
        edit_inputs(source.encode(), edits)
    return stop.value.line, stop.value.column, stop.value.reason


def of_inputs(text: str) -> str:
    """Return a flake.nix that has `np` too."""
    return f'{{\n  inputs.np.url = "github:o/np";\n{text}{OUTPUTS}'

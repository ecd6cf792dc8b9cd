"""What the manifest asks to be edited in one flake.nix, and what of that cannot or may not be done."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from flakesync.nix.expression.edit_kinds import Edit
from flakesync.nix.reference.flakeref import Attr
from flakesync.terms import FlakeDir, InputPath, PinName

WhyUnedited = Literal["cannot-edit", "held", "fixed", "indirect"]
"""Why an input is not edited: only a person can (sync then fails); the manifest holds it; flake.nix names a commit
itself; it is a name of the registry without a branch."""


class FlakeEdit(msgspec.Struct, frozen=True):
    """An edit of the flake.nix in the folder `dir`, for an input of the flake that has it.

    input: its path in that flake; not the edit's own where a folder of the repo (`path:./sub`) is between.
    file: in the repo. line, column: from 1, columns in bytes, in the file before it. before, after: the texts there, or
    of a reference the names of its branches. pin: who asks for it, if one does.
    """

    dir: FlakeDir
    edit: Edit
    input: InputPath
    file: str
    line: int
    column: int
    before: str
    after: str
    pin: PinName | None = None


class Unedited(msgspec.Struct, frozen=True):
    """An input whose reference is not edited, though a pin asks for it. detail: a phrase.

    line, column: where flake.nix speaks of it, as far as that is known; else None. before, after: the names of the
    branches; None of one that has none. wanted: the reference that it should have.
    """

    input: InputPath
    why: WhyUnedited
    detail: str
    file: str
    pin: PinName
    line: int | None = None
    column: int | None = None
    before: str | None = None
    after: str | None = None
    wanted: Mapping[str, Attr] = {}

"""The inputs of a flake.nix, read without evaluating anything (`parseFlakeInput` in `src/libflake/flake.cc` of Nix).

The answer is exact or it is NotStatic. What Nix would have to evaluate, what Nix refuses, and what its versions read
differently are all NotStatic, with the place and the reason: nothing is guessed, and no inputs are returned for a flake
that Nix refuses.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from flakesync.nix.flakeref import FlakeRef
from flakesync.terms import InputPath


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What a flake says about one of its inputs, or, nested in another's `inputs`, about an input of that input.

    ref: the reference in canonical attributes, as Nix 2.26 and later write it as `original`; `indirect` for a top-level
    input that names none. None: the input follows another, or it is a nested override that names neither (below it
    may be more; Nix up to 2.29 takes such a one for `indirect`).
    follows: the input path it follows, relative to this flake, `()` for the flake itself; None: it follows none.
    Never both. flake: False for `flake = false`. inputs: overrides of the inputs of this input, by name.
    relative: `ref` is a path relative to this flake's folder (Nix before 2.26 makes a store path of it).
    portable: every Nix since 2.8 reads and writes `ref` to the letter as it is here; False: older ones may not.
    line, column: where flake.nix speaks of it, counted from 1 (columns in bytes); the formal of `outputs` for an
    input that is named there only.
    """

    ref: FlakeRef | None
    follows: InputPath | None
    flake: bool
    inputs: Mapping[str, "InputSpec"]
    relative: bool
    portable: bool
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class FlakeInputs:
    """The inputs of a flake by name, those that only `outputs` asks for among them (never `self`); in no order."""

    inputs: Mapping[str, InputSpec]


@dataclass(frozen=True, slots=True)
class NotStatic:
    """Why the inputs of a flake.nix cannot be told without Nix. line, column: counted from 1, columns in bytes."""

    line: int
    column: int
    reason: str


def read_inputs(source: bytes, *, file: str = "flake.nix") -> FlakeInputs | NotStatic:
    """Return the inputs of the flake.nix in `source`; `file` is its name in reasons. Raises nothing."""
    raise NotImplementedError

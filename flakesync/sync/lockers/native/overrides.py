"""What flakes say of the inputs of their inputs, and which inputs are touched by that or by a move."""

from collections.abc import Iterable

import msgspec

from flakesync.nix.expression.inputs import InputSpec
from flakesync.sync.lockers.native.values import Beside, Dialect, DisagreementError
from flakesync.terms import InputPath, show_path


class Override(msgspec.Struct, frozen=True):
    """What a flake says of an input further down. flake: the path of that flake. beside: see Flake."""

    spec: InputSpec
    flake: InputPath
    beside: Beside


class Overrides:
    """The overrides that are known so far, by the path of the input that they are of.

    differs: where a dialect decided something; empty if none did.
    """

    def __init__(self, moves: Iterable[InputPath], dialect: Dialect) -> None:
        self._dialect = dialect
        self._found: dict[InputPath, Override] = {}
        self.differs = ""
        self.above_moves = {path[:length] for path in moves for length in range(1, len(path))}
        # Every path at or below which something is overridden or moved: the rest of a trusted lock is copied as it is.
        self.touched = self.above_moves | set(moves)

    def add(self, path: InputPath, spec: InputSpec, flake: InputPath, beside: Beside) -> None:
        """Note what the flake at `flake` says below the input at `path`. Raises: DisagreementError."""
        # No recursion: a flake.nix may nest overrides deeper than Python nests calls.
        stack = [(path, spec)]
        while stack:
            above, outer = stack.pop()
            for name, inner in outer.inputs.items():
                self._note((*above, name), Override(inner, flake, beside))
                if inner.inputs:
                    self.differs = f"overrides of the inputs of {show_path((*above, name))}"
                    if self._dialect.deep_overrides:
                        stack.append(((*above, name), inner))

    def _note(self, path: InputPath, override: Override) -> None:
        empty = override.spec.ref is None and override.spec.follows is None
        if empty and not self._dialect.deep_overrides:
            raise DisagreementError(f"input {show_path(path)} has nested overrides, which Nix up to 2.29 misreads")
        # The outermost flake wins: it comes first, as in Nix, whose map `insert`s and does not replace.
        if not empty and path not in self._found:
            self._found[path] = override
            self.touched.update(path[:length] for length in range(1, len(path) + 1))

    def get(self, path: InputPath) -> Override | None:
        """Return what is said of an input; None: nothing."""
        return self._found.get(path)

    def __contains__(self, path: object) -> bool:
        """Say whether anything is said of an input."""
        return path in self._found

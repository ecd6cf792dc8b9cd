"""Whether a flake.nix without a lock needs one."""

import re
from collections.abc import Iterable

_NOTHING = re.compile(rb"#[^\n]*|/\*.*?(?:\*/|\Z)|\binputs\s*=\s*\{\s*\}\s*;", re.DOTALL)
_INPUTS = re.compile(rb"(?<![\w.-])inputs(?![\w-])\s*[.={]")
_SELF = re.compile(rb"(?<![\w-])self\s*(?:=|\.\s*(?:submodules|lfs)\b)")
_FORMALS = re.compile(rb"outputs\s*=\s*(?:\w+\s*@\s*)?\{([^{}]*)\}\s*(?:@\s*\w+\s*)?:")


def may_have_inputs(flake_nix: bytes) -> bool:
    """Tell whether a flake.nix without a lock seems to need one: Nix writes none for a flake without inputs.

    A look at the text, but where `inputs.self` may be all there is: it only decides whether a missing lock is worth a
    finding.
    """
    text = _NOTHING.sub(b"", flake_nix)
    if _INPUTS.search(text):
        return not (_SELF.search(text) and _has_only_itself(flake_nix))
    formals = _FORMALS.search(text)
    return formals is not None and bool(_names(formals[1]) - {b"self"})


def _names(formals: bytes) -> set[bytes]:
    parts: Iterable[bytes] = (part.split(b"?")[0].strip() for part in formals.split(b","))
    return {part for part in parts if part and part != b"..."}


def _has_only_itself(flake_nix: bytes) -> bool:
    """Tell whether the inputs of a flake.nix say something of the flake itself, and name no other one."""
    from flakesync.nix.expression.inputs import NotStatic, read_inputs

    read = read_inputs(flake_nix)
    return not isinstance(read, NotStatic) and not read.inputs

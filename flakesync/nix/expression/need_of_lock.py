"""Whether a flake.nix without a lock needs one."""

import re
from collections.abc import Iterable

_NOTHING = re.compile(rb"#[^\n]*|/\*.*?\*/|\binputs\s*=\s*\{\s*\}\s*;", re.DOTALL)
_INPUTS = re.compile(rb"(?<![\w.-])inputs(?![\w-])\s*[.={]")
_FORMALS = re.compile(rb"outputs\s*=\s*(?:\w+\s*@\s*)?\{([^}]*)\}\s*(?:@\s*\w+\s*)?:")


def may_have_inputs(flake_nix: bytes) -> bool:
    """Tell whether a flake.nix without a lock seems to need one: Nix writes none for a flake without inputs.

    A look at the text, not a parse: it only decides whether a missing lock is worth a finding.
    """
    text = _NOTHING.sub(b"", flake_nix)
    if _INPUTS.search(text):
        return True
    formals = _FORMALS.search(text)
    return formals is not None and bool(_names(formals[1]) - {b"self"})


def _names(formals: bytes) -> set[bytes]:
    parts: Iterable[bytes] = (part.split(b"?")[0].strip() for part in formals.split(b","))
    return {part for part in parts if part and part != b"..."}

"""flake.nix files in the styles that people write them in (`styles/*.nix`), and all edits of them that make sense."""

from pathlib import Path

from flakesync.nix.expression.edit import Edit, RemoveFollows, SetFollows, SetRef
from flakesync.nix.expression.inputs import FlakeInputs, read_inputs
from tests.nix.edited_flakes import Flake, is_said, ref_of

STYLES = sorted((Path(__file__).parent / "styles").glob("*.nix"), key=lambda path: path.name)
LAYOUTS = {
    "as it is": lambda text: text,
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "tabs": lambda text: text.replace("    ", "\t").replace("  ", "\t"),
    "no last line end": lambda text: text.rstrip("\n"),
}


def styled(style: Path, layout: str) -> Flake:
    """Return a flake.nix of a style, laid out in some way."""
    source = LAYOUTS[layout](style.read_text("utf-8")).encode()
    read = read_inputs(source)
    assert isinstance(read, FlakeInputs), read
    return Flake(source, read.inputs)


def sensible_edits(flake: Flake) -> list[Edit]:
    """Return edits that can be made, each for the file as it is."""
    found: list[Edit] = []
    for name, spec in flake.inputs.items():
        if spec.follows is not None or not is_said(spec):
            continue
        found += [SetFollows((name, below), ("nixpkgs",)) for below in ("new-one", "nixpkgs", "or", "a.b")]
        if (old := ref_of(spec)) is not None:
            found.append(SetRef((name,), old, "nixos-26.05"))
        for below, inner in spec.inputs.items():
            found.append(SetFollows((name, below), ("nixpkgs", "deep")))
            if inner.follows is not None:
                found.append(RemoveFollows((name, below)))
    return found

"""Every sensible edit of every style of flake.nix is made and taken back."""

from pathlib import Path

import pytest

from flakesync.nix.expression.edit import Edited, RemoveFollows, SetFollows, edit_inputs
from tests.nix.styles import LAYOUTS, STYLES, sensible_edits, styled


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("style", STYLES, ids=lambda path: path.stem)
def test_an_edit_keeps_the_style_and_is_taken_back_without_a_trace(style: Path, layout: str) -> None:
    flake = styled(style, layout)
    for edit in sensible_edits(flake):
        made = edit_inputs(flake.source, [edit])
        assert edit_inputs(made.source, [edit]) == Edited(made.source, ())
        if layout == "CRLF":
            assert made.source.count(b"\n") == made.source.count(b"\r\n")
        if isinstance(edit, SetFollows) and edit.input[1] not in flake.inputs[edit.input[0]].inputs:
            assert made.places[0].before == ""
            assert edit_inputs(made.source, [RemoveFollows(edit.input)]).source == flake.source
        elif isinstance(edit, RemoveFollows):
            assert made.places[0].after == ""

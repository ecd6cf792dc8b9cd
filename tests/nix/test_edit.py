"""Edits of a flake.nix: what is refused and where, and where the file was changed."""

import pytest

from flakesync.nix.expression.edit import Edit, Place, SetFollows, SetRef, edit_inputs
from tests.nix.edits import edited, follow, of_inputs, refused, unfollow

REFUSED = {
    "only the outputs name it": (
        '{ inputs.np.url = "github:o/np";\n  outputs = { self, lib, ... }: { }; }',
        (2, 21, "only the outputs name 'lib': it has no place of its own"),
    ),
    "it follows": (
        '{ inputs.np.url = "github:o/np";\n  inputs.lib.follows = "np"; outputs = _: { }; }',
        (2, 10, "'lib' follows another input: nothing below it can be overridden"),
    ),
    "it is inherited": (
        '{ inputs.np.url = "github:o/np";\n  inputs = { inherit (import ./x) lib; }; outputs = _: { }; }',
        (2, 14, "`inherit` has to be evaluated"),
    ),
    "it is a variable": (
        '{ inputs.np.url = "github:o/np";\n  inputs.lib = import ./x; outputs = _: { }; }',
        (2, 10, "the input 'lib' is not a literal set"),
    ),
    "there is no such input": (
        '{\n inputs.np.url = "github:o/np"; outputs = _: { }; }',
        (2, 2, "the flake has no input 'lib'"),
    ),
    "what is to be followed is no input": (
        '{ inputs.lib.url = "github:o/lib"; outputs = _: { }; }',
        (1, 3, "the flake has no input 'np'"),
    ),
    "a reference in several places": (
        (
            '{ inputs.np.url = "github:o/np"; inputs.lib = { url = "github:o/lib"; inputs.np.url = "github:a/b";\n'
            "    inputs.np.flake = false; }; outputs = _: { }; }"
        ),
        (2, 5, "`inputs.lib.inputs.np` is defined in several places"),
    ),
    "a syntax error": ("{ inputs = {", (1, 1, "a syntax error")),
}


@pytest.mark.parametrize(("source", "expected"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_expressed_is_refused_with_its_place(source: str, expected: tuple[int, int, str]) -> None:
    assert refused(source, follow("lib/np")) == expected


def test_a_removal_leaves_no_input_that_is_looked_up_by_its_name() -> None:
    only = '{ inputs.np.url = "github:o/np";\n  inputs.lib.inputs.np.follows = "np"; outputs = _: { }; }'
    assert refused(only, unfollow("lib/np")) == (2, 3, "nothing else is said of the input, which would be gone")
    asked = only.replace("_:", "{ self, lib, ... }:")
    assert edited(asked, unfollow("lib/np")) == asked.replace('inputs.lib.inputs.np.follows = "np"; ', "")
    more = of_inputs('  inputs.lib.inputs.np = {\n    follows = "np";\n    flake = false;\n  };\n')
    assert refused(more, unfollow("lib/np")) == (5, 5, "`inputs.lib.inputs.np` is more than what it follows")
    below = of_inputs('  inputs.lib.inputs.np.follows = "np";\n  inputs.lib.inputs.np.inputs = { };\n')
    assert refused(below, unfollow("lib/np")) == (4, 3, "`inputs.lib.inputs.np` is more than what it follows")
    own = of_inputs('  inputs.lib.follows = "np";\n')
    assert refused(own, unfollow("lib")) == (3, 10, "what 'lib' follows is all that it is")
    assert refused(own, follow("np", "lib")) == (2, 10, "only an input of an input can be made to follow")


def test_what_is_not_there_needs_no_removal() -> None:
    source = of_inputs('  inputs.lib = { url = "github:o/lib"; inputs.a.url = "github:o/a"; };\n')
    for name in ("lib/np", "lib/a", "lib/a/np", "other/np", "np"):
        assert edited(source, unfollow(name)) == source


def test_a_place_is_where_the_file_was_changed_before_all_edits() -> None:
    source = of_inputs('  inputs.lib.url = "github:o/lib/old"; inputs.lib.inputs.x.follows = "np";\n')
    renamed = SetRef(("lib",), "old", "longer")
    edits: list[Edit] = [renamed, unfollow("lib/x"), follow("lib/a"), follow("lib/b"), follow("lib/b")]
    made = edit_inputs(source.encode(), edits)
    added = '\n  inputs.lib.inputs.%s.follows = "np";'
    assert made.places == (
        Place(edits[0], 3, 34, "old", "longer"),
        Place(edits[1], 3, 39, ' inputs.lib.inputs.x.follows = "np";', ""),
        Place(edits[2], 3, 75, "", added % "a"),
        Place(edits[3], 3, 75, "", added % "b"),
    )
    assert refused(source, *edits, follow("lib/c", "c")) == (2, 3, "the flake has no input 'c'")
    late = source.replace("  outputs", '  inputs.z.follows = "np";\n  outputs')
    assert refused(late, *edits, follow("z/c"))[:2] == (4, 10)


def test_a_failed_edit_says_which_rule_of_nix_it_would_break() -> None:
    source = of_inputs('  inputs = rec { lib.url = "github:o/lib"; x = { url = "github:o/x"; flake = true; }; };\n')
    line, column, reason = refused(source, SetFollows(("lib", "a b"), ("np", "1x")))
    assert (line, column, reason) == (3, 43, "with the change Nix could not read it: `follows` is no input path")


def test_line_ends_stay_what_they_are() -> None:
    source = of_inputs('  inputs.lib.url = "github:o/lib";\n').replace("\n", "\r\n")
    changed = edited(source, follow("lib/np"))
    assert changed.count("\n") == changed.count("\r\n") == source.count("\r\n") + 1
    mixed = of_inputs('  inputs.lib.url = "github:o/lib"; # it\r\n')
    assert edited(mixed, follow("lib/np")) == mixed.replace(
        "it\r\n", 'it\r\n  inputs.lib.inputs.np.follows = "np";\r\n'
    )

"""A follows in a flake.nix, form by form: where it is added, replaced, removed, and what is left alone."""

import pytest

from flakesync.nix.expression.edit import RemoveFollows, SetFollows, edit_inputs
from tests.nix.edits import OUTPUTS, edited, follow, of_inputs, unfollow

ADDED = {
    "after the last dotted line": (
        '  inputs.lib.url = "github:o/lib";\n  inputs.x.url = "github:o/x";\n',
        '  inputs.lib.url = "github:o/lib";\n  inputs.lib.inputs.np.follows = "np";\n  inputs.x.url = "github:o/x";\n',
    ),
    "after the last of several": (
        '  inputs.lib.url = "github:o/lib";\n  inputs.o.url = "github:o/x";\n  inputs.lib.flake = true; # why\n',
        (
            '  inputs.lib.url = "github:o/lib";\n  inputs.o.url = "github:o/x";\n  inputs.lib.flake = true; # why\n'
            '  inputs.lib.inputs.np.follows = "np";\n'
        ),
    ),
    "with the indentation of that line": (
        '  inputs = {\n\t  lib.url = "github:o/lib";\n  };\n',
        '  inputs = {\n\t  lib.url = "github:o/lib";\n\t  lib.inputs.np.follows = "np";\n  };\n',
    ),
    "after blanks and comments at its end": (
        '  inputs.lib.url = "github:o/lib"; /* a */ # inputs.b.url = "";  \n',
        '  inputs.lib.url = "github:o/lib"; /* a */ # inputs.b.url = "";  \n  inputs.lib.inputs.np.follows = "np";\n',
    ),
    "after a comment of several lines": (
        '  inputs.lib.url = "github:o/lib"; /* a\n  */\n',
        '  inputs.lib.url = "github:o/lib"; /* a\n  */\n  inputs.lib.inputs.np.follows = "np";\n',
    ),
    "before a comment that something follows": (
        '  inputs.lib.url = "github:o/lib"; /* a\n  */ inputs.x.url = "github:o/x";\n',
        (
            '  inputs.lib.url = "github:o/lib"; inputs.lib.inputs.np.follows = "np"; /* a\n'
            '  */ inputs.x.url = "github:o/x";\n'
        ),
    ),
    "on the line of others": (
        '  inputs = { lib.url = "github:o/lib"; x.url = "github:o/x"; };\n',
        '  inputs = { lib.url = "github:o/lib"; lib.inputs.np.follows = "np"; x.url = "github:o/x"; };\n',
    ),
    "before a brace on its line": (
        '  inputs = {\n    lib.url = "github:o/lib"; };\n',
        '  inputs = {\n    lib.url = "github:o/lib"; lib.inputs.np.follows = "np"; };\n',
    ),
    "into its set": (
        '  inputs.lib = {\n    url = "github:o/lib"; # it\n    # the end\n  };\n',
        '  inputs.lib = {\n    url = "github:o/lib"; # it\n    inputs.np.follows = "np";\n    # the end\n  };\n',
    ),
    "into its set on one line": (
        '  inputs.lib = { url = "github:o/lib"; };\n',
        '  inputs.lib = { url = "github:o/lib"; inputs.np.follows = "np"; };\n',
    ),
    "into its set that ends on its last line": (
        '  inputs.lib = {\n    url = "github:o/lib"; };\n',
        '  inputs.lib = {\n    url = "github:o/lib"; inputs.np.follows = "np"; };\n',
    ),
    "into its set that begins on its first line": (
        '  inputs.lib = { url = "github:o/lib"; # it\n  };\n',
        '  inputs.lib = { url = "github:o/lib"; inputs.np.follows = "np"; # it\n  };\n',
    ),
    "into its inputs": (
        '  inputs.lib = {\n    inputs = {\n      a.follows = "np";\n    };\n    url = "github:o/lib";\n  };\n',
        (
            '  inputs.lib = {\n    inputs = {\n      a.follows = "np";\n      np.follows = "np";\n    };\n'
            '    url = "github:o/lib";\n  };\n'
        ),
    ),
    "into its inputs, in a dotted line": (
        '  inputs.lib.url = "github:o/lib";\n  inputs.lib.inputs = { a.follows = "np"; };\n',
        '  inputs.lib.url = "github:o/lib";\n  inputs.lib.inputs = { a.follows = "np"; np.follows = "np"; };\n',
    ),
    "into empty inputs": (
        '  inputs.lib = { url = "github:o/lib"; inputs = { }; };\n',
        '  inputs.lib = { url = "github:o/lib"; inputs = { np.follows = "np"; }; };\n',
    ),
    "into empty inputs of two lines": (
        '  inputs.lib.url = "github:o/lib";\n  inputs.lib.inputs = {\n  };\n',
        '  inputs.lib.url = "github:o/lib";\n  inputs.lib.inputs = {\n    np.follows = "np";\n  };\n',
    ),
    "after the comments in empty inputs": (
        '  inputs.lib.url = "github:o/lib";\n  inputs.lib.inputs = { # none\n      # a.follows = "np";\n  };\n',
        (
            '  inputs.lib.url = "github:o/lib";\n  inputs.lib.inputs = { # none\n      # a.follows = "np";\n'
            '      np.follows = "np";\n  };\n'
        ),
    ),
    "after the comment of a brace": (
        '  inputs.lib.url = "github:o/lib";\n  inputs.lib.inputs = { # none\n  };\n',
        '  inputs.lib.url = "github:o/lib";\n  inputs.lib.inputs = { # none\n    np.follows = "np";\n  };\n',
    ),
    "beside a comment in empty inputs": (
        '  inputs.lib.url = "github:o/lib";\n  inputs.lib.inputs = { /* none\n  */ };\n',
        '  inputs.lib.url = "github:o/lib";\n  inputs.lib.inputs = { np.follows = "np"; /* none\n  */ };\n',
    ),
    "with the names as they are written": (
        '  "inputs" . ${"lib"} . url = "github:o/lib";\n',
        '  "inputs" . ${"lib"} . url = "github:o/lib";\n  "inputs".${"lib"}.inputs.np.follows = "np";\n',
    ),
    "where the set may not come a second time": (
        '  inputs.lib.inputs.a.follows = "np";\n  inputs.lib = { url = "github:o/lib"; };\n',
        (
            '  inputs.lib.inputs.a.follows = "np";\n  inputs.lib = { url = "github:o/lib"; };\n'
            '  inputs.lib.inputs.np.follows = "np";\n'
        ),
    ),
    "after a value of two lines": (
        '  inputs.lib.url =\n    "github:o/lib";\n',
        '  inputs.lib.url =\n    "github:o/lib";\n  inputs.lib.inputs.np.follows = "np";\n',
    ),
}


@pytest.mark.parametrize(("before", "after"), ADDED.values(), ids=ADDED)
def test_a_follows_goes_where_a_person_would_write_it(before: str, after: str) -> None:
    assert edited(of_inputs(before), follow("lib/np")) == of_inputs(after)


@pytest.mark.parametrize(("before", "after"), ADDED.values(), ids=ADDED)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("end", [OUTPUTS, OUTPUTS.rstrip(), " outputs = _: { }; }"], ids=["", "no line end", "dense"])
def test_what_was_added_and_removed_leaves_nothing(before: str, after: str, line_end: str, end: str) -> None:
    old = of_inputs(before).replace(OUTPUTS, end).replace("\n", line_end)
    new = of_inputs(after).replace(OUTPUTS, end).replace("\n", line_end)
    assert edited(old, follow("lib/np")) == new
    assert edited(new, unfollow("lib/np")) == old


REMOVED = {
    "its line": ('  inputs.lib.inputs.np.follows = "np";\n', ""),
    "the comment at its end": ('  inputs.lib.inputs.np.follows = "np"; /* a */ # b\n', ""),
    "not the comment above it": ('  # why\n  inputs.lib.inputs.np.follows = "np";\n', "  # why\n"),
    "not what follows it": (
        '  inputs.lib.inputs.np.follows = "np"; inputs.x.url = "github:o/x"; # x\n',
        '  inputs.x.url = "github:o/x"; # x\n',
    ),
    "not what is before it": (
        '  inputs.x.url = "github:o/x"; inputs.lib.inputs.np.follows = "np"; # x\n',
        '  inputs.x.url = "github:o/x"; # x\n',
    ),
    "not a comment that goes on": (
        '  inputs.lib.inputs.np.follows = "np"; /* a\n  */ # b\n',
        "  /* a\n  */ # b\n",
    ),
    "the set that is about it alone": (
        '  inputs.lib.inputs.np = {\n    # here\n    follows = "np"; # there\n  };\n',
        "",
    ),
    "and leaves its inputs empty": (
        '  inputs.lib.inputs = {\n    np.follows = "np";\n  };\n',
        "  inputs.lib.inputs = {\n  };\n",
    ),
    "and leaves its inputs empty on one line": (
        '  inputs.lib.inputs = { np = { follows = "np"; }; };\n',
        "  inputs.lib.inputs = { };\n",
    ),
    "with quotes": ('  inputs."lib".inputs."np"."follows" = (\'\'np\'\');\n', ""),
    "of two lines": ('  inputs.lib.inputs.np.follows =\n    # here\n    "np";\n', ""),
}


@pytest.mark.parametrize(("before", "after"), REMOVED.values(), ids=REMOVED)
def test_a_removal_takes_what_is_about_it(before: str, after: str) -> None:
    lib = '  inputs.lib.url = "github:o/lib";\n'
    assert edited(of_inputs(lib + before), unfollow("lib/np")) == of_inputs(lib + after)
    assert edited(of_inputs(before + lib), unfollow("lib/np")) == of_inputs(after + lib)


REPLACED = {
    "another follows": ('np.follows = "old";', 'np.follows = "np";'),
    "another follows in parentheses": ('np.follows = ( "old" /* a */ );', 'np.follows = ( "np" /* a */ );'),
    "another follows in two quotes": ("np.follows = ''old'';", "np.follows = ''np'';"),
    "another follows in a set": (
        'np = { follows = "old"; flake = false; };',
        'np = { follows = "np"; flake = false; };',
    ),
    "a reference": ('np.url = "github:a/b";', 'np.follows = "np";'),
    "a reference in parentheses": ('np.url = ("github:a/b");', 'np.follows = "np";'),
    "a reference in a set": (
        'np = { type = "github"; owner = "a"; repo = "b"; };',
        'np = { follows = "np"; };',
    ),
    "nothing": ("np = { };", 'np = { follows = "np"; };'),
    "overrides below it": ('np.inputs.a.follows = "old";', 'np.follows = "np";'),
}


@pytest.mark.parametrize(("before", "after"), REPLACED.values(), ids=REPLACED)
def test_what_an_input_of_an_input_is_gets_replaced(before: str, after: str) -> None:
    for form in (
        "  inputs.lib.inputs.%s\n",
        '  inputs.lib = { url = "github:o/lib"; inputs.%s };\n',
        "  inputs.lib.inputs = {\n    %s\n  };\n",
    ):
        rest = '  inputs.old.url = "github:o/old";\n'
        assert edited(of_inputs(form % before + rest), follow("lib/np")) == of_inputs(form % after + rest)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("or", '"or"'),
        ("a\nb\r\t", '"a\\nb\\r\\t"'),
        ("in", '"in"'),
        ("a.b", '"a.b"'),
        ("1x", '"1x"'),
        ("a-b_c'", "a-b_c'"),
        ('"\\${', '"\\"\\\\\\${"'),
    ],
)
def test_names_that_nix_would_not_read_are_quoted(name: str, written: str) -> None:
    lib = '  inputs.lib.url = "github:o/lib";\n'
    added = edit_inputs(of_inputs(lib).encode(), [SetFollows(("lib", name), ("np",))])
    assert added.source.decode() == of_inputs(f'{lib}  inputs.lib.inputs.{written}.follows = "np";\n')
    assert edit_inputs(added.source, [RemoveFollows(("lib", name))]).source.decode() == of_inputs(lib)


def test_an_input_of_an_input_of_an_input_follows_where_the_rest_of_its_path_is() -> None:
    lib = '  inputs.lib = {\n    url = "github:o/lib";\n    inputs.a = { inputs.x.follows = "np"; };\n  };\n'
    added = edited(of_inputs(lib), follow("lib/a/np", "np/a"))
    assert added == of_inputs(lib.replace('"np"; };', '"np"; inputs.np.follows = "np/a"; };'))
    assert edited(added, unfollow("lib/a/np")) == of_inputs(lib)
    flat = '  inputs.lib.url = "github:o/lib";\n'
    line = '  inputs.lib.inputs.a.inputs.np.follows = "np";\n'
    assert edited(of_inputs(flat), follow("lib/a/np")) == of_inputs(flat + line)
    assert edited(of_inputs(flat + line), unfollow("lib/a/np")) == of_inputs(flat)


def test_an_input_may_follow_the_flake_itself_or_an_input_of_another() -> None:
    lib = '  inputs.lib.url = "github:o/lib";\n'
    line = '  inputs.lib.inputs.%s.follows = "%s";\n'
    source = edited(of_inputs(lib), follow("lib/me", ""), follow("lib/deep", "np/a/b"))
    assert source == of_inputs(lib + line % ("me", "") + line % ("deep", "np/a/b"))

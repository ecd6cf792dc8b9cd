"""The ref of a reference in a flake.nix, form by form: that alone changes, to the letter."""

import pytest

from flakesync.nix.expression.edit import SetRef
from flakesync.nix.expression.written_ref import find_ref
from tests.nix.edits import edited, of_inputs, refused

OLD, NEW = "nixos-25.11", "nixos-26.05"
REV = "0123456789abcdef0123456789abcdef01234567"

FORMS = [
    '"github:o/r/REF"',
    "''github:o/r/REF''",
    "github:o/r/REF",
    '("github:o/r/REF" /* DECOY */)',
    '"github:DECOY/DECOY/REF"',
    '"github:o/r?ref=REF"',
    '"github:o/r?dir=DECOY&ref=REF&host=h.example"',
    '"github:o/r/REF?dir=x"',
    '"gitlab:o/r/REF"',
    '"sourcehut:~o/r/REF"',
    '"git+https://h/DECOY/DECOY.git?ref=REF"',
    '"git+ssh://git@h/r?submodules=1&ref=REF&dir=x"',
    "git+https://h/r?ref=REF",
    '"hg+https://h/r?ref=REF"',
    '"nixpkgs/REF"',
    '"flake:nixpkgs/REF"',
    "flake:nixpkgs/REF",
    '"https://github.com/o/r/archive/REF.tar.gz"',
    '"https://github.com/o/r/archive/refs/heads/REF.tar.gz"',
    '"https://github.com/o/DECOY/archive/REF.zip"',
    '"https://github.com/o/r/tarball/REF"',
    '"https://codeload.github.com/o/r/tar.gz/REF"',
    '"https://codeload.github.com/o/r/tar.gz/refs/heads/REF"',
    '"https://api.github.com/repos/o/r/tarball/REF"',
    '"https://codeberg.org/o/r/archive/REF.tar.gz"',
    '"https://git.sr.ht/~o/r/archive/REF.tar.gz"',
    '"https://gitlab.com/g/s/r/-/archive/REF/r-REF.tar.gz"',
    '"https://gitlab.com/g/s/r/-/archive/REF/any.tar.gz"',
    '"https://gitlab.com/g/s/r/-/archive/REF.tar.gz"',
    '"tarball+https://h/o/r/archive/REF.tar.gz?x=DECOY"',
    '"https://channels.nixos.org/REF/nixexprs.tar.xz"',
    '"https://nixos.org/channels/REF/nixexprs.tar.xz"',
]


def url(text: str) -> str:
    return of_inputs(f"  inputs.lib.url = {text}; # {OLD}\n")


def set_ref(old: str, new: str) -> SetRef:
    return SetRef(("lib",), old, new)


@pytest.mark.parametrize("form", FORMS)
def test_the_ref_alone_changes(form: str) -> None:
    before, after = (url(form.replace("REF", ref).replace("DECOY", OLD)) for ref in (OLD, NEW))
    assert edited(before, set_ref(OLD, NEW)) == after
    assert edited(after, set_ref(NEW, OLD)) == before


@pytest.mark.parametrize(
    ("before", "after", "old", "new"),
    [
        ('"github:o/r/a/b"', '"github:o/r/c"', "a/b", "c"),
        ('"github:o/r/c"', '"github:o/r/a/b"', "c", "a/b"),
        ('"git+https://h/r?ref=a/b"', '"git+https://h/r?ref=c/d"', "a/b", "c/d"),
        ('"git+https://h/r?ref=refs/heads/a"', '"git+https://h/r?ref=refs/heads/b"', "a", "b"),
        ('"git+https://h/r?ref=refs/heads/a"', '"git+https://h/r?ref=refs/heads/b"', "refs/heads/a", "refs/heads/b"),
        ('"git+https://h/r?ref=a%2Bb"', '"git+https://h/r?ref=c+d"', "a+b", "c+d"),
        ('"github:o/r/nixos\\-25.11"', '"github:o/r/nixos-26.05"', OLD, NEW),
        ('"git\\hub:o/r/nix\\os-25.11?dir=x"', '"git\\hub:o/r/nixos-26.05?dir=x"', OLD, NEW),
        ("''  github:o/r/main''", "''  github:o/r/dev''", "main", "dev"),
        ("''\n    github:o/r/main''", "''\n    github:o/r/dev''", "main", "dev"),
        (
            '"https://gitlab.com/o/r/-/archive/a/b/r-a-b.tar.gz"',
            '"https://gitlab.com/o/r/-/archive/c/d/e/r-c-d-e.tar.gz"',
            "a/b",
            "c/d/e",
        ),
        (
            '"https://flakehub.com/f/NixOS/nixpkgs/0.2511.*"',
            '"https://flakehub.com/f/NixOS/nixpkgs/0.2605.*"',
            "0.2511.*",
            "0.2605.*",
        ),
        (
            '"https://flakehub.com/f/NixOS/nixpkgs/0.2511.%2A.tar.gz"',
            '"https://flakehub.com/f/NixOS/nixpkgs/0.2605.*.tar.gz"',
            "0.2511.*",
            "0.2605.*",
        ),
    ],
)
def test_what_is_encoded_or_has_slashes_is_found(before: str, after: str, old: str, new: str) -> None:
    assert edited(url(before), set_ref(old, new)) == url(after)


@pytest.mark.parametrize(
    "form",
    [
        '  inputs.lib = { type = "github"; owner = "o"; repo = "r"; ref = "%s"; };\n',
        "  inputs.lib = {\n    ref = (''%s'');\n    type = \"git\"; url = \"https://h/x?ref=a\";\n  };\n",
        '  inputs.lib.ref = "%s";\n  inputs.lib.type = "indirect"; inputs.lib.id = "nixpkgs";\n',
        '  inputs = { "lib" = { url = "github:o/r/%s"; flake = false; }; };\n',
        '  inputs = {\n    lib.url = "github:o/r/%s";\n    lib.inputs.a.url = "github:o/r/nixos-25.11";\n  };\n',
    ],
)
def test_the_ref_is_found_where_the_reference_stands(form: str) -> None:
    assert edited(of_inputs(form % OLD), set_ref(OLD, NEW)) == of_inputs(form % NEW)


def test_the_reference_of_an_input_of_an_input_is_changed_too() -> None:
    form = '  inputs.lib = { url = "github:o/r/main"; inputs.a.url = "github:o/r/%s"; };\n'
    assert edited(of_inputs(form % "main"), SetRef(("lib", "a"), "main", "dev")) == of_inputs(form % "dev")


def test_an_address_in_a_set_is_changed_like_one_in_url_form() -> None:
    form = '  inputs.lib = { type = "tarball"; url = "https://github.com/o/r/archive/%s.tar.gz"; name = "x"; };\n'
    assert edited(of_inputs(form % "a"), set_ref("a", "b")) == of_inputs(form % "b")


@pytest.mark.parametrize(
    ("form", "column", "reason"),
    [
        ('"github:o/r"', 20, "the reference names no branch"),
        ('"nixpkgs"', 20, "the reference names no branch"),
        ('"git+https://h/main"', 20, "the reference names no branch"),
        ('"https://h/main/main.tar.gz"', 20, "the reference names no branch"),
        ('"https://flakehub.com/f/o/main"', 20, "the reference names no branch"),
        ('"/main"', 20, "the reference names no branch"),
        ('"github:o/r/mainline"', 20, "the reference names 'mainline', not 'main'"),
        ('"github:o/r/a/main"', 20, "the reference names 'a/main', not 'main'"),
        (
            '"https://github.com/o/r/archive/refs/tags/main.tar.gz"',
            20,
            "the reference names 'refs/tags/main', not 'main'",
        ),
        (f'"git+https://h/r?ref=main&rev={REV}"', 20, "the reference is fixed to a commit"),
        ("./sub", 20, "the reference names no branch"),
    ],
)
def test_what_names_no_branch_or_another_is_refused(form: str, column: int, reason: str) -> None:
    assert refused(url(form), set_ref("main", "dev")) == (3, column, reason)


@pytest.mark.parametrize("new", ['a"b', "a''b", "${a}", 'a"; flake = false; dir = "b', "a\\b"])
@pytest.mark.parametrize("literal", ['"main"', "''main''"])
def test_no_branch_gets_out_of_its_literal(literal: str, new: str) -> None:
    form = f'  inputs.lib = {{ type = "git"; url = "https://h/x"; ref = {literal}; }};\n'
    line, _, reason = refused(of_inputs(form), set_ref("main", new))
    assert line == 3
    assert reason.startswith(("with the change Nix could not read it: ", "the change would say something else here"))


def test_what_has_no_reference_of_its_own_is_refused() -> None:
    formal = '{ inputs.np.url = "github:o/np"; outputs = { self, lib }: { }; }'
    assert refused(formal, set_ref("main", "dev")) == (1, 52, "'lib' names no branch")
    bare = of_inputs("  inputs.lib = { flake = false; };\n")
    assert refused(bare, set_ref("main", "dev")) == (3, 10, "'lib' names no branch")
    follows = of_inputs('  inputs.lib.follows = "np";\n')
    assert refused(follows, set_ref("main", "dev")) == (3, 10, "'lib' has no reference of its own")


@pytest.mark.parametrize(
    ("form", "new"),
    [
        ('"github:o/r/main"', REV),
        ('"github:o/r/main"', "a b"),
        ('"github:o/r/main"', ""),
        ("github:o/r/main", "a`b"),
        ('"nixpkgs/main"', "a/b"),
        ('"nixpkgs/main"', REV),
        ("''git+https://h/r?ref=main''", "a..b"),
        ('"git+https://h/r?ref=main"', 'a"b'),
    ],
)
def test_a_branch_that_the_reference_cannot_name_is_refused(form: str, new: str) -> None:
    line, _, reason = refused(url(form), set_ref("main", new))
    assert line == 3
    assert reason.startswith(("with the change Nix could not read it: ", "the change would say something else here"))


@pytest.mark.parametrize(
    "text", ["", "/", "a", "https://", "https:///archive/", "github:", "?ref", "a/b/c#d", "x:/?&=&ref="]
)
def test_any_text_is_looked_through(text: str) -> None:
    for type_ in ("github", "tarball", "file", "git", "indirect", "path"):
        for span in find_ref(text, type_):
            assert 0 <= span.start <= span.end <= len(text)

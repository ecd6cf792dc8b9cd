"""Reading the inputs of a flake.nix, form by form; test_flakefile_real_nix.py asks Nix the same."""

import subprocess
import sys
import time

import pytest
from hypothesis import given, strategies

from flakesync.nix.expression.inputs import FlakeInputs, InputSpec, NotStatic, read_inputs
from flakesync.nix.expression.literals import read_document
from flakesync.nix.reference.flakeref import FlakeRef
from tests.nix.flakefiles import LEFT_TO_NIX, REFUSED_BY_NIX, Writer, flake, legal, spoilt

A = FlakeRef.parse("github:o/r")


def inputs(text: str) -> dict[str, InputSpec]:
    found = read_inputs(text.encode())
    assert isinstance(found, FlakeInputs), found
    return dict(found.inputs)


def ref_of_a(text: str) -> FlakeRef | None:
    return inputs(flake(text))["a"].ref


@pytest.mark.parametrize(
    "text",
    [
        'inputs.a.url = "github:o/r";',
        'inputs = { a.url = "github:o/r"; };',
        'inputs = { a = { url = "github:o/r"; }; };',
        'inputs = rec { a = rec { url = "github:o/r"; }; };',
        'inputs = ({ a = (({ url = (("github:o/r")); })); });',
        "inputs.a.url = github:o/r;",
        "inputs.a.url = ''github:o/r'';",
        "inputs.a.url = ''   github:o/r'';",
        "inputs.a.url = ''\n      github:o/r'';",
        r'inputs.a.url = "\git\hub:\o\/r";',
        '"inputs"."a"."url" = "github:o/r";',
        'inputs.${"a"}.${"url"} = "github:o/r";',
        'inputs . a /* url = "x"; */ . url # = 1;\n= /**/ "github:o/r" ;',
        'inputs.a = { type = "github"; owner = "o"; repo = "r"; };',
        'inputs.a.type = "github"; inputs.a = { owner = "o"; }; inputs.a.repo = "r";',
        'inputs = { a.url = "github:o/r"; }; inputs.b.url = "github:o/b";',
        'inputs.b.url = "github:o/b"; inputs = { a.url = "github:o/r"; };',
        'inputs = { }; inputs = { a.url = "github:o/r"; };',
    ],
)
def test_one_input_in_many_spellings(text: str) -> None:
    assert ref_of_a(text) == A
    assert ref_of_a(text.replace("\n", "\r\n") if "''" not in text else text) == A


def test_strings_are_read_with_their_escapes() -> None:
    spec = inputs(flake(r'inputs."a\"b\\\$\{c\}".url = "github:o/r?dir=\x";'))
    assert {name: each.ref for name, each in spec.items()} == {'a"b\\${c}': FlakeRef.parse("github:o/r?dir=x")}
    assert set(inputs(flake('inputs."$".url = "github:o/r"; inputs."a$$b".url = "github:o/r";'))) == {"$", "a$$b"}
    assert set(inputs(flake('inputs."$${x}".url = "github:o/r";'))) == {"$${x}"}


def test_indentation_is_stripped_as_nix_does() -> None:
    for text, name in {
        "''a''": "a",
        "''  a  ''": "a  ",
        "''\n    a\n      b\n''": "a\n  b\n",
        "''\n    a\n  ''": "a\n",
        "''  a\n b''": " a\nb",
        "''\n\n  a\n\n  b''": "\na\n\nb",
        "''\ta''": "\ta",
        "''a $ ' b''": "a $ ' b",
        "''''": "",
        "''   ''": "",
        "''  \n  a''": "a",
    }.items():
        found = inputs(flake(f'inputs.${{{text}}}.url = "github:o/r";'))
        assert set(found) == {name}, text


def test_an_input_that_names_nothing_is_looked_up_by_its_name() -> None:
    found = inputs(flake("inputs = { a = { }; b.flake = false; };", "{ self, a, c, d ? 1, ... }@args: { }"))
    assert {name: (spec.ref, spec.flake) for name, spec in found.items()} == {
        name: (FlakeRef("indirect", {"id": name}), name != "b") for name in "abcd"
    }


@pytest.mark.parametrize("head", ["all", "_", "{ ... }", "{ }", "all@{ self }", "{ self, }", "{ self }@all"])
def test_outputs_that_ask_for_nothing_by_name_add_no_input(head: str) -> None:
    assert inputs(flake("", f"{head}: {{ }}")) == {}


@pytest.mark.parametrize(
    "formals", ["{ self, a, }", "{ self, a,\n# the end\n }", "{self,a,/* , } */}", "{ self, a ? { b }: b, }", "x@{a,}"]
)
def test_a_comma_may_end_the_formals(formals: str) -> None:
    assert set(inputs(flake("", f'{formals}: {{ x = "{{a,}}"; y = b: {{ c, d, }}: "{{c,}}"; }}'))) == {"a"}


def test_follows_and_overrides_are_as_written() -> None:
    found = inputs(
        flake(
            """
            inputs.a.url = "github:o/r";
            inputs.a.inputs = { x.follows = "b/c"; y = { url = "github:o/y"; flake = false; }; };
            inputs.a.inputs.z.inputs.deep.follows = "";
            inputs.b.follows = "a";
            """
        )
    )
    assert found["b"].follows == ("a",)
    assert found["b"].ref is None
    below = found["a"].inputs
    assert below["x"].follows == ("b", "c")
    assert (below["y"].ref, below["y"].flake) == (FlakeRef.parse("github:o/y"), False)
    assert (below["z"].ref, below["z"].follows, below["z"].inputs["deep"].follows) == (None, None, ())


@pytest.mark.parametrize("text", ["/b", "b/", "//b//"])
def test_empty_parts_of_follows_are_nothing(text: str) -> None:
    found = inputs(flake(f'inputs.b.url = "github:o/r"; inputs.a.follows = "{text}"; inputs.b.inputs.c.follows = "/";'))
    assert found["a"].follows == ("b",)
    assert found["b"].inputs["c"].follows == ()


@pytest.mark.parametrize(
    "text",
    [
        "nixConfig = rec { a-a = [ ]; b-b = a-a; };",
        'nixConfig = rec { a-a = "x"; b-b = (a-a); c-c = b-b; };',
        'nixConfig = rec { b-b = [ a-a "y" ]; a-a = "x"; };',
        "nixConfig = rec { a-a = 1; }; nixConfig.b-b = a-a;",
        "inputs = rec { true.url = github:o/r; };",
        "inherit;",
    ],
)
def test_settings_may_be_each_other(text: str) -> None:
    assert set(inputs(flake("inputs.q.url = github:o/r;", rest=text))) >= {"q"}


@pytest.mark.parametrize(
    "outputs",
    [
        "_: __hasAttr __currentSystem",
        "_: __warn",
        "x: { inherit (y); }",
        "x: { a = { inherit x; }; a.x = 1; }",
        "x: { a = { ${x} = 1; }; a = 2; }",
        "x: { a = 1; a.${x} = 2; }",
        "x: let ${x}.a = 1; in 1",
        "x: { a.b. = x; }",
        "x: {\u00a0a = 1; }",
        '_: "a\rb"',
    ],
)
def test_what_some_nix_refuses_in_the_outputs_is_refused(outputs: str) -> None:
    assert isinstance(read_inputs(flake("", outputs).encode()), NotStatic)


def test_a_file_that_is_no_flake_is_read_as_a_file() -> None:
    assert ref_of_a('inputs.a = { url = "https://h/x"; flake = false; };') == FlakeRef("file", {"url": "https://h/x"})
    assert ref_of_a('inputs.a = { url = "https://h/x"; };') == FlakeRef("tarball", {"url": "https://h/x"})


@pytest.mark.parametrize("url", ["./x", "../x", "path:./x", "path:x", "."])
def test_relative_references_are_marked(url: str) -> None:
    spec = inputs(flake(f'inputs.a.url = "{url}";'))["a"]
    assert spec.relative
    assert not spec.portable
    assert not inputs(flake('inputs.a.url = "path:/x";'))["a"].relative


@pytest.mark.parametrize(("text", "path"), [("./x", "x"), ("./x/./y", "x/y"), ("../..", "../.."), ("./../.", "..")])
def test_a_path_without_quotes_is_relative_as_newer_nix_writes_it(text: str, path: str) -> None:
    spec = inputs(flake(f"inputs.a.url = {text};"))["a"]
    assert (spec.ref, spec.relative, spec.portable) == (FlakeRef("path", {"path": path}), True, False)


@pytest.mark.parametrize(
    ("url", "portable"),
    [
        ("github:NixOS/nixpkgs/nixos-25.11", True),
        ("git+ssh://git@gitlab.example.com:2222/acme/lib?ref=main", True),
        ("nixpkgs", True),
        ("https://h/x.tar.gz", True),
        ("https://h/x", False),
        ("git+https://h/x?dir=sub", False),
        ("github:o/r?host=git-hub.example", False),
    ],
)
def test_what_old_versions_write_otherwise_is_not_portable(url: str, portable: bool) -> None:
    assert inputs(flake(f'inputs.a.url = "{url}";'))["a"].portable is portable


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("inputs.self.submodules = true;", {"submodules": True}),
        ("inputs.self = { lfs = false; }; inputs.self.submodules = true;", {"submodules": True, "lfs": False}),
        ("inputs.self = { };", {}),
        ("", {}),
    ],
)
def test_what_a_flake_asks_for_itself_is_no_input(text: str, asked: dict[str, bool]) -> None:
    found = read_inputs(flake(text).encode())
    assert isinstance(found, FlakeInputs)
    assert (found.inputs, found.self_attrs) == ({}, asked)


@pytest.mark.parametrize(
    "text", ["inputs.self.submodules = 1;", "inputs.self.shallow = true;", "inputs.a.inputs.self = { };"]
)
def test_what_only_some_nix_takes_for_itself_is_not_read(text: str) -> None:
    assert isinstance(read_inputs(flake(text).encode()), NotStatic)


def test_an_input_knows_its_place() -> None:
    found = inputs('{\n  inputs = {\n    "e" = { }; b.url = "github:o/r";\n  };\n outputs = { self, c }: 1; }')
    assert {name: (spec.line, spec.column) for name, spec in found.items()} == {"e": (3, 5), "b": (3, 16), "c": (5, 20)}


@pytest.mark.parametrize("title", [*REFUSED_BY_NIX, *LEFT_TO_NIX])
def test_what_is_not_certain_is_not_read(title: str) -> None:
    found = read_inputs((REFUSED_BY_NIX | LEFT_TO_NIX)[title].encode(), file="sub/flake.nix")
    assert isinstance(found, NotStatic)
    assert found.reason.startswith(f"sub/flake.nix:{found.line}:{found.column}: ")


@pytest.mark.parametrize(
    "data", [b"{ outputs = _: \x00{ }; }", b'{ description = "\xff"; outputs = _: { }; }', b"\xff"]
)
def test_bytes_that_are_no_text_are_not_read(data: bytes) -> None:
    assert isinstance(read_inputs(data), NotStatic)


def test_the_place_is_where_the_doubt_is() -> None:
    found = read_inputs(b'{\n  inputs.a.url =\n    "${x}";\n  outputs = _: { };\n}')
    assert isinstance(found, NotStatic)
    assert (found.line, found.column) == (2, 12)
    found = read_inputs(b"{ outputs = _:\n  let a = 1; in\n  [ a b ]; }")
    assert isinstance(found, NotStatic)
    assert (found.line, found.column, found.reason) == (3, 7, "flake.nix:3:7: nothing binds the variable 'b'")


@given(strategies.integers(0, 10**9))
def test_the_spelling_changes_nothing(seed: int) -> None:
    writer = Writer(("spelling", seed))
    parts = [(["a", "url"], "github:o/r"), (["a", "inputs", "b", "follows"], "b"), (["b", "url"], "nixpkgs")]
    writer.random.shuffle(parts)
    statements = writer.defined(["inputs"], [(path, writer.string(value)) for path, value in parts])
    found = inputs(writer.group([*statements, writer.binding(["outputs"], " { self, a, ... }: { }")]))
    assert set(found) == {"a", "b"}
    assert (found["a"].ref, found["b"].ref) == (A, FlakeRef.parse("nixpkgs"))
    assert found["a"].inputs["b"].follows == ("b",)


@given(
    strategies.binary(max_size=200)
    | strategies.text(alphabet="{}()[]=;.:'\"$\\ \nabinputs#/*<>@,?", max_size=80).map(str.encode)
)
def test_nothing_is_raised_for_any_bytes(data: bytes) -> None:
    read_inputs(data)


@given(strategies.integers(0, 10**9))
def test_nothing_is_raised_for_spoilt_files(seed: int) -> None:
    read_inputs(spoilt(seed, references=["github:o/r", "nixpkgs"]).encode())


@pytest.mark.parametrize("depth", [50, 600, 20_000])
def test_depth_does_no_harm(depth: int) -> None:
    read_inputs(flake("", f"_: {'(' * depth}1{')' * depth}").encode())
    read_inputs(flake("", f"_: {'a: ' * depth}1").encode())
    read_inputs(flake("", f"_: {' ++ '.join(['[ ]'] * depth)}").encode())
    read_inputs(flake(f"inputs = {'{ a = ' * depth}1{'; }' * depth};").encode())
    read_inputs(flake(f"inputs{'.a' * depth} = 1;").encode())
    read_inputs((f"{'(' * depth}{flake('')}{')' * depth}").encode())


@pytest.mark.parametrize("depth", [50, 600, 2_000])
def test_inputs_of_inputs_without_end_are_not_read(depth: int) -> None:
    for text in (
        flake(f"inputs.a = {'{ inputs.x = ' * depth}1{'; }' * depth};"),
        flake(f'inputs.a{".inputs.x" * depth}.url = "github:o/r";'),
        flake(f'inputs.a{".inputs.x" * depth}.follows = "";', rest='inputs.a.url = "github:o/r";'),
    ):
        assert isinstance(read_inputs(text.encode()), NotStatic) or depth == 50


@pytest.mark.parametrize("depth", [600, 2_000])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"${', '}"'),
        ("''${", "}''"),
        ("[", "]"),
        ("{ a = { }; a = ", "; }"),
        ("{ a ? ", " }: a"),
        ("{ inherit (", "); }"),
    ],
)
def test_expressions_nested_without_end_do_no_harm(before: str, after: str, depth: int) -> None:
    nested = f"{before * depth}{{ }}{after * depth}"
    read_inputs(flake("", f"_: {{ a = {nested}; a.b = 1; }}").encode())
    read_inputs(flake(f"inputs.a.url = {nested};").encode())
    read_inputs(flake("", f"_: {before * depth}").encode())


def test_a_usual_file_takes_about_a_millisecond() -> None:
    text = legal(3, references=["github:o/r"], nested_references=False).text.encode()
    best = 1.0
    for _ in range(200):
        start = time.thread_time()  # what else runs does not count
        read_inputs(text)
        best = min(best, time.thread_time() - start)
    assert best < 0.003


def test_tree_sitter_is_imported_when_first_needed() -> None:
    code = "import flakesync.nix.expression.inputs, sys; sys.exit('tree_sitter' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_documents_keep_what_is_not_looked_into() -> None:
    document = read_document(b"{ a = 1; b = 1 + 1; }", {"a"}.__contains__)
    assert document.top.entries["a"].value == 1
    assert not isinstance(document.top.entries["b"].value, int)

"""flake.nix files made at random: legal ones in every spelling that is read, and spoilt ones."""

import json
import random
import re
from dataclasses import dataclass

from flakesync.nix.expression.inputs import FlakeInputs, InputSpec
from flakesync.nix.lock.file import LockFile
from tests.nix.references import REV

NAMES = ["a", "b", "nixpkgs", "flake-utils", "x_1", "Lib", "or-not", "inherited", "in_", "rec1", "a'", "é", "a.b", "1x"]
PLAIN = [name for name in NAMES if re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name)]
ATTRS = [
    'type = "github"; owner = "o"; repo = "r";',
    'type = "github"; owner = "o"; repo = "r"; ref = "a/b"; dir = "d/e";',
    f'type = "gitlab"; owner = "g%2Fs"; repo = "r"; rev = "{REV}"; host = "h.example";',
    'type = "git"; url = "https://h/x.git"; ref = "main"; submodules = true;',
    'type = "git"; url = "ssh://git@h/x"; shallow = true; allRefs = false;',
    'type = "indirect"; id = "nixpkgs"; ref = "x";',
    'type = "sourcehut"; owner = "~u"; repo = "r";',
    'type = "tarball"; url = "https://h/x.tar.gz";',
    'type = "path"; path = "/some/where";',
]
BODIES = [
    "{ }",
    "let x = 1; inherit (x) y z; in { inherit x y; }",
    'with builtins; { a = toString 1; b = "${readFile ./x}/$out $ $$ \\${x}"; }',
    "rec { a.b.c = d: d; a.b.d = a; e = { f, g ? f, ... }@h: h.f or (f g); }",
    "{ packages.x86_64-linux = { default = import ./. { }; }; lib = x: y: if x == y then x // y else -x; }",
    'assert 1 < 2 && !false -> true; { a = [ .5 ./. (x: x) "" ]; ${"b"} = 1; ${toString 2} = c: { inherit (c) b; }; }',
    "{ x = ''\n    ${\"a\"} ''${b} '''c''' ''\\n\n  ''; } // { y = builtins.currentSystem or null; z = { } ? a.b; }",
    "{ a = { b = 1; }; a.c = 2; d.e = { }; d.f = 1; }",
    "let f = { a ? 1, b ? a }: a; or = f { }; in { o = { or = 1; }.or; }",
    'let x = 1; in { a = { inherit (x) y "z"; inherit x; b.c = 1; }; a.d = 2; a.b.e = <nixpkgs/lib>; } // { inherit; }',
    "{ a = rec { b = 1; c = d; ${toString b} = c; }; a.d = b; a = rec { e = d; inherit (a) f; a = 1; }; }",
    "let a = { ${toString 1} = 2; inherit (b); }; a.c = 1; b.${a.c}.d = 1; in { inherit (a) # n\n; inherit b; }",
    '{ a = __hasAttr "x" { } && __elem 1 [ 1 ]; b = __foldl\' __add 0 [ ]; c = "\u3000"; } // { # \u3000\n}',
    "{ u = http://example.org/x; p = /a/b; h = a/b; n = 1 / 2; m = 3 * 4 - 5; }",
]


@dataclass(frozen=True, slots=True)
class Case:
    """A flake.nix; plain: every Nix since 2.8 locks it alike (no reference in a nested override)."""

    text: str
    plain: bool


class Writer:
    """Writes the same thing in many ways."""

    def __init__(self, seed: object) -> None:
        self.random = random.Random(repr(seed))

    def some(self, *choices: str) -> str:
        return self.random.choice(choices)

    def gap(self) -> str:
        return self.some(
            " ", " ", " ", "\n", "\t", "  # a = b;\n", " /* } */ ", "\n\n", "#\u3000\u00a0é\n", " /*\u2003\x0c*/ "
        )

    def maybe(self) -> str:
        return self.gap() if self.random.random() < 0.2 else ""

    def string(self, text: str) -> str:
        """Return an expression whose value is `text`, which has neither quotes nor escapes."""
        forms = [f'"{text}"', f'"{text}"', f'"{self.escaped(text)}"', f"''{text}''", f"''\n  {text}''", f"''  {text}''"]
        if re.fullmatch(r"[a-zA-Z][a-zA-Z0-9+\-.]*:[a-zA-Z0-9%/?:@&=+$,\-_.!~*']+", text):
            forms.append(text)
        if text == "":
            forms = ['""', "''''", "''   ''"]
        found = self.random.choice(forms)
        if found.startswith("''\n") and not text.strip():
            found = '""'
        return f"({self.maybe()}{found}{self.maybe()})" if self.random.random() < 0.1 else found

    def slashed(self, path: str) -> str:
        """Return an input path with empty parts, which mean nothing."""
        return f"{self.some('', '', '/', '//')}{path}{self.some('', '', '/')}"

    def escaped(self, text: str) -> str:
        return "".join(
            f"\\{char}" if char not in "nrt" and char.isascii() and self.random.random() < 0.2 else char
            for char in text
        )

    def name(self, name: str) -> str:
        plain = re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_'-]*", name) is not None
        forms = [name] * 4 if plain else []
        forms += [f'"{name}"', f'"{self.escaped(name)}"', f'${{"{name}"}}']
        return self.random.choice(forms)

    def binding(self, path: list[str], value: str) -> str:
        dotted = f"{self.maybe()}.{self.maybe()}".join(self.name(part) for part in path)
        return f"{self.gap()}{dotted}{self.maybe()}={self.maybe()}{value}{self.maybe()};{self.gap()}"

    def group(self, statements: list[str]) -> str:
        self.random.shuffle(statements)
        rec = "rec " if self.random.random() < 0.1 else ""
        return f"{rec}{{{self.maybe()}{''.join(statements)}}}"

    def truth(self, value: bool) -> str:
        text = str(value).lower()
        return f"({text})" if self.random.random() < 0.1 else f" {text} "

    def defined(self, path: list[str], parts: list[tuple[list[str], str]]) -> list[str]:
        """Return statements that define a set at `path`: at once, dotted, or in part at once and the rest dotted."""
        if not parts:
            return [self.binding(path, "{ }")]
        at_once = self.random.choice([0, len(parts), len(parts), self.random.randint(0, len(parts))])
        heads = {part[0][0] for part in parts[:at_once]}
        inside = [part for part in parts if part[0][0] in heads]
        outside = [part for part in parts if part[0][0] not in heads]
        found = []
        if inside:
            found.append(self.binding(path, self.group([self.binding(below, value) for below, value in inside])))
        return found + [self.binding(path + below, value) for below, value in outside]

    def reference(self, references: list[str]) -> list[tuple[list[str], str]]:
        if self.random.random() < 0.3:
            attrs = self.random.choice(ATTRS)
            pairs = re.findall(r"(\w+) = (\S+);", attrs)
            return [([key], self.string(value[1:-1]) if value[0] == '"' else value) for key, value in pairs]
        return [(["url"], self.string(self.random.choice(references)))]


def legal(seed: int, *, references: list[str], nested_references: bool) -> Case:
    """Return a flake.nix that is read and that Nix takes."""
    writer = Writer(("legal", seed))
    names = writer.random.sample(NAMES, writer.random.randint(1, 6))
    followed = [name for name in names if name in PLAIN][:1]
    parts: list[tuple[list[str], str]] = []
    statements = []
    for name in names:
        spec: list[tuple[list[str], str]] = []
        if followed and name not in followed and writer.random.random() < 0.25:
            spec.append((["follows"], writer.string(writer.slashed(writer.some(*followed, "")))))
        elif name not in PLAIN or writer.random.random() < 0.85:
            spec += writer.reference(references)
        if writer.random.random() < 0.2:
            spec.append((["flake"], writer.truth(writer.random.random() < 0.3)))
        elif followed and writer.random.random() < 0.4:
            for below in writer.random.sample(PLAIN, writer.random.randint(1, 2)):
                if nested_references and writer.random.random() < 0.3:
                    spec += [(["inputs", below, *key], value) for key, value in writer.reference(references)]
                else:
                    path = writer.slashed(writer.some(*followed, ""))
                    spec.append((["inputs", below, "follows"], writer.string(path)))
        if writer.random.random() < 0.5 or not spec:
            parts.append(([name], writer.group([writer.binding(path, value) for path, value in spec])))
        else:
            parts += [([name, *path], value) for path, value in spec]
    statements += writer.defined(["inputs"], parts)
    asked = writer.random.sample(PLAIN, writer.random.randint(0, 3))
    formals = ", ".join(["self", *[f"{each} ? 1" if writer.random.random() < 0.2 else each for each in asked]])
    formals += writer.some("", ",", ", ...", ",\n # the end\n")
    head = writer.some(f"{{ {formals} }}", f"args@{{ {formals} }}", f"{{ {formals} }}@args", f"{{{formals}}}", "all")
    statements.append(writer.binding(["outputs"], f" {head}: {writer.random.choice(BODIES)}"))
    if writer.random.random() < 0.5:
        statements.append(writer.binding(["description"], writer.some('"a {b} $ c\\${d}"', "''\n  two\n  lines\n''")))
    if writer.random.random() < 0.3:
        config = writer.some(
            "{ }",
            'rec { a-a = [ "x" ]; b-b = a-a; c-c = (b-b); d-d = [ e-e "y" ]; e-e = "z"; f-f = true; g-g = f-f; }',
            '{ extra-substituters = [ "https://h" http://i ]; cores = 4; sandbox = true; }',
        )
        statements.append(writer.binding(["nixConfig"], config))
    text = writer.maybe() + writer.group(statements) + writer.maybe()
    if writer.random.random() < 0.1:
        text = f"({text})"
    if writer.random.random() < 0.1 and "''" not in text:
        text = text.replace("\n", "\r\n")
    return Case(text, plain=not nested_references)


TOKEN = re.compile(r"[A-Za-z_][A-Za-z0-9_'-]*|\d+|''|\$\{|\s+|.", re.DOTALL)
EXTRA = [
    *[
        "{",
        "}",
        ";",
        "=",
        ".",
        "(",
        ")",
        ":",
        "@",
        ",",
        "?",
        '"',
        "''",
        "${",
        "rec ",
        "with a;",
        "let a = 1; in ",
        "''$",
    ],
    *[
        "inherit a;",
        "a",
        "self",
        "true",
        "null",
        "1",
        "./x",
        "x:y",
        "//",
        "++",
        "==",
        "<",
        "!",
        "-",
        "or",
        "#",
        "/*",
        "*/",
    ],
    *[
        " if ",
        " then ",
        " else ",
        "assert true;",
        "\\",
        "$",
        "\r",
        "\f",
        "\u00a0",
        "…",
        "<nixpkgs>",
        "~/x",
        "__x",
        "true = 1;",
    ],
]


def spoilt(seed: int, *, references: list[str]) -> str:
    """Return a legal flake.nix with a few tokens taken away, doubled, swapped or added; it may still be legal."""
    writer = Writer(("spoilt", seed))
    tokens = TOKEN.findall(legal(seed, references=references, nested_references=False).text)
    for _ in range(writer.random.choice([1, 1, 1, 2, 3])):
        place = writer.random.randrange(len(tokens))
        match writer.random.randrange(5):
            case 0:
                del tokens[place]
            case 1:
                tokens.insert(place, tokens[place])
            case 2:
                other = writer.random.randrange(len(tokens))
                tokens[place], tokens[other] = tokens[other], tokens[place]
            case 3:
                tokens.insert(place, writer.random.choice(EXTRA))
            case 4:
                tokens[place] = writer.random.choice(EXTRA)
    return "".join(tokens)


LOCKED = {
    "type": "github",
    "owner": "o",
    "repo": "r",
    "rev": REV,
    "lastModified": 1,
    "narHash": "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
}


def lock_of(read: FlakeInputs) -> LockFile:
    """Return a lock that fits what was read, with made-up sources: Nix takes it without a change, or it read other."""
    nodes: dict[str, dict[str, object]] = {}

    def add(inputs: dict[str, InputSpec], prefix: str) -> dict[str, object]:
        edges: dict[str, object] = {}
        for name, spec in inputs.items():
            if spec.follows is not None:
                edges[name] = list(spec.follows)
            elif spec.ref is not None:
                label = edges[name] = f"{prefix}{name}"
                node = {"locked": LOCKED, "original": spec.ref.to_attrs(), "flake": spec.flake}
                nodes[label] = node
                if spec.flake:
                    node["inputs"] = add(dict(spec.inputs), f"{label}/")
        return edges

    edges = add(dict(read.inputs), "/")
    text = json.dumps({"nodes": {**nodes, "root": {"inputs": edges}}, "root": "root", "version": 7})
    return LockFile.parse(text.encode()).renamed()


def flake(inputs: str, outputs: str = "_: { }", rest: str = "") -> str:
    """Return a flake.nix with these statements about inputs."""
    return f"{{ {inputs} outputs = {outputs}; {rest} }}"


REFUSED_BY_NIX = {
    "not a set": "let x = 1; in { outputs = _: { }; }",
    "a function": "_: { outputs = _: { }; }",
    "with": "with { }; { outputs = _: { }; }",
    "a byte order mark": "\ufeff{ outputs = _: { }; }",
    "nothing": "",
    "a comment alone": "# nothing",
    "two expressions": "{ outputs = _: { }; } { }",
    "no outputs": '{ inputs.a.url = "github:o/r"; }',
    "outputs that are called": flake("", "import ./o.nix"),
    "outputs that are a set": flake("", "{ }"),
    "outputs that are chosen": flake("", "if true then _: { } else _: { }"),
    "an unknown attribute": flake("", rest="input.a.url = null;"),
    "an unknown attribute of an input": flake('inputs.a = { url = "github:o/r"; branch = "x"; };'),
    "an input that is a string": flake('inputs.a = "github:o/r";'),
    "an input that is a list": flake("inputs.a = [ ];"),
    "inputs that are a string": flake('inputs = "a";'),
    "inputs that are merged": flake('inputs = { a.url = "github:o/r"; } // { };'),
    "inputs that are called": flake("inputs = import ./inputs.nix;"),
    "interpolation": flake('inputs.a.url = "github:o/${"r"}";'),
    "interpolation of nothing else": flake('inputs.a.url = "${"github:o/r"}";'),
    "addition": flake('inputs.a.url = "github:o" + "/r";'),
    "a choice": flake('inputs.a.url = if true then "github:o/r" else "x";'),
    "a let": flake('inputs.a.url = let x = "github:o/r"; in x;'),
    "a selection": flake('inputs.a.url = { x = "github:o/r"; }.x;'),
    "builtins.true": flake('inputs.a = { url = "github:o/r"; flake = builtins.true; };'),
    "negation": flake('inputs.a = { url = "github:o/r"; flake = !true; };'),
    "inherit from": flake('inputs.a = { inherit ({ url = "github:o/r"; }) url; };'),
    "a dynamic name": flake('inputs.${"a" + "b"}.url = "github:o/r";'),
    "a dynamic name in pieces": flake('inputs."a${"b"}".url = "github:o/r";'),
    "null": flake("inputs.a.url = null;"),
    "a number for a url": flake("inputs.a.url = 1;"),
    "a float": flake('inputs.a = { type = "path"; path = "/x"; revCount = 1.5; };'),
    "a negative number": flake('inputs.a = { type = "path"; path = "/x"; revCount = -1; };'),
    "a list for an attribute": flake('inputs.a = { type = "github"; owner = "o"; repo = [ "r" ]; };'),
    "flake as a string": flake('inputs.a = { url = "github:o/r"; flake = "false"; };'),
    "attributes without a type": flake('inputs.a = { owner = "o"; repo = "r"; };'),
    "an unknown type": flake('inputs.a = { type = "svn"; url = "https://h/x"; };'),
    "a missing owner": flake('inputs.a = { type = "github"; repo = "r"; };'),
    "no flake reference": flake('inputs.a.url = "git@h:o/r.git";'),
    "an empty url": flake('inputs.a.url = "";'),
    "a fragment": flake('inputs.a.url = "github:o/r#x";'),
    "ref and rev": flake('inputs.a.url = "github:o/r/x?rev=0123456789abcdef0123456789abcdef01234567";'),
    "a dollar at the end of two quotes": flake("inputs.a.url = ''github:o/r?dir=''$x'';"),
    "quotes in two quotes": flake("inputs.a.url = ''github:o/r?dir='''x'';"),
    "an escape in two quotes": flake("inputs.a.url = ''github:o/r?dir=''\\x'';"),
    "a line end in a url": flake("inputs.a.url = ''\n  github:o/r\n'';"),
    "follows with a dot": flake('inputs.b.url = "github:o/r"; inputs.a.follows = "b.c";'),
    "follows that is no string": flake('inputs.b.url = "github:o/r"; inputs.a.follows = [ "b" ];'),
    "a name that no registry has": flake('inputs."a.b" = { };'),
    "a formal that no registry has": flake("", "{ self, a' }: { }"),
    "follows with a dot between slashes": flake('inputs.b.url = "github:o/r"; inputs.a.follows = "b/./c";'),
    "a setting before the one that it is": flake("nixConfig = rec { a-a = b-b; b-b = 1; };"),
    "a setting whose name comes before": flake('inputs.b-b.follows = ""; nixConfig = rec { a-a = 1; b-b = a-a; };'),
    "a setting that is calculated": flake('nixConfig = rec { a-a = "x"; b-b = "${a-a}"; };'),
    "a setting from a set that is not rec": flake("nixConfig.c-c = 1; nixConfig = rec { a-a = 1; b-b = a-a; };"),
    "an attribute of a value": flake("", "x: { a = 1; a.${x} = 2; }"),
    "inherited and merged": flake("", "x: { a = { inherit x; }; a.x = 1; }"),
    "a second set that is not rec": flake("", "x: { a.d = 1; a = rec { b = 1; c = b; }; }"),
    "a rec set in a merged one": flake("", "x: { a = rec { b = { c = 1; }; }; a.b = rec { e = c; }; }"),
    "inherited from around": flake("", "x: { a = rec { inherit y; }; a.y = x; }"),
    "inherited twice": flake("", "x: { a = { inherit x; }; a = { inherit (x) x; }; }"),
    "white space that is none": "{\u3000outputs = _: { }; }",
    "a byte order mark between": "{ outputs = _:\ufeff { }; }",
    "a missing name": flake("", "x: { a.b. = 1; }"),
    "defined twice": flake('inputs.a.url = "github:o/r"; inputs.a.url = "github:o/r";'),
    "defined twice by a path and a set": flake('inputs.a.url = "github:o/r"; inputs.a = { url = "github:o/r"; };'),
    "below a string": flake('inputs.a.url = "github:o/r"; inputs.a.url.x = "github:o/r";'),
    "a description that is made": flake("", rest='description = "a" + "b";'),
    "a description in two pieces": flake("", rest="description = ''a '''b''' '';"),
    "nixConfig that is made": flake("", rest="nixConfig.cores = 1 + 1;"),
    "nixConfig with a set": flake("", rest="nixConfig.cores = { };"),
    "nixConfig with numbers in a list": flake("", rest="nixConfig.substituters = [ 1 ];"),
    "a URI in the place of an argument": flake("", "{ self, ... }@all:all.x"),
    "an unfinished set": "{ outputs = _: { };",
    "an unbound variable": flake("", "_: { a = b; }"),
    "an unbound variable in a string": flake("", '_: { a = "${b}"; }'),
    "inherit of what is not there": flake("", "_: { inherit b; }"),
    "a variable that is bound elsewhere": flake("", "_: { a = let x = 1; in x; b = x; }"),
    "an attribute of a set that is not rec": flake("", "_: { a = 1; b = a; }"),
    "twice in the outputs": flake("", "_: { a.b = 1; a = { b = 2; }; }"),
    "twice in let": flake("", "_: let a = 1; a = 2; in a"),
    "twice in formals": flake("", "{ self, self }: { }"),
    "in formals and before them": flake("", "self@{ self }: { }"),
    "a dynamic name in let": flake("", '_: let ${"a" + "b"} = 1; in 1'),
    "comparisons in a row": flake("", "_: 1 == 2 == 3"),
    "less than in a row": flake("", "_: 1 < 2 < 3"),
    "a slash at the end of a path": flake("", "_: ./a/"),
    "a number too great": flake("", "_: 99999999999999999999"),
    "a keyword as a name": flake("", "_: { then = 1; }"),
    "two formals without a comma": flake("", "{ self a }: { }"),
    "a comma after the dots": flake("", "{ self, ..., }: { }"),
    "a comma alone": flake("", "{ , }: { }"),
}
"""What every version of Nix refuses."""

LEFT_TO_NIX = {
    "a variable of a rec set": 'rec { description = "github:o/r"; inputs.a.url = description; outputs = _: { }; }',
    "an input that is another": 'rec { inputs = rec { a.url = "github:o/r"; b = a; }; outputs = _: { }; }',
    "a dynamic name at the top": '{ ${"out" + "puts"} = _: { }; }',
    "one input in two sets": flake('inputs = { a.url = "github:o/r"; }; inputs = { a.flake = false; };'),
    "a reference beside follows": flake(
        'inputs.b.url = "github:o/r"; inputs.a = { url = "github:o/a"; follows = "b"; };'
    ),
    "a path up and down": flake("inputs.a.url = ../a;"),
    "a path down and up": flake("inputs.a.url = ./a/../b;"),
    "a path of another tree": flake("inputs.a.url = /a;"),
    "a path in pieces": flake('inputs.a.url = ./a${"b"};'),
    "a path to itself": flake("inputs.a.url = ./.;"),
    "an input of the name self": flake('inputs.self.url = "github:o/r";'),
    "a truth of another name": flake('inputs = rec { true.url = "nixpkgs"; a = { url = "nixpkgs"; flake = true; }; };'),
    "a slash in a path, escaped": flake('inputs.a.url = "gitlab:o%2Fs/r";'),
    "a password": flake('inputs.a.url = "git+https://u:p@h/x";'),
    "lfs": flake('inputs.a.url = "git+https://h/x?lfs=1";'),
    "a rev in upper case": flake('inputs.a.url = "github:o/r/0123456789ABCDEF0123456789ABCDEF01234567";'),
    "a form feed": "{ outputs =\f_: { }; }",
    "a lone carriage return": "{ # a comment\routputs = _: { }; }",
    "old let": flake("", "_: let { body = 1; }"),
    "a path from home": flake("", "_: ~/a"),
    "a lookup path that is none": flake("", "_: <nixpkgs/>"),
    "pipes": flake("", "_: 1 |> toString"),
    "a builtin that is not everywhere": flake("", "_: break 1"),
    "an impure builtin": flake("", "_: __currentSystem"),
}
"""What some versions of Nix take, or read each in its own way."""

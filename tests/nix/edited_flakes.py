"""flake.nix files made at random, as people write them, and edits for them."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from flakesync.nix.expression.edit import Edit, RemoveFollows, SetFollows, SetRef
from flakesync.nix.expression.inputs import FlakeInputs, InputSpec, read_inputs

URLS = [
    "github:o/r/{}",
    "github:o/r?ref={}",
    "github:o/r/{}?dir=x",
    "gitlab:o/r/{}",
    "git+https://h.example/r.git?ref={}",
    "git+https://h.example/r?dir=x&ref=refs/heads/{}",
    "git+ssh://git@h.example/o/r?shallow=1&ref={}",
    "nixpkgs/{}",
    "flake:nixpkgs/{}",
    "https://github.com/o/r/archive/{}.tar.gz",
    "https://github.com/o/r/archive/refs/heads/{}.tar.gz",
    "https://gitlab.com/o/r/-/archive/{}/any.tar.gz",
    "https://channels.nixos.org/{}/nixexprs.tar.xz",
    "https://flakehub.com/f/NixOS/nixpkgs/{}",
]
SETS = [
    'type = "github"; owner = "o"; repo = "r"; ref = "{}";',
    'ref = "{}"; type = "git"; url = "https://h.example/r"; submodules = true;',
    'type = "indirect"; id = "nixpkgs"; ref = "{}";',
    'type = "tarball"; url = "https://codeberg.org/o/r/archive/{}.tar.gz";',
]
REFS = ["nixos-25.11", "main", "release-25.11", "25.11", "125.110", "v1.0", "x+y", "x-y"]
NEW_REFS = ["nixos-26.05", "dev", "nixos-26.05-small", "26.05", "v2.0.0", "r_1"]
NAMES = ["nixpkgs", "lib", "flake-utils", "x_1", "A", "or", "in", "systems", "home-manager", "a'", "a.b", "é"]
INNER = ["nixpkgs", "lib", "systems", "or", "with", "a.b", "x_1", "new-one"]
KEYWORDS = ("in", "with")
COMMENTS = [
    '# {0}.inputs.{1}.follows = "{0}";',
    '# {0}.url = "github:o/r/nixos-25.11"; }}',
    "/* {0}.inputs = {{ }}; */",
    "/* }}; \"{0}\" = {{ '' */",
    "# nixos-25.11",
    "# é\u3000",
]


@dataclass(frozen=True, slots=True)
class Flake:
    """A flake.nix of which the inputs are known."""

    source: bytes
    inputs: Mapping[str, InputSpec]


def make_flake(seed: object) -> Flake:
    """Return a flake.nix as people write them, in many styles at once."""
    # Now and then the styles meet in a way that Nix versions read differently.
    for attempt in range(20):
        source = _Style((seed, attempt)).flake().encode()
        read = read_inputs(source)
        if isinstance(read, FlakeInputs):
            return Flake(source, read.inputs)
        assert "merge differently" in read.reason, f"{read}\n{source.decode()}"
    raise AssertionError(f"no legal file for {seed}")


class _Style:
    """How a file is written: its line ends, indentation, quotes, comments, and how tightly."""

    def __init__(self, seed: object) -> None:
        self.chance = random.Random(repr(seed))
        self.line_end = self.chance.choice(["\n", "\n", "\n", "\r\n"])
        self.step = self.chance.choice(["  ", "  ", "    ", "\t"])
        self.comments = self.chance.choice([0.0, 0.1, 0.4])
        self.one_line = self.chance.choice([0.1, 0.5, 0.9])
        self.quoting = self.chance.choice([0.0, 0.1, 0.5])
        self.names: list[str] = []

    def often(self, share: float) -> bool:
        return self.chance.random() < share

    def pick(self, choices: list[str]) -> str:
        return self.chance.choice(choices)

    def name(self, name: str) -> str:
        plain = (
            name.replace("-", "_").replace("'", "_").isidentifier() and name.isascii() and name not in ("in", "with")
        )
        if plain and not self.often(self.quoting):
            return name
        return self.pick([f'"{name}"', f'"{name}"', f'${{"{name}"}}'])

    def path(self, *names: str) -> str:
        dot = self.pick([".", ".", ".", ".", " . "])
        return dot.join(self.name(name) for name in names)

    def comment(self) -> str:
        return self.pick(COMMENTS).format(self.pick(self.names), self.pick(INNER))

    def string(self, text: str) -> str:
        forms = [f'"{text}"'] * 4 + [
            f"''{text}''",
            f"''{self.line_end if self.line_end != chr(13) + chr(10) else ''}{text}''",
        ]
        if ":" in text and "{" not in text and not text.startswith("?"):
            forms.append(text)
        if self.often(0.1):
            forms = ['"' + text.replace("-", r"\-").replace("/", r"\/") + '"']
        found = self.pick(forms)
        return f"({found})" if self.often(0.05) else found

    def bind(self, path: str, value: str) -> str:
        return f"{path}{self.pick([' = '] * 8 + ['=', '=', ' =' + self.line_end + ' '])}{value};"

    def group(self, lines: list[str], depth: int) -> str:
        """Return a set of statements; depth: how far its own line is indented."""
        if self.often(self.one_line) and not any("#" in line.rpartition(self.line_end)[2] for line in lines):
            blank = self.pick([" ", " ", " ", ""])
            inside = self.pick([" ", " ", ""]).join(lines)
            return f"{{{blank}{inside}{blank}}}"
        indentation, text = self.step * (depth + 1), "{"
        if self.often(self.comments):
            text += " " + self.comment()
        for line in lines:
            if self.often(self.comments):
                text += f"{self.line_end}{indentation}{self.comment()}"
            if self.often(0.08) and not self._open(text):
                text += " " + line
            else:
                text += f"{self.line_end}{indentation}{line}"
            if self.often(self.comments):
                text += " " + self.comment()
            if self.often(0.05):
                text += self.pick(["  ", "\t", self.line_end])
        if self.often(self.comments):
            text += f"{self.line_end}{indentation}{self.comment()}"
        if self.often(0.1) and not self._open(text):
            return text + " }"
        return f"{text}{self.line_end}{self.step * depth}}}"

    def _open(self, text: str) -> bool:
        """Tell whether what follows on the line would be a comment."""
        return "#" in text.rpartition(self.line_end)[2]

    def reference(self) -> list[str]:
        ref = self.pick(REFS)
        if self.often(0.2):
            attrs = self.pick(SETS).format(ref.replace("+", "-"))
            return [f"{part.strip()};" for part in attrs.split(";") if part.strip()]
        url = self.pick(URLS) if self.often(0.9) else "github:o/r"
        if "nixpkgs/{}" in url and "+" in ref:
            ref = "main"
        return [self.bind(self.name("url"), self.string(url.format(ref)))]

    def override(self, name: str, targets: list[str]) -> list[str]:
        """Return what is said of an input of an input, as lines of its `inputs`."""
        value = self.string(self.pick(targets))
        while ":" in value:
            value = self.string(self.pick(targets))
        if self.often(0.1):
            return [self.bind(self.path(name, "url"), self.string("github:o/r/main"))]
        if self.often(0.2):
            return [self.bind(self.name(name), "{ " + self.bind("follows", value) + " }")]
        return [self.bind(self.path(name, "follows"), value)]

    def flake(self) -> str:
        names = self.names = self.chance.sample(NAMES, self.chance.randint(1, 6))
        sound = [name for name in names if name.isascii() and "'" not in name and "." not in name] or [""]
        top: list[str] = []
        inner: list[str] = []
        for name in names:
            self._input(name, sound, top, inner)
        self.chance.shuffle(top)
        asked = self.chance.sample(["self", "nixpkgs", "lib", "asked"], self.chance.randint(1, 3))
        head = self.pick([f"{{ {', '.join(asked)}, ... }}", "_", f"inputs@{{ {', '.join(asked)} }}"])
        statements = [*top, self.bind("outputs", f"{head}: {{ }}")]
        if inner:
            place = self.chance.randint(0, len(statements))
            statements.insert(place, self.bind(self.name("inputs"), self.group(inner, 1)))
        if self.often(0.5):
            statements.insert(0, 'description = "inputs.lib.url = ${nixos-25.11";'.replace("${", "$ {"))
        whole = self.group(statements, 0)
        return whole + self.pick([self.line_end, self.line_end, "", self.line_end + "# inputs.lib = { };"])

    def _input(self, name: str, sound: list[str], top: list[str], inner: list[str]) -> None:
        """Write what is said of an input: at the top, in `inputs`, in a set of its own, or in some of these."""
        if sound != [""] and self.often(0.1) and name != sound[0]:
            self._place([self.bind(self.path(name, "follows"), f'"{sound[0]}"')], top, inner)
            return
        said = self.reference() if self.often(0.9) or name not in sound else []
        if self.often(0.2):
            said.append("flake = false;")
        below: list[str] = []
        for each in self.chance.sample(INNER, self.chance.choice([0, 0, 1, 2])):
            below += self.override(each, sound)
        style = self.chance.random()
        if style < 0.45 or not (said or below):
            if below or self.often(0.1):
                said = [*said, *self._overrides(below)] if self.often(0.7) else [*self._overrides(below), *said]
            self._place([self.bind(self.name(name), self.group(said, 2))], top, inner)
            return
        lines = [*said, *self._overrides(below)] if below else said
        if style < 0.6 and len(lines) > 1:
            # In part in a set, the rest dotted: only where they are about different attributes.
            self._place([self.bind(self.name(name), self.group(said, 2))] if said else [], top, inner)
            lines = lines[len(said) :]
        place = top if self.often(0.4) else inner
        for line in lines:
            prefix = self.path("inputs", name) if place is top else self.name(name)
            place.append(f"{prefix}.{line}")

    def _overrides(self, below: list[str]) -> list[str]:
        if self.often(0.5) or not below:
            return [self.bind(self.name("inputs"), self.group(below, 3))]
        return [f"{self.name('inputs')}.{line}" for line in below]

    def _place(self, lines: list[str], top: list[str], inner: list[str]) -> None:
        if self.often(0.4):
            top += [f"{self.name('inputs')}.{line}" for line in lines]
        else:
            inner += lines


def make_edits(seed: object, flake: Flake, most: int = 3) -> list[Edit]:
    """Return edits for a flake; some cannot be made, as nobody can write them."""
    chance = random.Random(repr(("edits", seed)))
    # What is only named by the outputs has no place of its own.
    names = [name for name in sorted(flake.inputs) if is_said(flake.inputs[name]) or chance.random() < 0.1]
    if not names:
        return []
    targets = [name for name in names if name.isascii() and name.replace("-", "_").isidentifier()] or [""]
    edits: list[Edit] = []
    for _ in range(chance.randint(1, most)):
        name = chance.choice(names)
        spec = flake.inputs[name]
        kind = chance.random()
        follows = [each for each, inner in spec.inputs.items() if inner.follows is not None]
        if kind < 0.35 and spec.ref is not None and (old := ref_of(spec)):
            edits.append(SetRef((name,), old, chance.choice(NEW_REFS)))
        elif kind < 0.55 and follows:
            edits.append(RemoveFollows((name, chance.choice(follows))))
        else:
            below = chance.choice([*spec.inputs, *INNER])
            target = chance.choice(targets)
            edits.append(SetFollows((name, below), (target, *chance.choice([(), (), ("nixpkgs",)])) if target else ()))
    return edits


def is_said(spec: InputSpec) -> bool:
    """Tell whether more is said of an input than what an input is that only the outputs name."""
    return spec.ref is None or spec.ref.type != "indirect" or spec.ref.ref is not None or bool(spec.inputs)


def ref_of(spec: InputSpec) -> str | None:
    """Return the branch that a reference made here names; None: none."""
    if spec.ref is None:
        return None
    url = unquote(str(spec.ref.attrs.get("url", "")))
    named = str(spec.ref.attrs.get("ref", "")).removeprefix("refs/heads/")
    return named or next((ref for ref in sorted(REFS, key=len, reverse=True) if f"/{ref}" in url), None)

"""Nodes below an input that are not what the flake.nix of that input asks for."""

from collections.abc import Mapping

import pytest

from flakesync.audit.subject import subjects
from flakesync.nix.expression.inputs import FlakeInputs, read_inputs
from flakesync.nix.expression.nested import Declared, find_nested, overrides_of
from flakesync.nix.lock.file import LockFile
from flakesync.nix.lock.node import LockNode
from flakesync.terms import FlakeDir, RepoName
from tests.support import locks
from tests.support.locks import Input, Inputs, github

_LIB = github("acme", "lib")
_EVIL = github("evil", "lib")


def inputs_of(text: str) -> FlakeInputs:
    read = read_inputs(f"{{ inputs = {{ {text} }}; outputs = _: {{ }}; }}".encode())
    assert isinstance(read, FlakeInputs), read
    return read


def found(inputs: Inputs, flakes: Mapping[str, str | None], own: str = "") -> list[tuple[str, bool]]:
    """Return the paths of what is said, and whether it is known. flakes: inputs of a flake.nix, by repository."""
    return found_in(locks.lock(inputs), flakes, own)


def found_in(document: locks.Json, flakes: Mapping[str, str | None], own: str = "") -> list[tuple[str, bool]]:
    lock = LockFile.parse(locks.to_bytes(document))

    def declared(node: LockNode) -> Declared | None:
        name = str(node.origin.locked["repo"])
        text = flakes.get(name)
        return inputs_of(text).inputs if text is not None else "not here" if name in flakes else None

    paths = [each.path for each in subjects(RepoName("app"), FlakeDir("."), lock)]
    said = find_nested(lock, paths, overrides_of(inputs_of(own).inputs), declared)
    return [("/".join(each.input), each.detail is not None) for each in said]


def mid(below: Input | tuple[str, ...], name: str = "mid") -> Input:
    return github("acme", name, inputs={"lib": below})


_URL = 'lib.url = "github:acme/lib";'


@pytest.mark.parametrize(
    ("below", "text", "expected"),
    [
        (_LIB, _URL, []),
        (_EVIL, _URL, [("mid/lib", True)]),
        (_EVIL, 'lib = { type = "github"; owner = "acme"; repo = "lib"; };', [("mid/lib", True)]),
        (github("acme", "lib", ref="other"), _URL, [("mid/lib", True)]),
        (github("acme", "lib", dir="other"), _URL, [("mid/lib", True)]),
        (_LIB, 'lib.url = "github:acme/lib/main";', [("mid/lib", True)]),
        (_EVIL, 'other.url = "github:acme/other"; lib.follows = "other";', [("mid/lib", True)]),
        (_EVIL, 'other.url = "github:acme/other";', []),
        (_EVIL, None, [("mid", False)]),
        (("x",), _URL, [("mid/lib", True)]),
        (("x",), 'lib.follows = "x"; x.url = "github:acme/x";', [("mid/lib", True)]),
        (("mid", "x"), 'lib.follows = "x"; x.url = "github:acme/x";', []),
        (("mid",), 'lib.follows = "";', []),
        (("mid", "x"), 'lib.follows = "x/y"; x.url = "github:acme/x";', [("mid/lib", True)]),
        (("mid", "x"), 'x.url = "github:acme/x";', []),
    ],
)
def test_a_node_is_what_the_flake_that_takes_it_asks_for(
    below: Input | tuple[str, ...], text: str | None, expected: list[tuple[str, bool]]
) -> None:
    taken = {"lib": below, "x": github("acme", "x")}
    inputs = {"mid": github("acme", "mid", inputs=taken), "x": github("acme", "x")}
    assert found(inputs, {"mid": text}) == expected


def test_what_nobody_wants_to_know_is_not_said() -> None:
    assert found({"mid": mid(_EVIL)}, {}) == []


def test_what_the_locks_own_flake_says_of_a_nested_input_counts() -> None:
    assert found({"mid": mid(_EVIL)}, {"mid": _URL}, 'mid.inputs.lib.url = "github:evil/lib";') == []
    assert found({"mid": mid(_EVIL)}, {"mid": _URL}, 'mid.inputs.other.url = "github:evil/lib";') == [("mid/lib", True)]
    follows = {"mid": mid(("x",)), "x": github("acme", "x")}
    assert found(follows, {"mid": _URL}, 'mid.inputs.lib.follows = "x";') == []
    assert found(follows, {"mid": _URL}) == [("mid/lib", True)]


def test_a_node_that_another_input_has_is_what_this_one_asks_for_too() -> None:
    document = locks.lock({"mid": mid(_LIB), "other": _EVIL})
    document["nodes"]["mid"]["inputs"]["lib"] = "other"
    assert found_in(document, {"mid": _URL}) == [("mid/lib", True)]


@pytest.mark.parametrize(
    ("outer", "expected"),
    [
        ('mid.url = "github:acme/mid";', [("top/mid/lib", True)]),
        ('mid.url = "github:acme/mid"; mid.inputs.lib.url = "github:evil/lib";', []),
        ('mid.url = "github:acme/mid"; mid.inputs.lib.url = "github:acme/lib/v2";', [("top/mid/lib", True)]),
        ('mid.url = "github:acme/mid"; mid.inputs.lib.follows = "x";', [("top/mid/lib", True)]),
        ('mid.url = "github:acme/mid"; mid.inputs.lib.inputs.x.url = "github:evil/x";', [("top/mid/lib", True)]),
        (None, [("top", False), ("top/mid/lib", False)]),
    ],
)
def test_what_a_flake_in_between_says_of_a_nested_input_counts(
    outer: str | None, expected: list[tuple[str, bool]]
) -> None:
    top = github("acme", "top", inputs={"mid": mid(_EVIL)})
    assert found({"top": top}, {"top": outer, "mid": _URL}) == expected


def test_what_is_as_asked_for_needs_no_flake_in_between() -> None:
    top = github("acme", "top", inputs={"mid": mid(_LIB)})
    assert found({"top": top}, {"mid": _URL}) == []

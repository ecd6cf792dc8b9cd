"""Nodes of a lock, with what the flakes further out say of them."""

import time
from collections.abc import Mapping

import pytest

from flakesync.audit.subject import subjects
from flakesync.nix.expression.inputs import FlakeInputs, InputSpec, read_inputs
from flakesync.nix.expression.nested import overrides_of
from flakesync.nix.lock.file import LockFile
from flakesync.nix.lock.node import LockNode
from flakesync.terms import FlakeDir, RepoName
from tests.support import locks
from tests.support.locks import Inputs, github


def inputs_of(text: str) -> Mapping[str, InputSpec]:
    read = read_inputs(f"{{ inputs = {{ {text} }}; outputs = _: {{ }}; }}".encode())
    assert isinstance(read, FlakeInputs), read
    return read.inputs


def asked(inputs: Inputs, own: str, flakes: Mapping[str, str]) -> dict[str, object]:
    """Return the repository that each node is asked to be. own: inputs of the flake.nix; flakes: of those below it."""
    lock = LockFile.parse(locks.to_bytes(locks.lock(inputs)))
    declared = {name: inputs_of(text) for name, text in flakes.items()}

    def below(node: LockNode) -> Mapping[str, InputSpec]:
        return declared.get(str(node.origin.locked["repo"]), {})

    found = subjects(RepoName("app"), FlakeDir("."), lock, overrides_of(inputs_of(own)), below)
    return {"/".join(each.path): each.node.origin.original["repo"] for each in found}


TOP: Inputs = {"top": github("o", "top", inputs={"mid": github("o", "mid", inputs={"x": github("o", "x")})})}
ROOT_SAYS = 'top.inputs.mid.inputs.x.url = "github:o/root";'
TOP_SAYS = 'mid.inputs.x.url = "github:o/of-top";'
MID_SAYS = 'x.url = "github:o/of-mid";'


@pytest.mark.parametrize(
    ("own", "flakes", "expected"),
    [
        ("", {}, "x"),
        ("", {"mid": MID_SAYS}, "x"),
        ("", {"top": TOP_SAYS}, "of-top"),
        (ROOT_SAYS, {"top": TOP_SAYS, "mid": MID_SAYS}, "root"),
        ('top.inputs.mid.inputs.x.follows = "top";', {"top": TOP_SAYS}, "x"),
        ('top.inputs.mid.inputs.y.url = "github:o/root";', {"top": TOP_SAYS}, "of-top"),
        ("", {"top": 'mid.inputs.x.inputs.y.url = "github:o/y";'}, "x"),
    ],
)
def test_the_outermost_flake_says_what_an_input_is_and_its_own_says_nothing_more(
    own: str, flakes: Mapping[str, str], expected: str
) -> None:
    assert asked(TOP, own, flakes) == {"top": "top", "top/mid": "mid", "top/mid/x": expected}


def test_many_overrides_of_a_flake_that_is_in_a_lock_many_times_cost_nothing_where_there_is_no_such_input() -> None:
    many = 'mid.url = "github:o/mid";' + "".join(f'mid.inputs.i{at}.url = "github:o/i{at}";' for at in range(2_000))
    top = github("o", "top", inputs={"mid": github("o", "mid", inputs={"i7": github("o", "x")})})
    before = time.process_time()
    found = asked({f"t{at}": top for at in range(2_000)}, "", {"top": many})
    assert {found[f"t{at}/mid/i7"] for at in range(2_000)} == {"i7"}
    assert time.process_time() - before < 2

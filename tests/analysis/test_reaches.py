"""What of an upstream's moves arrives in a dependent's lock: by hand, and by a second implementation."""

import random
from collections.abc import Mapping, Sequence

import pytest

from flakesync.analysis.reaches import Planned, ReachQuestion, reach, reach_unread
from flakesync.nix.lock.file import LockFile
from flakesync.terms import InputPath, NodeLabel, Rev
from tests.support import locks
from tests.support.locks import Input, Inputs
from tests.support.nixspace import below
from tests.support.workspaces import commit_id

A, B, C = (commit_id("source", word) for word in "abc")
NOTHING: Mapping[InputPath, Rev | None] = {}


def source(name: str, rev: Rev, inputs: Inputs | None = None) -> Input:
    return locks.github("other", name, rev=rev, inputs=inputs or {})


def lock(inputs: Inputs) -> LockFile:
    return LockFile.parse(locks.to_bytes(locks.lock(inputs)))


def taken(inputs: Inputs, **others: Input | tuple[str, ...]) -> LockFile:
    """Return the lock of a flake that takes `u`, which has these inputs, and others."""
    below_u = {name: below(each, "u") for name, each in inputs.items()}
    return lock({"u": locks.github("acme", "u", rev=A, inputs=below_u), **others})


def reaching(
    dependent: LockFile,
    before: Inputs,
    after: Inputs,
    planned: Mapping[InputPath, Rev | None] = NOTHING,
    own: Sequence[InputPath] = (),
) -> list[str]:
    found = reach(ReachQuestion(dependent, ("u",), lock(before), lock(after), own), planned)
    return ["/".join(path) for path in found.reaching]


def test_what_the_dependent_has_of_the_upstream_reaches_it() -> None:
    before, after = {"x": source("x", A)}, {"x": source("x", B)}
    assert reaching(taken(before), before, after) == ["x"]


def test_a_follows_cuts_it_off() -> None:
    before, after = {"x": source("x", A)}, {"x": source("x", B)}
    dependent = taken({}, x=source("x", C))
    cut = lock({"u": locks.github("acme", "u", rev=A, inputs={"x": ("x",)}), "x": source("x", C)})
    assert reaching(cut, before, after) == []
    assert reaching(dependent, before, after) == ["x"]


def test_an_empty_follows_cuts_it_off_too() -> None:
    dependent = lock({"u": locks.github("acme", "u", rev=A, inputs={"x": ()})})
    assert reaching(dependent, {"x": source("x", A)}, {"x": source("x", B)}) == []


def test_a_follows_on_the_way_to_a_deeper_input_cuts_that_off() -> None:
    before = {"x": source("x", A, {"y": source("y", A)})}
    after = {"x": source("x", A, {"y": source("y", B)})}
    cut = lock(
        {"u": locks.github("acme", "u", rev=A, inputs={"x": source("x", A, {"y": ("y",)})}), "y": source("y", C)}
    )
    assert reaching(cut, before, after) == []
    assert reaching(taken(before), before, after) == ["x/y"]


def test_a_node_that_the_dependent_has_already_moves_nothing() -> None:
    assert reaching(taken({"x": source("x", B)}), {"x": source("x", A)}, {"x": source("x", B)}) == []


def test_another_url_of_the_dependents_own_is_not_moved() -> None:
    dependent = lock({"u": locks.github("acme", "u", rev=A, inputs={"x": source("fork", C)})})
    assert reaching(dependent, {"x": source("x", A)}, {"x": source("x", B)}) == []
    assert reaching(dependent, {"x": source("x", A)}, {"x": source("x", A)}, {("x",): B}) == []


def test_what_the_dependent_moves_itself_is_its_own() -> None:
    before, after = {"x": source("x", A)}, {"x": source("x", B)}
    assert reaching(taken(before), before, after, own=[("u", "x")]) == []


@pytest.mark.parametrize("rev", [B, None])
def test_what_an_update_moves_reaches_where_the_dependent_is_elsewhere(rev: Rev | None) -> None:
    inputs = {"x": source("x", A)}
    assert reaching(taken(inputs), inputs, inputs, {("x",): rev}) == ["x"]
    ahead = taken({"x": source("x", B)})
    assert reaching(ahead, inputs, inputs, {("x",): rev}) == ([] if rev == B else ["x"])


def test_an_input_that_is_new_reaches_and_one_that_is_gone_does() -> None:
    one, two = {"x": source("x", A)}, {"x": source("x", A), "y": source("y", A)}
    assert reaching(taken(one), one, two) == ["y"]
    assert reaching(taken(two), two, one) == ["y"]
    assert (
        reaching(lock({"u": locks.github("acme", "u", rev=A, inputs={"x": ("x",)}), "x": source("x", C)}), one, {})
        == []
    )


def test_a_lock_that_is_deleted_reaches() -> None:
    inputs = {"x": source("x", A)}
    found = reach(ReachQuestion(taken(inputs), ("u",), lock(inputs), None), NOTHING)
    assert found.reaching == (("x",),)


def test_where_the_upstreams_own_follows_leads_elsewhere_it_reaches() -> None:
    before: Inputs = {"x": ("y",), "y": source("y", A), "z": source("z", A)}
    after: Inputs = {**before, "x": ("z",)}
    assert reaching(taken(before), before, after) == ["x"]


def test_the_same_source_found_elsewhere_has_not_moved() -> None:
    one = source("x", A)
    other = Input({**one.locked, "lastModified": 5}, one.original)
    found = reach(ReachQuestion(taken({"x": one}), ("u",), lock({"x": one}), lock({"x": other})), NOTHING)
    assert (found.moved, found.reaching) == ((), ())


def test_it_is_said_what_moved_and_not_what_lies_below() -> None:
    before = {"x": source("x", A, {"y": source("y", A)}), "z": source("z", A)}
    after = {"x": source("x", B, {"y": source("y", B)}), "z": source("z", A)}
    cut = lock(
        {
            "u": locks.github("acme", "u", rev=A, inputs={"x": ("x",), "z": ("z",)}),
            "x": source("x", C),
            "z": source("z", C),
        }
    )
    assert reach(ReachQuestion(cut, ("u",), lock(before), lock(after)), NOTHING).moved == (("x",),)


# a second implementation: lock the dependent anew at both commits, and look whether it has the same nodes


def random_inputs(chance: random.Random, depth: int = 2) -> Inputs:
    found: Inputs = {}
    for name in ("x", "y"):
        if chance.random() < 0.7:
            below_it = random_inputs(chance, depth - 1) if depth else {}
            found = {**found, name: source(name, chance.choice([A, B]), below_it)}
    return found


def relocked(inputs: Inputs, follows: Mapping[InputPath, InputPath], prefix: InputPath = ()) -> Inputs:
    """Return what a dependent's lock has below `u`: the upstream's own nodes, where no follows of the dependent is."""
    found: dict[str, Input | tuple[str, ...]] = {}
    for name, each in inputs.items():
        path = (*prefix, name)
        if path in follows:
            found[name] = follows[path]
        elif isinstance(each, Input):
            found[name] = Input(each.locked, each.original, relocked(each.inputs, follows, path), each.flake)
    return found


def paths(inputs: Inputs, prefix: InputPath = ()) -> list[InputPath]:
    found: list[InputPath] = []
    for name, each in inputs.items():
        assert isinstance(each, Input)
        found += [(*prefix, name), *paths(each.inputs, (*prefix, name))]
    return found


@pytest.mark.parametrize("seed", range(300))
def test_a_move_reaches_exactly_where_locking_anew_gives_another_lock(seed: int) -> None:
    chance = random.Random(seed)
    before, after = random_inputs(chance), random_inputs(chance)
    if seed % 3 == 0:
        after = before
    known = sorted(paths(before))  # of what is new, a lock does not show whether flake.nix has a follows for it
    follows: dict[InputPath, InputPath] = {path: ("own",) for path in known if chance.random() < 0.4}

    def dependent(inputs: Inputs) -> LockFile:
        node = locks.github("acme", "u", rev=A, inputs=relocked(inputs, follows))
        return lock({"u": node, "own": source("own", C)})

    def nodes(found: LockFile) -> dict[InputPath, object]:
        return {path: found.nodes[label].locked for path, label in found.walk()}

    differs = nodes(dependent(before)) != nodes(dependent(after))
    assert bool(reaching(dependent(before), before, after)) == differs, (before, after, follows)


@pytest.mark.parametrize("seed", range(200))
def test_what_is_decided_without_the_locks_is_what_they_would_say(seed: int) -> None:
    chance = random.Random(seed)
    inputs = random_inputs(chance)
    known = sorted(paths(inputs))
    follows: dict[InputPath, InputPath] = {path: ("own",) for path in known if chance.random() < 0.6}
    had = {name: each for name, each in relocked(inputs, follows).items() if chance.random() < 0.8}
    node = locks.github("acme", "u", rev=A, inputs=had)
    dependent, there = lock({"u": node, "own": source("own", C)}), lock(inputs)
    planned = {path: chance.choice([A, B, None]) for path in known if chance.random() < 0.5}
    own = [("u", *path) for path in known if chance.random() < 0.1]
    taken_node = dependent.node(("u",))
    assert taken_node is not None
    unread = reach_unread(taken_node.inputs, ("u",), own, Planned(planned))
    assert unread in (None, reach(ReachQuestion(dependent, ("u",), there, there, own), planned))


@pytest.mark.parametrize(
    ("planned", "own", "reached"),
    [
        (("followed",), (), ()),
        (("followed", "x"), (), ()),
        (("new",), (), (("new",),)),
        (("new",), (("u", "new"),), ()),
        (("had",), (("u", "had"),), ()),
        (("had",), (), None),
        (("new", "x"), (), None),
    ],
)
def test_the_inputs_of_the_upstreams_node_tell_nearly_all(
    planned: InputPath, own: Sequence[InputPath], reached: Sequence[InputPath] | None
) -> None:
    found = reach_unread({"followed": ("x",), "had": NodeLabel("had")}, ("u",), own, Planned({planned: B}))
    assert (found.reaching if found is not None else None) == reached

"""A new lock is compared with the old one: exactly the planned inputs have moved, or the repo fails."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakesync.errors import SyncError
from flakesync.nix.lock.file import LockFile
from flakesync.sync.verify import verify
from flakesync.terms import InputPath, Rev
from tests.support import locks

A, B, C = (Rev(letter * 40) for letter in "abc")


def parse(inputs: locks.Inputs) -> LockFile:
    return LockFile.parse(locks.to_bytes(locks.lock(inputs)))


def lib(rev: str = A, **more: object) -> locks.Input:
    return locks.github("acme", "lib", rev=rev, **more)  # type: ignore[arg-type]


def code(before: locks.Inputs, after: locks.Inputs, wanted: dict[InputPath, Rev]) -> tuple[str, str]:
    with pytest.raises(SyncError) as caught:
        verify(parse(before), parse(after), wanted, file="dev/flake.lock")
    assert "dev/flake.lock" in caught.value.message
    assert caught.value.hint
    return caught.value.code, caught.value.message


def test_the_planned_input_and_all_below_it_may_move() -> None:
    before = {"lib": lib(inputs={"nixpkgs": locks.github("NixOS", "nixpkgs", rev=A), "old": ("lib", "nixpkgs")})}
    after = {"lib": lib(B, inputs={"nixpkgs": locks.github("NixOS", "nixpkgs", rev=B), "new": lib(C)})}
    verify(parse(before), parse(after), {("lib",): B}, file="flake.lock")


def test_an_input_that_did_not_move_is_an_error() -> None:
    assert code({"lib": lib()}, {"lib": lib()}, {("lib",): B})[0] == "not-moved"
    assert code({"lib": lib()}, {"lib": lib(C)}, {("lib",): B})[0] == "not-moved"


def test_an_input_that_is_gone_or_has_become_a_follows_is_an_error() -> None:
    assert code({"lib": lib()}, {}, {("lib",): B}) == (
        "not-moved",
        f"dev/flake.lock: input lib should be at {B}, but the new lock has no such commit",
    )
    assert code({"lib": lib(), "x": lib()}, {"lib": ("x",), "x": lib()}, {("lib",): B})[0] == "not-moved"


def test_a_nested_planned_input_is_looked_up_by_its_path() -> None:
    def app(rev: str) -> locks.Inputs:
        return {"lib": lib(inputs={"nixpkgs": locks.github("NixOS", "nixpkgs", rev=rev)})}

    verify(parse(app(A)), parse(app(B)), {("lib", "nixpkgs"): B}, file="flake.lock")
    assert code(app(A), app(C), {("lib", "nixpkgs"): B})[0] == "not-moved"


@pytest.mark.parametrize(
    "after",
    [
        {"lib": lib(B), "other": lib(B)},
        {"lib": lib(B)},
        {"lib": lib(B), "other": ("lib",)},
        {"lib": lib(B), "other": lib(), "new": lib()},
        {"lib": lib(B), "other": lib(flake=False)},
        {"lib": lib(B), "other": lib(inputs={"below": lib()})},
    ],
    ids=["moved", "gone", "follows", "added", "source", "below"],
)
def test_anything_else_that_changed_is_an_error_that_names_it(after: locks.Inputs) -> None:
    kind, message = code({"lib": lib(), "other": lib()}, after, {("lib",): B})
    assert kind == "moved-more"
    assert "new" in message if "new" in after else "other" in message


@pytest.mark.parametrize("after", [lib(B, ref="next"), lib(B, flake=False)], ids=["reference", "source"])
def test_an_input_whose_reference_changed_too_is_an_error(after: locks.Input) -> None:
    assert code({"lib": lib()}, {"lib": after}, {("lib",): B})[0] == "stale-lock"


def test_other_labels_are_no_difference() -> None:
    before = locks.small_lock()
    after = locks.small_lock()
    after["nodes"]["x"] = after["nodes"].pop("lib")
    after["nodes"]["root"]["inputs"]["lib"] = "x"
    after["nodes"]["x"]["locked"]["rev"] = B
    old, new = (LockFile.parse(locks.to_bytes(each)) for each in (before, after))
    verify(old, new, {("lib",): B}, file="flake.lock")


@given(st.integers(0, 100_000), st.data())
def test_moving_one_input_of_any_lock_is_accepted_for_that_input_only(seed: int, data: st.DataObject) -> None:
    before = LockFile.parse(locks.to_bytes(locks.random_lock(seed, nodes=10)))
    paths = [path for path, label in before.walk() if "rev" in (before.nodes[label].locked or {})]
    if not paths:
        return
    path = data.draw(st.sampled_from(paths))
    node = before.node(path)
    assert node is not None
    after = before.replace(path, locked={**(node.locked or {}), "rev": B})
    verify(before, after, {path: B}, file="flake.lock")
    with pytest.raises(SyncError):
        verify(before, after, {}, file="flake.lock")

"""Which inputs differ between two locks, where versions of Nix write one thing in several ways."""

import pytest

from flakesync.nix.lock.moved import is_same_address, is_same_source
from flakesync.nix.lock.node import LockNode

GIT: dict[str, str | int | bool] = {"type": "git", "url": "https://h.example/x", "dir": "sub"}


@pytest.mark.parametrize(
    ("attrs", "same"),
    [
        ({"url": "https://h.example/x?dir=sub"}, True),
        ({"url": "https://h.example/x?dir=sub", "__final": True}, True),
        ({"url": "https://h.example/y?dir=sub"}, False),
        ({"url": "https://h.example/x?dir=sub&a=b"}, False),
        ({"dir": "other"}, False),
        ({"ref": "main"}, False),
    ],
    ids=str,
)
def test_a_dir_that_is_said_twice_makes_no_other_source_and_no_other_address(
    attrs: dict[str, str | int | bool], same: bool
) -> None:
    one, other = LockNode(locked=GIT, original=GIT), LockNode(locked={**GIT, **attrs}, original={**GIT, **attrs})
    assert (is_same_source(one, other), is_same_address(one, other)) == (same, same)


def test_parameters_of_an_address_beside_its_dir_count() -> None:
    one, other = ({**GIT, "url": f"https://h.example/x{query}"} for query in ("?dir=sub&a=b&c=d", "?a=b&c=d"))
    assert is_same_address(LockNode(original=one), LockNode(original=other))
    without_dir = ({"type": "git", "url": f"https://h.example/x{query}"} for query in ("?dir=sub", ""))
    assert not is_same_address(*(LockNode(original=each) for each in without_dir))


def test_a_source_that_is_no_flake_is_another_than_the_flake() -> None:
    assert not is_same_source(LockNode(locked=GIT), LockNode(locked=GIT, flake=False))

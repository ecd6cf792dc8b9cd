"""Nothing that others write ends in a traceback, takes long, or takes much memory.

A quick pass: what failed once, and a few examples that are the same in every run. `make fuzz MINUTES=n` looks for new
ones.
"""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.mutate import mutated
from tests.fuzz.shapes import SHAPES
from tests.fuzz.targets import MOST_S, TARGETS, Target, attempt

CORPUS = Path(__file__).with_name("corpus")
# For a machine that is busy with seven other things; what is meant to be caught takes hours.
PATIENCE = 5


def kept(name: str) -> Iterator[bytes]:
    return (file.read_bytes() for file in sorted((CORPUS / name).glob("*")))


def tokens_of(target: Target) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(target.tokens) | st.binary(max_size=3), max_size=30).map(b"".join)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", TARGETS)
def test_what_failed_once_and_its_relatives_do_no_harm(name: str) -> None:
    target = TARGETS[name]
    for data in (*target.seeds, *kept(name), *SHAPES[name]()):
        assert attempt(target, data) < PATIENCE * MOST_S, data[:80]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", TARGETS)
def test_what_is_put_together_by_chance_does_no_harm(name: str) -> None:
    target = TARGETS[name]

    @settings(max_examples=30)
    @given(tokens_of(target))
    def run(data: bytes) -> None:
        assert attempt(target, data) < PATIENCE * MOST_S

    run()
    chance = Random(1)
    for _ in range(60):
        data = mutated(chance, chance.choice(target.seeds), target.tokens)
        assert attempt(target, data) < PATIENCE * MOST_S, data[:80]

"""Random flake.nix files, edited: Nix evaluates their inputs as meant.

What is meant is made from the inputs that Nix evaluated before, not from what flakesync read. FLAKESYNC_FIDELITY is the
number of files for each version, 100 by default.
"""

import os
import re
from collections import Counter
from pathlib import Path

import pytest

from flakesync.nix.expression.edit import CannotEditError, Edit, edit_inputs
from flakesync.nix.expression.inputs import FlakeInputs, read_inputs
from tests.nix.edited_flakes import Flake, make_edits, make_flake
from tests.nix.evaluated import evaluated
from tests.nix.flakefiles import legal
from tests.nix.meant import meant, tidy
from tests.nix.styles import LAYOUTS, STYLES, sensible_edits, styled
from tests.support.nix import RealNix

pytestmark = pytest.mark.nix

BATCH = 100
BATCHES = int(os.environ.get("FLAKESYNC_FIDELITY", "100")) // BATCH or 1
FIRST = int(os.environ.get("FLAKESYNC_FIDELITY_FIRST", "0"))
REFUSALS = {
    "an input that follows": r"^'.*' follows another input: nothing below it can be overridden$|^\".*\" follows",
    "a formal": r"^only the outputs name .*: it has no place of its own$",
    "the only thing said": "^nothing else is said of the input, which would be gone$",
    "several places": r"^`.*` is (?:defined in several places|more than what it follows)$",
    "no branch": r"^the reference (?:names|is fixed)|^'.*' names no branch$",
}
REFERENCES = ["github:o/r/main", "nixpkgs/main", "git+https://h.example/x?ref=main", "https://h.example/o/r.tar.gz"]


def flakes(seeds: range) -> list[Flake]:
    """Return flakes as people write them, and one in four as nobody does."""
    found = []
    for seed in seeds:
        if seed % 4:
            found.append(make_flake(seed))
            continue
        source = legal(seed, references=REFERENCES, nested_references=True).text.encode()
        read = read_inputs(source)
        assert isinstance(read, FlakeInputs)
        found.append(Flake(source, read.inputs))
    return found


def attempt(flake: Flake, edits: list[Edit]) -> bytes | str:
    """Return a flake with edits made, or why they cannot be."""
    try:
        return edit_inputs(flake.source, edits).source
    except CannotEditError as stop:
        return stop.reason


def edited(seed: int, flake: Flake, refused: Counter[str]) -> tuple[bytes, list[Edit]]:
    """Return a flake with those of its edits made that can be."""
    edits: list[Edit] = []
    source = flake.source
    for edit in make_edits(seed, flake):
        made = attempt(flake, [*edits, edit])
        if isinstance(made, str):
            known = [title for title, pattern in REFUSALS.items() if re.search(pattern, made)]
            assert known, f"{made}: {edit}\n{flake.source.decode()}"
            refused[known[0]] += 1
        else:
            source = made
            edits.append(edit)
    return source, edits


@pytest.mark.parametrize("batch", range(BATCHES))
def test_nix_evaluates_what_was_meant(nix: RealNix, tmp_path: Path, batch: int) -> None:
    seeds = range(FIRST + batch * BATCH, FIRST + (batch + 1) * BATCH)
    made = flakes(seeds)
    refused: Counter[str] = Counter()
    done = [edited(seed, flake, refused) for seed, flake in zip(seeds, made, strict=True)]
    before = evaluated(nix, tmp_path / "before", [flake.source for flake in made])
    after = evaluated(nix, tmp_path / "after", [source for source, _ in done])
    number = 0
    for flake, (source, edits), old, new in zip(made, done, before, after, strict=True):
        number += len(edits)
        shown = f"{edits}\n{flake.source.decode()}\n{source.decode()}"
        assert tidy(new) == meant(old, edits), shown
    assert number > BATCH
    assert refused.total() < number / 2, refused


@pytest.mark.slow
def test_nix_evaluates_more_than_a_thousand_edits_as_meant(nix: RealNix, tmp_path: Path) -> None:
    flakes = [styled(style, layout) for style in STYLES for layout in LAYOUTS]
    cases = [(number, edit) for number, flake in enumerate(flakes) for edit in sensible_edits(flake)]
    assert len(cases) > 1000
    before = evaluated(nix, tmp_path / "before", [flake.source for flake in flakes])
    after = evaluated(
        nix, tmp_path / "after", [edit_inputs(flakes[number].source, [edit]).source for number, edit in cases]
    )
    for (number, edit), new in zip(cases, after, strict=True):
        assert tidy(new) == meant(before[number], [edit]), f"{edit}\n{flakes[number].source.decode()}"

"""`look-alike`: which owners are taken for each other, and that no number of them takes long."""

import random
from collections.abc import Iterator, Sequence
from itertools import product

import pytest

from flakesync.audit.engine import Found
from flakesync.audit.rules.source import look_alike
from tests.audit.rules.ask import ask, said
from tests.support import locks
from tests.support.locks import Input, github
from tests.support.workspaces import pin


def alike(*owners: str, pins: str | None = None, often: int = 3) -> Found:
    """Ask about repositories called `lib` of some owners: the first is locked several times, the others once."""
    inputs: dict[str, Input | tuple[str, ...]] = {f"i{at}": github(owners[0], "lib") for at in range(often)}
    inputs |= {f"o{at}": github(owner, "lib") for at, owner in enumerate(owners[1:])}
    named = [pin("lib", f"github:{pins}/lib/main")] if pins is not None else []
    return ask(look_alike.RULE, inputs, pins=named)


@pytest.mark.parametrize(
    "other",
    ["n1xos", "nixo", "nixoss", "nixso", "xnixos", "nixo5", "nlxos", "nix-os", "nix_os", "n1x0s", "nixosé", "nіxos"],
)
def test_the_rarer_of_two_owners_that_look_alike_is_told(other: str) -> None:
    found = said(alike("nixos", other))
    assert [each[0] for each in found] == ["o0"]
    assert found[0][1] == "medium"


@pytest.mark.parametrize("other", ["nixos", "NixOS", "acme", "nixpkgs", "xinso"])
def test_other_owners_and_other_spellings_of_one_are_not(other: str) -> None:
    assert not said(alike("nixos", other))


def test_letters_that_look_like_one() -> None:
    assert said(alike("rnaker", "maker"))
    assert not said(alike("rnaker", "taker"))


def test_what_the_manifest_names_is_the_one_that_is_meant_however_rare() -> None:
    assert [each[0] for each in said(alike("n1xos", "nixos", pins="nixos"))] == ["i0", "i1", "i2"]


def test_repositories_of_other_names_are_not_compared() -> None:
    assert not said(ask(look_alike.RULE, {"a": github("nixos", "lib"), "b": github("n1xos", "tool")}))


def test_a_host_that_looks_like_another_one_is_told() -> None:
    inputs = {f"i{at}": locks.git("https://git.acme.example/o/lib") for at in range(3)}
    inputs["o"] = locks.git("https://git.acrne.example/o/lib")
    assert [each[0] for each in said(ask(look_alike.RULE, inputs))] == ["o"]


def test_thousands_of_forks_are_compared_in_no_time() -> None:
    rng = random.Random(1)
    owners = {"".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=12)) for _ in range(3000)}
    inputs = {f"i{at}": github(owner, "nixpkgs") for at, owner in enumerate(sorted(owners))}
    assert not said(ask(look_alike.RULE, inputs))


def is_alike(one: str, other: str) -> bool:
    """Tell whether two owners look alike, by trying every edit of one of them."""
    letters = {*other, "x"}
    edits = {one[:at] + one[at + 1 :] for at in range(len(one))}
    edits |= {one[:at] + new + one[at:] for at in range(len(one) + 1) for new in letters}
    edits |= {one[:at] + new + one[at + 1 :] for at in range(len(one)) for new in letters}
    edits |= {one[:at] + one[at + 1] + one[at] + one[at + 2 :] for at in range(len(one) - 1)}
    folded = {each.replace("rn", "m").translate(str.maketrans("01i", "oll", "-_.")) for each in (one, other)}
    return one != other and (other in edits or len(folded) == 1)


@pytest.mark.parametrize("seed", range(20))
def test_each_odd_one_is_told_against_the_most_used_that_it_looks_like(seed: int) -> None:
    rng = random.Random(seed)
    owners = {"".join(rng.choices("o0l1-rnm", k=rng.randint(1, 5))) for _ in range(60)}
    often = {owner: rng.randint(1, 4) for owner in sorted(owners)}
    named = rng.sample(sorted(owners), 3)
    inputs = {f"{owner}_{at}": github(owner, "lib") for owner in often for at in range(often[owner])}
    pins = [pin(f"p{at}", f"github:{owner}/lib/main") for at, owner in enumerate(named)]
    use = {owner: (owner in named, often[owner], f"github.com/{owner}/lib") for owner in often}
    wanted: dict[str, str] = {}
    for owner in often:
        usual = max((use[each] for each in often if is_alike(owner, each)), default=use[owner])
        if usual > use[owner] and owner not in named:
            wanted |= {f"{owner}_{at}": f"{use[owner][2]} looks like {usual[2]}" for at in range(often[owner])}
    assert wanted
    assert {each[0]: each[2] for each in said(ask(look_alike.RULE, inputs, pins=pins))} == wanted


def test_two_thousand_ways_to_write_one_owner_are_no_million_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    owners = ["".join(each) for each in product("o0", "il1", "o0", "il1", "o0", "il1", "o0", "il1", "o0")][:2000]
    dashed = ["-".join(owner) for owner in owners]
    pairs: list[tuple[str, str]] = []
    alike = look_alike._alike

    def counting(owners: Sequence[str]) -> Iterator[tuple[str, str]]:
        pairs.extend(alike(owners))
        yield from pairs

    monkeypatch.setattr(look_alike, "_alike", counting)
    inputs = {f"i{at}": github(owner, "lib") for at, owner in enumerate([*owners, *dashed])}
    found = said(ask(look_alike.RULE, {"usual": github(owners[7], "lib"), **inputs}))
    assert len(found) == len(inputs) - 1
    assert {each[2].partition(" looks like ")[2] for each in found} == {f"github.com/{owners[7]}/lib"}
    assert len(pairs) < 50 * len(inputs)


def test_an_owner_of_endless_length_is_compared_as_a_whole() -> None:
    owner = "o" * 100_000
    inputs = {"a": github(owner, "lib"), "b": github(owner, "lib"), "c": github(f"{owner[1:]}0", "lib")}
    assert [each[0] for each in said(ask(look_alike.RULE, {**inputs, "d": github(f"{owner}x", "lib")}))] == ["c"]

"""Laws of the evidence, on branches that grow by chance: merges, wrong dates, forced pushes, nights that saw some."""

from itertools import pairwise
from random import Random

import pytest

from flakesync.terms import Rev
from tests.cooldown.evidence.conftest import NOW, MakePlace, ago
from tests.support.repos import run_git

DAYS = 40


class Branch:
    """A branch that grew by pushes. shape: of its commits. tips: (name, days ago, forced) of each push in order."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.shape: dict[str, tuple[int, tuple[str, ...]]] = {}
        self.tips: list[tuple[str, float, bool]] = []
        self.on_branch: dict[str, float] = {}
        at: float = DAYS
        tip: str | None = None
        while at > 0.2:
            forced = len(self.tips) > 2 and chance.random() < 0.12
            tip = self._commits(chance.choice(self.tips[-3:-1])[0] if forced else tip, at)
            self.tips.append((tip, at, forced))
            at -= chance.choice([0.1, 0.5, 1, 3, 6])
        # Another branch of the repository may have kept what was forced away; the tip comes last, for the builder.
        self.shape[self.tips[-1][0]] = self.shape.pop(self.tips[-1][0])

    def _commits(self, tip: str | None, at: float) -> str:
        for _ in range(self.chance.randint(1, 4)):
            name = f"c{len(self.shape)}"
            date = ago(at + self.chance.choice([0, 0, 0, 0.01, 5, 30, -60]))
            side: tuple[str, ...] = ()
            if tip is not None and self.chance.random() < 0.2:
                self.shape[f"{name}s"] = (ago(at + 0.5), (tip,))
                self.on_branch[f"{name}s"] = at
                side = (f"{name}s",)
            self.shape[name] = (date, (*((tip,) if tip is not None else ()), *side))
            self.on_branch[name] = at
            tip = name
        assert tip is not None
        return tip


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kind", ["github", "forgejo", None])
def test_no_candidate_is_younger_than_told_and_all_are_on_the_branch(
    make_place: MakePlace, kind: str | None, seed: int
) -> None:
    chance = Random(seed)
    branch, place = Branch(chance), make_place(kind)
    revs = place.make(branch.shape)
    names = {rev: name for name, rev in revs.items()}
    if kind is not None:
        place.moves(*((revs[name], at, "force_push" if forced else "push") for name, at, forced in branch.tips))
    first_night = chance.uniform(0, DAYS)
    seen: dict[Rev, int] = {}
    for night in range(DAYS, -1, -1):
        there = [name for name, at, _ in branch.tips if at >= night]
        if there and night <= first_night:
            seen.setdefault(revs[there[-1]], ago(night))
    tip = revs[branch.tips[-1][0]]
    tips = chance.random() < 0.3
    found = place.find(tip, seen, cooldown_days=chance.choice([1, 3, 7, 14]), tips=tips)
    assert found.commits[0].rev == tip
    assert len({each.rev for each in found.commits}) == len(found.commits)
    for each in found.commits:
        came = ago(branch.on_branch[names[each.rev]])
        if each.dated_by != "commit":
            assert each.was_tip
            assert came <= each.time <= NOW, "nobody who saw it says that it is older than it is"
        else:
            assert not tips
            # Of a date only this is known: it was there when the branch was seen, or pushed to, for the first time.
            assert came <= min([*seen.values(), *([ago(branch.tips[0][1])] if kind else [])], default=NOW)
    in_order = [str(each.rev) for each in found.commits]
    for newer, older in pairwise(in_order):
        run_git("merge-base", "--is-ancestor", older, newer, cwd=place.path)

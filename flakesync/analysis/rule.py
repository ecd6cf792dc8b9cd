"""What a rule is: which kinds of finding it makes, how grave they are, and what it looks at.

A rule is a pure function of the survey and of the one thing that it looks at. The five kinds of rule differ in that
thing alone; `find_drift` goes to all of them.
"""

from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from flakesync.documents.drift import Finding, FindingKind
from flakesync.survey.graph import Edge
from flakesync.survey.pins import PinnedInput
from flakesync.survey.survey import Survey
from flakesync.workspace.inputs import OwnInput
from flakesync.workspace.snapshot import FlakeState, RepoState

DAY_S = 86_400
Severity = Literal["drift", "grave"]
"""drift: a locked rev is not the wanted one. grave: what makes the other findings of the repo doubtful."""


class BaseRule(msgspec.Struct, frozen=True, kw_only=True):
    """The part that all rules share. kinds: of the findings that it makes; no other rule makes one of these."""

    kinds: tuple[FindingKind, ...]
    severity: Severity = "drift"


class RepoRule(BaseRule, frozen=True, kw_only=True):
    """A rule that looks at a repo, also at one that could not be read."""

    find: Callable[[Survey, RepoState], Finding | None]


class FlakeRule(BaseRule, frozen=True, kw_only=True):
    """A rule that looks at a flake, also at one that has no lock."""

    find: Callable[[Survey, RepoState, FlakeState], Iterable[Finding]]


class InputRule(BaseRule, frozen=True, kw_only=True):
    """A rule that looks at a root input with a node of its own.

    among: the inputs of a flake that there can be anything to be said of, so that 20,000 inputs need not be looked at
    for nothing.
    """

    among: Callable[[Survey, FlakeState], Iterable[OwnInput]] = lambda _, flake: flake.inputs
    find: Callable[[Survey, RepoState, FlakeState, OwnInput], Finding | None]


class PinnedInputRule(BaseRule, frozen=True, kw_only=True):
    """A rule that looks at an input, of any depth, that a pin governs."""

    find: Callable[[Survey, PinnedInput], Finding | None]


class EdgeRule(BaseRule, frozen=True, kw_only=True):
    """A rule that looks at a root input with a node of its own that is a repo of the workspace and no pin's."""

    find: Callable[[Survey, Edge], Finding | None]


Rule = RepoRule | FlakeRule | InputRule | PinnedInputRule | EdgeRule

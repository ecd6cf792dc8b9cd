"""What a rule is: its id, how grave it is, at which level it is asked, and what it looks at.

A rule is a pure function of the context and of the one thing that it looks at. What servers say has been asked before,
and is in the context. The kinds of rule differ in what they look at; `find_findings` goes to all of them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cached_property

import msgspec

from flakesync.audit.evidence.model import Evidence
from flakesync.audit.subject import Subject
from flakesync.documents.audit import Level
from flakesync.nix.lock.node import LockNode
from flakesync.nix.reference.identity import Identity
from flakesync.nix.reference.source import Origin
from flakesync.terms import InputPath, RepoName
from flakesync.workspace.audit import AuditSettings, RuleId, Severity
from flakesync.workspace.manifest import Workspace
from flakesync.workspace.snapshot import FlakeState, RepoState


class Said(msgspec.Struct, frozen=True):
    """What a rule finds. message: a sentence without the names of repo and input. severity: None: the rule's own."""

    message: str
    severity: Severity | None = None


class NotChecked(msgspec.Struct, frozen=True):
    """Why a rule could not decide, as a phrase."""

    reason: str


Answer = Said | NotChecked


class Context(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """All that rules may know beside what they look at.

    owners: which repo of the workspace each identity is. now: seconds since the epoch. evidence: what servers say;
    empty below the level at which they are asked.
    """

    workspace: Workspace
    owners: Mapping[Identity, RepoName]
    now: int
    evidence: Evidence = Evidence()

    @property
    def settings(self) -> AuditSettings:
        """What the manifest says in `[audit]`."""
        return self.workspace.audit

    @cached_property
    def pinned(self) -> frozenset[Identity]:
        """The repositories that pins are of."""
        sources = (pin.source.identity for pin in self.workspace.pins)
        return frozenset(identity for identity in sources if identity is not None)

    @property
    def today(self) -> date:
        """The day of `now`, in UTC."""
        return datetime.fromtimestamp(self.now, UTC).date()


class BaseRule(msgspec.Struct, frozen=True, kw_only=True):
    """The part that all rules share.

    title: what is wrong, in a few words. help: for somebody who meets it for the first time: what it means, how real
    Nix takes it, and what to do. of_commit: what it says is true of one commit, and has to be found anew for the next.
    """

    id: RuleId
    severity: Severity
    level: Level = "offline"
    title: str
    help: str
    of_commit: bool = False


class NodeRule(BaseRule, frozen=True, kw_only=True):
    """A rule that is decided by a node alone, wherever it is: asked once for the same node of a thousand locks.

    applies: whether there is anything to look at, asked first; None: there always is. Nearly every node of nearly every
    lock goes no further, so it looks at what is there and parses nothing.
    """

    applies: Callable[[Origin], bool] | None = None
    find: Callable[[Context, LockNode], Iterable[Answer]]


class InputRule(BaseRule, frozen=True, kw_only=True):
    """A rule that looks at a node in its place."""

    find: Callable[[Context, Subject], Iterable[Answer]]


class FlakeRule(BaseRule, frozen=True, kw_only=True):
    """A rule that looks at a flake, also at one without a usable lock; the input may be None."""

    find: Callable[[Context, RepoState, FlakeState], Iterable[tuple[InputPath | None, Answer]]]


class RepoRule(BaseRule, frozen=True, kw_only=True):
    """A rule that looks at a repo, also at one that could not be read."""

    find: Callable[[Context, RepoState], Iterable[Answer]]


class SourcesRule(BaseRule, frozen=True, kw_only=True):
    """A rule that compares all nodes of the workspace with each other."""

    find: Callable[[Context, Sequence[Subject]], Iterable[tuple[Subject, Answer]]]


Rule = NodeRule | InputRule | FlakeRule | RepoRule | SourcesRule

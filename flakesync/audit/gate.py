"""The gate: no update is written, published or merged that adds a finding at or above what the manifest says.

It goes by the locks and the flake.nix beside each alone: no server is asked, no process is started, and every machine
comes to the same answer. What the workspace's own flakes below override is looked up where else something were refused.
Sync, publish and land ask the same question, of stale locks too.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import msgspec

from flakesync.audit.engine import Found, KnownNodes, find_in, rules_at
from flakesync.audit.evidence.inputs import find_inputs, overrides_in
from flakesync.audit.ignores import apply
from flakesync.audit.newness import new_findings
from flakesync.audit.rule import Context, InputRule, NodeRule, Rule
from flakesync.audit.rules import RULES
from flakesync.audit.severity import reaches
from flakesync.audit.shown import clean
from flakesync.audit.subject import Below, Subject, subjects
from flakesync.documents.audit import AuditFinding
from flakesync.errors import SyncError
from flakesync.git.store.links import read_through
from flakesync.git.store.objects import ObjectReader
from flakesync.nix.expression.nested import Overrides, overrides_of
from flakesync.nix.lock.file import LockFile
from flakesync.nix.reference.identity import Identity
from flakesync.terms import FlakeDir, RepoName, Rev, flake_file
from flakesync.workspace.audit import Threshold
from flakesync.workspace.manifest import Workspace

_MOST_NAMED = 3
# An upper limit on memory: past it a node is asked about each time.
_MOST_KNOWN = 1 << 14
_HINT = (
    "look at what its upstream locks there; what is known and right gets an `[[audit.ignore]]` with a reason, and "
    '`gate = "never"` in [audit] lets everything pass'
)


class NewLock(msgspec.Struct, frozen=True):
    """A lock that is to take the place of another. before: the lock so far; None: there is none."""

    repo: RepoName
    flake: FlakeDir
    before: LockFile | None
    after: LockFile


class Gate(msgspec.Struct, frozen=True, dict=True):
    """What no update may add. rules: those that a lock and its flake.nix alone decide. repositories: what is here.

    Both locks are held against the flake.nix that the update leaves as it is. So what a stale lock had wrong with it
    was there before, and what it gets wrong while it is made what flake.nix says is added.
    """

    context: Context
    rules: tuple[Rule, ...]
    repositories: Mapping[Identity, Path]

    @property
    def is_open(self) -> bool:
        """Whether everything passes."""
        return self.threshold == "never"

    @property
    def threshold(self) -> Threshold:
        """From which severity on nothing passes."""
        return self.context.settings.gate

    @cached_property
    def key(self) -> str:
        """What decides its answers beside the locks: whatever passed under another key is looked at again."""
        settings = self.context.settings
        what = (settings, [(identity, name) for identity, name in sorted(self.context.owners.items())])
        day = self.context.today if any(each.until is not None for each in settings.ignore) else None
        text = repr((what, day, [rule.id for rule in self.rules]))
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

    def require_none_added(self, lock: NewLock, reader: ObjectReader, base: Rev) -> None:
        """Let a new lock pass. base: the commit that it is made on, whose flake.nix it is of.

        Raises:
            SyncError: `audit-gate`: it adds findings, which are named.
            GitError: the commit cannot be read.
        """
        if self.is_open:
            return
        added = self._added(lock, _overrides(read_through(reader, base, flake_file(lock.flake, "flake.nix"))))
        if added:
            said = [f"{each.rule}: {clean(each.input or '')}: {each.message}" for each in added[:_MOST_NAMED]]
            said += [f"and {len(added) - _MOST_NAMED} more"] if len(added) > _MOST_NAMED else []
            raise SyncError("audit-gate", f"{flake_file(lock.flake)}: the new lock adds {'; '.join(said)}", hint=_HINT)

    def _added(self, lock: NewLock, overrides: Overrides) -> Sequence[AuditFinding]:
        said = self._known.without(_nodes(lock, lock.after, overrides))
        if not said or not self._grave(self._find(said)):
            return ()  # nearly always: then nothing else is looked at
        after, before = (_nodes(lock, each, overrides) for each in (lock.after, lock.before))
        below = overrides_in(find_inputs((each.node for each in (*after, *before)), self.repositories))
        if below is not None:
            after, before = (_nodes(lock, each, overrides, below) for each in (lock.after, lock.before))
        found, old = self._find(after), self._find(before)
        grave = self._grave(found)
        new = new_findings(old, msgspec.structs.replace(found, findings=grave), {rule.id: rule for rule in self.rules})
        judged = apply(new, self.context.settings, self.context.today)
        return [each for each in judged if each.ignored is None and each.rule != "ignore-expired"]

    def _find(self, nodes: Sequence[Subject]) -> Found:
        return find_in(self.context, nodes, self.rules)

    @cached_property
    def _known(self) -> KnownNodes:
        return KnownNodes(self.context, self.rules, _MOST_KNOWN)

    def _grave(self, found: Found) -> Sequence[AuditFinding]:
        return [each for each in found.findings if reaches(each.severity, self.threshold)]


def _nodes(
    lock: NewLock, which: LockFile | None, overrides: Overrides, below: Below | None = None
) -> Sequence[Subject]:
    """Return the nodes of the new lock, or of the one before. which: one of the two."""
    return [*subjects(lock.repo, lock.flake, which, overrides, below)] if which is not None else []


def _overrides(flake_nix: bytes | None) -> Overrides:
    """Return what a flake.nix says of inputs of inputs; nothing where only Nix could tell."""
    from flakesync.nix.expression.inputs import NotStatic, read_inputs

    read = read_inputs(flake_nix) if flake_nix is not None else None
    return {} if read is None or isinstance(read, NotStatic) else overrides_of(read.inputs)


def make_gate(workspace: Workspace, repositories: Mapping[Identity, Path]) -> Gate:
    """Return the gate of a workspace. repositories: its repos' clones and mirrors; it may grow meanwhile."""
    owners = {identity: repo.name for repo in workspace.repos for identity in repo.identities}
    context = Context(workspace=workspace, owners=owners, now=int(time.time()))
    rules = rules_at(RULES, "offline", context)
    # A workspace on one machine takes new inputs from paths of it: no poison, and audit tells it.
    judging = (rule for rule in rules if isinstance(rule, NodeRule | InputRule) and rule.id != "local-path")
    return Gate(context, tuple(judging), repositories)

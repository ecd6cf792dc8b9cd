"""The gate: no update is written, published or merged that adds a finding at or above what the manifest says.

It goes by the locks alone: no server is asked, no process is started, and every machine comes to the same answer.
"""

import hashlib
import time
from collections.abc import Sequence
from functools import cached_property

import msgspec

from flakesync.audit.engine import find_in, rules_at
from flakesync.audit.ignores import apply
from flakesync.audit.newness import new_findings
from flakesync.audit.rule import Context, InputRule, NodeRule, Rule
from flakesync.audit.rules import RULES
from flakesync.audit.severity import reaches
from flakesync.audit.subject import Subject, subjects
from flakesync.documents.audit import AuditFinding
from flakesync.errors import SyncError
from flakesync.nix.lock.file import LockFile
from flakesync.terms import FlakeDir, RepoName, flake_file
from flakesync.workspace.audit import Threshold
from flakesync.workspace.manifest import Workspace

_MOST_NAMED = 3
_HINT = (
    "look at what its upstream locks there; what is known and right gets an `[[audit.ignore]]` with a reason, and "
    '`gate = "never"` in [audit] lets everything pass'
)


class Gate(msgspec.Struct, frozen=True, dict=True):
    """What no update may add. rules: those that a lock alone decides; a lock is compared with the one before it."""

    context: Context
    rules: tuple[Rule, ...]

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

    def require_none_added(self, repo: RepoName, dir: FlakeDir, before: LockFile | None, after: LockFile) -> None:
        """Let a new lock pass. before: the lock that it takes the place of; None: there is none.

        Raises:
            SyncError: `audit-gate`: it adds findings, which are named.
        """
        added = self._added(repo, dir, before, after)
        if added:
            said = [f"{each.rule}: {each.input}: {each.message}" for each in added[:_MOST_NAMED]]
            said += [f"and {len(added) - _MOST_NAMED} more"] if len(added) > _MOST_NAMED else []
            raise SyncError("audit-gate", f"{flake_file(dir)}: the new lock adds {'; '.join(said)}", hint=_HINT)

    def _added(self, repo: RepoName, dir: FlakeDir, before: LockFile | None, after: LockFile) -> Sequence[AuditFinding]:
        if self.is_open:
            return ()
        found = [
            each for each in self._find(list(subjects(repo, dir, after))) if reaches(each.severity, self.threshold)
        ]
        if not found:
            return ()  # nearly always: then the lock before is not looked at
        old = self._find(list(subjects(repo, dir, before))) if before is not None else ()
        new = new_findings(old, found, {rule.id: rule for rule in self.rules})
        judged = apply(new, self.context.settings, self.context.today)
        return [each for each in judged if each.ignored is None and each.rule != "ignore-expired"]

    def _find(self, nodes: Sequence[Subject]) -> Sequence[AuditFinding]:
        return find_in(self.context, nodes, self.rules).findings


def make_gate(workspace: Workspace) -> Gate:
    """Return the gate of a workspace."""
    owners = {identity: repo.name for repo in workspace.repos for identity in repo.identities}
    context = Context(workspace=workspace, owners=owners, now=int(time.time()))
    rules = rules_at(RULES, "offline", context)
    # A workspace on one machine takes new inputs from paths of it: no poison, and audit tells it.
    judging = (rule for rule in rules if isinstance(rule, NodeRule | InputRule) and rule.id != "local-path")
    return Gate(context, tuple(judging))

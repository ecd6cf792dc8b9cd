"""All that servers are asked for one audit, before the rules run, and no more than the rules look at."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flakesync.audit.evidence.model import Evidence
from flakesync.audit.rule import Context, Rule
from flakesync.audit.subject import Subject
from flakesync.workspace.audit import RuleId

if TYPE_CHECKING:
    from flakesync.workspace.hosts import Hosts

_OF_REPOSITORIES: frozenset[RuleId] = frozenset({"moved", "archived"})


def gather_evidence(
    context: Context, rules: Iterable[Rule], nodes: Sequence[Subject], hosts: "Hosts", cache: Path, *, offline: bool
) -> Evidence:
    """Return what servers say of what some nodes are locked to, as far as these rules look at it.

    offline: no server is asked: what earlier runs have kept is all there is.

    Raises: FlakesyncError(`interrupted`).
    """
    asked = frozenset(rule.id for rule in rules)
    if not asked & _OF_REPOSITORIES:
        return Evidence()
    from flakesync.audit.evidence.repositories import find_repositories

    origins = (each.node.origin for each in nodes)
    found = dict.fromkeys(origin.found for origin in origins if origin.found is not None)
    jobs = context.workspace.jobs
    return Evidence(repositories=find_repositories(found, hosts, cache, now=context.now, jobs=jobs, offline=offline))

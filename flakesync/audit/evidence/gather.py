"""All that servers are asked for one audit, before the rules run, and no more than the rules look at."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flakesync.audit.evidence.model import CommitKey, Evidence, RepositoryEvidence, Signature, Unknown, commit_key
from flakesync.audit.rule import Context, Rule
from flakesync.audit.sources import must_be_signed
from flakesync.audit.subject import Subject
from flakesync.errors import GitError
from flakesync.git.store.objects import ObjectReader
from flakesync.nix.reference.identity import Identity
from flakesync.workspace.audit import RuleId

if TYPE_CHECKING:
    from flakesync.workspace.hosts import Hosts

_OF_REPOSITORIES: frozenset[RuleId] = frozenset({"moved", "archived"})


def gather_evidence(
    context: Context,
    rules: Iterable[Rule],
    nodes: Sequence[Subject],
    clones: Mapping[Identity, Path],
    hosts: "Hosts",
    cache: Path,
    *,
    offline: bool,
) -> Evidence:
    """Return what servers say of what some nodes are locked to, as far as these rules look at it.

    clones: repositories that are here. offline: no server is asked: what earlier runs have kept is all there is.

    Raises: FlakesyncError(`interrupted`).
    """
    asked = frozenset(rule.id for rule in rules)
    repositories: Mapping[Identity, RepositoryEvidence | Unknown] = {}
    if asked & _OF_REPOSITORIES:
        from flakesync.audit.evidence.repositories import find_repositories

        origins = (each.node.origin for each in nodes)
        found = dict.fromkeys(origin.found for origin in origins if origin.found is not None)
        jobs = context.workspace.jobs
        repositories = find_repositories(found, hosts, cache, now=context.now, jobs=jobs, offline=offline)
    signatures = _signatures(context, nodes, clones) if "unsigned" in asked else {}
    return Evidence(repositories=repositories, signatures=signatures)


def _signatures(
    context: Context, nodes: Sequence[Subject], clones: Mapping[Identity, Path]
) -> Mapping[CommitKey, Signature | Unknown]:
    """Return who signed the commits that have to be signed. Raises: FlakesyncError(`interrupted`)."""
    settings = context.settings
    if settings.allowed_signers is None:
        return {}
    from flakesync.audit.evidence.signatures import find_signatures

    asked = (commit_key(each.node) for each in nodes if must_be_signed(settings, each.node))
    keys = dict.fromkeys(key for key in asked if key is not None)
    places = {key: clones[key.identity] for key in keys if _has(clones.get(key.identity), key)}
    return find_signatures(keys, places, settings.allowed_signers, jobs=context.workspace.jobs)


def _has(clone: Path | None, key: CommitKey) -> bool:
    try:
        return clone is not None and ObjectReader.open(clone).has(key.rev)
    except GitError:
        return False

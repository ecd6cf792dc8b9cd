"""All that servers are asked for one audit, before the rules run, and no more than the rules look at."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from flakesync.audit.evidence.model import (
    CommitKey,
    ContentEvidence,
    Evidence,
    HistoryEvidence,
    RepositoryEvidence,
    Signature,
    Unknown,
    commit_key,
)
from flakesync.audit.rule import Context, Rule
from flakesync.audit.sources import must_be_signed
from flakesync.audit.subject import Subject
from flakesync.cache.layout import branches_folder
from flakesync.errors import GitError
from flakesync.git.remotes.remote import parse_remote
from flakesync.git.store.objects import ObjectReader
from flakesync.nix.reference.identity import Identity
from flakesync.workspace.audit import RuleId

if TYPE_CHECKING:
    from flakesync.workspace.hosts import Hosts

_OF_HISTORIES: frozenset[RuleId] = frozenset({"not-in-history", "other-branch", "dates", "unsigned"})
"""A signature is looked for in what was fetched for histories."""
_OF_CONTENTS: frozenset[RuleId] = frozenset({"nar-hash", "flake-nix-differs"})
"""What the flake.nix of an input says is read in what was fetched for hashes."""
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
    histories = _histories(context, nodes, clones, hosts, cache, offline=offline) if asked & _OF_HISTORIES else {}
    signatures = _signatures(context, nodes, clones, cache) if "unsigned" in asked else {}
    contents = _contents(context, nodes, clones, hosts, cache, offline=offline) if asked & _OF_CONTENTS else {}
    return Evidence(histories=histories, repositories=repositories, signatures=signatures, contents=contents)


def _contents(
    context: Context,
    nodes: Sequence[Subject],
    clones: Mapping[Identity, Path],
    hosts: "Hosts",
    cache: Path,
    *,
    offline: bool,
) -> Mapping[CommitKey, ContentEvidence | Unknown]:
    """Return what the commits hold that are locked with a narHash. Raises: FlakesyncError(`interrupted`)."""
    from flakesync.audit.evidence.contents import find_contents

    hashed = (commit_key(each.node) for each in nodes if each.node.origin.locked.get("narHash"))
    keys = dict.fromkeys(key for key in hashed if key is not None)
    return find_contents(keys, clones, hosts, cache, jobs=context.workspace.jobs, offline=offline)


def _histories(
    context: Context,
    nodes: Sequence[Subject],
    clones: Mapping[Identity, Path],
    hosts: "Hosts",
    cache: Path,
    *,
    offline: bool,
) -> Mapping[CommitKey, HistoryEvidence | Unknown]:
    """Return where the locked commits stand in their histories. Raises: FlakesyncError(`interrupted`)."""
    from flakesync.audit.evidence.histories import find_histories

    claims: dict[CommitKey, int] = {}
    for each in nodes:
        key = commit_key(each.node)
        if key is not None:
            said = each.node.origin.locked.get("lastModified")
            date = said if isinstance(said, int) else 0
            claims[key] = min(date, claims.get(key, date))
    jobs, update = context.workspace.jobs, context.workspace.branch
    return find_histories(claims, claims, clones, hosts, cache, jobs=jobs, offline=offline, update_branch=update)


def _signatures(
    context: Context, nodes: Sequence[Subject], clones: Mapping[Identity, Path], cache: Path
) -> Mapping[CommitKey, Signature | Unknown]:
    """Return who signed the commits that have to be signed. Raises: FlakesyncError(`interrupted`)."""
    settings = context.settings
    if settings.allowed_signers is None:
        return {}
    from flakesync.audit.evidence.signatures import find_signatures

    asked = (commit_key(each.node) for each in nodes if must_be_signed(settings, each.node))
    keys = dict.fromkeys(key for key in asked if key is not None)
    places = {key: place for key in keys if (place := _place(key, clones.get(key.identity), cache)) is not None}
    return find_signatures(keys, places, settings.allowed_signers, jobs=context.workspace.jobs)


def _place(key: CommitKey, clone: Path | None, cache: Path) -> Path | None:
    """Return a repository that has a commit: a clone, else what was fetched to look at histories; None: neither."""
    places = [clone] if clone is not None else []
    with suppress(GitError):
        places.append(branches_folder(cache, parse_remote(key.url).url))
    return next((place for place in places if _has(place, key)), None)


def _has(repository: Path, key: CommitKey) -> bool:
    try:
        return ObjectReader.open(repository).has(key.rev)
    except GitError:
        return False

"""All that servers are asked for one audit, before the rules run, and no more than the rules look at."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

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
    gathering = _Gathering(context, nodes, clones, hosts, cache, offline)
    return Evidence(
        repositories=gathering.repositories() if asked & _OF_REPOSITORIES else {},
        histories=gathering.histories() if asked & _OF_HISTORIES else {},
        signatures=gathering.signatures() if "unsigned" in asked else {},  # in what was fetched for histories
        contents=gathering.contents() if asked & _OF_CONTENTS else {},
    )


class _Gathering(NamedTuple):
    """What each kind of evidence is asked with, see `gather_evidence`. All raise FlakesyncError(`interrupted`)."""

    context: Context
    nodes: Sequence[Subject]
    clones: Mapping[Identity, Path]
    hosts: "Hosts"
    cache: Path
    offline: bool

    @property
    def jobs(self) -> int:
        """How many repositories are asked at once."""
        return self.context.workspace.jobs

    def repositories(self) -> Mapping[Identity, RepositoryEvidence | Unknown]:
        """Return what forges say of the locked repositories."""
        from flakesync.audit.evidence.repositories import find_repositories, repository_of

        repositories = (repository_of(each.node.origin) for each in self.nodes)
        found = dict.fromkeys(each for each in repositories if each is not None)
        now = self.context.now
        return find_repositories(found, self.hosts, self.cache, now=now, jobs=self.jobs, offline=self.offline)

    def histories(self) -> Mapping[CommitKey, HistoryEvidence | Unknown]:
        """Return the standing, the time and the count of each locked commit."""
        from flakesync.audit.evidence.histories import find_histories

        claims: dict[CommitKey, int] = {}
        for each in self.nodes:
            key = commit_key(each.node)
            if key is not None:
                said = each.node.origin.locked.get("lastModified")
                date = said if isinstance(said, int) else 0
                claims[key] = min(date, claims.get(key, date))
        return find_histories(
            claims,
            claims,
            self.clones,
            self.hosts,
            self.cache,
            jobs=self.jobs,
            offline=self.offline,
            update_branch=self.context.workspace.branch,
        )

    def signatures(self) -> Mapping[CommitKey, Signature | Unknown]:
        """Return who signed the commits that have to be signed."""
        settings = self.context.settings
        if settings.allowed_signers is None:
            return {}
        from flakesync.audit.evidence.signatures import find_signatures

        asked = (commit_key(each.node) for each in self.nodes if must_be_signed(settings, each.node))
        keys = dict.fromkeys(key for key in asked if key is not None)
        found = ((key, _place(key, self.clones.get(key.identity), self.cache)) for key in keys)
        places = {key: place for key, place in found if place is not None}
        return find_signatures(keys, places, settings.allowed_signers, jobs=self.jobs)

    def contents(self) -> Mapping[CommitKey, ContentEvidence | Unknown]:
        """Return what the commits hold that are locked with a narHash."""
        from flakesync.audit.evidence.contents import find_contents

        hashed = (commit_key(each.node) for each in self.nodes if each.node.origin.locked.get("narHash"))
        keys = dict.fromkeys(key for key in hashed if key is not None)
        return find_contents(keys, self.clones, self.hosts, self.cache, jobs=self.jobs, offline=self.offline)


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

"""The newest commit of a source that the locks of the workspace claim: `newest-locked`, and `latest` when offline.

A lock is a claim and not a source: whoever can write to one repo can write a commit and a date into its lock. So only
what a flake takes itself counts, a date in the future does not, and whether the branch has the commit is looked up
wherever a repository is here to tell, and else of its server.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from flakesync.cache.layout import has_branches
from flakesync.errors import GitError
from flakesync.nix.reference.flakeref import Attr, FlakeRef, Identity
from flakesync.survey.graph import repo_by_identity
from flakesync.survey.pins import Target, is_archive, last_modified, pin_source
from flakesync.terms import RepoName, Rev
from flakesync.workspace.history import ask
from flakesync.workspace.inputs import OwnInput, Source
from flakesync.workspace.manifest import Workspace
from flakesync.workspace.snapshot import RepoAtCommit, Snapshot

if TYPE_CHECKING:
    from flakesync.workspace.hosts import Hosts

Standing = Literal["on", "off", "unknown"]
"""Whether a commit is on the branch of its source; `unknown`: neither a repository here nor its server could tell."""

Prove = Callable[[Source, Rev, int], Standing]
"""Tells whether a branch has a commit. The number is its date as a lock claims it (seconds since 1970, 0: unknown)."""

DAY_S = 86_400


class Claim(msgspec.Struct, frozen=True, order=True):
    """What one lock says of a source. date: seconds since the epoch, 0: unknown. repo: whose lock it is."""

    date: int
    rev: Rev
    repo: RepoName
    locked: Mapping[str, Attr]


def newest_locked(snapshot: Snapshot, wanted: Iterable[Source], *, now: int, prove: Prove) -> dict[Source, Target]:
    """Return the newest commit of each wanted source that a flake of the workspace takes itself, where one does.

    now: seconds since the epoch; what is dated more than a day later is left out, as a clock may be wrong. prove: tells
    of a commit whether the branch has it. The note of a target says what was left out, and what is not proven.
    """
    claims = claims_of(snapshot, wanted)
    if not claims:
        return {}

    def choose(source: Source) -> Target | None:
        return _choose(source, sorted(claims[source].values(), key=_newest_last), now, prove)

    if len(claims) == 1:
        targets = list(map(choose, claims))
        return {source: target for source, target in zip(claims, targets, strict=True) if target is not None}
    from concurrent.futures import ThreadPoolExecutor

    # A server is waited for, and each source has its own.
    with ThreadPoolExecutor(max_workers=snapshot.workspace.jobs) as pool:
        targets = list(pool.map(choose, claims))
    return {source: target for source, target in zip(claims, targets, strict=True) if target is not None}


def claims_of(snapshot: Snapshot, wanted: Iterable[Source]) -> dict[Source, dict[Rev, Claim]]:
    """Return what locks say of each wanted source that a flake takes itself: of each commit the oldest claim.

    Nothing of it is proven.
    """
    claims: dict[Source, dict[Rev, Claim]] = {}
    for source, claim in _claims(snapshot, set(wanted)):
        known = claims.setdefault(source, {}).get(claim.rev)
        if known is None or (claim.date, claim.repo) < (known.date, known.repo):
            claims[source][claim.rev] = claim
    return claims


def sources_by_locks(workspace: Workspace, *, offline: bool) -> list[Source]:
    """Return the sources of the pins whose target is what `newest_locked` says."""
    by_locks = ("newest-locked", "latest") if offline else ("newest-locked",)
    return [pin_source(pin) for pin in workspace.pins if pin.target in by_locks]


def prover(snapshot: Snapshot, ask_server: Prove = lambda _source, _rev, _date: "unknown") -> Prove:
    """Return what tells whether a commit is on a branch: the clones and mirrors of the workspace, else `ask_server`."""
    owners = repo_by_identity(snapshot)

    def prove(source: Source, rev: Rev, date: int) -> Standing:
        identity, ref = source
        owner = owners.get(identity)
        if owner is not None:
            if not isinstance(snapshot.states[owner], RepoAtCommit):
                return "unknown"
            (answer,) = ask(snapshot, [(owner, ref, rev)]).values()
            return "on" if answer.position in ("at", "behind", "tag") else "off"
        if identity.host == "":
            return _in_folder(Path(identity.path), ref, rev)
        return ask_server(source, rev, date)

    return prove


def server_prover(references: Mapping[Source, FlakeRef], hosts: "Hosts | None", cache: Path) -> Prove:
    """Return what asks the servers of sources that git can contact; one that does not answer leaves it unknown.

    references: how each source is reached. hosts: None asks no server. cache: the cache directory, which keeps what was
    found, for those who ask none too.
    """

    def prove(source: Source, rev: Rev, date: int) -> Standing:
        url = references[source].git_url() if source in references else None
        # Nothing was ever found: what reads it need not be loaded.
        if url is None or (hosts is None and not has_branches(cache)):
            return "unknown"
        from flakesync.git.remotes.branch_history import is_on_branch

        try:
            address = hosts.remote(url) if hosts is not None else url
            found = is_on_branch(address, source[1], rev, date, cache, offline=hosts is None)
        except GitError:
            return "unknown"
        return "unknown" if found is None else "on" if found else "off"

    return prove


def _claims(snapshot: Snapshot, sources: set[Source]) -> Iterator[tuple[Source, Claim]]:
    repositories = {identity for identity, _ in sources}
    for state in snapshot.states.values():
        for flake in state.flakes:
            items: list[OwnInput] = [*flake.inputs_of(repositories), *(each.leads_to for each in flake.following)]
            for item in items:
                if item.source in sources and item.rev is not None and _is_of(item, item.source[0]):
                    yield item.source, Claim(last_modified(item.locked) or 0, item.rev, state.name, item.locked)


def _is_of(item: OwnInput, identity: Identity) -> bool:
    """Return whether a lock has taken the commit from the repository that flake.nix names."""
    return is_archive(item.locked) or item.found == identity


def _newest_last(claim: Claim) -> tuple[int, Rev]:
    return claim.date, claim.rev


def _choose(source: Source, claims: list[Claim], now: int, prove: Prove) -> Target | None:
    """Return the newest of the claims that can be true, with what is to be said of it. claims: the newest last."""
    branch = source[1] or "the default branch"
    left_out: list[str] = []
    while claims:
        claim = claims.pop()
        standing: Standing = "off"
        if claim.date > now + DAY_S:
            left_out.append(f"{claim.rev[:7]} of {claim.repo} is dated in the future")
        elif (standing := prove(source, claim.rev, claim.date)) == "off":
            left_out.append(f"{claim.rev[:7]} of {claim.repo} is not on {branch}")
        if standing != "off":
            unproven = [f"not proven to be on {branch}"] if standing == "unknown" else []
            note = "; ".join([*unproven, *left_out]) or None
            return Target(claim.rev, claim.date or None, claim.locked, note)
    return None


def _in_folder(path: Path, ref: str | None, rev: Rev) -> Standing:
    """Return how a commit stands in a repository of this machine."""
    from flakesync.git.repository import Repository

    try:
        with Repository.open(path) as repository:
            name = ref or repository.default_branch()
            tip = repository.branch(name) if name is not None else None
            if tip is None:
                tip = repository.ref(f"refs/tags/{name}")
            on = tip is not None and repository.has(rev) and repository.history.is_ancestor(rev, tip)
            return "on" if on else "off"
    except GitError:
        return "unknown"

"""Inputs that may be a repo of the workspace under another address: nothing is guessed, the pair is named.

A port that tells two addresses of one server apart (ssh beside https), an owner that was renamed. What to do is one
line of the manifest, `aliases`.
"""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from flakesync.errors import FlakesyncError
from flakesync.nix.lock.outline import Place
from flakesync.nix.reference.flakeref import FlakeRef, Identity, identity_of_url
from flakesync.survey.graph import repo_by_identity
from flakesync.survey.missing import few
from flakesync.terms import RepoName
from flakesync.workspace.inputs import OwnInput
from flakesync.workspace.references import flake_url
from flakesync.workspace.snapshot import RepoAtCommit, Snapshot

if TYPE_CHECKING:
    from flakesync.workspace.hosts import Hosts
    from flakesync.workspace.model import Repo

_OF_THE_REPOSITORY = frozenset({"type", "url", "owner", "repo", "host"})


class Taken(NamedTuple):
    """A repository that inputs take and that is no repo of the workspace. dependents: who takes it."""

    identity: Identity
    address: str
    git_url: str | None
    dependents: tuple[RepoName, ...]


def find_lookalikes(snapshot: Snapshot, hosts: "Hosts | None" = None) -> Iterator[str]:
    """Give a sentence for each repo that seems to be taken, or to be found, by another address.

    hosts: what git logs in with, to ask whether an input's server leads to a repo of the workspace; None: it is not
    asked, and what servers have said before is all that counts.
    """
    known = repo_by_identity(snapshot)
    by_place = {_place(identity): name for identity, name in known.items() if identity.host}
    alike = {_host_and_name(identity) for identity in known if identity.host}
    renamed: list[Taken] = []
    for taken in _foreign(snapshot, known, alike) if alike else ():
        owner = by_place.get(_place(taken.identity))
        if owner is None:
            renamed.append(taken)
            continue
        repo = snapshot.workspace.repo(owner)
        yield (
            f"{few(taken.dependents)} {_take(taken)} {taken.address}, the address of {owner} "
            f"({_address(repo)}) but for the port: if it is the same repository, {_write(repo, taken.address)}"
        )
    if hosts is not None:
        yield from _leading_here(snapshot, known, renamed, hosts)
    yield from _led_away(snapshot, known)


def _foreign(
    snapshot: Snapshot, known: Mapping[Identity, RepoName], alike: AbstractSet[tuple[str, str]]
) -> Iterator[Taken]:
    """Give what own inputs take that no repo of the workspace is, but one on the same host is called the same.

    alike: hosts and names of the repos.
    """
    pinned = {pin.source.identity for pin in snapshot.workspace.pins}
    found: dict[Place, tuple[OwnInput, set[RepoName]] | None] = {}
    for state in snapshot.states.values():
        for flake in state.flakes:
            for place in flake.taken:
                if place not in found:
                    identity = Identity(*place)
                    looks = _host_and_name(identity) in alike and identity not in known and identity not in pinned
                    found[identity] = (flake.inputs_of({place})[0], set()) if looks else None
                if (entry := found[place]) is not None:
                    entry[1].add(state.name)
    for where, entry in sorted(found.items()):
        if entry is None:
            continue
        kept = {key: value for key, value in entry[0].original.items() if key in _OF_THE_REPOSITORY}
        with suppress(FlakesyncError):
            reference = FlakeRef.from_attrs(kept)
            yield Taken(Identity(*where), str(reference), reference.git_url(), tuple(sorted(entry[1])))


def _leading_here(
    snapshot: Snapshot, known: Mapping[Identity, RepoName], renamed: Iterable[Taken], hosts: "Hosts"
) -> Iterator[str]:
    """Give a sentence for each of these whose server leads to a repo of the workspace: its owner was renamed."""
    wanted = [taken for taken in renamed if taken.git_url is not None and taken.git_url.startswith("http")]
    if not wanted:
        return
    from concurrent.futures import ThreadPoolExecutor

    from flakesync.git.remotes.remote import list_server

    def ask(taken: Taken) -> str | None:
        with suppress(FlakesyncError):  # what cannot be asked is what it was: an input of somebody else's
            return list_server(hosts.remote(taken.git_url or ""), ["HEAD"]).redirect
        return None

    with ThreadPoolExecutor(max_workers=snapshot.workspace.jobs) as pool:
        for taken, there in zip(wanted, pool.map(ask, wanted), strict=True):
            identity = identity_of_url(there) if there is not None else None
            owner = known.get(identity) if identity is not None else None
            if owner is not None:
                repo = snapshot.workspace.repo(owner)
                yield (
                    f"{few(taken.dependents)} {_take(taken)} {taken.address}, which its server leads to "
                    f"{owner} ({_address(repo)}): {_write(repo, taken.address)}"
                )


def _led_away(snapshot: Snapshot, known: Mapping[Identity, RepoName]) -> Iterator[str]:
    """Give a sentence for each repo whose server leads git to another address than the manifest's."""
    for state in snapshot.states.values():
        there = state.branches.redirect if isinstance(state, RepoAtCommit) else None
        identity = identity_of_url(there) if there is not None else None
        if there is None or identity is None or identity in known:
            continue
        new = flake_url(there) or there
        yield (
            f"{state.name}: its server leads {_address(state.repo)} to {new}: inputs that name it so are not taken for "
            f"{state.name} yet, {_write(state.repo, new)}"
        )


def _place(identity: Identity) -> tuple[str, str]:
    return _without_port(identity.host), identity.path


def _without_port(host: str) -> str:
    if ":" not in host:
        return host
    from flakesync.workspace.hosts import without_port  # not every command logs in somewhere

    return without_port(host)


def _host_and_name(identity: Identity) -> tuple[str, str]:
    return _without_port(identity.host), identity.path.rpartition("/")[2]


def _address(repo: "Repo") -> str:
    return str(repo.url) if repo.url is not None else str(repo.path)


def _write(repo: "Repo", address: str) -> str:
    if repo.aliases:
        return f'add "{address}" to `aliases` of [repos.{repo.name}]'
    return f'write `aliases = ["{address}"]` under [repos.{repo.name}]'


def _take(taken: Taken) -> str:
    return "takes" if len(taken.dependents) == 1 else "take"

"""What forges say of repositories: which have moved, which are archived. One question a repository and day.

Without a token a forge answers few questions (GitHub 60 an hour). So answers are kept for the day, repositories without
any answer are asked first, and where the limit is met an answer of up to 30 days is used: the next run asks the rest.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from flakesync.audit.evidence.model import RepositoryEvidence, Unknown
from flakesync.audit.shown import clean
from flakesync.cache.keep import keep
from flakesync.cache.layout import repository_file
from flakesync.errors import FlakesyncError, as_error
from flakesync.nix.reference.identity import PUBLISHERS, Identity, identity_of, repository_of_tarball
from flakesync.nix.reference.source import ARCHIVES, Origin

if TYPE_CHECKING:
    from flakesync.forge.adapter import Adapter
    from flakesync.workspace.hosts import Account, Hosts

Answer = RepositoryEvidence | Unknown

_DAY_S = 86_400
_OLDEST_S = 30 * _DAY_S
"""How old an answer may be that stands in for one that could not be had."""
_PATIENCE_S = 60.0
"""How long a rate limit is waited for: longer than for GitHub's brakes, shorter than until its next hour."""
_NAME = re.compile(r"(?!\.{1,2}(?:/|$))[0-9A-Za-z_.~+-]+(?:/(?!\.{1,2}(?:/|$))[0-9A-Za-z_.~+-]+)+")
"""A path that a repository of a forge can have. Locks are anybody's: no other becomes part of an API's address."""
_OF_ALL = frozenset({"forge-token", "forge-tls", "forge-unreachable", "forge-timeout", "forge-rate-limit"})
"""Errors that the next question to that host would meet too."""


class _Kept(msgspec.Struct, frozen=True):
    """An answer.

    asked: when, seconds since the epoch. path: what the repository is called; None: the asker is shown none.
    """

    asked: int
    path: str | None
    archived: bool | None

    def is_fresh(self, now: int, *, with_token: bool) -> bool:
        """Tell whether it need not be asked for again today.

        What was not told may be told by now to somebody with a token, who has just got it, or more rights.
        """
        is_whole = self.path is not None and self.archived is not None
        return self.asked // _DAY_S == now // _DAY_S and (is_whole or not with_token)


def repository_of(origin: Origin) -> Identity | None:
    """Return the repository that a forge may have of what is locked.

    None: there is none to ask about: it is a folder of this machine, a channel or a flake of FlakeHub, or an archive
    that no forge has made of a commit.
    """
    found, locked = origin.found, origin.locked
    if found is None or not found.host or found.host in PUBLISHERS:
        return None
    if locked.get("type") not in ARCHIVES:
        return found
    # Of a file the whole address is the identity, whatever it is called.
    return found if locked.get("type") == "tarball" and repository_of_tarball(str(locked.get("url"))) else None


def find_repositories(
    identities: Iterable[Identity], hosts: "Hosts", cache: Path, *, now: int, jobs: int, offline: bool = False
) -> Mapping[Identity, Answer]:
    """Return what forges say of these repositories; those on hosts that the manifest says are no forge are left out.

    now: seconds since the epoch. jobs: how many hosts are asked at once, each one question after the other. offline:
    what earlier runs have kept is all there is.

    Raises: FlakesyncError(`interrupted`).
    """
    from concurrent.futures import ThreadPoolExecutor

    found: dict[Identity, Answer] = {}
    forges: dict[str, _Forge] = {}
    for identity in dict.fromkeys(identities):
        if hosts.mirrors.has(identity):
            found[identity] = Unknown(clean(f"{identity} has a mirror ([mirrors]), and its own forge is not asked"))
            continue
        try:
            account = hosts.account(identity.host)
        except FlakesyncError as error:
            found[identity] = _unknown(error)
            continue
        if account.kind == "none" and hosts.is_declared(identity.host):
            continue
        if account.kind == "none":
            words = "is no forge that flakesync knows of (`[forges]` in the manifest says what it is)"
            found[identity] = Unknown(clean(f"{identity.host} {words}"))
        elif _NAME.fullmatch(identity.path) is None:
            found[identity] = Unknown(clean(f"{identity} is no name that a repository of a forge can have"))
        else:
            forge = forges.setdefault(account.host, _Forge(account, hosts.hint(account.host, by_git=False), cache, now))
            forge.add(identity)
    with ThreadPoolExecutor(max_workers=max(1, min(jobs, len(forges)))) as pool:
        for answers in pool.map(lambda forge: forge.answers(offline=offline), forges.values()):
            found |= answers
    return found


class _Forge:
    """The questions to one forge."""

    def __init__(self, account: "Account", hint: str | None, cache: Path, now: int) -> None:
        self._account = account
        self._hint = hint
        self._cache = cache
        self._now = now
        self._known: dict[Identity, _Kept | None] = {}

    def add(self, identity: Identity) -> None:
        """Note a repository that is to be asked about."""
        self._known[identity] = _read(self._place(identity))

    def answers(self, *, offline: bool) -> Mapping[Identity, Answer]:
        """Return what is known of all repositories, after asking as far as that is possible. Raises: FlakesyncError."""
        lacking = [identity for identity, kept in self._known.items() if not self._is_fresh(kept)]
        failed: dict[Identity, Unknown] = {}
        if lacking and not offline:
            from flakesync.forge.client import Client
            from flakesync.forge.hosts import reading

            with reading(self._account, partial(Client, patience_s=_PATIENCE_S)) as adapter:
                if adapter is not None:
                    failed = self._ask_all(adapter, sorted(lacking, key=self._last_asked))
        return {identity: self._answer(identity, kept, failed) for identity, kept in self._known.items()}

    def _ask_all(self, adapter: "Adapter", identities: Sequence[Identity]) -> dict[Identity, Unknown]:
        """Ask about repositories, note what is said, and return why something was not. Raises: FlakesyncError."""
        failed: dict[Identity, Unknown] = {}
        for number, identity in enumerate(identities):
            try:
                kept = self._ask(adapter, identity)
            except Exception as exception:  # noqa: BLE001 - whatever it is, the other repositories' answers stand
                error = as_error(exception)
                reason = self._about(error)
                if error.code in _OF_ALL:
                    return failed | dict.fromkeys(identities[number:], reason)
                failed[identity] = reason
                continue
            self._known[identity] = kept
            keep(self._place(identity), msgspec.json.encode(kept))
        return failed

    def _ask(self, adapter: "Adapter", identity: Identity) -> _Kept:
        """Raises: FlakesyncError."""
        from flakesync.forge.model import ForgeError, Project
        from flakesync.forge.refusals import Refused

        try:
            home = adapter.home(Project(identity.host, identity.path))
        except Refused as refusal:
            if refusal.code != "forge-not-found":
                raise
            return _Kept(self._now, None, None)
        if _NAME.fullmatch(home.project.path) is None:
            raise ForgeError("forge-answer", f"{identity} has a name that none can have: {home.project.path}")
        return _Kept(self._now, home.project.path, home.archived)

    def _answer(self, identity: Identity, kept: _Kept | None, failed: Mapping[Identity, Unknown]) -> Answer:
        if kept is None or abs(self._now - kept.asked) > _OLDEST_S:
            return failed.get(identity) or Unknown(f"{self._account.host} was not asked")
        if kept.path is None:
            private = " and the token may not see it" if self._account.token is not None else self._advice
            return failed.get(identity) or Unknown(f"{identity} is gone, or private{private}")
        return RepositoryEvidence(_moved(identity, kept.path), kept.archived)

    def _about(self, error: FlakesyncError) -> Unknown:
        """Return why a question has no answer. Raises: FlakesyncError: the run has been interrupted."""
        if error.code == "interrupted":
            raise error
        if error.code == "forge-rate-limit":
            advice = self._advice if self._account.token is None else "; the next run goes on from here"
            return Unknown(f"{self._account.host} has answered as many questions as its rate limit allows{advice}")
        return _unknown(error)

    @property
    def _advice(self) -> str:
        return f": {self._hint}" if self._hint is not None else ""

    def _is_fresh(self, kept: _Kept | None) -> bool:
        return kept is not None and kept.is_fresh(self._now, with_token=self._account.token is not None)

    def _last_asked(self, identity: Identity) -> int:
        kept = self._known[identity]
        return kept.asked if kept is not None else 0

    def _place(self, identity: Identity) -> Path:
        return repository_file(self._cache, self._account.api, identity.path)


def _read(place: Path) -> _Kept | None:
    try:
        return msgspec.json.decode(place.read_bytes(), type=_Kept)
    except (OSError, ValueError):  # not there, or nothing that this version has written
        return None


def _moved(identity: Identity, path: str) -> Identity | None:
    """Return where a repository has moved; None: it has not. Forges find a name whatever its case."""
    there = identity_of({"type": "git", "url": f"https://{identity.host}/{path}"})
    return None if there is None or there.path.casefold() == identity.path.casefold() else there


def _unknown(error: FlakesyncError) -> Unknown:
    return Unknown(f"{error.message}: {error.hint}" if error.hint is not None else error.message)

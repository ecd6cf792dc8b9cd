"""History evidence of locked commits: which branches have them, when they were made, how many lead to them."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from flakesync.audit.evidence.model import CommitKey, HistoryEvidence, Unknown
from flakesync.errors import INTERRUPTED, FlakesyncError, GitError, HostDownError, as_error
from flakesync.git.remotes.branch_history import HistoryAnswer, answer_key, count_commits, find_commits
from flakesync.git.remotes.of_clone import is_kept, kept_as, read_remotes
from flakesync.git.remotes.remote import Address
from flakesync.git.remotes.server_history import (
    HistoryQuestion,
    Refs,
    ask_history,
    known_history,
    list_branches_and_tags,
)
from flakesync.git.remotes.tries import host_of
from flakesync.git.store.base import default_branch
from flakesync.git.store.objects import ObjectReader
from flakesync.nix.reference.flakeref import identity_of_url
from flakesync.nix.reference.identity import Identity

if TYPE_CHECKING:
    from flakesync.workspace.hosts import Hosts

Answer = HistoryEvidence | Unknown

_OFFLINE = Unknown("no server was asked (`--offline`), and no earlier run has found it")
_BRANCHES = "refs/heads/"
_FOLDERS = (_BRANCHES, "refs/tags/")


def find_histories(
    keys: Iterable[CommitKey],
    claims: Mapping[CommitKey, int],
    clones: Mapping[Identity, Path],
    hosts: "Hosts | None",
    cache: Path,
    *,
    jobs: int,
    offline: bool,
    update_branch: str | None = None,
) -> Mapping[CommitKey, Answer]:
    """Return where commits stand, each in the history of its repository.

    claims: when a lock says that a commit was made, seconds since the epoch, the earliest of several. clones: clones
    and mirrors of the workspace's repos, asked before any server; what is only on their `update_branch` counts as on
    its branch: `drift` says that it has not landed. hosts: how to log in; None: as anybody. jobs: how many repositories
    are asked at once. offline: no server is asked: what is here is all there is.

    Raises: FlakesyncError(`interrupted`).
    """
    wanted = list(dict.fromkeys(keys))
    found: dict[CommitKey, Answer] = {}
    by_clone: dict[Path, list[CommitKey]] = {}
    for key in wanted:
        if key.identity in clones:
            by_clone.setdefault(clones[key.identity], []).append(key)
    for clone, asked in by_clone.items():
        found |= _in_clone(clone, asked, update_branch)
    by_url: dict[str, list[CommitKey]] = {}
    for key in wanted:
        if key not in found:
            by_url.setdefault(key.url, []).append(key)
    servers = [_Server(url, asked, claims, hosts, cache) for url, asked in by_url.items()]
    for server in servers:
        found |= server.look(final=not offline)
    rest = [server for server in servers if server.keys]
    if offline:
        return found | {key: _OFFLINE for server in rest for key in server.keys}
    return {**found, **_ask_all(rest, jobs)}


def _ask_all(servers: Sequence["_Server"], jobs: int) -> Mapping[CommitKey, Answer]:
    """Ask many servers: one repository of each host what it has before all others, so that a dead host is asked once.

    Nothing else is done for that one first: others need not wait for what is large.
    """
    from concurrent.futures import ThreadPoolExecutor

    found: dict[CommitKey, Answer] = {}
    first = {server.host: server for server in reversed(servers) if server.host is not None}
    with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        down = dict(zip(first, pool.map(_Server.ask_refs, first.values()), strict=True))
        for answers in pool.map(lambda server: server.ask(down.get(server.host or "")), servers):
            found |= answers
    return found


class _Server:
    """The questions to one repository on a server. keys: those that are not answered yet."""

    def __init__(
        self,
        url: str,
        keys: Sequence[CommitKey],
        claims: Mapping[CommitKey, int],
        hosts: "Hosts | None",
        cache: Path,
    ) -> None:
        self.keys = list(keys)
        self.host = host_of((hosts.mirrors.of(url) if hosts is not None else None) or url)
        self._url = url
        self._hosts = hosts
        self._cache = cache
        self._refs: Refs | None = None
        self._questions: dict[CommitKey, HistoryQuestion] = {}
        self._bad: dict[CommitKey, Unknown] = {}
        for key in keys:
            try:
                answer_key(key.ref, key.rev)
            except GitError as error:
                self._bad[key] = Unknown(error.message)
            else:
                date = claims.get(key, 0)
                self._questions[key] = HistoryQuestion(key.ref, key.rev, key.any_ref, date, key.counted)

    def look(self, *, final: bool) -> Mapping[CommitKey, Answer]:
        """Return what earlier runs have found; `keys` is what is left. final: only what does not change any more."""
        found: dict[CommitKey, Answer] = {**self._bad}
        with suppress(GitError):  # an address that git would refuse: it is said when it is asked
            found |= self._evidence(known_history(self._url, self._questions.values(), self._cache, final=final))
        self.keys = [key for key in self.keys if key not in found]
        return found

    def ask_refs(self) -> HostDownError | None:
        """Ask for the branches and tags; the error of a host that answers nobody."""
        try:
            self._refs = list_branches_and_tags(self._address())
        except HostDownError as error:
            return error
        except FlakesyncError as error:
            if error.code in INTERRUPTED:
                raise
        return None

    def ask(self, down: HostDownError | None) -> Mapping[CommitKey, Answer]:
        """Return an answer to each of `keys`. down: why its host need not be asked once more.

        Raises: FlakesyncError(`interrupted`).
        """
        if down is not None:
            return dict.fromkeys(self.keys, Unknown(down.message))
        try:
            asked = [self._questions[key] for key in self.keys]
            return self._evidence(ask_history(self._address(), asked, self._cache, self._refs))
        except Exception as exception:  # noqa: BLE001 - whatever it is, what other repositories say stands
            error = as_error(exception)
            if error.code in INTERRUPTED:
                raise error from None
            return dict.fromkeys(self.keys, Unknown(error.message))

    def _address(self) -> Address:
        return self._hosts.remote(self._url) if self._hosts is not None else self._url

    def _evidence(self, answers: Mapping[HistoryQuestion, HistoryAnswer | GitError]) -> dict[CommitKey, Answer]:
        found: dict[CommitKey, Answer] = {}
        for key, question in self._questions.items():
            match answers.get(question):
                case HistoryAnswer() as answer:
                    found[key] = _evidence(key, answer)
                case GitError(message=message):
                    found[key] = Unknown(message)
        return found


def _evidence(key: CommitKey, answer: HistoryAnswer) -> HistoryEvidence:
    is_there = answer.named or (key.any_ref and bool(answer.others))
    return HistoryEvidence(
        standing="on-branch" if is_there else "on-other" if answer.others else "nowhere",
        branches=() if is_there else tuple(map(_short, answer.others)),
        last_modified=answer.time,
        rev_count=answer.count if key.counted else None,
        ref_gone=answer.gone and not is_there,
    )


def _short(ref: str) -> str:
    return next((ref.removeprefix(folder) for folder in _FOLDERS if ref.startswith(folder)), ref)


def _in_clone(clone: Path, keys: Sequence[CommitKey], update: str | None) -> Mapping[CommitKey, HistoryEvidence]:
    """Return what a clone or mirror can vouch for: that commits are on their branches. All else its server knows."""
    found: dict[CommitKey, HistoryEvidence] = {}
    with suppress(GitError):  # one that cannot be read vouches for nothing
        reader = ObjectReader.open(clone)
        is_whole = not Path(reader.common_dir, "shallow").exists()
        branches = _ServerBranches(reader, {key.identity for key in keys})
        by_tips: dict[tuple[str, ...], list[CommitKey]] = {}
        for key in keys:
            names = [*branches.named(key.ref), *(branches.updates(update) if update is not None else ())]
            known = (name for name in names if reader.ref(name) is not None)
            by_tips.setdefault(tuple(dict.fromkeys(known)), []).append(key)
        for tips, asked in by_tips.items():
            times, _ = find_commits(clone, tips, frozenset(key.rev for key in asked))
            for key in asked:
                if key.rev in times and (is_whole or not key.counted):
                    count = count_commits(clone, key.rev) if key.counted else None
                    found[key] = HistoryEvidence("on-branch", last_modified=times[key.rev], rev_count=count)
    return found


class _ServerBranches:
    """The refs of a clone that hold branches and tags of its server; of a repository without remotes, its own.

    Nothing else vouches for a commit. What a clone has fetched beside them is anybody's: pull requests, forks.
    """

    def __init__(self, reader: ObjectReader, identities: set[Identity]) -> None:
        self._reader = reader
        self._remotes = read_remotes(reader)
        self._servers = [each for each in self._remotes if identity_of_url(each.url) in identities]

    def named(self, ref: str | None) -> Iterable[str]:
        """Yield the refs for what a key names: a branch, a full ref; None: the default branch."""
        if ref is None:
            for prefix in self._prefixes():
                name = default_branch(self._reader, (prefix,))
                if name is not None:
                    yield from self._kept_as(_BRANCHES + name)
        elif not ref.startswith("refs/"):
            yield from self._kept_as(_BRANCHES + ref)
        elif ref.startswith(_FOLDERS):
            yield from self._kept_as(ref)

    def updates(self, name: str) -> Iterable[str]:
        """Yield the refs for the update branch, which is the clone's own before it is pushed."""
        ref = _BRANCHES + name
        if is_kept(ref, ref, self._servers, self._remotes):
            yield ref
        yield from self._kept_as(ref)

    def _kept_as(self, ref: str) -> Sequence[str]:
        return kept_as(ref, self._servers, self._remotes) if self._remotes else (ref,)

    def _prefixes(self) -> Iterable[str]:
        if not self._remotes:
            return (_BRANCHES,)
        folders = ((each.prefix, *each.fetch.targets(_BRANCHES)) for each in self._servers)
        return dict.fromkeys(prefix for each in folders for prefix in each if prefix is not None)

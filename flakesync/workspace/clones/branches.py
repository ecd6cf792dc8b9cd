"""Which branches of a clone are its server's, how they are renewed, and how old they are.

A repo with a `url` is read at its server's branches: the remote-tracking branches of the clone's remote whose address
is that repository (`origin` is often a fork), or, where no remote is, refs below refs/flakesync/server/. No other ref
is written, and nothing in the working tree.
"""

import contextlib
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from flakesync.cache.keep import make_folder
from flakesync.cache.layout import fetched_file
from flakesync.errors import GitError, HostDownError
from flakesync.git.settings import AskShared, read_shared_settings
from flakesync.git.store.base import LOCAL_REFS, BranchTip, branch_tip, default_branch
from flakesync.git.store.objects import ObjectReader, is_repository, read_file, store_of
from flakesync.nix.reference.flakeref import identity_of_url
from flakesync.nix.reference.identity import identity_of
from flakesync.terms import Rev
from flakesync.workspace.model import Repo, Workspace

if TYPE_CHECKING:
    from flakesync.git.remotes.branches import ServerBranches
    from flakesync.git.remotes.remote import Remote
    from flakesync.workspace.hosts import Hosts

_OWN = "refs/flakesync/server/"
_REFLOG_TIME = re.compile(rb"> (\d+) [+-]\d{4}\t[^\n]*\n?\Z")


class BranchRefs(msgspec.Struct, frozen=True):
    """Where the branches of a repo are in its clone or mirror, and how fresh they are.

    refs: how their full names begin, the first that is there counts. of_server: whether they are its server's. heads:
    the server's branches as it has just named them; None: it was not asked. default: its default branch, None where
    the clone says. tags: the names of its tags. fetched: when they were last its server's (seconds since the epoch);
    None: nobody knows, or they are the clone's own. redirect: where the server sent git to instead.
    """

    refs: tuple[str, ...] = LOCAL_REFS
    of_server: bool = False
    heads: Mapping[str, Rev] | None = None
    default: str | None = None
    tags: frozenset[str] = frozenset()
    fetched: int | None = None
    redirect: str | None = None
    asked: bool = False

    @property
    def tracking(self) -> str:
        """How the refs begin that follow the server's branches."""
        return self.refs[-1]

    @property
    def is_stand_in(self) -> bool:
        """Whether the clone's own branches stand in for its server's, of which nothing was ever fetched."""
        return self.of_server and self.refs == LOCAL_REFS and self.fetched is None

    def tip(self, reader: ObjectReader, name: str) -> Rev | None:
        """Return the tip of a branch; None: there is none. Raises: GitError, for a name that no branch can have."""
        if self.heads is not None and name not in self.heads:
            return None  # though the clone may still have it
        return branch_tip(reader, name, self.refs)

    def named(self, reader: ObjectReader, names: Iterable[str]) -> dict[str, Rev] | None:
        """Return those of some refs, by full name, that the server has, as it has just said.

        None: it was not asked for all of them, or their commits are not known. A mirror has what it said as its refs.
        """
        found: dict[str, Rev] = {}
        for name in names if self.asked else ():
            branch = name.removeprefix("refs/heads/")
            try:
                if name != branch:
                    rev = self.heads.get(branch) if self.heads is not None else reader.ref(f"{self.tracking}{branch}")
                elif name.startswith("refs/tags/"):
                    there = name[10:] in self.tags if self.heads is not None else reader.ref(name) is not None
                    if there:  # it may be an annotated one
                        return None
                    continue
                else:
                    return None
            except GitError:  # lost its content in a power cut
                return None
            if rev is not None:
                found[name] = rev
        return found if self.asked else None


OWN_BRANCHES = BranchRefs()
"""The branches of a repository that is nobody's copy, and those of a mirror."""


def is_read_at_server(workspace: Workspace, repo: Repo) -> bool:
    """Tell whether a clone is read at its server's branches: the manifest names one, and it is not the clone itself."""
    if workspace.read == "local" or repo.url is None or repo.path is None or repo.url.git_url() is None:
        return False
    place, identity = str(repo.path), repo.url.identity
    if not is_repository(place):
        return False
    return identity is None or bool(identity.host) or store_of(identity.path) != store_of(place)


def find_branches(
    reader: ObjectReader,
    workspace: Workspace,
    repo: Repo,
    hosts: "Hosts | None",
    cache: Path,
    *,
    renew: bool,
    shared: AskShared,
) -> tuple[BranchRefs, BranchTip | None]:
    """Return where the branches of a clone are that count, brought up to date if `renew`, and the base branch of them.

    The second is None where it was not looked up: nothing was fetched yet, or it has just been.

    hosts: what git logs in with; None: offline, what was fetched last counts; where nothing was, the clone's own
    branches do. Without `renew` the server is asked only where nothing was fetched yet. shared: gives what git's
    settings say for all repositories.

    Raises: GitError: the server cannot be reached.
    """
    prefix, address = _place(reader, repo, shared)
    name = repo.base if repo.base is not None else default_branch(reader, (prefix,))
    tip = branch_tip(reader, name, (prefix,)) if name is not None else None
    if tip is None and hosts is None:
        return BranchRefs(of_server=True), None
    stamp = fetched_file(cache, reader.common_dir, prefix)
    if name is not None and tip is not None and (hosts is None or not renew):
        fetched = max(_times(reader, prefix, name, repo, str(stamp)), default=None)
        return BranchRefs((prefix,), of_server=True, fetched=fetched), BranchTip(name, tip)
    assert hosts is not None
    url = repo.url.git_url() if repo.url is not None else None
    remote, server = _ask(hosts, url or "", address)
    base = repo.base if repo.base is not None else server.default
    _bring(reader, remote, prefix, base, workspace.branch, server)
    _note(stamp)
    found = BranchRefs(
        (prefix,),
        of_server=True,
        heads=server.heads,
        default=server.default,
        tags=server.tags,
        redirect=server.redirect,
        asked=remote.url == hosts.remote(url or "").url,  # else it was the clone's own address of it
    )
    return found, None


def fetch_more(reader: ObjectReader, repo: Repo, branches: BranchRefs, names: list[str], hosts: "Hosts") -> None:
    """Bring more branches of a clone up to what its server has said, if it has been asked. Raises: GitError."""
    from flakesync.git.remotes.branches import ServerBranches

    url = repo.url.git_url() if repo.url is not None else None
    if branches.heads is None or url is None:
        return
    _, address = _place(reader, repo, read_shared_settings)
    server = ServerBranches(branches.heads, branches.default, branches.tags, None)
    try:
        _fetch(reader, hosts.remote(url), branches.refs[0], names, server)
    except GitError:
        if address is None:
            raise
        _fetch(reader, hosts.remote(address), branches.refs[0], names, server)


def _place(reader: ObjectReader, repo: Repo, shared: AskShared) -> tuple[str, str | None]:
    """Return how the refs of the server's branches begin, and the remote's address; None: no remote is that server."""
    from flakesync.git.remotes.of_clone import read_remotes

    names = {repo.url.identity if repo.url is not None else None, *repo.aliases} - {None}
    address = None
    for remote in read_remotes(reader, shared):
        # As git takes it first, which is nearly always enough, and takes a quarter of the time.
        if identity_of({"type": "git", "url": remote.url}) in names or identity_of_url(remote.url) in names:
            address = address or remote.url
            if remote.prefix is not None:
                return remote.prefix, remote.url
    url = repo.url.to_url() if repo.url is not None else ""
    return f"{_OWN}{zlib.crc32(url.encode('utf-8', 'surrogateescape')):08x}/", address


def _ask(hosts: "Hosts", url: str, address: str | None) -> "tuple[Remote, ServerBranches]":
    """Ask a server for its branches, by the manifest's address, else by the clone's; return which it was, and they.

    The clone's may be ssh, with the user's key, where that of the manifest needs a token.
    """
    from flakesync.git.remotes.branches import ask_branches

    remote = hosts.remote(url)
    try:
        return remote, ask_branches(remote)
    except HostDownError:
        raise
    except GitError:
        if address is None or (other := hosts.remote(address)).url == remote.url:
            raise
        with contextlib.suppress(GitError):
            return other, ask_branches(other)
        raise


def _bring(
    reader: ObjectReader, remote: "Remote", prefix: str, base: str | None, update: str, server: "ServerBranches"
) -> None:
    """Bring the base and the update branch to what the server has said; an update branch that is gone goes here too.

    A branch of flakesync's that has landed would else count as pushed for ever.
    """
    from flakesync.git.repository import Repository
    from flakesync.git.store.refs import remove_dead_lock

    names = [name for name in (base, update) if name is not None]
    # Of a run that was killed; the next may find nothing to move, and would leave them.
    for file in (*(f"{prefix}{name}" for name in (*names, "HEAD")), "packed-refs"):
        with contextlib.suppress(OSError):
            remove_dead_lock(f"{reader.common_dir}/{file}.lock")
    try:
        _fetch(reader, remote, prefix, names, server)
    except GitError as error:
        if error.code not in ("git", "ref-conflict") or base is None:
            raise
        _fetch(reader, remote, prefix, [base], server)  # a stale ref is in the way of the update branch's name
    old = reader.ref(f"{prefix}{update}")
    if old is not None and update not in server.heads:
        with Repository.open(Path(reader.path)) as repository:
            repository.delete_ref(f"{prefix}{update}", old=old)


def _fetch(reader: ObjectReader, remote: "Remote", prefix: str, names: list[str], server: "ServerBranches") -> None:
    from flakesync.git.remotes.branches import fetch_branches
    from flakesync.git.repository import Repository

    fetch_branches(reader, remote, prefix, names, server)
    if prefix.startswith(_OWN) and server.default is not None:
        default = f"{prefix}{server.default}"
        if reader.symbolic_ref(f"{prefix}HEAD") != default:  # for --offline; a remote's own HEAD is the user's
            with Repository.open(Path(reader.path)) as repository:
                repository.point_ref(f"{prefix}HEAD", default)


def _note(stamp: Path) -> None:
    with contextlib.suppress(OSError):  # the answer does not depend on it
        make_folder(stamp.parent)
        stamp.touch()


def _times(reader: ObjectReader, prefix: str, base: str, repo: Repo, stamp: str) -> Iterator[int]:
    """Give all that tells when the branches of a clone were last its server's; the latest counts."""
    # Strings here: a thousand clones are looked at, and pathlib costs more than the reading.
    git_dir = reader.common_dir
    told = _text(f"{git_dir}/FETCH_HEAD")
    if told:
        # A fetch of any remote writes it anew: it counts if it was of this one.
        lines = told.decode("utf-8", "surrogateescape").splitlines()
        addresses = {line.rpartition(" of ")[2].strip() for line in lines}
        if {identity_of_url(each) for each in addresses} & repo.identities:
            yield from _changed(f"{git_dir}/FETCH_HEAD")
    for log in (prefix + base, f"{prefix}HEAD"):
        found = _REFLOG_TIME.search(_text(f"{git_dir}/logs/{log}"))
        if found is not None:
            yield int(found[1])
    yield from _changed(stamp)
    yield from _changed(f"{git_dir}/{prefix}{base}")


def _text(file: str) -> bytes:
    """Return what is in a file; nothing where it cannot be read, as most are not there."""
    try:
        return read_file(file) or b""
    except GitError:
        return b""


def _changed(file: str) -> tuple[int, ...]:
    """Return when a file was last written to; nothing where it is not there."""
    try:
        return (int(os.stat(file).st_mtime),)  # noqa: PTH116
    except OSError:
        return ()

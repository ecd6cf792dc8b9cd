"""The branches of a server, asked for in one question, and fetched into the refs that a clone keeps for them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from flakesync.errors import GitError
from flakesync.git.remotes.remote import Remote, list_server
from flakesync.git.remotes.transfer import fetch
from flakesync.git.repository import Repository
from flakesync.git.store.objects import ObjectReader
from flakesync.terms import Rev

_HEADS = "refs/heads/"


class ServerBranches(NamedTuple):
    """What a server has just said: branch → tip. default: what its HEAD names; None: nothing, or it does not tell.

    tags: the names of its tags. redirect: the address that it sent git to instead; None: to no other one.
    """

    heads: Mapping[str, Rev]
    default: str | None
    tags: frozenset[str]
    redirect: str | None


def ask_branches(remote: Remote) -> ServerBranches:
    """Ask a server for its branches. Raises: GitError(`access-denied` | `unreachable`)."""
    listing = list_server(remote, ["HEAD", "refs/heads/*", "refs/tags/*"], symbolic=True)
    heads = {name.removeprefix(_HEADS): rev for name, rev in listing.refs.items() if name.startswith(_HEADS)}
    named = listing.refs.get(Rev("HEAD@"), "")
    default = named.removeprefix(_HEADS) if named.startswith(_HEADS) else None
    # The HEAD of a server may name a branch that nobody has pushed.
    tags = frozenset(name.removeprefix("refs/tags/") for name in listing.refs if name.startswith("refs/tags/"))
    return ServerBranches(heads, default if default in heads else None, tags, listing.redirect)


def fetch_branches(
    reader: ObjectReader, remote: Remote, prefix: str, names: Iterable[str], server: ServerBranches
) -> bool:
    """Bring the refs `PREFIX` + name of a clone to what a server has said; return whether that took a fetch.

    Nothing else in the clone changes: no other ref, no working tree, not FETCH_HEAD. A branch that the server lacks is
    left out.

    Raises: GitError(`access-denied` | `unreachable` | `no-such-ref` | `ref-conflict` | `ref-locked` | `git`).
    """
    wanted = [name for name in names if name in server.heads and reader.ref(prefix + name) != server.heads[name]]
    if not wanted:
        return False
    # git fetches objects alone, and refs are moved here: a git that is killed while it moves one leaves its lock file,
    # which stops everybody who works in the clone until a person deletes it.
    fetch(Path(reader.path), remote, [_HEADS + name for name in wanted])
    renewed = ObjectReader.open(Path(reader.path))
    gone = [name for name in wanted if not renewed.has(server.heads[name])]
    if gone:  # the branch has moved once more, and not forward
        fetch(Path(reader.path), remote, [f"+{_HEADS}{name}:{prefix}{name}" for name in gone])
    with Repository.open(Path(reader.path)) as repository:
        for name in wanted:
            old = repository.ref(prefix + name)
            if name not in gone:
                _move(repository, prefix + name, server.heads[name], old)
    return True


def _move(repository: Repository, ref: str, new: Rev, old: Rev | None) -> None:
    try:
        repository.update_ref(ref, new, old=old, message="fetch")
    except GitError:
        if repository.ref(ref) != new:  # else another run has just done it
            raise

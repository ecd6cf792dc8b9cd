"""The locker that asks Nix: exact by definition, one process a flake.

A commit that nobody has pushed is locked from the local repository; then its node is written back in the canonical form
that the lock had before (nix-command and fetchers agree on it: tried on 2.8, 2.26 and 2.34).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec

from flakesync.cache.single_flight import SingleFlight
from flakesync.errors import NixError, SyncError
from flakesync.git.repository import Repository
from flakesync.git.scratch.worktree import checkout
from flakesync.git.store.attributes import find_hazards, require_quick
from flakesync.git.store.links import read_through
from flakesync.nix.expression.inputs import FlakeInputs, read_inputs
from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.nix.program.command import Nix, Override
from flakesync.nix.program.errors import REFUSED
from flakesync.nix.reference.flakeref import FORGE_HOSTS, Attr, FlakeRef, identity_of
from flakesync.nix.reference.url import file_url
from flakesync.patterns import pattern
from flakesync.processes.folders import temporary_folder
from flakesync.sync.lockers import FromClone, FromServer, Move, Request
from flakesync.terms import FlakeDir, InputPath, flake_file, show_path
from flakesync.workspace.hosts import Hosts

_LOGIN = pattern(r"(?<=^git\+https://)[^/?#@:]*:[^/?#@]*@|(?<=^git\+http://)[^/?#@:]*:[^/?#@]*@")
# Where a repository is, and how flake.nix wants it fetched; all other attributes are facts about one commit.
_PLACE = frozenset({"type", "url", "owner", "repo", "host", "dir"})
_OF_ARCHIVE = ("type", "url", "rev", "revCount", "lastModified")
_SELF_ATTRS = ("submodules", "lfs")
_HOW = frozenset(
    {*_SELF_ATTRS, "exportIgnore", "shallow", "allRefs", "name"}
    | {"verifyCommit", "keytype", "publicKey", "publicKeys"}
)
_SERVER = pattern(r"https://(?:[^/\s'\"]*@)?([^/\s'\"?#]+)")


class NixLocker:
    """A Locker that runs Nix; may be used from several threads at once."""

    def __init__(self, nix: Nix, hosts: Hosts | None = None) -> None:
        """Lock with this Nix. hosts: what it logs in with; None: only what the user has set up."""
        self._nix = nix
        self._hosts = hosts
        self._fetches = SingleFlight()

    @property
    def name(self) -> str:
        """The version of Nix."""
        return self._nix.describe()

    def lock(self, request: Request) -> LockFile:
        """Return the new lock; see Locker."""
        moves = [msgspec.structs.replace(move, source=_exact_source(move)) for move in request.moves]
        wanted = {move.input: override_reference(move) for move in moves}
        self._require_askable(wanted)
        nix, bare = self._logged_in(request, wanted.values())
        overrides = [Override(path, bare(reference)) for path, reference in wanted.items()]
        with ExitStack() as stack:
            # What several repos take is fetched by the first of them; the others find it in Nix's cache.
            stack.enter_context(self._fetches.first(sorted({override.ref for override in overrides if override.ref})))
            folder, root = stack.enter_context(flake_folder(request))
            try:
                data = nix.lock(folder, overrides, git_root=root)
            except NixError as error:
                raise self._with_hint(error) from None
        file = flake_file(request.dir)
        lock = LockFile.parse(data, file=file)
        for move in moves:
            lock = _canonical(with_login(lock, move, wanted[move.input]), move, file)
        return lock

    def _logged_in(self, request: Request, references: Iterable[str]) -> tuple[Nix, Callable[[str], str]]:
        """Return a Nix that logs in wherever the inputs of a flake lie, and what makes references fit for its argv."""
        if self._hosts is None:
            return self._nix, lambda reference: reference
        environ = self._hosts.for_nix(self._nix.environ, [*_addresses(request.lock), *references])
        return replace(self._nix, environ=environ), without_login

    def _require_askable(self, wanted: Mapping[InputPath, str]) -> None:
        """Refuse what only a mirror has, and Nix can ask no mirror for: it downloads archives from the forge itself."""
        if self._hosts is None or not self._hosts.mirrors:
            return
        for path, address in wanted.items():
            reference = FlakeRef.parse(address)
            if reference.type in FORGE_HOSTS and self._hosts.mirrors.of(reference.git_url() or "") is not None:
                message = f"input {show_path(path)}: Nix can ask no mirror for {reference}"
                raise SyncError("not-mirrored", message, hint="the native locker can: --locker auto or native")

    def _with_hint(self, error: NixError) -> NixError:
        """Return the error with the variable that a token belongs into, where a server lets nobody in."""
        refused = (line for line in error.message.splitlines() if REFUSED.search(line) and "rate limit" not in line)
        found = next(((each[1], line) for line in refused if (each := _SERVER.search(line)) is not None), None)
        if self._hosts is None or found is None:
            return error
        hint = self._hosts.hint(found[0], by_git="HTTP error" not in found[1])
        return NixError(error.code, error.message, hint=hint) if hint is not None else error


def _addresses(lock: LockFile) -> Iterator[str]:
    """Give the addresses that git may be asked to fetch from for a lock."""
    for node in lock.nodes.values():
        for attrs in (node.locked, node.original):
            if attrs is not None and attrs.get("type") == "git":
                yield str(attrs.get("url"))


def without_login(reference: str) -> str:
    """Return a reference without the password in its address, which would be seen in the list of processes."""
    return _LOGIN.sub("", reference, count=1)


def with_login(lock: LockFile, move: Move, reference: str) -> LockFile:
    """Return the lock with the address of an input as the reference has it that `without_login` has shortened."""
    login = _LOGIN.search(reference)
    node = lock.node(move.input)
    if login is None or node is None or node.locked is None:
        return lock
    scheme, _, rest = str(node.locked.get("url")).partition("://")
    if rest.startswith(login[0]):
        return lock
    return lock.replace(move.input, locked={**node.locked, "url": f"{scheme}://{login[0]}{rest}"})


def override_reference(move: Move) -> str:
    """Return the reference that an input is locked from: of the server, or of the local repository."""
    match move.source:
        case FromClone(rev=rev, repository=repository, ref=ref):
            reference = FlakeRef.from_attrs(
                {
                    "type": "git",
                    "url": file_url(repository),
                    "ref": ref.removeprefix("refs/heads/"),
                    "rev": rev,
                    **{key: value for key, value in move.original.items() if key == "dir" or key in _HOW},
                }
            )
            return reference.to_url()
        case FromServer(rev=rev, branch=branch, locked=locked):
            if locked is not None:
                # Many servers name the commit at the mutable address alone; what the reference says, Nix writes down.
                return FlakeRef.from_attrs({key: locked[key] for key in _OF_ARCHIVE if key in locked}).to_url()
            original = move.original if move.original.get("type") != "indirect" else _resolved(move.locked)
            if branch is None and (known := move.locked.get("ref")) is not None:
                branch = str(known)
            return FlakeRef.from_attrs(_without_lock(original)).at(rev, branch).to_url()


def _resolved(locked: Mapping[str, Attr]) -> Mapping[str, Attr]:
    """Return the reference that a registry has led to, as far as `locked` tells: without what the upstream asks for."""
    return {key: value for key, value in locked.items() if key in _PLACE | {"ref"} | (_HOW - set(_SELF_ATTRS))}


def _without_lock(attrs: Mapping[str, Attr]) -> dict[str, Attr]:
    return {key: value for key, value in attrs.items() if key not in ("rev", "narHash", "lastModified", "revCount")}


def _canonical(lock: LockFile, move: Move, file: str) -> LockFile:
    """Return the lock with the moved node in the form it had before, whatever it was locked from."""
    node = lock.node(move.input)
    if node is None or node.locked is None:
        raise SyncError(
            "not-moved",
            f"{file}: the new lock has no input {show_path(move.input)}",
            hint="does its flake.nix still have this input, without a follows?",
        )
    if isinstance(move.source, FromServer):
        return lock
    return lock.replace(move.input, locked=canonical_locked(move, move.source, node))


def canonical_source(move: Move) -> Mapping[str, Attr]:
    """Return the reference that the node is written with: `locked`, or `original` where that is of something else."""
    # A foreign lock is led back to its own reference; an indirect one (`nixpkgs`) has no identity to compare.
    own = identity_of(move.original) in (None, identity_of(move.locked))
    return move.locked if own else move.original


def canonical_locked(move: Move, source: FromClone, node: LockNode) -> dict[str, Attr]:
    """Return `locked` of an input as its own fetcher would write it, from what Nix found in a local repository.

    node: the node that Nix wrote for the local commit. Its narHash is that of the same tree (`_exact_source` has
    made sure); github, gitlab and sourcehut nodes carry no `ref` and no `revCount` (input fetchers github.cc, git.cc).
    Of the old node only the place of the repository is taken: how to fetch it is up to flake.nix and the upstream.
    """
    local = node.locked or {}
    place = canonical_source(move)
    locked: dict[str, Attr] = {key: value for key, value in place.items() if key in _PLACE}
    locked["rev"] = source.rev
    for key in ("narHash", "lastModified"):
        if key not in local:
            raise SyncError("no-hash", f"Nix wrote no {key} for input {show_path(move.input)}")
        locked[key] = local[key]
    if locked.get("type") != "git":
        _require_whole(move, local)
        return locked
    original = node.original or {}
    if original.get("type") == "git":
        if place is move.locked:
            locked["url"] = original["url"]  # versions differ in whether it holds `?dir=` too
        locked |= {key: value for key, value in original.items() if key in _HOW}
    # What the upstream's flake.nix asks for itself (`inputs.self.submodules`) goes before what ours asks for.
    locked |= {key: local[key] for key in _SELF_ATTRS if key in local}
    # Of an input that is new, as Nix from 2.10 on writes a branch that flake.nix does not name.
    known = "" if "url" in move.locked or "ref" in original else "refs/heads/"
    full = str(move.locked.get("ref", known)).startswith("refs/heads/")
    locked["ref"] = f"refs/heads/{source.branch}" if full else source.branch
    if "revCount" in local and not locked.get("shallow"):
        locked["revCount"] = local["revCount"]
    return locked


def _require_whole(move: Move, local: Mapping[str, Attr]) -> None:
    """Refuse a hash of what no archive of a forge holds: submodules, and the files of git-lfs."""
    for key in _SELF_ATTRS:
        if local.get(key):
            raise SyncError(
                "attributes",
                f"input {show_path(move.input)}: its flake.nix asks for `inputs.self.{key}`, which an archive of "
                f"{move.original.get('type')} does not hold: the commit cannot be locked before it is pushed",
                hint="write the input as `git+https://…`, or hold it and move it after the upstream has landed",
            )


def _exact_source(move: Move) -> FromServer | FromClone:
    """Return where the commit is to be taken from so that its narHash is right.

    git's attributes change what an archive holds, so the hash of such a commit depends on who makes the tree: then only
    the server's own answer counts, and a commit that nobody has pushed is refused.
    """
    source = move.source
    if isinstance(source, FromServer):
        return source
    with Repository.open(source.repository) as repository:
        attributes = repository.common_dir / "info" / "attributes"
        require_quick(repository.reader, source.rev, attributes)  # old Nix lets git make an archive of it
        hazards = find_hazards(repository.reader, source.rev, attributes)
        # What a flake asks for itself no archive holds; what Nix makes of that, it says itself.
        archived = source.pushed and canonical_source(move).get("type") != "git"
        if archived and _has_self_attrs(
            read_through(repository.reader, source.rev, flake_file(_dir(move), "flake.nix")) or b""
        ):
            return FromServer(source.rev, source.branch)
    if not hazards:
        return source
    if source.pushed:
        return FromServer(source.rev, source.branch)
    first = hazards[0]
    more = f" (and {len(hazards) - 1} more)" if len(hazards) > 1 else ""
    raise SyncError(
        "attributes",
        f"input {show_path(move.input)}: {first.file} line {first.line} has {first.attribute}{more}: "
        "the hash of the commit differs between a clone and an archive, so it cannot be locked before it is pushed",
        hint="remove the attribute there, or hold this input and move it after the upstream has landed",
    )


def _has_self_attrs(flake_nix: bytes) -> bool:
    if not any(key.encode() in flake_nix for key in _SELF_ATTRS):
        return False
    found = read_inputs(flake_nix)
    return isinstance(found, FlakeInputs) and bool(found.self_attrs)


def _dir(move: Move) -> FlakeDir:
    return FlakeDir(str(move.original.get("dir") or ".").strip("/") or ".")


@contextmanager
def flake_folder(request: Request) -> Iterator[tuple[Path, Path | None]]:
    """Give a folder with the flake's flake.nix and flake.lock; with relative inputs, a worktree that has all of it.

    Nix reads no other file to lock a flake, and would copy the whole tree into its store first.
    """
    with Repository.open(request.repository) as repository:
        # A stale lock may be so by a relative input that is new.
        if _has_relative_inputs(request.lock) or request.stale:
            with checkout(repository, request.rev) as root:
                yield root / request.dir, root
            return
        flake_nix = read_through(repository.reader, request.rev, flake_file(request.dir, "flake.nix"))
    if flake_nix is None:
        raise SyncError("no-flake", f"there is no {flake_file(request.dir, 'flake.nix')} in {request.rev}")
    with temporary_folder("lock") as top:
        # The folder's name is part of no hash, but Nix resolves symlinks (/tmp on macOS) with a warning.
        folder = top.resolve()
        (folder / "flake.nix").write_bytes(flake_nix)
        (folder / "flake.lock").write_bytes(request.lock.to_bytes())
        yield folder, None


def _has_relative_inputs(lock: LockFile) -> bool:
    return any(
        node.parent is not None
        or any(attrs.get("type") == "path" for attrs in (node.locked or {}, node.original or {}))
        for node in lock.nodes.values()
    )

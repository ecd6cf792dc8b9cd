"""What commits hold: found in clones, in locks of the workspace, and by git; each is looked at once a run."""

from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

import msgspec

from flakesync.cache.layout import facts_file
from flakesync.cache.single_flight import SingleFlight
from flakesync.errors import FlakesyncError, GitError, LockError, NixError
from flakesync.git.repository import Repository
from flakesync.nix.expression.inputs import NotStatic, read_inputs
from flakesync.nix.lock.file import LockFile
from flakesync.nix.reference.flakeref import FORGE_HOSTS, Attr, FlakeRef, Identity, identity_of
from flakesync.sync.lockers.native.commits import Facts, find_facts, open_commit, read_flake_files, read_served
from flakesync.sync.lockers.native.own_source import joined
from flakesync.sync.lockers.native.values import Beside, Fetched, Flake, NotNativeError, nothing_beside
from flakesync.terms import Rev
from flakesync.update.commit import read_lock

if TYPE_CHECKING:
    from flakesync.git.remotes.remote import Address
    from flakesync.sync.lockers.native.values import Archive
    from flakesync.workspace.hosts import Hosts

Result = TypeVar("Result")

FORGES = tuple(FORGE_HOSTS)
_PLAIN = {
    "git": frozenset({"type", "url", "ref", "rev", "dir", "shallow"}),
    **dict.fromkeys(FORGES, frozenset({"type", "owner", "repo", "ref", "rev", "host", "dir"})),
}
# They change what is fetched only where a commit has attributes or submodules.
_FLAGS = frozenset({"submodules", "lfs", "exportIgnore", "allRefs"})
_FACTS = frozenset({"narHash", "lastModified", "revCount"})


class _Known(msgspec.Struct, frozen=True):
    """What a lock of the workspace says of a commit. bare: whether the flake has no inputs."""

    facts: Facts
    bare: bool


class Sources:
    """Finds out what commits hold; may be used from several threads at once.

    repositories: clones and mirrors of the workspace's repos. locks: every lock of the workspace. cache: flakesync's
    cache folder. offline: whether no server is asked. hosts: what servers are asked with; None: only what the user has
    set up for git and Nix.
    """

    def __init__(
        self,
        repositories: Mapping[Identity, Path],
        locks: Iterable[LockFile],
        cache: Path,
        *,
        offline: bool = False,
        hosts: "Hosts | None" = None,
    ) -> None:
        self._repositories = repositories
        self._locks = locks
        self._cache = cache
        self._offline = offline
        self._hosts = hosts
        self._flights = SingleFlight()

    @property
    def repositories(self) -> Mapping[Identity, Path]:
        """The clones and mirrors of the workspace's repos."""
        return self._repositories

    def facts(self, repository: Path, rev: Rev, *, served: bool) -> Facts:
        """Return what Nix would note of a commit that `repository` has.

        served: whether it fetches what a forge serves: git's archive, in which attributes leave out files and put in
        text; else git, and then such attributes are where versions of Nix differ.

        Raises:
            NotNativeError: it cannot be told exactly.
        """
        # A large external source takes seconds to hash; a commit's id says all that there is to know of it.
        kept = facts_file(self._cache, repository, rev) if not served else None
        return self._flights.get(
            ("facts", repository, rev, served), lambda: find_facts(repository, rev, kept, served=served)
        )

    def flake(self, repository: Path, rev: Rev, dir: str | None, *, served: bool) -> Flake:
        """Return the flake in a folder (None: the top) of a commit that `repository` has; served: as for `facts`."""
        key = ("flake", repository, rev, dir, served)
        return self._flights.get(key, lambda: self._read_flake(repository, rev, dir, served=served))

    def require_plain(self, repository: Path, rev: Rev, attrs: Mapping[str, Attr]) -> None:
        """Refuse a commit that is more than its own tree when it is fetched as `attrs` say; for attributes see `facts`.

        Raises:
            NotNativeError: submodules are asked for and there are some, or it has to be signed.
        """
        unusual = sorted(attrs.keys() & {"verifyCommit", "keytype", "publicKey", "publicKeys"})
        if unusual:
            raise NotNativeError(f"it cannot fetch with `{unusual[0]}`")
        if attrs.get("submodules") and attrs.get("exportIgnore"):
            raise NotNativeError("Nix cannot fetch with both `submodules` and `exportIgnore`")
        if attrs.get("submodules") and self._has_file(repository, rev, ".gitmodules"):
            raise NotNativeError("it cannot fetch with `submodules`")

    def _has_file(self, repository: Path, rev: Rev, name: str) -> bool:
        try:
            with Repository.open(repository) as opened:
                return opened.read(rev, name) is not None
        except GitError as error:
            raise NotNativeError(error.message) from error

    def at(self, locked: Mapping[str, Attr]) -> Flake:
        """Return the flake that a node of a lock is locked to."""
        rev, dir = _rev(locked), _text(locked, "dir")
        # Some lock of the workspace says that it has no inputs: nothing need be fetched to know that.
        if (known := self._known(locked)) is not None and known.bare:
            return Flake({}, None)
        place = self._locate(locked)
        return (
            self.flake(place, rev, dir, served=locked.get("type") != "git")
            if place is not None
            else self._parse(self._archive(locked).files, rev, _folder(dir))
        )

    def fetch(self, ref: FlakeRef) -> Fetched:
        """Return what a reference with a full rev leads to."""
        # A pin moves an input of every repo to one commit.
        return self._flights.get(("fetch", ref), lambda: self._find(ref))

    def _find(self, ref: FlakeRef) -> Fetched:
        attrs = ref.to_attrs()
        _require_fetchable(attrs)
        rev = _rev(attrs)
        known = self._known(attrs)
        if known is not None:
            facts = known.facts
        elif (place := self._locate(attrs)) is not None:
            facts = self.facts(place, rev, served=ref.type in FORGES)
            self.require_plain(place, rev, attrs)
        else:
            archive = self._archive(attrs)
            facts = Facts(archive.nar_hash, archive.last_modified, None)
        locked = {**attrs, "rev": rev, "narHash": facts.nar_hash, "lastModified": facts.last_modified}
        if ref.type == "git" and not attrs.get("shallow"):
            if facts.rev_count is None:
                raise NotNativeError(f"the number of commits of {ref} is not known")
            if "ref" not in attrs:
                raise NotNativeError(f"the branch of {ref} is not known")
            locked["revCount"] = facts.rev_count
        return Fetched(ref, lambda _: locked, lambda: self._flights.get(("at", ref), lambda: self.at(locked)))

    def newest(self, ref: FlakeRef) -> Fetched:
        """Return what a reference leads to now."""
        if ref.rev is not None:
            return self.fetch(ref)
        # A forge's own API would be asked for the commit of a branch; a mirror tells it as any git server does.
        mirrored = ref.type in FORGES and self._hosts is not None and self._hosts.mirrors.of(ref.git_url() or "")
        if not mirrored and (ref.type != "git" or ref.ref is None):
            raise NotNativeError(f"only Nix can tell what {ref} leads to now")
        rev = self._flights.get(("newest", ref), lambda: self._newest(ref))
        return self.fetch(ref.at(rev, ref.ref))

    def _newest(self, ref: FlakeRef) -> Rev:
        from flakesync.git.remotes.remote import ls_remote

        branch = ref.ref
        if branch is not None and ref.type == "git" and not branch.startswith("refs/"):
            branch = f"refs/heads/{branch}"
        local = _local_path(ref.to_attrs())
        try:
            if local is not None and branch is not None:
                with Repository.open(local) as repository:
                    found = repository.ref(branch)
                if found is None:
                    raise NotNativeError(f"{local} has no {branch}")
                return found
            if self._offline:
                raise NotNativeError(f"offline: what {ref} leads to now is not known")
            return ls_remote(self._remote(ref), branch)
        except GitError as error:
            raise NotNativeError(error.message, cure=error.hint) from error

    def _locate(self, attrs: Mapping[str, Attr]) -> Path | None:
        """Return a repository that has the commit of a reference; None: its forge's archive has to be asked for it."""
        rev = _rev(attrs)
        identity = identity_of(attrs)
        own = self._repositories.get(identity) if identity is not None else None
        for place in (own, _local_path(attrs)):
            if place is not None and _has(place, rev):
                return place
        if attrs.get("type") in FORGES:
            return None
        shown = _reference(attrs)
        if attrs.get("type") != "git" or _local_path(attrs) is not None:
            raise NotNativeError(f"no clone and no lock of the workspace has {shown}")
        return self._flights.get(("commit", shown.git_url(), shown.ref, rev), lambda: self._fetch(shown, rev))

    def _fetch(self, ref: FlakeRef, rev: Rev) -> Path:
        from flakesync.git.remotes.commit_cache import fetch_commit

        try:
            remote = ref.git_url() or "" if self._offline else self._remote(ref)
            found = fetch_commit(remote, ref.ref, rev, self._cache, offline=self._offline)
        except GitError as error:
            raise NotNativeError(error.message, cure=error.hint) from error
        if found is None:
            raise NotNativeError(f"{ref} is not on that branch" if not self._offline else f"offline, and without {ref}")
        return found

    def _remote(self, ref: FlakeRef) -> "Address":
        url = ref.git_url() or ""
        try:
            return self._hosts.remote(url) if self._hosts is not None else url
        except FlakesyncError as error:
            raise NotNativeError(error.message, cure=error.hint) from error

    def _archive(self, attrs: Mapping[str, Attr]) -> "Archive":
        from flakesync.sync.lockers.native.archives import read_archive

        ref = _reference(attrs)
        return self._flights.get(
            ("archive", ref), lambda: read_archive(ref, self._cache, self._hosts, offline=self._offline)
        )

    def _read_flake(self, path: Path, rev: Rev, dir: str | None, *, served: bool) -> Flake:
        folder = _folder(dir)
        names = [folder + name for name in ("flake.nix", "flake.lock")]
        files: Mapping[str, bytes | None]
        try:
            if served and (commit := open_commit(path, rev)).hazards:
                files, submodules = read_served(commit, names).files, False
            else:
                with Repository.open(path) as repository:
                    submodules = not served and repository.read(rev, ".gitmodules") is not None
                    files = read_flake_files(repository.reader, rev, *names)
        except (GitError, NixError) as error:
            raise NotNativeError(error.message) from error

        def beside(relative: str) -> Flake:
            """Read a flake in another folder of this commit."""
            return self.flake(path, rev, joined(folder, relative) or None, served=served)

        return self._parse(files, rev, folder, beside, submodules=submodules)

    def _parse(
        self,
        files: Mapping[str, bytes | None],
        rev: Rev,
        folder: str,
        beside: Beside = nothing_beside,
        *,
        submodules: bool = False,
    ) -> Flake:
        source, lock = (files.get(folder + name) for name in ("flake.nix", "flake.lock"))
        try:
            if source is None:
                raise NotNativeError(f"there is no {folder}flake.nix in {rev}")
            # An update commit has the flake.nix of its base.
            inputs = self._flights.get(("inputs", source), lambda: read_inputs(source, file=f"{folder}flake.nix"))
            if isinstance(inputs, NotStatic):
                raise NotNativeError(inputs.reason)
            own = read_lock(lock, f"{folder}flake.lock") if lock is not None else None
            return Flake(inputs.inputs, own, inputs.self_attrs, submodules, beside)
        except LockError as error:
            raise NotNativeError(error.message) from error

    # ---- locks of the workspace -----------------------------------------------------------------------------------

    def _known(self, attrs: Mapping[str, Attr]) -> _Known | None:
        """Return what a lock of the workspace says of a commit; None: nothing, or not all say the same."""
        index = self._flights.get(("locks",), lambda: _index(self._locks))
        key = _key(attrs)
        return index.get(key) if key is not None else None


def _index(locks: Iterable[LockFile]) -> dict[Hashable, _Known | None]:
    found: dict[Hashable, _Known | None] = {}
    # Locks share their nodes, and most of those of a workspace lie in many. By id: the locks keep them alive meanwhile.
    seen: set[int] = set()
    for lock in locks:
        for node in lock.nodes.values():
            if id(node) in seen:
                continue
            seen.add(id(node))
            locked = node.locked
            if locked is None or (key := _key(locked)) is None:
                continue
            hash, date, count = locked.get("narHash"), locked.get("lastModified"), locked.get("revCount")
            if not isinstance(hash, str) or not isinstance(date, int):
                continue
            facts = Facts(hash, date, count if isinstance(count, int) else None)
            if key[0] == "git" and facts.rev_count is None:
                continue
            bare = node.flake and not node.inputs
            old = found.get(key)
            if key not in found or (old is not None and old.facts == facts):
                found[key] = _Known(facts, bare or (old is not None and old.bare))
            else:
                # Locks that disagree on a commit (some Nix versions hash what attributes make of it): neither is taken.
                found[key] = None
    return found


def _key(attrs: Mapping[str, Attr]) -> tuple[str, Identity, str, Attr] | None:
    """Return what locks with the same facts have in common; None for what they are not looked up for."""
    kind, rev = attrs.get("type"), attrs.get("rev")
    # By its address, not by its repository: each server packs an archive in its own way.
    if kind == "tarball" and isinstance(rev, str) and "dir" not in attrs:
        return kind, Identity("", str(attrs.get("url"))), rev, attrs.get("narHash", "")
    if not isinstance(kind, str) or not isinstance(rev, str) or kind not in _PLAIN:
        return None
    if not attrs.keys() <= _PLAIN[kind] | _FACTS or "shallow" in attrs:
        return None
    identity = identity_of(attrs)
    return (kind, identity, rev, attrs.get("dir", "")) if identity is not None else None


def _require_fetchable(attrs: Mapping[str, Attr]) -> None:
    kind = str(attrs["type"])
    if kind not in _PLAIN:
        raise NotNativeError(f"it cannot fetch sources of type {kind}")
    unusual = sorted(attrs.keys() - _PLAIN[kind] - (_FLAGS if kind == "git" else frozenset()))
    if unusual:
        raise NotNativeError(f"it cannot fetch with `{unusual[0]}`")


def _reference(attrs: Mapping[str, Attr]) -> FlakeRef:
    return FlakeRef.from_attrs({key: value for key, value in attrs.items() if key not in _FACTS})


def _local_path(attrs: Mapping[str, Attr]) -> Path | None:
    """Return the path that a `file:` address of git names; None for all others."""
    url = attrs.get("url")
    if attrs.get("type") != "git" or not isinstance(url, str):
        return None
    parts = urlsplit(url)
    return Path(unquote(parts.path, errors="surrogateescape")) if parts.scheme == "file" and not parts.netloc else None


def _has(repository: Path, rev: Rev) -> bool:
    try:
        with Repository.open(repository) as opened:
            return opened.has(rev)
    except GitError:
        return False


def _folder(dir: str | None) -> str:
    return f"{dir.strip('/')}/" if dir is not None else ""


def _rev(attrs: Mapping[str, Attr]) -> Rev:
    rev = attrs.get("rev")
    if not isinstance(rev, str) or len(rev) != 40:
        raise NotNativeError(f"a source of type {attrs.get('type')} has no commit to look at")
    return Rev(rev)


def _text(attrs: Mapping[str, Attr], key: str) -> str | None:
    value = attrs.get(key)
    return value if isinstance(value, str) else None

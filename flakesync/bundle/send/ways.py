"""All ways to a source, the cheapest first: files that are here, then its server, then git, then Nix."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from flakesync.bundle.send.by_disk import disk_nar
from flakesync.bundle.send.by_git import has_commit, ways_in
from flakesync.bundle.send.wanted import Attrs, Head, WantedSource, source_attrs
from flakesync.bundle.send.way import Way, not_by
from flakesync.cache.single_flight import SingleFlight
from flakesync.errors import FlakeRefError, FlakesyncError, NoAnswerError
from flakesync.git.remotes.commit_cache import fetch_commit, fetch_one_commit
from flakesync.nix.reference.flakeref import FORGE_HOSTS, Attr, FlakeRef, Identity, identity_of, is_full_rev
from flakesync.nix.store.store_path import STORE_DIR, source_path
from flakesync.secrets import hide_secrets
from flakesync.terms import Rev

if TYPE_CHECKING:
    from flakesync.nix.program.command import Nix
    from flakesync.workspace.hosts import Hosts


class Ways:
    """The ways to sources; threads may share it.

    clones: of the workspace's repos. cache: flakesync's cache folder. hosts: what servers are asked with. offline:
    whether none is asked.
    """

    def __init__(self, clones: Mapping[Identity, Path], cache: Path, hosts: "Hosts", *, offline: bool) -> None:
        self._clones = clones
        self._cache = cache
        self._hosts = hosts
        self._offline = offline
        self._flights = SingleFlight()

    def to(self, source: WantedSource) -> Iterator[Way]:
        """Give the ways to a source, for each place that a lock names; what is fetched is fetched when a way begins."""
        places = list(source.places.values())
        for attrs, head in places:
            yield from self._here(attrs, head)
        yield from _store(source.nar_hash)
        for attrs, _ in places:
            yield from self._at_server(attrs)
        for attrs, _ in places:
            if attrs.get("type") != "path":  # Nix would read the same files
                yield Way("nix", partial(self._by_nix, attrs))

    def kept(self, source: WantedSource) -> Iterator[Way]:
        """Give the ways to a source that ask no server and start no Nix."""
        places = list(source.places.values())
        for attrs, head in places:
            yield from self._here(attrs, head)
        yield from _store(source.nar_hash)
        for attrs, _ in places:
            ref, rev = _reference(attrs), _rev(attrs)
            url = ref.git_url() if ref is not None else None
            if ref is None or rev is None or url is None or attrs.get("submodules") or _local(attrs) is not None:
                continue
            found = fetch_commit(self._hosts.remote(url), ref.ref, rev, self._cache, offline=True)
            if found is not None:
                yield from ways_in(found, rev, hide_secrets(url))

    def clone_with(self, attrs: Attrs) -> Path | None:
        """Return the clone or mirror of the workspace that has the commit of a lock node; None: none has."""
        rev, identity = _rev(attrs), identity_of(attrs)
        own = self._clones.get(identity) if identity is not None else None
        return own if own is not None and rev is not None and has_commit(own, rev) else None

    def _here(self, attrs: Attrs, head: Head) -> Iterator[Way]:
        """Give the ways that ask no server."""
        rev = _rev(attrs)
        if attrs.get("type") == "path":
            yield from _path(str(attrs.get("path", "")), head)
        elif rev is not None and attrs.get("type") in ("git", *FORGE_HOSTS):
            for place in (self.clone_with(attrs), _local(attrs)):
                if place is not None and has_commit(place, rev):
                    yield from self._of_commit(place, rev, attrs, place.name)

    def _at_server(self, attrs: Attrs) -> Iterator[Way]:
        """Give the ways that ask servers, or what was fetched from them earlier."""
        kind = attrs.get("type")
        url = str(attrs.get("url", ""))
        match kind:
            case "tarball" | "file" if not self._offline or url.startswith("file:"):
                from flakesync.bundle.send.by_web import file_nar, tarball_nar

                nar = file_nar if kind == "file" and not attrs.get("unpack") else tarball_nar
                place = self._hosts.mirrors.of_archive(url) or url
                yield Way(f"download of {hide_secrets(place)}", lambda: nar(place, self._hosts))
            case "git":
                yield from self._by_git(attrs)
            case _ if kind in FORGE_HOSTS:
                if not self._offline:
                    yield from self._archive(attrs)
                yield from self._by_git(attrs)

    def _archive(self, attrs: Attrs) -> Iterator[Way]:
        from flakesync.bundle.send.by_web import archive_nar

        ref = _reference(attrs)
        # A mirror of git is no forge.
        if ref is not None and ref.rev is not None and self._hosts.mirrors.of(ref.git_url() or "") is None:
            yield Way(f"archive of {ref}", lambda: archive_nar(ref, self._hosts))

    def _by_git(self, attrs: Attrs) -> Iterator[Way]:
        """Give the ways that fetch the commit by git: it is fetched once, before the first of them."""
        ref, rev = _reference(attrs), _rev(attrs)
        url = ref.git_url() if ref is not None else None
        if ref is None or rev is None or url is None or _local(attrs) is not None:
            return
        shown = f"git fetch of {hide_secrets(url)}"
        try:
            place = self.commit_of(url, ref.ref, rev)
        except FlakesyncError as error:
            yield Way(shown, partial(_refuse, error))
            return
        yield from self._of_commit(place, rev, attrs, hide_secrets(url))

    def _of_commit(self, repository: Path, rev: Rev, attrs: Attrs, where: str) -> Iterator[Way]:
        if attrs.get("submodules"):
            from flakesync.bundle.send.submodules import nar_with_submodules

            url = str(attrs.get("url", ""))
            find = self.commit_of
            yield Way(
                f"git objects of {where}, with its submodules",
                lambda: nar_with_submodules(repository, rev, url, find),
            )
        yield from ways_in(repository, rev, where)

    def commit_of(self, url: str, ref: str | None, rev: Rev) -> Path:
        """Return a repository that has a commit: of the workspace, or fetched. Raises: FlakesyncError."""
        own = self.clone_with({"type": "git", "url": url, "rev": rev})
        return own or self._flights.get((url, ref, rev), lambda: self._fetch(url, ref, rev))

    def _fetch(self, url: str, ref: str | None, rev: Rev) -> Path:
        remote = self._hosts.remote(url)
        if (kept := fetch_commit(remote, ref, rev, self._cache, offline=True)) is not None:
            return kept
        if self._offline:
            raise not_by(f"offline, and {rev[:12]} was not fetched before")
        try:
            return fetch_one_commit(remote, rev, self._cache)
        except FlakesyncError as error:
            if isinstance(error, NoAnswerError) or error.code == "access-denied":
                raise
            # Some servers give no commit that is asked for by its name, but the branch that has it.
            found = fetch_commit(remote, ref, rev, self._cache)
            if found is None:
                raise not_by(f"it is not on {ref or 'its default branch'}, and {error.message}") from None
            return found

    def _by_nix(self, attrs: Attrs) -> Iterator[bytes]:
        from flakesync.bundle.send.by_nix import nix_nar

        return nix_nar(self._flights.get("nix", self._nix), attrs)

    def _nix(self) -> "Nix":
        from flakesync.nix.program.command import Nix

        return Nix.find(self._hosts.for_nix(_environ()))


def _environ() -> Mapping[str, str]:
    import os

    return os.environ


def _refuse(error: FlakesyncError) -> Iterator[bytes]:
    raise error


def _store(nar_hash: str) -> Iterator[Way]:
    path = Path(source_path(nar_hash))
    if path.exists():
        yield Way(f"{STORE_DIR} of this machine", lambda: disk_nar(path))


def _path(path: str, head: Head) -> Iterator[Way]:
    """Give the way to a folder on this machine, or to one of the commit whose lock names it."""
    if path.startswith("/"):
        if any(Path(path) in (place, *place.parents) for place in (Path.cwd(), Path.home())):
            return  # a lock may name `/`: all of the disk would be read before it turns out to be something else
        yield Way(f"the folder {path}", lambda: disk_nar(Path(path)))
        return
    from flakesync.bundle.send.by_git import folder_nar

    for flake in head.flakes:
        folder = f"{flake.dir}/{path}"
        yield Way(f"the folder {folder} of {head.state.name}", partial(folder_nar, head.state.clone, head.tip, folder))


def _reference(attrs: Mapping[str, Attr]) -> FlakeRef | None:
    try:
        return FlakeRef.from_attrs(source_attrs(attrs))
    except FlakeRefError:
        return None


def _rev(attrs: Attrs) -> Rev | None:
    rev = attrs.get("rev")
    return Rev(rev) if isinstance(rev, str) and is_full_rev(rev) else None


def _local(attrs: Attrs) -> Path | None:
    """Return the path that a `file:` address of git names; None for all others."""
    url = attrs.get("url")
    if attrs.get("type") != "git" or not isinstance(url, str) or "\0" in unquote(url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return Path(unquote(parts.path, errors="surrogateescape")) if parts.scheme == "file" and not parts.netloc else None

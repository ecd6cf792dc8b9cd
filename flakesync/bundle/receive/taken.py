"""A bundle is taken in: base, then sources, then commits, then branches; each step only with what the one before has.

Nothing is written before the base is known to be here. A source counts from its narinfo on, a repo from its branches
on, and a repo moves only if all its sources are there; so a run that was cut off is simply made again.
"""

import contextlib
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from flakesync.bundle.layout.oci import bad_blob
from flakesync.bundle.layout.reader import Layout
from flakesync.bundle.receive.branches import Target, move_branches, unmoved
from flakesync.bundle.receive.contents import inputs_of, missing_base
from flakesync.bundle.receive.deltas import add_delta, room_for_deltas
from flakesync.bundle.receive.failures import OF_THE_BUNDLE, ImportFailures
from flakesync.bundle.receive.repositories import Places, forget_incoming, lacking, take_commits
from flakesync.bundle.send.by_git import tree_nar
from flakesync.documents.airgap.imported import ImportedBranch, ImportedCounts
from flakesync.documents.airgap.manifest import BundleManifest, BundleRepo, BundleSource, SourceOfRepo
from flakesync.errors import INTERRUPTED, FlakesyncError, GitError, NixError
from flakesync.git.repository import Repository
from flakesync.nix.store.static_cache import StaticCache
from flakesync.terms import Rev

_FULLNESS = 1.05
"""What a source takes on the disk, over what it weighs: folders, narinfos, blocks."""

_NO_BASE = "import the bundles that it builds on first, in their order; or have one made without --base"


@dataclass(frozen=True, slots=True)
class Moving:
    """Where the repos of a bundle go. target: whose branches move, by its repository and its name.

    names: those that are known here; None: any may come.
    """

    places: Places
    target: Callable[[Repository, str], Target]
    names: Collection[str] | None


class BundleImport:
    """One bundle on its way into a cache and into repositories."""

    def __init__(
        self,
        layout: Layout,
        manifest: BundleManifest,
        cache: StaticCache,
        places: Places,
        moving: "Moving | None",
    ) -> None:
        """places: temporary repositories, for repos that do not move. moving: None: none does."""
        self._layout = layout
        self._manifest = manifest
        self._cache = cache
        self._places = places
        self._moving = moving
        self._repos = {repo.name: repo for repo in manifest.repos}
        self._missing = [source for source in manifest.sources if not cache.has(source.nar_hash)]
        self.failures = ImportFailures()
        self.branches: list[ImportedBranch] = []
        self._new = self._rebuilt = 0
        self._unusable: dict[str, GitError] = {}

    @property
    def counts(self) -> ImportedCounts:
        """How many sources have been taken in so far."""
        there = len(self._manifest.sources) - len(self._missing)
        return ImportedCounts(new=self._new, there=there, rebuilt=self._rebuilt)

    def require_base(self) -> None:
        """Make sure that all is here that the bundle builds on. Raises: FlakesyncError(`missing-base`)."""
        missing = [source for source in self._missing if self._lacks_base(source)]
        if missing:
            first = (inputs_of(missing[0]) or [missing[0].nar_hash])[0]
            more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
            where = "made of one in an earlier bundle" if missing[0].delta else "in an earlier bundle"
            message = f"the source of {first}{more} is {where}, and that is not in {self._cache.folder}"
            raise missing_base(message, _NO_BASE)
        for repo in self._needed_repos():
            try:
                lacks = lacking(self._places_of(repo).existing(repo.name), repo)
            except GitError as error:  # its server, or what lies in its place: that repo fails alone
                _require_going_on(error)
                self._unusable[repo.name] = error
                continue
            if lacks:
                message = f"the repo {repo.name} builds on the commit {lacks[0]}, which an earlier bundle had"
                raise missing_base(message, f"{_NO_BASE}; --repos names the folder that they were imported into")

    def require_room(self) -> None:
        """Make sure that the new sources fit onto the disk. Raises: FlakesyncError(`no-space`)."""
        own = [source.size or 0 for source in self._missing]
        wanted = int((sum(own) + room_for_deltas(self._cache, self._missing)) * _FULLNESS)
        folder = self._cache.folder.absolute()
        while not folder.exists():
            folder = folder.parent
        free = shutil.disk_usage(folder).free
        if wanted > free:
            message = f"{folder} has {free:,} bytes left, and the new sources need {wanted:,}"
            raise FlakesyncError("no-space", message, hint="make room there, or name another --cache")

    def take_blobs(self) -> None:
        """Put the sources that have come as blobs into the cache, which has to be held for writing."""
        for source in self._missing:
            try:
                if source.delta:
                    add_delta(self._cache, self._layout, source, source.delta)
                elif source.blob is not None and source.nar_size is not None:  # both or neither, by now
                    self._cache.add(source.nar_hash, self._layout.blob(source.blob), nar_size=source.nar_size)
                else:
                    continue
                self._new += 1
            except FlakesyncError as error:
                self._note(source, error)

    def take_repos(self) -> None:
        """Get the commits of the repos, make the sources that are made of them, and move the branches."""
        paths: dict[str, Path] = {}
        for repo in self._needed_repos():
            try:
                if repo.name in self._unusable:
                    raise self._unusable[repo.name]
                paths[repo.name] = path = self._places_of(repo).made(repo)
                take_commits(self._layout, repo, path)
            except FlakesyncError as error:
                _require_going_on(error)
                self.failures.of_repo(repo.name, error)
        for source in self._missing:
            if source.from_ is not None:
                self._rebuild(source, source.from_, paths.get(source.from_.repo))
        for name, path in paths.items():
            self._move(self._repos[name], path)
        for repo in self._manifest.repos:
            if not self._moves(repo) and self._moving is not None:
                message = f"the manifest here has no repo {repo.name}"
                self.failures.of_repo(repo.name, FlakesyncError("unknown-repo", message, hint="add it there"))
            if repo.name not in paths and self._moving is not None:
                self.branches += unmoved(repo)

    def _lacks_base(self, source: BundleSource) -> bool:
        return source.in_ is not None or bool(source.delta and not self._cache.has(source.delta.base))

    def _needed_repos(self) -> list[BundleRepo]:
        """Return the repos whose commits are needed: all that move, else those that missing sources are made of."""
        wanted = {source.from_.repo for source in self._missing if source.from_ is not None}
        return [repo for repo in self._manifest.repos if repo.name in wanted or (self._moves(repo) and repo.branches)]

    def _moves(self, repo: BundleRepo) -> bool:
        moving = self._moving
        return moving is not None and (moving.names is None or repo.name in moving.names)

    def _places_of(self, repo: BundleRepo) -> Places:
        return self._moving.places if self._moving is not None and self._moves(repo) else self._places

    def _rebuild(self, source: BundleSource, origin: SourceOfRepo, path: Path | None) -> None:
        try:
            if path is None:
                raise bad_blob(origin.rev, f"it is a commit of {origin.repo}, whose commits are not there")
            self._cache.add_nar(source.nar_hash, tree_nar(path, Rev(origin.rev), origin.tree))
            self._new += 1
            self._rebuilt += 1
        except (GitError, NixError) as error:
            _require_going_on(error)
            message = f"{error.message} (the commit {origin.rev} of {origin.repo}, its {origin.tree} tree)"
            self._note(source, FlakesyncError("bad-blob", message, hint=error.hint))
        except FlakesyncError as error:
            self._note(source, error)

    def _move(self, repo: BundleRepo, path: Path) -> None:
        if self._moving is None or not self._moves(repo):
            return
        if repo.name in self.failures.repos:
            self.branches += unmoved(repo)
            return
        kept: dict[str, str] = {}
        try:
            with Repository.open(path) as repository:
                moved, errors = move_branches(repository, repo, self._moving.target(repository, repo.name))
            self.branches += moved
            for error in errors:
                _require_going_on(error)
                self.failures.of_repo(repo.name, error)
            failed = {each.branch for each in moved if each.status == "failed"}
            kept = {branch.name: branch.tip for branch in repo.branches if branch.name in failed}
        except FlakesyncError as error:
            _require_going_on(error)
            self.failures.of_repo(repo.name, error)
            self.branches += unmoved(repo)
        with contextlib.suppress(GitError):  # the next import does it
            forget_incoming(path, kept)

    def _note(self, source: BundleSource, error: FlakesyncError) -> None:
        if error.code not in OF_THE_BUNDLE:
            raise error
        self.failures.of_source(source, error)


def _require_going_on(error: FlakesyncError) -> None:
    """Raise an error that all the rest would meet as well."""
    if error.code in INTERRUPTED or error.code in ("no-git", "disk-full", "no-env", "git-settings"):
        raise error

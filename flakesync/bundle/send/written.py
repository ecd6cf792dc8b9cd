"""Which blobs of an unfinished bundle hold what: a run that goes on with it makes none of them again."""

import contextlib
import hashlib
import os
import threading
from pathlib import Path

import msgspec

from flakesync.bundle.layout.reader import open_layout
from flakesync.bundle.layout.writer import LayoutWriter
from flakesync.documents.airgap.manifest import BundleManifest
from flakesync.errors import FlakesyncError

_FILE = "written.jsonl"


class Written(msgspec.Struct, frozen=True):
    """A blob. key: what it holds. digest: `sha256:…`. size: bytes. nar_size: of a NAR, unpacked; 0 for all else."""

    key: str
    digest: str
    size: int
    nar_size: int = 0


class WrittenBlobs:
    """The blobs that runs before this one have written, and those of this one; threads may share it."""

    def __init__(self, writer: LayoutWriter) -> None:
        """Read what the folder says. Raises: OSError."""
        self._writer = writer
        self._file = writer.scratch / _FILE
        self._lock = threading.Lock()
        self._known = {each.key: each for each in (*_of_finished(writer.config), *_read(self._file))}

    def find(self, key: str) -> Written | None:
        """Return the blob that holds something; None: there is none, or it is not whole."""
        found = self._known.get(key)
        return found if found is not None and self._writer.has(found.digest, found.size) else None

    def note(self, blob: Written) -> None:
        """Keep what a blob that is on the disk holds. Raises: OSError."""
        with self._lock:
            self._known[blob.key] = blob
            with self._file.open("ab") as file:
                # It begins a line of its own: what a killed run has left may be half a line.
                file.write(b"\n" + msgspec.json.encode(blob) + b"\n")
                file.flush()
                os.fsync(file.fileno())


def blobs_at(place: Path) -> dict[str, Written]:
    """Return what is at the place of a bundle already, finished or not, by what it holds; nothing is changed there."""
    config = None
    with contextlib.suppress(FlakesyncError), contextlib.closing(open_layout(place)) as layout:
        config = layout.config
    # Where LayoutWriter keeps what is not finished: in the folder itself, or beside the archive.
    folder = place if place.is_dir() else place.with_name(f".{place.name}.parts")
    return {each.key: each for each in (*_of_finished(config), *_read(folder / "unfinished" / _FILE))}


def commits_key(refs: dict[str, str], prerequisites: tuple[str, ...]) -> str:
    """Return what stands for a git bundle: the same commits are the same bundle."""
    return f"git:{hashlib.sha256(msgspec.json.encode((refs, prerequisites))).hexdigest()}"


def delta_key(old: str, new: str) -> str:
    """Return what stands for the delta between two narHashes."""
    return f"delta:{old}:{new}"


def _read(file: Path) -> list[Written]:
    try:
        lines = file.read_bytes().split(b"\n")
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = []
    for line in lines:
        try:
            found.append(msgspec.json.decode(line, type=Written))
        except msgspec.DecodeError:
            continue  # cut off
    return found


def _of_finished(config: bytes | None) -> list[Written]:
    """Return the blobs of the bundle that is there already."""
    try:
        manifest = msgspec.json.decode(config or b"", type=BundleManifest)
    except msgspec.DecodeError:
        return []
    found = [
        Written(source.nar_hash, source.blob, source.size, source.nar_size)
        for source in manifest.sources
        if source.blob is not None and source.size is not None and source.nar_size is not None
    ]
    found += [
        Written(delta_key(source.delta.base, source.nar_hash), source.delta.blob, source.delta.size, source.nar_size)
        for source in manifest.sources
        if source.delta and source.nar_size is not None
    ]
    for repo in manifest.repos:
        if repo.blob is not None and repo.size is not None:
            refs = {f"refs/heads/{branch.name}": branch.tip for branch in repo.branches}
            found.append(Written(commits_key(refs, tuple(repo.prerequisites)), repo.blob, repo.size))
    return found

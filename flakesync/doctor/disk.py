"""Folders that a run writes to: room, rights, owners, clocks. Nothing is written to find out."""

import contextlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from flakesync.cache.layout import cache_dir
from flakesync.doctor.place import DoctorPlace
from flakesync.doctor.rows import DoctorRows, Rows
from flakesync.errors import FlakesyncError

_ROW = DoctorRows("machine")
_MIB = 1 << 20
_LEAST_BYTES, _SCARCE_BYTES = 100 * _MIB, 1024 * _MIB
_LEAST_FILES = 1000
_SKEW_S = 300.0
_NOEXEC = getattr(os, "ST_NOEXEC", 0)
"""The mark of a file system whose files cannot be executed; 0: this system does not tell."""
_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def disk_rows(place: DoctorPlace) -> Rows:
    """Give the rows about the cache, the folder for temporary files, and the clocks of their file systems."""
    yield from _cache(place)
    yield from _temporary(place)
    yield from _clock(place)


def free_rows(make: DoctorRows, what: str, path: Path) -> Rows:
    """Give the row about the room that is left where `path` lies; it need not be there yet."""
    try:
        found = os.statvfs(_existing(path))
    except OSError as error:
        yield make.unseen(what, f"{path}: {error.strerror}")
        return
    free = found.f_bavail * found.f_frsize
    detail = f"{_size(free)} free for {path}"
    if free < _LEAST_BYTES:
        yield make.fails(what, detail, hint="make room there (`df`)")
    elif found.f_files and found.f_favail < _LEAST_FILES:
        yield make.fails(what, f"{found.f_favail} files can be made for {path}", hint="make room there (`df -i`)")
    elif free < _SCARCE_BYTES:
        yield make.warning(what, detail, hint="mirrors and checks need more than that now and then")
    else:
        yield make.ok(what, detail)


def _cache(place: DoctorPlace) -> Rows:
    try:
        cache = cache_dir()
    except FlakesyncError as error:
        yield _ROW.error("cache", error)
        return
    hint = "FLAKESYNC_CACHE names another folder for mirrors and all else that is kept"
    nearest = _existing(cache)
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        yield _ROW.fails("cache", f"{cache} cannot be written", hint=hint)
        return
    detail = str(cache) if nearest == cache else f"{cache}, not made yet"
    yield from _owners(cache)
    away = [repo.name for repo, path in place.clones if _device(path) not in (None, _device(nearest))]
    if away:
        detail += f"; on another file system than {len(away)} of {len(place.clones)} clones"
    yield _ROW.ok("cache", detail)
    yield from free_rows(_ROW, "room in the cache", cache)


def _owners(cache: Path) -> Rows:
    """Give rows where somebody else owns what is in the cache: git uses no repository of others."""
    foreign = [path for path in _beginnings(cache) if _owner(path) not in (None, os.geteuid())]
    if foreign:
        hint = f"chown -R {os.geteuid()} {cache}, or name another folder in FLAKESYNC_CACHE"
        yield _ROW.fails("owner of the cache", f"another user owns {foreign[0]}", hint=hint)
    try:
        if cache.is_dir() and cache.stat().st_mode & _OTHERS:
            hint = f"chmod go-w {cache}: whoever writes there decides what is locked"
            yield _ROW.warning("rights of the cache", "other users can write there", hint=hint)
    except OSError:
        return


def _beginnings(cache: Path) -> Iterable[Path]:
    """Return the cache, its folders and the mirrors: a run by `sudo` leaves such as are root's."""
    found = [cache] if cache.exists() else []
    for folder in (cache, cache / "mirrors"):
        try:
            found += sorted(folder.iterdir())
        except OSError:
            continue
    return found


def _temporary(place: DoctorPlace) -> Rows:
    names = ("TMPDIR", "TEMP", "TMP")
    folder = Path(next((place.environ[name] for name in names if place.environ.get(name)), "/tmp"))  # noqa: S108
    hint = "TMPDIR names another folder"
    if not folder.is_dir():
        yield _ROW.fails("temporary files", f"{folder} is no folder", hint=hint)
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        yield _ROW.fails("temporary files", f"{folder} cannot be written", hint=hint)
        return
    if os.statvfs(folder).f_flag & _NOEXEC:
        detail = f"nothing in {folder} can be executed: checks that build or run there fail"
        yield _ROW.warning("temporary files", detail, hint=hint)
    else:
        yield _ROW.ok("temporary files", f"{folder} can be written, and what is in it executed")
    yield from free_rows(_ROW, "room for temporary files", folder)


def _clock(place: DoctorPlace) -> Rows:
    """Give a row where a file system's clock is ahead of this machine's: its files are from the future."""
    looked_at = [path for path in (place.manifest, *(path for _, path in place.clones)) if path is not None]
    with contextlib.suppress(FlakesyncError):
        looked_at += [cache_dir(), *(cache_dir() / name for name in ("fetched", "runs", "mirrors"))]
    ahead = [(time_s - place.now, path) for path in looked_at if (time_s := _time(path)) > place.now + _SKEW_S]
    if ahead:
        by_s, path = max(ahead)
        hint = "set the clocks of this machine and of what holds its files: ages are counted from them"
        yield _ROW.warning("clock of the files", f"{path} is from the future, by {_span(by_s)}", hint=hint)
    elif looked_at:
        yield _ROW.ok("clock of the files", "none is from the future")


def _existing(path: Path) -> Path:
    """Return the nearest folder above a path that is there, or itself."""
    return next((each for each in (path, *path.parents) if each.exists()), Path("/"))


def _device(path: Path) -> int | None:
    try:
        return path.stat().st_dev
    except OSError:
        return None


def _owner(path: Path) -> int | None:
    try:
        return path.lstat().st_uid
    except OSError:
        return None


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _size(count: int) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count} {unit}"
        count //= 1024
    return f"{count} TiB"


def _span(seconds: float) -> str:
    return f"{seconds / 86_400:.0f} d" if seconds >= 86_400 else f"{seconds / 60:.0f} min"

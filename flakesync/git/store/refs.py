"""Moves and deletes refs as `git update-ref` does it, without starting git: what is unusual is left to git.

The same lock files as git's keep others away (`REF.lock`, `packed-refs.lock`; refs/files-backend.c). Git's stay behind
when git is killed, and nobody can tell them from those of a git that lives. Ours have a mark in them and stay locked
(flock) as long as their process lives, so that the next run can tell a dead one from a live one, and from one of git's,
and takes it away.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flakesync.git.settings import Settings
from flakesync.git.store.commits import OBJECT_ID
from flakesync.git.store.config import is_off
from flakesync.git.store.durability import is_synced, sync, write_whole
from flakesync.git.store.objects import ObjectReader, is_blank, read_file
from flakesync.git.values import Signature, beginnings, check_ref_name
from flakesync.terms import Rev

# git logs what happens to HEAD and to a worktree's own refs elsewhere; of all others the rules are those of branches.
_ROOMS = ("refs/heads/", "refs/remotes/", "refs/flakesync/")
_LOGGED = ("refs/heads/", "refs/remotes/")
_MARK = b"flakesync\n"
"""What is in a lock file of ours; in one of git's there is an object id, or nothing."""


def move_ref(
    reader: ObjectReader, ref: str, new: Rev, *, old: Rev | None, who: Signature, message: str, settings: Settings
) -> bool:
    """Move a ref from `old` (None: it does not exist) to `new` in one step; False: nothing was done, git has to try.

    who, message: of the entry in its reflog, which is written where core.logAllRefUpdates says so. settings: of the
    repository. False also where the ref is not at `old`: git then says why.
    """
    # One git process costs as much as all that a repo takes in a sync (4.3 against 3.9 ms, docs/benchmarks.md). What
    # makes it safe to do without is that every doubt ends in False, and then git does it.
    if not _is_usual(reader, ref, settings) or not reader.has(new):
        return False
    try:
        with _locked(reader, f"{reader.common_dir}/{ref}") as locked:
            # Compared under the lock: from here on no git and no other run can move the ref.
            if not locked or not _is_at(reader, ref, old):
                return False
            # The reflog first, as in git: killed in between, there is an entry too many and no move that is not noted.
            if not _log(reader, ref, _entry(old, new, who, message), settings):
                return False
            _replace(reader, ref, new.encode() + b"\n", settings)
    except OSError:  # another file system, a folder that is gone again, a full disk
        return False
    return True


def point_ref(reader: ObjectReader, ref: str, target: str, settings: Settings) -> bool:
    """Make `ref` a symbolic ref to `target`, whatever it was; False: git has to do it. For refs without a reflog."""
    if not _is_usual(reader, ref, settings) or os.path.exists(f"{reader.common_dir}/logs/{ref}"):  # noqa: PTH110
        return False
    try:
        with _locked(reader, f"{reader.common_dir}/{ref}") as locked:
            if locked:
                _replace(reader, ref, f"ref: {check_ref_name(target)}\n".encode(), settings)
            return locked
    except OSError:
        return False


def delete_ref(reader: ObjectReader, ref: str, *, old: Rev, settings: Settings) -> bool:
    """Delete a ref that is at `old`, with its reflog, as git does; False: it is still there, git has to try."""
    if not _is_usual(reader, ref, settings):
        return False
    path = f"{reader.common_dir}/{ref}"
    try:
        with _locked(reader, path) as locked:
            if not locked or not _is_at(reader, ref, old):
                return False
            # First where it counts less: killed in between, the ref's own file still says what it said.
            if not _remove_packed(reader, ref, settings):
                return False
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108
                _sync(path, settings)
            # git takes the log first; killed then, the branch would be left without one.
            with contextlib.suppress(OSError):
                os.unlink(f"{reader.common_dir}/logs/{ref}")  # noqa: PTH108
    except OSError:
        return False
    _remove_empty_folders(reader, ref)
    return True


def _is_usual(reader: ObjectReader, ref: str, settings: Settings) -> bool:
    # The date would be that of the reflog's entry.
    if not ref.startswith(_ROOMS) or os.environ.get("GIT_COMMITTER_DATE"):
        return False
    # A shared repository has modes of its own; extensions may keep refs in another place (reftable) or form.
    if "core.sharedrepository" in settings or any(key.startswith("extensions.") for key in settings):
        return False
    # Where the settings and the folders do not agree on what is bare, git decides.
    if is_off(settings.get("core.bare")) == reader.bare:
        return False
    return reader.symbolic_ref("HEAD") != ref or _has_no_log_of_head(reader, settings)


def _has_no_log_of_head(reader: ObjectReader, settings: Settings) -> bool:
    """Tell whether git would write no reflog of HEAD when the branch moves that HEAD is on: as in bare repositories."""
    if settings.get("core.logallrefupdates", "false" if reader.bare else "true").lower() != "false":
        return False
    return not os.path.lexists(f"{reader.common_dir}/logs/HEAD")


@contextmanager
def _locked(reader: ObjectReader, path: str) -> Iterator[bool]:
    """Hold `PATH.lock`, as git would, until the block ends; False: somebody else has it."""
    lock = f"{path}.lock"
    temporary = _temporary(reader)
    handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, handle)
        try:
            # Locked before it has its name: at no moment is there a lock file of ours that looks dead and is not.
            fcntl.flock(handle, fcntl.LOCK_EX)
            os.write(handle, _MARK)
            os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
            # `link` fails if the name is there, as git's open with O_EXCL does: one of them gets it, never both.
            linked = _link(temporary, lock)
        finally:
            os.unlink(temporary)  # noqa: PTH108
        if linked:
            stack.callback(_unlink_own, lock, handle)
        yield linked


def _temporary(reader: ObjectReader) -> str:
    # A name that `git gc` cleans up, on the same file system as the refs.
    return f"{reader.common_dir}/objects/tmp_obj_{os.urandom(8).hex()}"


def _link(temporary: str, lock: str) -> bool:
    # A second time after a dead one was taken away; who is in the way then is alive.
    for _ in range(2):
        try:
            os.link(temporary, lock)
        except FileExistsError:
            if not remove_dead_lock(lock):
                return False
        else:
            return True
    return False


def remove_dead_lock(lock: str, *, of_git: bool = False) -> bool:
    """Take a lock file away that a killed run has left behind; False: it is still in use, or git's.

    of_git: those of git are taken away too, as no git can be at work there.
    """
    try:
        handle = os.open(lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return True
    try:
        if os.read(handle, len(_MARK)) != _MARK and not of_git:
            return False
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever holds the flock of this very file is the only one that may take it away.
        _unlink_own(lock, handle)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def _unlink_own(lock: str, handle: int) -> None:
    # The name may by now be somebody else's lock: only our own file is taken away.
    with contextlib.suppress(FileNotFoundError):
        if os.path.samestat(os.lstat(lock), os.fstat(handle)):
            os.unlink(lock)  # noqa: PTH108


def _replace(reader: ObjectReader, file: str, data: bytes, settings: Settings) -> None:
    """Give a file in the git dir a new content in one step, and see it to the disk where git would."""
    path = f"{reader.common_dir}/{file}"
    synced = is_synced("reference", settings)
    write_whole(path, data, temporary=_temporary(reader), mode=0o666, synced=synced)
    _sync(path, settings)


def _sync(path: str, settings: Settings) -> None:
    if is_synced("reference", settings):
        sync(os.path.dirname(path))  # noqa: PTH120


def _remove_packed(reader: ObjectReader, ref: str, settings: Settings) -> bool:
    """Take a ref out of packed-refs, under git's lock for that file; False: git has to do it."""
    name = b" " + os.fsencode(ref)
    if name + b"\n" not in _packed_refs(reader):
        return True
    path = f"{reader.common_dir}/packed-refs"
    with _locked(reader, path) as locked:
        if not locked or os.path.islink(path):  # noqa: PTH114
            return False
        kept: list[bytes] = []
        skipped = False
        for line in _packed_refs(reader).splitlines(keepends=True):
            # `^ID` below a tag is the commit that it names.
            skipped = line.rstrip(b"\n").endswith(name) or (skipped and line.startswith(b"^"))
            if not skipped:
                kept.append(line)
        _replace(reader, "packed-refs", b"".join(kept), settings)
    return True


def _remove_empty_folders(reader: ObjectReader, ref: str) -> None:
    """Take the folders away that the ref was alone in: as files they would be other branches' names."""
    for top in (reader.common_dir, f"{reader.common_dir}/logs"):
        with contextlib.suppress(OSError):
            for folder in reversed(beginnings(ref)):
                os.rmdir(f"{top}/{folder}")  # noqa: PTH106


def list_beside(reader: ObjectReader, ref: str) -> Iterator[str]:
    """Give the refs whose names are the beginning of `ref`, and its continuations. Reftables are left to git."""
    yield from (name for name in beginnings(ref) if reader.ref(name) is not None)
    for folder, _, names in os.walk(f"{reader.common_dir}/{ref}"):
        files = (os.path.relpath(f"{folder}/{name}", reader.common_dir) for name in names)
        yield from (name for name in files if not name.endswith(".lock"))
    for line in _packed_refs(reader).splitlines():
        name = os.fsdecode(line.partition(b" ")[2])
        if name.startswith(f"{ref}/"):
            yield name


def refs_below(reader: ObjectReader, *folders: str) -> dict[str, Rev] | None:
    """Return the object of each ref below `folders` (`refs/tags`); symbolic refs are left out. None: git has to list.

    A ref that is broken, or is going away while this looks, is left out too.
    """
    if os.path.isdir(reader.common_dir + "/reftable"):  # noqa: PTH112
        return None
    below = tuple(os.fsencode(f"{folder}/") for folder in folders)
    lines = (line.partition(b" ") for line in _packed_refs(reader).splitlines())
    found = {os.fsdecode(name): rev for rev, _, name in lines if name.startswith(below)}
    start = len(reader.common_dir) + 1
    for folder in folders:
        for place, _, names in os.walk(f"{reader.common_dir}/{folder}"):
            for name in names:
                # A ref's own file wins over what packed-refs says of it.
                with contextlib.suppress(FileNotFoundError), open(f"{place}/{name}", "rb", 0) as file:  # noqa: PTH123
                    found[f"{place}/{name}"[start:]] = file.read().rstrip()
    texts = {name: rev.decode("ascii", "replace") for name, rev in found.items() if not name.endswith(".lock")}
    return {name: Rev(text) for name, text in texts.items() if OBJECT_ID.fullmatch(text)}


def _is_at(reader: ObjectReader, ref: str, old: Rev | None) -> bool:
    """Tell whether the ref is at `old`; if that is nowhere, also whether no other ref's name is in its way."""
    path = f"{reader.common_dir}/{ref}"
    if os.path.lexists(path):
        if is_blank(read_file(path)):
            return old is None
        usual = os.path.isfile(path) and not os.path.islink(path) and reader.symbolic_ref(ref) is None  # noqa: PTH113, PTH114
        return usual and reader.ref(ref) == old
    return reader.ref(ref) == old and (old is not None or not _has_packed_beside(reader, ref))


def _has_packed_beside(reader: ObjectReader, ref: str) -> bool:
    """Tell whether a packed ref's name is the beginning of this one's, or its continuation."""
    packed = _packed_refs(reader)
    return b" %s/" % os.fsencode(ref) in packed or any(
        b" %s\n" % os.fsencode(each) in packed for each in beginnings(ref)
    )


def _packed_refs(reader: ObjectReader) -> bytes:
    try:
        return Path(reader.common_dir, "packed-refs").read_bytes()
    except FileNotFoundError:
        return b""


def _entry(old: Rev | None, new: Rev, who: Signature, message: str) -> bytes:
    now = time.time()
    person = who.at(int(now), time.localtime(now).tm_gmtoff // 60)
    words = " ".join(message.split())
    return f"{old or '0' * len(new)} {new} ".encode() + person.encode() + f"\t{words}\n".encode()


def _log(reader: ObjectReader, ref: str, entry: bytes, settings: Settings) -> bool:
    """Add to the ref's reflog if git would; False: whether it would is for git to say."""
    value = settings.get("core.logallrefupdates", "false" if reader.bare else "true").lower()
    if value not in ("true", "always", "false"):
        return False
    path = f"{reader.common_dir}/logs/{ref}"
    flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
    try:
        handle = os.open(path, flags)
    except FileNotFoundError:
        if value == "false" or (value == "true" and not ref.startswith(_LOGGED)):
            return True
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        handle = os.open(path, flags | os.O_CREAT, 0o666)
    try:
        os.write(handle, entry)
    finally:
        os.close(handle)
    return True

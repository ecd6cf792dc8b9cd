"""Write a commit that changes a few files, as objects that nothing refers to yet."""

import contextlib
import hashlib
import os
import stat
import zlib
from collections.abc import Mapping, Sequence

from flakesync.errors import GitError
from flakesync.git import process
from flakesync.git.failures import refused
from flakesync.git.store.durability import sync, write_whole
from flakesync.git.store.objects import GITLINK, SYMLINK, TREE, ObjectReader
from flakesync.git.values import Signature
from flakesync.terms import Rev

FILE = 0o100644

Entry = tuple[int, str]
"""Mode and object id of one name in a tree."""


class ObjectWriter:
    """Writes objects into one repository, each as a file of its own."""

    def __init__(self, reader: ObjectReader, *, synced: bool) -> None:
        """Write into the repository that `reader` reads. synced: whether an object is on the disk before work goes on.

        By default git does not wait for the disk with these objects, and neither does this: after a power cut one may
        be there and be empty. It is written anew when it is needed again.
        """
        self.reader = reader
        self._synced = synced

    def put(self, tree: str, like: str, parts: Sequence[bytes], content: bytes, path: str) -> str:
        """Return the id of `tree` (empty: a new one) with `content` at `parts`, writing what is new.

        like: any id of the repository, path: what `parts` are called in messages.

        Raises: GitError(`lock-is-symlink` | `bad-path` | `git`).
        """
        reader = self.reader
        entries = dict(reader.tree(tree)) if tree else {}
        mode, oid = entries.get(parts[0], (0, ""))
        if mode == SYMLINK:
            what = "is" if len(parts) == 1 else "is below"
            raise GitError("lock-is-symlink", f"{reader.path}: {path} {what} a symlink", hint="replace it with a file")
        if mode == GITLINK or (mode and (mode == TREE) != (len(parts) > 1)):
            raise self._not_a_file(path)
        if len(parts) > 1:
            entries[parts[0]] = (TREE, self.put(oid, like, parts[1:], content, path))
        else:
            entries[parts[0]] = (mode or FILE, self.write(b"blob", content, like))
        return self._write_tree(entries, like)

    def place(self, tree: str, like: str, parts: Sequence[bytes], entry: Entry | None, path: str) -> str:
        """Return the id of `tree` (empty: a new one) with an object that is there already at `parts`; None: without it.

        A folder that holds nothing any more goes too; the id is empty if all of the tree does. Others: as `put`.
        """
        entries = dict(self.reader.tree(tree)) if tree else {}
        mode, oid = entries.pop(parts[0], (0, ""))
        if mode == GITLINK or (mode and (mode == TREE) != (len(parts) > 1)):
            raise self._not_a_file(path)
        below: Entry | None = entry
        if len(parts) > 1:
            placed = self.place(oid, like, parts[1:], entry, path)
            below = (TREE, placed) if placed else None
        if below is not None:
            entries[parts[0]] = below
        return self._write_tree(entries, like) if entries else ""

    def _not_a_file(self, path: str) -> GitError:
        what = "is not a file, or is below something that is not a folder"
        return GitError("bad-path", f"{self.reader.path}: {path} {what}")

    def _write_tree(self, entries: Mapping[bytes, Entry], like: str) -> str:
        # git orders a tree as if the name of a folder ended in a slash
        rows = sorted(entries.items(), key=lambda row: row[0] + b"/" if row[1][0] == TREE else row[0])
        # Modes have no zero in front (`40000`): with one it is another object, which `git fsck` complains of.
        data = b"".join(b"%o %s\0%s" % (mode, name, bytes.fromhex(oid)) for name, (mode, oid) in rows)
        return self.write(b"tree", data, like)

    def write(self, kind: bytes, data: bytes, like: str) -> str:
        """Write one object, with ids as long as `like`; return its id. Raises: GitError(`git`).

        To a temporary file that is renamed, so that it is there as a whole or not at all. libgit2 would do the same,
        but says "no error" when the disk is full.
        """
        whole = b"%s %d\0%s" % (kind, len(data), data)
        oid = _digest(whole, like)
        objects = self.reader.common_dir + "/objects"
        folder = f"{objects}/{oid[:2]}"
        place = f"{folder}/{oid[2:]}"
        try:
            if not _is_there(place, whole):
                _make_folder(objects, folder)
                temporary = f"{folder}/tmp_obj_{os.urandom(8).hex()}"  # noqa: S108 -- the name that `git gc` cleans up
                # Level 1 as git's own (core.looseCompression). No process is started for it: see refs.py.
                packed = zlib.compress(whole, 1)
                write_whole(place, packed, temporary=temporary, mode=0o444, synced=self._synced)
            if self._synced:
                # Also where it was there: whoever made it need not have waited.
                for each in (place, folder, objects):
                    sync(each)
        except OSError as error:
            what = f"{self.reader.path}: the {kind.decode()} could not be written"
            raise refused(what, error) from None
        return oid


def blob_id(content: bytes, like: str) -> str:
    """Return the id that a file with this content has in a repository; like: any id of it."""
    return _digest(b"blob %d\0%s" % (len(content), content), like)


def _digest(whole: bytes, like: str) -> str:
    return (hashlib.sha256 if len(like) == 64 else hashlib.sha1)(whole, usedforsecurity=False).hexdigest()


def write_commit(
    writer: ObjectWriter,
    parents: Sequence[Rev],
    base_tree_of: Rev,
    files: Mapping[str, bytes],
    message: str,
    *,
    placed: Mapping[str, Entry | None],
    author: Signature,
    committer: Signature,
    signed: bool,
) -> Rev:
    """Write blobs, trees and the commit; see `Repository.write_commit`."""
    reader = writer.reader
    tree = reader.tree_of(base_tree_of)
    # Only the folders on the way to a changed file are written anew; all other trees are named as they are.
    for path, content in sorted(files.items()):
        tree = writer.put(tree, tree, _parts(path), content, path)
    # What goes makes room first: a file may take the place of a folder, or a folder that of a file.
    for path, entry in sorted(placed.items(), key=lambda each: (each[1] is not None, each[0])):
        tree = writer.place(tree, tree or base_tree_of, _parts(path), entry, path)
    tree = tree or writer.write(b"tree", b"", base_tree_of)
    if signed:
        return _write_signed(reader, tree, parents, message, author, committer)
    lines = [b"tree " + tree.encode(), *(b"parent " + parent.encode() for parent in parents)]
    lines += [b"author " + author.encode(), b"committer " + committer.encode(), b"", _message(message)]
    return Rev(writer.write(b"commit", b"\n".join(lines), tree))


def _parts(path: str) -> list[bytes]:
    parts = path.split("/")
    # As git (verify_path): a tree with such a name would write outside of the working tree, or into .git.
    if any(part in ("", ".", "..") or part.lower() == ".git" or "\0" in part for part in parts):
        raise GitError("bad-path", f"{path!r} is not a path inside a repository")
    return [part.encode("utf-8", "surrogateescape") for part in parts]


def _is_there(place: str, whole: bytes) -> bool:
    """Tell whether an object's file is there and is sound. git looks at the name alone, and leaves a damaged one."""
    try:
        with open(place, "rb", 0) as file:  # noqa: PTH123
            if zlib.decompress(file.read()) != whole:
                return False
        os.utime(place)  # so that a `git gc` that is running does not take it for an old one
    except (FileNotFoundError, zlib.error):
        return False
    return True


def _make_folder(objects: str, folder: str) -> None:
    """Make a folder for objects, open to the same people as its parent (core.sharedRepository)."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder)  # noqa: PTH102
        os.chmod(folder, stat.S_IMODE(os.stat(objects).st_mode))  # noqa: PTH101, PTH116


def _message(text: str) -> bytes:
    return text.rstrip("\n").replace("\0", "").encode("utf-8", "replace") + b"\n"


def _write_signed(
    reader: ObjectReader, tree: str, parents: Sequence[Rev], message: str, author: Signature, committer: Signature
) -> Rev:
    """Let git sign: it knows user.signingKey, gpg.format and the programs."""
    argv = ["-c", "i18n.commitEncoding=UTF-8", "commit-tree", "-S", *(word for rev in parents for word in ("-p", rev))]
    env: dict[str, str] = {}
    for role, person in (("AUTHOR", author), ("COMMITTER", committer)):
        who, _, when = os.fsdecode(person.encode()).rpartition("> ")
        name, _, email = who.rpartition(" <")
        env |= {f"GIT_{role}_NAME": name, f"GIT_{role}_EMAIL": email, f"GIT_{role}_DATE": f"@{when}"}
    try:
        answer = process.git([*argv, "-F", "-", tree], cwd=reader.path, data=_message(message), env=env, timeout_s=120)
    except GitError as error:
        if error.code != "git":
            raise
        raise GitError(
            "signing",
            f"{reader.path}: the commit could not be signed: {error.message}",
            hint="commit.gpgSign is set: see user.signingKey and gpg.format",
        ) from None
    return Rev(answer.text.strip())

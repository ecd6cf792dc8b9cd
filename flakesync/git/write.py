"""Write a commit that changes a few files, as objects that nothing refers to yet."""

import os
from collections.abc import Mapping, Sequence

from flakesync.errors import GitError
from flakesync.git import process
from flakesync.git.objects import GITLINK, SYMLINK, TREE, ObjectReader
from flakesync.git.values import Signature
from flakesync.terms import Rev

FILE = 0o100644


def write_commit(
    reader: ObjectReader,
    parents: Sequence[Rev],
    base_tree_of: Rev,
    files: Mapping[str, bytes],
    message: str,
    *,
    author: Signature,
    committer: Signature,
    signed: bool,
) -> Rev:
    """Write blobs, trees and the commit; see `Repository.write_commit`."""
    tree = reader.tree_of(base_tree_of)
    for path, content in sorted(files.items()):
        tree = _put(reader, tree, _parts(path), content, path)
    if signed:
        return _write_signed(reader, tree, parents, message, author, committer)
    lines = [b"tree " + tree.encode(), *(b"parent " + parent.encode() for parent in parents)]
    lines += [b"author " + author.encode(), b"committer " + committer.encode(), b"", _message(message)]
    return Rev(_write(reader, "commit", b"\n".join(lines)))


def _parts(path: str) -> list[bytes]:
    parts = path.split("/")
    if any(part in ("", ".", "..") or part.lower() == ".git" or "\0" in part for part in parts):
        raise GitError("bad-path", f"{path!r} is not a path inside a repository")
    return [part.encode("utf-8", "surrogateescape") for part in parts]


def _put(reader: ObjectReader, tree: str | None, parts: Sequence[bytes], content: bytes, path: str) -> str:
    """Return the id of `tree` (None: an empty one) with `content` at `parts`, writing what is new."""
    entries = dict(reader.tree(tree)) if tree is not None else {}
    mode, oid = entries.get(parts[0], (None, None))
    if mode == SYMLINK:
        what = "is" if len(parts) == 1 else "is below"
        raise GitError("lock-is-symlink", f"{reader.path}: {path} {what} a symlink", hint="replace it with a file")
    if mode == GITLINK or (mode is not None and (mode == TREE) != (len(parts) > 1)):
        raise GitError("bad-path", f"{reader.path}: {path} is not a file, or is below something that is not a folder")
    if len(parts) > 1:
        entries[parts[0]] = (TREE, _put(reader, oid, parts[1:], content, path))
    else:
        entries[parts[0]] = (mode or FILE, _write(reader, "blob", content))
    # git orders a tree as if the name of a folder ended in a slash
    rows = sorted(entries.items(), key=lambda row: row[0] + b"/" if row[1][0] == TREE else row[0])
    return _write(reader, "tree", b"".join(b"%o %s\0%s" % (m, name, bytes.fromhex(o)) for name, (m, o) in rows))


def _write(reader: ObjectReader, kind: str, data: bytes) -> str:
    """Write one object: to a temporary file that is renamed, so that it is there as a whole or not at all."""
    if os.path.isdir(reader.common_dir + "/reftable") or _is_sha256(reader):  # noqa: PTH112
        argv = ["hash-object", "-t", kind, "-w", "--stdin", "--literally"]
        return process.git(argv, cwd=reader.path, data=data).text.strip()
    import pygit2
    from pygit2.enums import ObjectType

    try:
        return str(reader.odb.write(ObjectType[kind.upper()], data))
    except (pygit2.GitError, OSError) as error:
        raise GitError("git", f"{reader.path}: the {kind} could not be written: {error}") from None


def _is_sha256(reader: ObjectReader) -> bool:
    head = reader.ref("HEAD")
    return head is not None and len(head) == 64


def _message(text: str) -> bytes:
    return text.rstrip("\n").replace("\0", "").encode("utf-8", "replace") + b"\n"


def _write_signed(
    reader: ObjectReader, tree: str, parents: Sequence[Rev], message: str, author: Signature, committer: Signature
) -> Rev:
    """Let git sign: it knows user.signingKey, gpg.format and the programs."""
    argv = ["-c", "i18n.commitEncoding=UTF-8", "commit-tree", "-S", *(word for rev in parents for word in ("-p", rev))]
    env: dict[str, str] = {}
    for role, person in (("AUTHOR", author), ("COMMITTER", committer)):
        who, _, when = person.encode().decode().rpartition("> ")
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

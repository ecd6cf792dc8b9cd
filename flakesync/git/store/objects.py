"""Refs and objects read straight from a repository's files, without libgit2 or a process where that is possible.

Importing libgit2 costs more than reading the locks of a thousand repositories, so what is simple is read here: loose
refs, packed-refs, symbolic refs, worktrees, loose objects, borrowed ones too. Packs go to `pygit2.Odb`; reftable,
SHA-256 and partial clones to the git program. Mirrors gitrepository-layout(5). Nothing in the repository is run, and
its configuration is not read.
"""

import os
import re
import stat
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Self

from flakesync.errors import GitError
from flakesync.git.store.commits import OBJECT_ID, corrupt, header_id, parse_commit
from flakesync.git.store.ownership import require_owner
from flakesync.git.values import Commit, check_ref_name, unescape
from flakesync.terms import Rev

if TYPE_CHECKING:
    import pygit2

TREE = 0o40000
SYMLINK = 0o120000
GITLINK = 0o160000

# One `findall` cuts a whole tree in C, where a loop in Python would look at each of its entries.
_ENTRY_SHA1 = re.compile(rb"([0-7]{5,6}) ([^\0]+)\0(.{20})", re.DOTALL)
_ENTRY_SHA256 = re.compile(rb"([0-7]{5,6}) ([^\0]+)\0(.{32})", re.DOTALL)
# Nearly every ref and loose object fits into the first read: its length need not be asked for.
_READ_BYTES = 1 << 16
# gitrepository-layout(5): these, and what stands outside of refs/ (HEAD), each worktree has for itself.
_PER_WORKTREE = ("refs/worktree/", "refs/bisect/", "refs/rewritten/")

_MOST_LENDERS = 64
"""How many folders of other repositories' objects are looked through, so that a circle of odd paths has an end."""


class ObjectReader:
    """Reads one repository; keeps no file open, so it can live as long as its task. Not shared between threads."""

    __slots__ = ("_lenders", "_odb", "_roots", "_trees", "bare", "common_dir", "git_dir", "path")

    def __init__(self, path: str, git_dir: str, common_dir: str, *, bare: bool) -> None:
        """Read the repository of these folders; `open` finds them."""
        self.path = path
        self.git_dir = git_dir
        self.common_dir = common_dir
        self.bare = bare
        self._odb: pygit2.Odb | None = None
        self._lenders: list[str] | None = None
        # Commits and trees are named by their content, so what was read once stays right as long as this lives.
        self._roots: dict[str, str] = {}
        self._trees: dict[str, dict[bytes, tuple[int, str]]] = {}

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Return the reader of the repository whose top folder is `path`: a clone, a worktree, a submodule or bare.

        A folder inside a repository is not one. Raises: GitError(`not-a-repository` | `dubious-ownership`).
        """
        top = os.path.abspath(path)  # noqa: PTH100 -- strings here: pathlib costs more than the reading
        dot_git = top + "/.git"
        try:
            found = os.stat(dot_git)  # noqa: PTH116
        except OSError:
            if not _is_git_dir(top):
                raise _not_a_repository(path) from None
            require_owner(top, os.stat(top))  # noqa: PTH116
            return cls(top, top, top, bare=is_bare(top))
        if stat.S_ISDIR(found.st_mode):
            if not os.path.lexists(dot_git + "/HEAD"):
                raise _not_a_repository(path)
            require_owner(top, found, os.stat(top))  # noqa: PTH116
            return cls(top, dot_git, dot_git, bare=False)
        folders = _named_folders(top)
        if folders is None:
            raise _not_a_repository(path)
        require_owner(top, found, os.stat(top), os.stat(folders[0]))  # noqa: PTH116
        return cls(top, *folders, bare=False)

    # ---- refs -----------------------------------------------------------------------------------------------------

    def ref(self, full: str) -> Rev | None:
        """Return the object that a ref (`refs/heads/main`, `HEAD`) names in the end; None if it does not exist.

        Raises: GitError(`corrupt` | `blank-ref` | `bad-ref` | `unreadable`).
        """
        # git follows five symbolic refs too (SYMREF_MAXDEPTH), and takes more for a circle.
        for _ in range(6):
            text = self._ref_text(full)
            if text is None:
                return None
            if not text.startswith("ref: "):
                return Rev(text)
            full = text[5:].strip()
        raise corrupt(self.path, f"the symbolic ref {full!r} never ends")

    def sound_ref(self, full: str) -> Rev | None:
        """Return as `ref` does; None also for a ref that has lost its content, and so can be made anew."""
        try:
            return self.ref(full)
        except GitError as error:
            if error.code != "blank-ref":
                raise
            return None

    def symbolic_ref(self, full: str) -> str | None:
        """Return the name that a symbolic ref points to; None if it is missing or not symbolic (a detached HEAD)."""
        text = self._ref_text(full, packed=False)
        return text[5:].strip() if text is not None and text.startswith("ref: ") else None

    def branch(self, name: str) -> Rev | None:
        """Return the tip of a local branch, else of origin's branch of that name, else None."""
        check_ref_name(name)
        return self.ref("refs/heads/" + name) or self.ref("refs/remotes/origin/" + name)

    def default_branch(self) -> str | None:
        """Return the branch that origin's HEAD names, else (bare) HEAD's, else main, master, else HEAD's; or None."""
        remote = self.symbolic_ref("refs/remotes/origin/HEAD")
        if remote is not None and remote.startswith("refs/remotes/origin/"):
            return remote[20:]
        target = self.symbolic_ref("HEAD")
        head = target[11:] if target is not None and target.startswith("refs/heads/") else None
        if self.bare and head is not None:
            return head
        for name in ("main", "master"):
            if self.branch(name) is not None:
                return name
        return head

    def _ref_text(self, full: str, *, packed: bool = True) -> str | None:
        if full.startswith("refs/"):
            # The name becomes a path: `refs/heads/../../config` would read another file.
            check_ref_name(full)
            own = full.startswith(_PER_WORKTREE)
        else:
            own = True
        raw = read_file(f"{self.git_dir if own else self.common_dir}/{full}")
        # A ref's own file wins: what packed-refs says of it is older, and stays there until git packs again.
        if raw is None and packed and not own:
            raw = self._packed_ref(full)
        # `.invalid` is what HEAD says where refs are in a reftable, so that an older git stays away.
        if raw is None or raw.startswith(b"ref: refs/heads/.invalid"):
            return self._reftable_ref(full)
        if is_blank(raw):
            log = f"{self.git_dir if own else self.common_dir}/logs/{full}"
            raise GitError(
                "blank-ref",
                f"{self.path}: {full} is empty, as a power cut leaves a file",
                hint=f"the last line of {log} has the commit it was at",
            )
        text = raw.decode("utf-8", "surrogateescape").strip()
        if text.startswith("ref: "):
            if not text.startswith("ref: refs/"):
                raise corrupt(self.path, f"{full} is a symbolic ref out of refs/")
            return text
        if not OBJECT_ID.fullmatch(text):
            raise corrupt(self.path, f"{full} does not hold an object id")
        return text

    def _packed_ref(self, full: str) -> bytes | None:
        packed = read_file(self.common_dir + "/packed-refs")
        if packed is None:
            return None
        # Looked for as text: a mirror can have many thousand refs, of which two are asked for.
        end = packed.find(b" " + os.fsencode(full) + b"\n")
        return packed[packed.rfind(b"\n", 0, end) + 1 : end] if end > 0 else None

    def _reftable_ref(self, full: str) -> str | None:
        if not os.path.isdir(self.common_dir + "/reftable"):  # noqa: PTH112
            return None
        from flakesync.git import process

        symbolic = process.git(["symbolic-ref", "--quiet", full], cwd=self.path, check=False)
        if symbolic.status == 0:
            return "ref: " + symbolic.text.strip()
        found = process.git(["rev-parse", "--verify", "--quiet", "--end-of-options", full], cwd=self.path, check=False)
        return found.text.strip() if found.status == 0 else None

    # ---- objects --------------------------------------------------------------------------------------------------

    def read(self, rev: Rev, path: str) -> bytes | None:
        """Return the file `path` of a commit; None if there is no regular file of that name (a symlink is none)."""
        entry = self.entry(rev, path)
        if entry is None or entry[0] in (TREE, SYMLINK, GITLINK):
            return None
        return self.blob(entry[1])

    def blob(self, oid: str) -> bytes:
        """Return a blob's bytes. Raises: GitError(`missing-object` | `corrupt`)."""
        return self._expect(oid, b"blob")

    def entry(self, rev: Rev, path: str) -> tuple[int, str] | None:
        """Return (mode, object id) of `path` in a commit's tree, None if it is not there."""
        found = (TREE, self.tree_of(rev))
        for part in path.split("/"):
            if part in ("", "."):
                continue
            if found[0] != TREE:
                return None
            below = self.tree(found[1]).get(part.encode("utf-8", "surrogateescape"))
            if below is None:
                return None
            found = below
        return found

    def tree(self, oid: str) -> dict[bytes, tuple[int, str]]:
        """Return a tree's entries: name → (mode, object id), in git's order."""
        known = self._trees.get(oid)
        if known is not None:
            return known
        data = self._expect(oid, b"tree")
        size = len(oid) // 2
        rows = (_ENTRY_SHA1 if size == 20 else _ENTRY_SHA256).findall(data)
        # `findall` passes over what it cannot read: only if the lengths add up has it seen every byte.
        if sum([len(mode) + len(name) for mode, name, _ in rows]) + len(rows) * (size + 2) != len(data):
            raise corrupt(self.path, f"the tree {oid} is corrupt")
        entries = {name: (int(mode, 8), raw.hex()) for mode, name, raw in rows}
        self._trees[oid] = entries
        return entries

    def tree_of(self, rev: Rev) -> str:
        """Return the tree of a commit (or of the commit that an annotated tag names)."""
        if rev in self._roots:
            return self._roots[rev]
        kind, data = self.raw(rev)
        for _ in range(6):
            if kind != b"tag":
                break
            kind, data = self.raw(header_id(data, b"object ", rev, self.path))
        if kind != b"commit":
            raise corrupt(self.path, f"{rev} is no commit")
        self._roots[rev] = tree = header_id(data, b"tree ", rev, self.path)
        return tree

    def commit(self, rev: Rev) -> Commit:
        """Return the commit `rev`. Raises: GitError(`missing-object` | `corrupt`)."""
        found = parse_commit(rev, self._expect(rev, b"commit"), self.path)
        self._roots[rev] = found.tree
        return found

    def has(self, oid: str) -> bool:
        """Whether the object is there, without asking a partial clone's remote for it."""
        if not OBJECT_ID.fullmatch(oid):
            return False
        if os.path.exists(f"{self.common_dir}/objects/{oid[:2]}/{oid[2:]}"):  # noqa: PTH110
            return True
        if len(oid) == 64:
            from flakesync.git import process

            return process.git(["cat-file", "-e", oid], cwd=self.path, check=False).status == 0
        return bool(self.odb.exists(oid))

    def raw(self, oid: str) -> tuple[bytes, bytes]:
        """Return (type, content) of any object. Raises: GitError(`missing-object` | `corrupt`)."""
        try:
            loose = self.loose(oid)
        except GitError as error:
            # There may be a sound copy in a pack, where git looks first. libgit2 never ends with some damaged files.
            try:
                return self._from_git(oid)
            except GitError:
                raise error from None
        return loose or self._stored(oid)

    def loose(self, oid: str) -> tuple[bytes, bytes] | None:
        """Return (type, content) of an object that has a file of its own, None if it has none."""
        packed = read_file(f"{self.common_dir}/objects/{oid[:2]}/{oid[2:]}")
        # Those of others too: libgit2, which never ends with some damaged files, must not get to read one.
        for folder in self.lenders if packed is None else ():
            packed = packed or read_file(f"{folder}/{oid[:2]}/{oid[2:]}")
        if packed is None:
            return None
        # The id is not computed again, and git does not when it only reads: zlib's checksum and the length tell damage,
        # and who can write here on purpose can move the branch as well.
        try:
            data = zlib.decompress(packed)
        except zlib.error:
            raise corrupt(self.path, f"the object {oid} is corrupt") from None
        header, nul, content = data.partition(b"\0")
        kind, _, size = header.partition(b" ")
        if not nul or size != b"%d" % len(content):
            raise corrupt(self.path, f"the object {oid} is corrupt")
        return kind, content

    @property
    def lenders(self) -> list[str]:
        """The folders of objects of other repositories that this one borrows from (objects/info/alternates)."""
        if self._lenders is None:
            self._lenders = _lenders(self.common_dir + "/objects")
        return self._lenders

    @property
    def odb(self) -> "pygit2.Odb":
        """libgit2's view of the objects: packs and alternates too."""
        if self._odb is None:
            import pygit2

            # Not pygit2.Repository: to open one costs 200 µs, four times what ref, commit, tree and blob cost here.
            self._odb = pygit2.Odb(self.common_dir + "/objects")
        return self._odb

    def _stored(self, oid: str) -> tuple[bytes, bytes]:
        if not OBJECT_ID.fullmatch(oid):
            raise GitError("missing-object", f"{self.path}: {oid!r} is not an object id")
        # libgit2 is built without SHA-256.
        if len(oid) == 64:
            return self._from_git(oid)
        import pygit2

        try:
            kind, content = self.odb.read(oid)
        except KeyError:
            if self.is_partial():
                return self._from_git(oid)
            raise GitError("missing-object", f"{self.path}: there is no object {oid}") from None
        except (pygit2.GitError, OSError, ValueError) as error:
            raise corrupt(self.path, f"the object {oid} cannot be read: {error}") from None
        return _KINDS[int(kind)], content

    def is_partial(self) -> bool:
        """Whether a missing object may be one that a partial clone has left at its remote."""
        # As text, and only once an object is missing: a wrong yes costs one git process, which then says so too.
        config = read_file(self.common_dir + "/config") or b""
        return b"promisor" in config or b"partialclone" in config.lower()

    def _from_git(self, oid: str) -> tuple[bytes, bytes]:
        from flakesync.git import process

        answer = process.git(["cat-file", "--batch"], cwd=self.path, data=oid.encode() + b"\n", check=False)
        header, _, rest = answer.out.partition(b"\n")
        fields = header.split(b" ")
        if answer.status != 0 or len(fields) != 3:
            raise GitError("missing-object", f"{self.path}: there is no object {oid}")
        return fields[1], rest[: int(fields[2])]

    def _expect(self, oid: str, kind: bytes) -> bytes:
        found, content = self.raw(oid)
        if found != kind:
            raise corrupt(self.path, f"{oid} is a {found.decode(errors='replace')}, not a {kind.decode()}")
        return content


def _lenders(objects: str) -> list[str]:
    """Return all folders that a folder of objects borrows from, and those from others again, each once."""
    found = [objects]
    for folder in found:
        text = read_file(folder + "/info/alternates") or b""
        for line in text.split(b"\n"):
            if line and not line.startswith(b"#") and len(found) <= _MOST_LENDERS:
                name = line[1:-1] if (quoted := line.startswith(b'"') and line.endswith(b'"')) else line
                # `..` after a symlink leads where the link leads, as for git: so no normpath.
                place = os.path.join(folder, os.fsdecode(unescape(name) if quoted else name))  # noqa: PTH118
                if place not in found:
                    found.append(place)
    return found[1:]


_KINDS = {1: b"commit", 2: b"tree", 3: b"blob", 4: b"tag"}


def is_blank(content: bytes | None) -> bool:
    """Tell whether a file is there and has nothing in it: a power cut leaves files of length 0, or of zeros."""
    return content is not None and not content.strip(b"\0 \t\r\n")


def read_file(path: str) -> bytes | None:
    """Return a file's bytes, None if it is not there. Raises: GitError(`unreadable`)."""
    # Not `open`, which takes 17 µs for a ref where this takes 5.
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise GitError("unreadable", f"{path}: {getattr(error, 'strerror', None) or error}") from None
    try:
        first = os.read(handle, _READ_BYTES)
        if len(first) < _READ_BYTES:
            return first
        chunks = [first]
        while chunk := os.read(handle, 1 << 20):
            chunks.append(chunk)
        return b"".join(chunks)
    except IsADirectoryError:  # `refs/heads/a` beside a branch `a/b`
        return None
    except OSError as error:
        raise GitError("unreadable", f"{path}: {error.strerror}") from None
    finally:
        os.close(handle)


def store_of(path: str) -> tuple[int, int] | None:
    """Return what tells the folder of refs and objects of the repository at `path` from all others; None: it has none.

    A clone and all its worktrees have one, by whatever path. A folder that is no repository counts as its own store, so
    two such folders differ. No file of the store is read, so its owner does not matter.
    """
    try:
        found = os.stat(path + "/.git")  # noqa: PTH116
        if not stat.S_ISDIR(found.st_mode):
            folders = _named_folders(path)
            if folders is None:
                return None
            found = os.stat(folders[1])  # noqa: PTH116
    except GitError:
        return None
    except OSError:
        try:
            found = os.stat(path)  # noqa: PTH116
        except OSError:
            return None
    return found.st_dev, found.st_ino


def is_repository(path: str) -> bool:
    """Tell whether a folder is meant to be the top of a repository; `ObjectReader.open` says whether it is sound."""
    return os.path.lexists(path + "/.git") or _is_git_dir(path)


def _named_folders(top: str) -> tuple[str, str] | None:
    """Return git dir and common dir of a worktree or a submodule, whose `.git` is a file that names the first."""
    text = read_file(top + "/.git") or b""
    if not text.startswith(b"gitdir: "):
        return None
    git_dir = os.path.normpath(os.path.join(top, os.fsdecode(text[8:].rstrip(b"\r\n"))))  # noqa: PTH118
    # Only a worktree's has a `commondir`.
    common = read_file(git_dir + "/commondir")
    common_dir = git_dir
    if common is not None:
        common_dir = os.path.normpath(os.path.join(git_dir, os.fsdecode(common.rstrip(b"\r\n"))))  # noqa: PTH118
    return (git_dir, common_dir) if os.path.isdir(common_dir + "/objects") else None  # noqa: PTH112


def is_bare(git_dir: str) -> bool:
    """Tell whether a git dir belongs to no working tree: it is neither called `.git` nor a submodule's."""
    return not git_dir.endswith("/.git") and not os.path.exists(git_dir + "/index")  # noqa: PTH110


def _is_git_dir(path: str) -> bool:
    return os.path.isdir(path + "/objects") and os.path.lexists(path + "/HEAD")  # noqa: PTH112


def _not_a_repository(path: str | Path) -> GitError:
    missing = not os.path.exists(path)  # noqa: PTH110
    reason = "no such folder" if missing else "not the top of a git repository"
    return GitError("not-a-repository", f"{path}: {reason}")

"""Read the text of a commit object; the error for what is damaged."""

import re

from flakesync.errors import GitError
from flakesync.git.values import Commit, Signature
from flakesync.terms import Rev

OBJECT_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
MEND = "`git fsck` there shows what is damaged; a new clone mends it"
"""What to do about a damaged repository."""
_SIGNATURE = re.compile(rb"(.*?) ?<([^>\n]*)> ?(-?\d{1,18})? ?([+-]\d{4})?")


def corrupt(where: str, what: str) -> GitError:
    """Return the error for a repository, in the folder `where`, of which something is damaged. what: a sentence."""
    return GitError("corrupt", f"{where}: {what}", hint=MEND)


def parse_commit(rev: Rev, data: bytes, where: str) -> Commit:
    """Return the commit that `data` spells. Raises: GitError(`corrupt`) naming the repository `where`."""
    head, _, message = data.partition(b"\n\n")
    tree = header_id(data, b"tree ", rev, where)
    parents: list[Rev] = []
    people: dict[bytes, Signature] = {}
    encoding = "utf-8"
    for line in head.split(b"\n"):
        key, _, value = line.partition(b" ")
        # Lines of a signature begin with a space, so their key is empty; of two authors git too reads the first.
        match key:
            case b"parent":
                parents.append(Rev(value.decode("ascii", "replace")))
            case b"author" | b"committer" if key not in people:
                people[key] = _signature(value)
            case b"encoding":
                encoding = value.decode("ascii", "replace")
    if len(people) != 2 or not all(OBJECT_ID.fullmatch(parent) for parent in parents):
        raise corrupt(where, f"the commit {rev} is corrupt")
    try:
        text = message.decode(encoding, "replace")
    except LookupError:
        text = message.decode("utf-8", "replace")
    return Commit(rev, tree, tuple(parents), people[b"author"], people[b"committer"], text)


def _signature(value: bytes) -> Signature:
    match = _SIGNATURE.match(value)
    if match is None:
        return Signature(value.decode("utf-8", "replace"), "")
    name, email, time, zone = match.groups()
    offset = 0
    if zone is not None:
        offset = (int(zone[1:3]) * 60 + int(zone[3:5])) * (-1 if zone[:1] == b"-" else 1)
    return Signature(name.decode("utf-8", "replace"), email.decode("utf-8", "replace"), int(time or 0), offset)


def header_id(data: bytes, key: bytes, rev: str, where: str) -> str:
    """Return the id in an object's first line (`tree …`, `object …`). Raises: GitError(`corrupt`)."""
    oid = data[len(key) : len(key) + len(rev)].decode("ascii", "replace")
    if not data.startswith(key) or not OBJECT_ID.fullmatch(oid):
        raise corrupt(where, f"the object {rev} is corrupt")
    return oid

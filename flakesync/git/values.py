"""What git's objects say, as values."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Self

import msgspec

from flakesync.errors import GitError
from flakesync.patterns import pattern
from flakesync.terms import Rev

_BAD_REF = pattern(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|$)|^[./-]|[./]$|^@$")

_ESCAPE = re.compile(rb"\\([0-3][0-7]{2}|[abfnrtv\\\"])")
_ESCAPES = {
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"v": b"\v",
    b"\\": b"\\",
    b'"': b'"',
}


class Signature(msgspec.Struct, frozen=True):
    """Who wrote a commit, and when: seconds since 1970, and the minutes that the writer's clock is east of UTC."""

    name: str
    email: str
    time: int = 0
    offset: int = 0

    def at(self, time: int, offset: int = 0) -> Self:
        """Return the same person at another time."""
        return msgspec.structs.replace(self, time=time, offset=offset)

    @property
    def person(self) -> str:
        """The person as git writes it: `Name <email>`."""
        return f"{_person(self.name)} <{_person(self.email)}>"

    def encode(self) -> bytes:
        """Return the bytes git writes after `author ` and `committer `: `Name <email> 1700000000 +0100`.

        A name that is no UTF-8 is written as it is set up, as git does.
        """
        sign, minutes = ("-", -self.offset) if self.offset < 0 else ("+", self.offset)
        return f"{self.person} {self.time} {sign}{minutes // 60:02}{minutes % 60:02}".encode("utf-8", "surrogateescape")


class Commit(msgspec.Struct, frozen=True):
    """One commit. The message is text; bytes that are not in the commit's encoding are replaced."""

    rev: Rev
    tree: str
    parents: tuple[Rev, ...]
    author: Signature
    committer: Signature
    message: str


class Hazard(msgspec.Struct, frozen=True, order=True):
    """A line of an attributes file that makes `git archive` give other bytes than the raw tree (a different narHash).

    file: path in the tree, or `$GIT_DIR/info/attributes`. line: counted from 1.
    """

    file: str
    line: int
    attribute: str


@lru_cache
def check_ref_name(name: str) -> str:
    """Return `name` if git could take it as a branch or a ref (`git check-ref-format`).

    Raises: GitError(`bad-ref`).
    """
    if not name or _BAD_REF.search(name):
        raise GitError("bad-ref", f"{name!r} is not a name that git accepts for a branch or a ref")
    return name


def unescape(text: bytes) -> bytes:
    """Return what a string stands for that git has written between quotes, as in C (quote.c: unquote_c_style)."""
    return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1]) or bytes([int(found[1], 8)]), text)


def beginnings(ref: str) -> list[str]:
    """Return the refs that cannot be there beside `ref`: their names are its beginning (`refs/heads/a` of `…/a/b`)."""
    parts = ref.split("/")
    return ["/".join(parts[:length]) for length in range(3, len(parts))]


def find_in_the_way(ref: str, refs: Iterable[str]) -> str | None:
    """Return the first of `refs` that `ref` cannot be beside: its name is the beginning, or a continuation; or None."""
    above = beginnings(ref)
    return next((each for each in sorted(refs) if each in above or each.startswith(f"{ref}/")), None)


def conflict(where: str, ref: str, way: str) -> GitError:
    """Return the error for a ref that cannot be made, as the name of another one is in its way. where: a repository."""
    wanted, other = (name.removeprefix("refs/heads/") for name in (ref, way))
    return GitError(
        "ref-conflict",
        f"{where}: it has a branch {other}, and git cannot keep a branch {wanted} beside it",
        hint=f"give the update branch another name (`branch` in [workspace]), or delete {other} there",
    )


def _person(text: str) -> str:
    """Return `text` without what would break a commit's header (git drops the same: strbuf_addstr_without_crud)."""
    return re.sub(r"[<>\n\0]", "", text).strip(" .,:;\"\\'\t\r")

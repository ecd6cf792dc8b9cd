"""The answer of `flakesync move`: where pins move, and what has to be edited in which flake.nix for it."""

from typing import Literal

import msgspec

from flakesync.workspace.clones.edits import WhyUnedited


class MovedPin(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """A pin whose source gets another branch. from, to: the names. rev: where the branch is now.

    last_modified: the date of that commit, seconds since the epoch; null: nobody told.
    """

    name: str
    from_: str
    to: str
    rev: str
    last_modified: int | None


class MoveEdit(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """An input whose reference sync edits. file: in the repo. line, column: from 1, columns in bytes."""

    flake: str
    input: str
    file: str
    line: int
    column: int
    from_: str
    to: str


class Mention(msgspec.Struct, frozen=True, kw_only=True):
    """A line of an edited flake.nix that also says the old release, or the old name: nobody edits it."""

    file: str
    line: int
    says: str
    text: str


class LeftMove(msgspec.Struct, frozen=True, kw_only=True):
    """An input that stays at the old name. why: see `WhyUnedited`; line and column null: not known."""

    flake: str
    input: str
    why: WhyUnedited
    file: str
    line: int | None
    column: int | None
    detail: str


class RepoMove(msgspec.Struct, frozen=True, kw_only=True):
    """One repo in which something moves, or stays."""

    repo: str
    edits: list[MoveEdit]
    mentions: list[Mention]
    left: list[LeftMove]


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """A repo of which nobody knows what it has left, and why."""

    repo: str
    detail: str


class MoveDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `flakesync move`.

    release: of the manifest, once it is written; null: it has none. written: its keys that were changed, or would be in
    a dry run. waves: of the plan, in which edits are made. unread: repos that could not be read.
    """

    schema: Literal["flakesync/move/1"] = "flakesync/move/1"
    release: str | None
    dry_run: bool
    written: list[str]
    pins: list[MovedPin]
    repos: list[RepoMove]
    waves: int
    unread: list[Unread] = []


DOCUMENT = MoveDocument

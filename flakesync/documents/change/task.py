"""The answer of `flakesync task`: one repo of a plan."""

from typing import Literal

import msgspec

from flakesync.documents.sync import LeftDocument, Outcome


class TaskDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one repo, on a machine of its own.

    run: of the plan. locker: who wrote the locks; empty: it did not come to that. outcome: as of `sync`. pushed:
    whether the update branch of its server was moved. left: its flakes whose locks could not be written. notes: for a
    person.
    """

    schema: Literal["flakesync/task/1"] = "flakesync/task/1"
    run: str
    locker: str
    outcome: Outcome
    pushed: bool
    left: list[LeftDocument] = []
    notes: list[str] = []


DOCUMENT = TaskDocument

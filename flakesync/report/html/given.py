"""What the report page is made of: the documents of the commands, and the lines of the history."""

from collections.abc import Mapping, Sequence

import msgspec

from flakesync.documents.audit import AuditReport
from flakesync.documents.drift import DriftReport
from flakesync.documents.graph import GraphDocument
from flakesync.documents.history import HistoryLine
from flakesync.documents.pulls.status import StatusDocument
from flakesync.documents.sync import SyncDocument


class PageDocuments(msgspec.Struct, frozen=True, kw_only=True):
    """All that the page shows. null: it was not asked for, and the page says so or leaves its section out.

    workspace: its name. groups: the repos of each group of the manifest. at: UTC, ISO 8601 to the second. run: of the
    documents, the same for the same ones. history: oldest first, at most one line a day.
    """

    workspace: str
    at: str
    run: str
    graph: GraphDocument
    drift: DriftReport
    status: StatusDocument | None = None
    sync: SyncDocument | None = None
    audit: AuditReport | None = None
    groups: Mapping[str, Sequence[str]] = {}
    history: Sequence[HistoryLine] = ()

"""The documents that a report page is made of, as files in a folder."""

from pathlib import Path
from typing import TypeVar

import msgspec

from flakesync.documents.audit import AuditReport
from flakesync.documents.drift import DriftReport
from flakesync.documents.graph import GraphDocument
from flakesync.documents.pulls.status import StatusDocument
from flakesync.documents.sync import SyncDocument
from flakesync.errors import FlakesyncError
from flakesync.report.documents import to_json

Document = TypeVar("Document", bound=msgspec.Struct)


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """The documents, as the commands of their names answer them. null: it was not asked for."""

    graph: GraphDocument
    drift: DriftReport
    status: StatusDocument | None = None
    audit: AuditReport | None = None
    sync: SyncDocument | None = None


NAMES = Stored.__struct_fields__


def file_name(name: str) -> str:
    """Return what the file of a document is called."""
    return f"{name}.json"


def to_files(stored: Stored) -> dict[str, bytes]:
    """Return the files by name, byte for byte what the commands answer with `--json`."""
    documents = {name: getattr(stored, name) for name in NAMES}
    return {file_name(name): to_json(document) for name, document in documents.items() if document is not None}


def as_written(stored: Stored, files: dict[str, bytes]) -> Stored:
    """Return documents as their files (`to_files`) have them: without logins, every text in UTF-8."""
    return Stored(**{
        name: msgspec.json.decode(files[file_name(name)], type=type(document))
        for name in NAMES
        if (document := getattr(stored, name)) is not None
    })  # fmt: skip


def read_stored(folder: Path) -> Stored:
    """Return the documents in a folder.

    Raises: FlakesyncError: `no-document`: graph or drift is not there; `bad-document`: one cannot be read.
    """
    graph = _read(folder, "graph", GraphDocument)
    drift = _read(folder, "drift", DriftReport)
    if graph is None or drift is None:
        missing = file_name("graph" if graph is None else "drift")
        hint = f"`flakesync {missing.removesuffix('.json')} --json > {folder / missing}` makes it"
        raise FlakesyncError("no-document", f"{folder / missing}: there is no such file", hint=hint)
    return Stored(
        graph=graph,
        drift=drift,
        status=_read(folder, "status", StatusDocument),
        audit=_read(folder, "audit", AuditReport),
        sync=read_sync(folder),
    )


def read_sync(folder: Path) -> SyncDocument | None:
    """Return what a sync has answered into a folder (`sync --json-file DIR/sync.json`); None: there is none.

    Raises: FlakesyncError(`bad-document`): it cannot be read.
    """
    return _read(folder, "sync", SyncDocument)


def _read(folder: Path, name: str, kind: type[Document]) -> Document | None:
    place = folder / file_name(name)
    try:
        return msgspec.json.decode(place.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
    except (msgspec.DecodeError, RecursionError) as error:
        reason = f"is no answer of `flakesync {name} --json`: {error}"
    hint = f"`flakesync {name} --json > {place}` makes it"
    raise FlakesyncError("bad-document", f"{place}: {reason}", hint=hint)

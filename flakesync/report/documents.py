"""The JSON documents (docs/json.md) and their schemas."""

from importlib import import_module

import msgspec

DOCUMENTS = {
    "graph": ("flakesync.survey.graph", "GraphDocument"),
    "drift": ("flakesync.analysis.drift", "DriftReport"),
    "plan": ("flakesync.analysis.plan", "PlanDocument"),
    "sync": ("flakesync.documents.sync", "SyncDocument"),
    "publish": ("flakesync.documents.publish", "PublishDocument"),
    "status": ("flakesync.documents.publish", "StatusDocument"),
    "land": ("flakesync.documents.land", "LandDocument"),
    "abandon": ("flakesync.documents.publish", "AbandonDocument"),
}
"""The class of each document; its module is imported when it is asked for."""


def to_json(document: msgspec.Struct) -> bytes:
    """Return a document as indented JSON with a final line feed."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def json_schema(name: str) -> bytes:
    """Return the JSON Schema (2020-12) of one of DOCUMENTS. Raises KeyError for any other name."""
    module, kind = DOCUMENTS[name]
    schema = msgspec.json.schema(getattr(import_module(module), kind))
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"flakesync {name}", **schema}
    return msgspec.json.format(msgspec.json.encode(whole), indent=2) + b"\n"

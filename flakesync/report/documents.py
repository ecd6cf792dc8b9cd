"""The JSON documents as text, and their schemas."""

from collections.abc import Mapping
from importlib import import_module

import msgspec

from flakesync.documents import DocumentName


def to_json(document: msgspec.Struct) -> bytes:
    """Return a document as indented JSON with a final line feed."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def document_type(name: DocumentName) -> type[msgspec.Struct]:
    """Return the class of a document; its module is imported only now."""
    found: type[msgspec.Struct] = import_module(f"flakesync.documents.{name}").DOCUMENT
    return found


def json_schema(name: DocumentName) -> bytes:
    """Return the JSON Schema (2020-12) of a document."""
    schema = msgspec.json.schema(document_type(name))
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"flakesync {name}", **schema}
    return schema_text(whole)


def schema_text(schema: Mapping[str, object]) -> bytes:
    """Return a JSON Schema as indented text with a final line feed."""
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"

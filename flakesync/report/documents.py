"""The JSON documents as text, and their schemas."""

from collections.abc import Mapping
from importlib import import_module

import msgspec

from flakesync.documents import MODULES, DocumentName
from flakesync.errors import escaped
from flakesync.secrets import hide_secrets


def to_json(document: msgspec.Struct) -> bytes:
    """Return a document as indented JSON, in UTF-8, with a final line feed.

    Logins and tokens in addresses are left out. A name that is no UTF-8 (a branch, a folder) is there as it is shown to
    people: `caf\\xe9`.
    """
    try:
        encoded = msgspec.json.encode(document)
    except UnicodeEncodeError:  # found by encoding: to look at every string first would cost each of them
        encoded = msgspec.json.encode(_shown(msgspec.to_builtins(document)))
    # Addresses come from locks that others write, logins and all.
    return hide_secrets(msgspec.json.format(encoded, indent=2).decode()).encode() + b"\n"


def _shown(value: object) -> object:
    """Return plain values in which every text can be written as UTF-8."""
    match value:
        case str():
            return escaped(value)
        case list():
            return [_shown(each) for each in value]
        case dict():
            return {_shown(key): _shown(each) for key, each in value.items()}
        case _:
            return value


def document_type(name: DocumentName) -> type[msgspec.Struct]:
    """Return the class of a document; its module is imported only now."""
    found: type[msgspec.Struct] = import_module(f"flakesync.documents.{MODULES.get(name, name)}").DOCUMENT
    return found


def json_schema(name: DocumentName) -> bytes:
    """Return the JSON Schema (2020-12) of a document."""
    schema = msgspec.json.schema(document_type(name))
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"flakesync {name}", **schema}
    return schema_text(whole)


def schema_text(schema: Mapping[str, object]) -> bytes:
    """Return a JSON Schema as indented text with a final line feed."""
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"

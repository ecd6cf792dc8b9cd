"""The JSON Schema of workspace.toml, as editors and `taplo check` read it."""

from collections.abc import Mapping

from flakesync.workspace.schema.keys import (
    AUDIT,
    FORGE,
    HOLD,
    IGNORE,
    MIRROR,
    PIN,
    POLICY,
    PUBLISH,
    REPO,
    SHARED,
    SOURCES,
    WORKSPACE,
    Json,
    Key,
)
from flakesync.workspace.values import NAME

SCHEMA_FILE = "workspace.schema.json"
"""What the schema is called beside a manifest."""


def manifest_schema() -> dict[str, object]:
    """Return the schema (draft 7, which is what tools for TOML know)."""
    names = {"pattern": f"^{NAME.pattern}$"}
    own = {name: key for name, key in REPO.items() if name not in SHARED}
    shared = {name: key._replace(default=None, otherwise="that of [defaults]") for name, key in SHARED.items()}
    repo = {**_table(_values({**own, **shared})), "anyOf": [{"required": ["url"]}, {"required": ["path"]}]}
    pin = _table(_values(PIN), required=["source"])
    tables = {
        "workspace": _told("What is true for the whole workspace.", _table(_values(WORKSPACE))),
        "pins": _told("One source each that all repos share at one rev.", _named(names, pin)),
        "defaults": _told("Values for every repo that does not give its own.", _table(_values(SHARED))),
        "repos": _told("The repositories.", {**_named(names, repo), "minProperties": 1}),
        "forges": _told("Hosts that flakesync does not know by itself.", _named({}, _table(_values(FORGE)))),
        "publish": _told("How pull requests look, and how they are merged.", _table(_values(PUBLISH))),
    }
    policies = _named({}, _table(_values(POLICY)))
    tables["external-policy"] = _told('What external sources have to have before they move, under "latest".', policies)
    hold = _table(_values(HOLD), required=[*HOLD])
    tables["hold"] = _told("Inputs that are not moved until a day.", {"type": "array", "items": hold})
    mirrors = _named({}, _value(MIRROR))
    tables["mirrors"] = _told("Where repositories and archives are asked for in place of their own servers.", mirrors)
    tables["sources"] = _told("Where the sources that are locked are kept.", _table(_values(SOURCES)))
    ignore = _table(_values(IGNORE), required=["rule", "reason"])
    audit = {**_values(AUDIT), "ignore": _value(AUDIT["ignore"]._replace(schema={"type": "array", "items": ignore}))}
    tables["audit"] = _told("What audit looks for, and what of it is known.", _table(audit))
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "flakesync workspace",
        "description": "The manifest of a workspace of flakesync, workspace.toml",
        **_table(tables, required=["repos"]),
    }


def _values(keys: Mapping[str, Key]) -> dict[str, Json]:
    return {name: _value(key) for name, key in keys.items()}


def _value(key: Key) -> Json:
    says = f"{key.says}; default: {key.otherwise}" if key.otherwise else key.says
    return _told(says, key.schema if key.default is None else {**key.schema, "default": key.default})


def _told(says: str, schema: Json) -> Json:
    return {"description": says, **schema}


def _table(properties: Mapping[str, Json], *, required: list[str] | None = None) -> dict[str, object]:
    found: dict[str, object] = {"type": "object", "properties": properties, "additionalProperties": False}
    return found | ({"required": required} if required else {})


def _named(names: Json, table: Json) -> dict[str, object]:
    found: dict[str, object] = {"type": "object", "additionalProperties": table}
    return found | ({"propertyNames": names} if names else {})

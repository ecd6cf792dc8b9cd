"""In which lines of a flake.lock its nodes stand."""

import codecs
import json
import re
from collections.abc import Mapping

import msgspec

from flakesync.terms import NodeLabel

# Of valid JSON these are all tokens but numbers and names, which are not needed. Possessive: nothing is tried twice.
_TOKEN = re.compile(rb'[{}\[\]:\n]|"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)

_NODES = 1
_NODE = 2
_PARTS = 3
"""How many objects are open where the top's keys, the labels, and the keys of a node stand."""


def node_lines(data: bytes) -> Mapping[NodeLabel, int]:
    """Return the line of each node's `locked` key, or of its label where it has none, from 1.

    Lines end with a line feed, so CRLF ends one too. What is no JSON has no nodes. Raises nothing.
    """
    if not _is_json(data):
        return {}
    lines: dict[NodeLabel, int] = {}
    line = 1
    keys: list[str | None] = []  # the last key of each object that is open; None: of an array
    text, text_line = b"", 1
    for token in _TOKEN.finditer(data):
        match data[token.start() : token.start() + 1]:
            case b"\n":
                line += 1
            case b'"':
                text, text_line = token[0], line
            case b":":
                keys[-1] = _text(text)
                if keys[:1] != ["nodes"]:
                    continue
                if len(keys) == _NODES:
                    lines = {}  # the last of several counts, as for whoever reads JSON
                elif len(keys) == _NODE or (len(keys) == _PARTS and keys[-1] == "locked"):
                    lines[NodeLabel(keys[1] or "")] = text_line
            case b"{":
                keys.append("")
            case b"[":
                keys.append(None)
            case _:
                keys.pop()
    return lines


def _is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data.removeprefix(codecs.BOM_UTF8))
    except (ValueError, RecursionError):
        return False
    return True


def _text(token: bytes) -> str:
    """Return the text of a string token of valid JSON."""
    return json.loads(token) if b"\\" in token else token[1:-1].decode()

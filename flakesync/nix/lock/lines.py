"""In which lines of a flake.lock its nodes stand."""

import codecs
import json
import re
from collections.abc import Mapping

import msgspec

from flakesync.terms import NodeLabel

# Of valid JSON these are all tokens but numbers and names, which are not needed. Possessive: nothing is tried twice.
_TOKEN = re.compile(rb'[{}\[\]:\n]|"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)

# The same of what is indented by two, as Nix does it: the keys of the top, labels, and where `locked` is a node's own.
_KEY = re.compile(
    rb'\n(?:  "([^"\\]*+(?:\\.[^"\\]*+)*+)"|    "([^"\\]*+(?:\\.[^"\\]*+)*+)"|      "locked"): ', re.DOTALL
)

_decoder = msgspec.json.Decoder(msgspec.Raw)

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
    return _quickly(data) if _is_indented(data) else _by_token(data)


def _is_indented(data: bytes) -> bool:
    return data.startswith(b"{") and msgspec.json.format(data, indent=2) == data.rstrip(b"\n")


def _quickly(data: bytes) -> Mapping[NodeLabel, int]:
    """Return the lines of JSON in which the indentation of a line tells how deep it is: no string has a line feed."""
    # Thousands of locks may have findings: this takes a tenth of the time of looking at every token.
    lines: dict[NodeLabel, int] = {}
    line, at = 1, 0
    inside, label = False, None
    for found in _KEY.finditer(data):
        line, at = line + data.count(b"\n", at, found.start() + 1), found.start() + 1
        if found[1] is not None:
            inside, label = _text(b'"%b"' % found[1]) == "nodes", None
            lines = {} if inside else lines  # the last of several counts, as for whoever reads JSON
        elif inside and found[2] is not None:
            label = NodeLabel(_text(b'"%b"' % found[2]))
            lines[label] = line
        elif inside and label is not None:
            lines[label] = line
    return lines


def _by_token(data: bytes) -> Mapping[NodeLabel, int]:
    """Return the lines of any JSON."""
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
        data.decode()  # the decoder looks at no text of what it only passes over
        _decoder.decode(data.removeprefix(codecs.BOM_UTF8))
    except (ValueError, RecursionError):
        return False
    return True


def _text(token: bytes) -> str:
    """Return the text of a string token of valid JSON."""
    return json.loads(token) if b"\\" in token else token[1:-1].decode()

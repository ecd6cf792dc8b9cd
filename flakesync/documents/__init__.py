"""The JSON documents (docs/json.md): a module for each, named like the command that answers with it."""

from typing import Literal, get_args

DocumentName = Literal[
    "graph", "drift", "audit", "inputs", "plan", "why", "follow", "move", "sync", "publish", "status", "land", "abandon"
]
"""All of them, in the order of a workspace's life; `DOCUMENT` of the module is the class of the whole document."""

DOCUMENTS: tuple[DocumentName, ...] = get_args(DocumentName)

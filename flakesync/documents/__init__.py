"""The JSON documents (docs/json.md): a module for each, named like the command that answers with it."""

from collections.abc import Mapping
from typing import Literal, get_args

DocumentName = Literal[
    "graph",
    "drift",
    "audit",
    "inputs",
    "plan",
    "why",
    "seen",
    "history",
    "follow",
    "move",
    "sync",
    "task",
    "bisect",
    "hold",
    "publish",
    "status",
    "land",
    "abandon",
    "bundled",
    "imported",
    "doctor",
]
"""All of them, in the order of a workspace's life; `DOCUMENT` of the module is the class of the whole document."""

DOCUMENTS: tuple[DocumentName, ...] = get_args(DocumentName)

MODULES: Mapping[DocumentName, str] = {
    "seen": "cooldown.seen",
    "task": "change.task",
    "hold": "change.hold",
    "publish": "pulls.publish",
    "status": "pulls.status",
    "land": "pulls.land",
    "abandon": "pulls.abandon",
    "bundled": "airgap.bundled",
    "imported": "airgap.imported",
}
"""The modules of those that have a wing of their own."""

"""Fingerprints: what makes a finding the same one in the next lock."""

import hashlib

from flakesync.nix.lock.node import LockNode
from flakesync.terms import FlakeDir, InputPath, show_path
from flakesync.workspace.audit import RuleId


def fingerprint(rule: RuleId, flake: FlakeDir | None, path: InputPath | None, node: LockNode | None) -> str:
    """Return the fingerprint of a finding: 32 hex digits.

    Of the rule, the flake, the input path, and the repositories that are asked for and locked; never of a commit or of
    a node's label, which is another one after the next bump. A repo's name is no part of it: repositories get renamed.
    """
    origin = node.origin if node is not None else None
    asked, found = (origin.repository, origin.found) if origin is not None else (None, None)
    words = (rule, flake, show_path(path) if path is not None else None, asked, found)
    return fingerprint_of(*("" if word is None else str(word) for word in words))


def fingerprint_of(*words: str) -> str:
    """Return the fingerprint of what some words say: 32 hex digits."""
    return hashlib.sha256("\0".join(words).encode("utf-8", "surrogateescape")).hexdigest()[:32]

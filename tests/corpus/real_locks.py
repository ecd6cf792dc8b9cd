"""Locks that organisations have published: data of theirs, which is not part of this repository."""

from pathlib import Path

import pytest

CORPUS = Path(__file__).parent / "locks"
"""`ECOSYSTEM/OWNER/REPO/flake.lock`, `odd/KIND_NAME.lock`, and `edges.tsv`, what another program found in them.

A folder, or a link to one, that git ignores; tests/README.md says what has to be in it.
"""

needs_real_locks = pytest.mark.skipif(
    not CORPUS.is_dir(), reason="no real locks: put or link the collection to tests/corpus/locks (tests/README.md)"
)

"""What of a bundle could not be taken in, collected while the rest goes on."""

from flakesync.bundle.receive.contents import inputs_of
from flakesync.documents.airgap.imported import NotImported
from flakesync.documents.airgap.manifest import BundleSource
from flakesync.errors import FlakesyncError

OF_THE_BUNDLE = frozenset({"bad-blob", "bad-bundle"})
"""Codes of errors that are about what has come, and not about this machine, which would refuse all the rest as well."""


class ImportFailures:
    """Failures so far. repos: those that are not moved, as something that they need is not there."""

    def __init__(self) -> None:
        """Begin without any."""
        self.found: list[NotImported] = []
        self.repos: set[str] = set()

    def of_source(self, source: BundleSource, error: FlakesyncError) -> None:
        """Note why a source is not there."""
        self._add(source.nar_hash, inputs_of(source), error)
        self.repos |= {use.repo for use in source.nodes}

    def of_repo(self, name: str, error: FlakesyncError) -> None:
        """Note why a repo, or a branch of it, has not moved."""
        self._add(f"repo {name}", [], error)
        self.repos.add(name)

    def _add(self, what: str, inputs: list[str], error: FlakesyncError) -> None:
        self.found.append(
            NotImported(what=what, inputs=inputs, code=error.code, message=error.message, hint=error.hint)
        )

"""What a shell offers for an argument: names of the manifest that the command would find, kinds of findings.

Nothing is read but the manifest; where it cannot be read, nothing is offered.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import typer

if TYPE_CHECKING:
    from flakesync.workspace.manifest import Workspace


def _of_manifest(find: "Callable[[Workspace], Iterable[str]]") -> Callable[[typer.Context, str], list[str]]:
    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        from flakesync.errors import FlakesyncError
        from flakesync.workspace.manifest import find_manifest, load_workspace

        given = ctx.params.get("workspace") or ctx.find_root().params.get("workspace")
        try:
            workspace = load_workspace(Path(given) if given else find_manifest(Path.cwd()))
        except (FlakesyncError, OSError):
            return []
        return [name for name in sorted(set(find(workspace))) if name.startswith(incomplete)]

    return complete


def _groups(workspace: "Workspace") -> set[str]:
    return {group for repo in workspace.repos for group in repo.groups}


repos = _of_manifest(lambda workspace: workspace.names)
groups = _of_manifest(_groups)
repos_and_groups = _of_manifest(lambda workspace: {*workspace.names, *_groups(workspace)})
pins = _of_manifest(lambda workspace: (pin.name for pin in workspace.pins))
sources = _of_manifest(lambda workspace: {*workspace.names, *(pin.name for pin in workspace.pins)})
pins = _of_manifest(lambda workspace: {pin.name for pin in workspace.pins})


def kinds(incomplete: str) -> list[str]:
    """Return the kinds of findings that begin so."""
    from flakesync.documents.drift import FindingKind

    return [kind for kind in get_args(FindingKind) if kind.startswith(incomplete)]


def rules(incomplete: str) -> list[str]:
    """Return the rules of an audit that begin so."""
    from flakesync.workspace.audit import RuleId

    return [rule for rule in get_args(RuleId) if rule.startswith(incomplete)]

"""What a shell offers for an argument: names of the manifest that the command would find, kinds of findings.

Nothing is read but the manifest, and for inputs the locks of one repo; no server is asked. Where they cannot be read,
nothing is offered.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import typer

if TYPE_CHECKING:
    from flakesync.workspace.manifest import Workspace


def _open(ctx: typer.Context) -> "Workspace":
    """Return the workspace that the words before the one in question choose. Raises FlakesyncError, OSError."""
    from flakesync.workspace.manifest import find_manifest, load_workspace

    given = ctx.params.get("workspace") or ctx.find_root().params.get("workspace")
    return load_workspace(Path(given) if given else find_manifest(Path.cwd()))


def _of_manifest(find: "Callable[[Workspace], Iterable[str]]") -> Callable[[typer.Context, str], list[str]]:
    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        from flakesync.errors import FlakesyncError

        try:
            workspace = _open(ctx)
        except (FlakesyncError, OSError):
            return []
        return [name for name in sorted(set(find(workspace))) if name.startswith(incomplete)]

    return complete


def inputs(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the inputs of the repo that is named before: `nixpkgs`, of a flake in a folder `dev#nixpkgs`."""
    from msgspec.structs import replace

    from flakesync.cache.layout import cache_dir
    from flakesync.errors import FlakesyncError
    from flakesync.net.wall import offline
    from flakesync.workspace.snapshot import read_snapshot

    # After an option without its value the words before it are left as they are.
    name = ctx.params.get("name") or next(iter(ctx.args), None)
    if not isinstance(name, str):
        return []
    try:
        workspace = _open(ctx)
        narrowed = replace(workspace, repos=(workspace.repo(name),))
        with offline(True):
            states = read_snapshot(narrowed, cache=cache_dir(), offline=True, renew=False).states.values()
    except (FlakesyncError, OSError):
        return []
    found = {
        f"{'' if flake.dir == '.' else f'{flake.dir}#'}{root}"
        for state in states
        for flake in state.flakes
        if flake.lock is not None
        for root, _ in flake.lock.root_inputs()
    }
    return [path for path in sorted(found) if path.startswith(incomplete)]


def _groups(workspace: "Workspace") -> set[str]:
    return {group for repo in workspace.repos for group in repo.groups}


repos = _of_manifest(lambda workspace: workspace.names)
groups = _of_manifest(_groups)
repos_and_groups = _of_manifest(lambda workspace: {*workspace.names, *_groups(workspace)})
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

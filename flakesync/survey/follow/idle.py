"""Globs of `keep` that keep nothing: a slip of the pen, and what was meant is then written."""

from collections.abc import Iterator

from flakesync.survey.holds import input_paths
from flakesync.workspace.manifest import matches
from flakesync.workspace.snapshot import Snapshot, UnreadableRepo
from flakesync.workspace.values import nearest


def idle_keeps(snapshot: Snapshot) -> Iterator[str]:
    """Yield a sentence for each glob of a `keep` that matches no input path, of whatever depth.

    Those of a pin have to match in some repo, those of a repo in it, or in another one that has the same. Where a repo
    or a lock could not be read nothing is said.
    """
    workspace = snapshot.workspace
    own = {glob: f"repos.{repo.name}.keep" for repo in workspace.repos for glob in repo.keep}
    wanted = own | {glob: f"pins.{pin.name}.keep" for pin in workspace.pins for glob in pin.follow.keep}
    states = snapshot.states.values()
    if not wanted or any(
        isinstance(state, UnreadableRepo) or any(flake.problem is not None for flake in state.flakes)
        for state in states
    ):
        return
    paths = {path for state in states for path in input_paths(state)}
    for glob, place in sorted(wanted.items()):
        if not any(matches((glob,), tuple(path.split("/"))) for path in paths):
            hint = nearest(glob, paths)
            yield f"{place}: `{glob}` matches no input" + (f", {hint}" if hint is not None else "")

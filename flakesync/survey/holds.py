"""Globs of `hold` that hold nothing: most often an input that was renamed, or a slip of the pen."""

from collections.abc import Iterator

from flakesync.terms import RepoName
from flakesync.workspace.manifest import Repo, matches
from flakesync.workspace.snapshot import RepoState, Snapshot, UnreadableRepo
from flakesync.workspace.values import nearest


def idle_holds(snapshot: Snapshot) -> Iterator[str]:
    """Yield a sentence for each glob of `hold` that matches no input path, of whatever depth, in any repo that has it.

    One that stands under `[defaults]` only has to match somewhere. Of a repo with a lock that cannot be read nothing is
    said.
    """
    idle: dict[str, list[RepoName]] = {}
    used: set[str] = set()
    for repo in snapshot.workspace.repos:
        if repo.hold:
            left = _idle_in(repo, snapshot.states[repo.name])
            used.update(glob for glob in repo.hold if glob not in left)
            for glob in left:
                idle.setdefault(glob, []).append(repo.name)
    for glob, names in idle.items():
        if glob not in used:
            where = f"repos.{names[0]}.hold" if len(names) == 1 else f"hold of {len(names)} repos"
            inputs = {path for name in names for path in input_paths(snapshot.states[name])}
            hint = nearest(glob, inputs)
            yield f"{where}: `{glob}` matches no input" + (f", {hint}" if hint is not None else "")


def _idle_in(repo: Repo, state: RepoState) -> list[str]:
    if isinstance(state, UnreadableRepo) or any(flake.problem is not None for flake in state.flakes):
        return []
    own = [item.path for flake in state.flakes for item in flake.inputs]
    left = [glob for glob in repo.hold if not any(matches((glob,), path) for path in own)]
    if left:  # the whole lock is gone through only for these
        paths = [tuple(path.split("/")) for path in input_paths(state)]
        left = [glob for glob in left if not any(matches((glob,), path) for path in paths)]
    return left


def input_paths(state: RepoState) -> set[str]:
    """Return the input paths of all flakes of a repo, follows too."""
    found: set[str] = set()
    for flake in state.flakes:
        if flake.lock is not None:
            for path, label in [((), flake.lock.root), *flake.lock.walk()]:
                found.update("/".join((*path, name)) for name in flake.lock.nodes[label].inputs)
    return found

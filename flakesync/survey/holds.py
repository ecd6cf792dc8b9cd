"""What holds nothing: globs of `hold`, and holds with an end, that match no input, and holds that are over."""

from collections.abc import Iterator

from flakesync.terms import FlakeDir, RepoName
from flakesync.workspace.manifest import Repo, matches
from flakesync.workspace.snapshot import RepoState, Snapshot, UnreadableRepo
from flakesync.workspace.values import nearest

_MOST_NAMED = 5


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


def idle_ends(snapshot: Snapshot) -> Iterator[str]:
    """Yield a sentence for holds with an end that are over, and for each that matches no input."""
    holds = snapshot.workspace.holds
    over = [hold for hold in holds if hold not in snapshot.states[hold.repo].repo.holds]
    if over:
        names = ", ".join(f"{hold.place} of {hold.repo} ({hold.until.isoformat()})" for hold in over[:_MOST_NAMED])
        more = f" and {len(over) - _MOST_NAMED} more" if len(over) > _MOST_NAMED else ""
        which = "a hold is over and holds nothing" if len(over) == 1 else f"{len(over)} holds are over and hold nothing"
        yield f"{which}: {names}{more}; `flakesync hold --prune` takes what is over out of the manifest"
    for index, hold in enumerate(holds):
        said = matches_nothing(snapshot.states[hold.repo], hold.flake, hold.input) if hold not in over else None
        if said is not None and not _is_unread(snapshot.states[hold.repo]):
            yield f"hold[{index}]: {said}"


def matches_nothing(state: RepoState, dir: FlakeDir | None, glob: str) -> str | None:
    """Return that a glob matches no input of a repo, as a sentence; None: it does. dir: of that flake alone."""
    paths = input_paths(state, dir)
    if any(matches((glob,), tuple(path.split("/"))) for path in paths):
        return None
    if _is_unread(state):
        return f"not all locks of {state.name} can be read: nobody knows whether an input is called `{glob}`"
    hint = nearest(glob, paths)
    name = glob if dir is None else f"{dir}#{glob}"
    return f"`{name}` matches no input of {state.name}" + (f", {hint}" if hint is not None else "")


def _is_unread(state: RepoState) -> bool:
    return isinstance(state, UnreadableRepo) or any(flake.problem is not None for flake in state.flakes)


def _idle_in(repo: Repo, state: RepoState) -> list[str]:
    if _is_unread(state):
        return []
    own = [item.path for flake in state.flakes for item in flake.inputs]
    left = [glob for glob in repo.hold if not any(matches((glob,), path) for path in own)]
    if left:  # the whole lock is gone through only for these
        paths = [tuple(path.split("/")) for path in input_paths(state)]
        left = [glob for glob in left if not any(matches((glob,), path) for path in paths)]
    return left


def input_paths(state: RepoState, dir: FlakeDir | None = None) -> set[str]:
    """Return the input paths of a flake of a repo, follows too. dir: its folder; None: those of all its flakes."""
    found: set[str] = set()
    for flake in state.flakes:
        if flake.lock is not None and dir in (None, flake.dir):
            for path, label in [((), flake.lock.root), *flake.lock.walk()]:
                found.update("/".join((*path, name)) for name in flake.lock.nodes[label].inputs)
    return found

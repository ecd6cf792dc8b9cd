"""Who locks what, and what of it is not as the workspace wants it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from flakesync.documents.drift import DriftReport, Finding, FindingKind, Locked, PinDrift
from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.nix.reference.flakeref import Attr, identity_of
from flakesync.survey.graph import Edge
from flakesync.survey.pins import PinnedInput, Target, is_archive, is_at, last_modified, pin_source
from flakesync.survey.survey import Survey, answer_for
from flakesync.terms import InputPath, NodeLabel, RepoName, Rev, show_path
from flakesync.workspace.inputs import OwnInput, paths_to, rev_of, source_of
from flakesync.workspace.manifest import Pin
from flakesync.workspace.snapshot import FlakeState, RepoAtCommit, RepoState, UnreadableRepo

DAY_S = 86_400


def find_drift(survey: Survey, selected: frozenset[RepoName]) -> DriftReport:
    """Return the drift of the selected repos (of all of them in `pins`, which compares repos)."""
    findings: list[Finding] = []
    for state in survey.snapshot.states.values():
        if state.name not in selected:
            continue
        findings += _of_repo(state)
        for flake in state.flakes:
            if flake.lock is not None:
                findings += _of_flake(survey, state, flake, flake.lock)
    findings.sort(key=lambda found: (found.repo, found.flake or "", found.input or "", found.kind))
    return DriftReport(pins=[_pin_drift(survey, pin) for pin in survey.snapshot.workspace.pins], findings=findings)


def _of_flake(survey: Survey, state: RepoState, flake: FlakeState, lock: LockFile) -> Iterator[Finding]:
    governed = survey.governed_in(state.name, flake.dir)
    for item in governed.values():
        yield from _of_pin(survey, item)
    for edge in survey.edges_into(state.name, flake.dir):
        if edge.input not in governed and edge.follows is None:
            yield from _of_edge(survey, edge)
    yield from _of_inputs(survey, state, flake)
    yield from _of_nested(survey, state, flake, lock)


def _pin_drift(survey: Survey, pin: Pin) -> PinDrift:
    target = survey.targets.get(pin.name)
    repos: dict[Rev | None, set[RepoName]] = defaultdict(set)
    dates: dict[Rev | None, int | None] = {}
    for item in survey.governed:
        if item.pin.name == pin.name:
            rev = item.locked_rev
            repos[rev].add(item.repo)
            dates[rev] = dates.get(rev) or last_modified(item.locked)
    locked = [Locked(rev=rev, last_modified=dates[rev], repos=sorted(names)) for rev, names in repos.items()]
    locked.sort(key=lambda entry: (-(entry.last_modified or 0), entry.rev or ""))
    return PinDrift(
        name=pin.name,
        source=pin.source.to_url(),
        target_rev=target.rev if target else None,
        target_last_modified=target.last_modified if target else None,
        target_note=target.note if target else None,
        locked=locked,
    )


def _of_repo(state: RepoState) -> Iterator[Finding]:
    if isinstance(state, UnreadableRepo):
        yield _finding("unreachable", state.name, detail=state.error.message)
    for flake in state.flakes:
        if flake.problem is not None:
            yield _finding(flake.problem.kind, state.name, flake.dir, detail=flake.problem.detail)


def _finding(
    kind: FindingKind,
    repo: RepoName,
    flake: str | None = None,
    path: InputPath | None = None,
    *,
    locked: Rev | None = None,
    wanted: Rev | None = None,
    detail: str,
) -> Finding:
    return Finding(
        kind=kind,
        repo=repo,
        flake=flake,
        input=show_path(path) if path is not None else None,
        locked_rev=locked,
        wanted_rev=wanted,
        detail=detail,
    )


def _of_pin(survey: Survey, item: PinnedInput) -> Iterator[Finding]:
    target = survey.targets.get(item.pin.name)
    rev = item.locked_rev
    # Without a commit a git input is `unlocked`, which is a finding of its own.
    if target is not None and not is_at(item.locked, target) and (rev is not None or is_archive(item.locked)):
        detail = f"not at pin {item.pin.name}" + (", fixed by its flake.nix" if item.fixed else "")
        detail += ", its lock names no commit" if rev is None else ""
        days = _days_behind(item, target)
        detail += f", {days} days behind" if days else ""
        yield _finding("pin", item.repo, item.flake, item.input, locked=rev, wanted=target.rev, detail=detail)
    date = last_modified(item.locked)
    limit = item.pin.max_age_s
    if date is not None and limit is not None and survey.now - date > limit:
        detail = f"{(survey.now - date) // DAY_S} days old, pin {item.pin.name} allows {limit // DAY_S}"
        yield _finding("age", item.repo, item.flake, item.input, locked=rev, detail=detail)


def _days_behind(item: PinnedInput, target: Target) -> int | None:
    date = last_modified(item.locked)
    if date is None or target.last_modified is None:
        return None
    return max(0, target.last_modified - date) // DAY_S


def _of_edge(survey: Survey, edge: Edge) -> Iterator[Finding]:
    upstream = survey.snapshot.states[edge.upstream]
    answer = answer_for(survey, edge)
    if answer is None or not isinstance(upstream, RepoAtCommit) or edge.fixed:
        return
    if survey.snapshot.at == "update" and edge.locked_rev == upstream.base_rev and survey.graph.is_back_edge(edge):
        return  # an edge that opens a cycle takes the base commit
    branch = edge.branch or upstream.base or "the default branch"
    if answer.on_base and upstream.updated:
        branch = "its update branch"
    match answer.position:
        case "at" | "tag":
            return
        case "behind":
            count = f"{answer.behind} commit{'' if answer.behind == 1 else 's'}"
            kind: FindingKind = "upstream"
            detail = f"{count} behind {edge.upstream} ({branch})"
        case "unlanded":
            kind, detail = "unlanded", f"only on {edge.upstream}'s update branch, not yet on {branch}"
        case "landed":
            kind, detail = "unlanded", f"an update commit of {edge.upstream}, which has landed as another one"
        case "ahead":
            kind, detail = "unknown-rev", f"not in the history of {edge.upstream} ({branch}), but on another branch"
        case "unknown" if answer.tip is None:
            kind, detail = "unknown-rev", f"{edge.upstream} has no branch {branch}"
        case "unknown":
            kind, detail = "unknown-rev", f"{edge.upstream} does not have this commit"
    yield _finding(
        kind, edge.dependent, edge.flake, edge.input, locked=edge.locked_rev, wanted=answer.tip, detail=detail
    )


def _of_inputs(survey: Survey, state: RepoState, flake: FlakeState) -> Iterator[Finding]:
    """Findings that one node tells: unlocked, foreign, and a pinned repository at a ref that no pin has."""
    governed, pinned = survey.governed_in(state.name, flake.dir), survey.pinned
    for item in flake.inputs:
        path, source = item.path, item.source
        if item.rev is None:
            detail = _unlocked(item.locked)
            if detail is not None:
                yield _finding("unlocked", state.name, flake.dir, path, detail=detail)
        elif (source is None or source[0] != item.found) and (foreign := _foreign(survey, item)) is not None:
            yield _finding("foreign", state.name, flake.dir, path, locked=item.rev, detail=foreign)
        if source is not None and source[0] in pinned and path not in governed:
            ref = source[1] or "the default branch"
            detail = f"{source[0]} at {ref}, which no pin has"
            if source not in survey.pin_sources:
                yield _finding("ref", state.name, flake.dir, path, locked=item.rev, detail=detail)


def _unlocked(locked: Mapping[str, Attr]) -> str | None:
    if is_archive(locked):
        return None  # locked by their narHash
    if locked.get("type") == "path":
        return "a path of one machine"
    return "a dirty tree: no commit" if "narHash" in locked else "no commit"


def _foreign(survey: Survey, item: OwnInput) -> str | None:
    wanted, found = item.source[0] if item.source is not None else None, item.found
    if wanted is None or found is None:
        return None
    if item.original.get("type") == "indirect" or is_archive(item.original):
        return None
    owner = survey.owners.get(wanted)
    if owner is not None and owner == survey.owners.get(found):
        return None
    return f"flake.nix names {wanted}, the lock {found}"


def _of_nested(survey: Survey, state: RepoState, flake: FlakeState, lock: LockFile) -> Iterator[Finding]:
    """Copies of a pinned source deeper in the lock, at another commit than the pins want."""
    roots = lock.nodes[lock.root].inputs.values()
    suspects = {
        label
        for identity in survey.pinned
        for label in flake.copies.get(identity, ())
        if rev_of(lock.nodes[label].locked or {}) not in survey.target_revs and label not in roots
    }
    if not suspects:
        return
    governed = survey.governed_in(state.name, flake.dir)
    for path, label in paths_to(lock, suspects):
        if len(path) > 1 and path not in governed:
            yield _duplicate(survey, state, flake, lock, path, label)


def _duplicate(
    survey: Survey, state: RepoState, flake: FlakeState, lock: LockFile, path: InputPath, label: NodeLabel
) -> Finding:
    node = lock.nodes[label]
    assert node.locked is not None
    pin = _pin_of_copy(survey.snapshot.workspace.pins, node)
    target = survey.targets.get(pin.name)
    root = next(
        (
            item.input[0]
            for item in survey.governed_in(state.name, flake.dir).values()
            if item.pin == pin and len(item.input) == 1
        ),
        None,
    )
    mend = f"an input for pin {pin.name} that it can follow"
    if root is not None:
        mend = f'inputs.{".inputs.".join(path)}.follows = "{root}"'
        mend += " (needs Nix 2.30)" if len(path) > 2 else ""
    detail = f"a second copy of {pin.name}; to remove it: {mend}"
    return _finding(
        "duplicate",
        state.name,
        flake.dir,
        path,
        locked=rev_of(node.locked),
        wanted=target.rev if target else None,
        detail=detail,
    )


def _pin_of_copy(pins: Iterable[Pin], node: LockNode) -> Pin:
    assert node.locked is not None
    source = source_of(node.original or node.locked, node.locked)
    identity = identity_of(node.original or node.locked) or identity_of(node.locked)
    same = [pin for pin in pins if pin_source(pin)[0] == identity]
    return next((pin for pin in same if pin_source(pin) == source), same[0])

"""What becomes of the inputs on which a flake.nix and its lock disagree: where each is locked to now."""

from collections.abc import Iterator, Mapping

from flakesync.analysis.moves import Change, Held, ToFlakeNix, ToRev
from flakesync.nix.expression.stale import Disagreement, DisagreementKind
from flakesync.nix.reference.flakeref import Attr, identity_of
from flakesync.survey.external import MOVABLE
from flakesync.survey.pins import is_archive, pin_of
from flakesync.survey.survey import Survey
from flakesync.terms import PinName, RepoName
from flakesync.workspace.inputs import branch_of, is_fixed, rev_of, source_of
from flakesync.workspace.manifest import matches
from flakesync.workspace.snapshot import FlakeState, RepoAtCommit, RepoState

_WHY: Mapping[DisagreementKind, str] = {
    "new": "is new",
    "gone": "is gone from flake.nix",
    "reference": "flake.nix has another reference",
    "follows": "flake.nix says so",
    "shared": "shares its node with another input",
}


def mends(survey: Survey, state: RepoState, flake: FlakeState) -> Iterator[Change | Held]:
    """Yield what becomes of each input of a flake on which its flake.nix and its lock disagree.

    An input that is new goes to its pin's target, to the base commit of its repo, or where the manifest moves what is
    neither; all else is locked as Nix would lock it. If one of them is held, so are all: Nix locks all of them or none.
    """
    held = any(matches(state.repo.hold, each.input) for each in flake.stale)
    for each in flake.stale:
        original = each.original or {}
        to, pin = _target(survey, each, original)
        node = flake.lock.node(each.input) if flake.lock is not None else None
        rev = rev_of(node.locked) if node is not None and node.locked is not None else None
        if held:
            yield Held(state.name, flake.dir, each.input, rev, "hold")
            continue
        locked: dict[str, Attr] = {"rev": rev} if rev is not None else {}
        reason = _WHY[each.kind] + (f", pin {pin}" if pin is not None else "")
        yield Change(state.name, flake.dir, each.input, original, locked, to, reason, pin, stale=True)


def _target(
    survey: Survey, found: Disagreement, original: Mapping[str, Attr]
) -> tuple[ToRev | ToFlakeNix, PinName | None]:
    as_written = ToFlakeNix(found.wanted)
    source = source_of(original) if original else None
    # Of a nested input the flake above it decides how it is locked.
    if source is None or len(found.input) > 1 or is_fixed(original):
        return as_written, None
    pin = pin_of(survey.snapshot.workspace, found.input, source)
    if pin is not None:
        target = survey.targets.get(pin.name)
        archive = is_archive(original)
        if target is None or (archive and (target.locked is None or not is_archive(target.locked))):
            return as_written, None
        return ToRev(target.rev, branch=pin.source.ref, locked=target.locked if archive else None), pin.name
    if found.kind == "shared":
        return as_written, None  # which keeps its commit
    identity = identity_of(original)
    upstream = survey.owners.get(identity) if identity is not None else None
    if upstream is not None:
        return _base_of(survey, upstream, original) or as_written, None
    external = survey.external.get(source)
    if external is not None and not is_archive(original):
        return ToRev(external.rev, branch=branch_of(original)), None
    return as_written, None


def _base_of(survey: Survey, name: RepoName, original: Mapping[str, Attr]) -> ToRev | None:
    """Return the base commit of a repo; None where the input tracks another branch, or it cannot be taken from there.

    Never its update: the repos that wait for each other are known before flake.nix is looked at, and so are those that
    land one after the other. The next run takes it.
    """
    state = survey.snapshot.states[name]
    if not isinstance(state, RepoAtCommit) or original.get("type") not in MOVABLE:
        return None
    branch = branch_of(original)
    return ToRev(state.base_rev, name, branch or state.base) if branch in (None, state.base) else None

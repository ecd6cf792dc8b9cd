"""Which commits of a branch an input may move to, and how old they are: by its forge, by flakesync's record, by dates.

The record and the forge tell when the branch was at a commit, which nobody who pushes can forge. Dates in commits can
be; they count only where neither of the two goes back far enough.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flakesync.cooldown.dates import Need, dated_commits, has_in_history, read_history
from flakesync.cooldown.forge_checks import checks_of
from flakesync.cooldown.model import DAY_S, Candidate, Candidates
from flakesync.cooldown.pushes import PushEvidence, read_pushes
from flakesync.errors import INTERRUPTED, FlakesyncError
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.terms import Rev
from flakesync.workspace.settings.cooldown import Conditions

if TYPE_CHECKING:
    from flakesync.git.remotes.window.commits import Window
    from flakesync.workspace.hosts import Hosts

__all__ = ["checks_of", "find_candidates", "has_in_history"]

_PASSING = ("no-such-commit", "unreachable", "access-denied")
"""Why there is no history just now: the branch is being moved, or its server is away."""


def find_candidates(
    reference: FlakeRef,
    tip: Rev,
    conditions: Conditions,
    seen: Mapping[Rev, int],
    *,
    now: int,
    hosts: "Hosts | None",
    cache: Path,
) -> Candidates:
    """Return what is known of a branch, newest first; the first is its tip.

    seen: when flakesync first saw it at its tips. now: seconds since the epoch. hosts: how servers are asked; None: the
    record and what earlier runs have fetched are all there is. Of an archive (a channel, FlakeHub) the record alone
    tells. A commit that the branch has lost by a forced push is no candidate.

    Raises: FlakesyncError(`interrupted`).
    """
    pushes = PushEvidence()
    if hosts is not None and reference.git_url() is not None:
        since = now - (conditions.cooldown_days + 1) * DAY_S
        pushes = read_pushes(reference, tip, hosts, since=since, now=now)
    known = _known(tip, seen, pushes, now)
    if reference.git_url() is None:
        return Candidates(known)
    need = _need(known, pushes, tip, conditions, now)
    if need.is_met:
        # What is too young to be taken is shown, proven or not; what is old enough and not proven was not needed.
        kept = [each for each in known if each.rev in need.proven or not (need.has_enough or need.is_open(each))]
        return Candidates(kept, pushes.note)
    window, note, is_final = _history(reference, tip, need, hosts, cache, now)
    found, without = _in_history(known, need.proven, window, is_final=is_final)
    lost = frozenset(each.rev for each in known if each not in found) if _is_whole(window) else frozenset()
    dated: Sequence[Candidate] = ()
    if window is not None and need.counts_dates(sum(map(need.is_old, found))):
        dated = [*dated_commits(window, need, now)]
    again = {each.rev for each in dated}
    notes = [pushes.note, note, window.note if window is not None else None, without]
    return Candidates([*(each for each in found if each.rev not in again), *dated], _joined(notes), lost)


def _is_whole(window: "Window | None") -> bool:
    return window is not None and window.is_whole


def _known(tip: Rev, seen: Mapping[Rev, int], pushes: PushEvidence, now: int) -> list[Candidate]:
    """Return the commits that a branch is known to have been at, newest first, the tip before all others."""
    times: dict[Rev, Candidate] = {}
    for rev, time in pushes.times.items():
        times[rev] = Candidate(rev, time, "forge", was_tip=True)
    for rev, time in {tip: now, **seen}.items():
        known = times.get(rev)
        if known is None or time < known.time:
            times[rev] = Candidate(rev, min(time, now), "seen", was_tip=True)
    # Of what has one time, the forge's order stays.
    return sorted(times.values(), key=lambda each: (each.rev != tip, -each.time))


def _need(known: Sequence[Candidate], pushes: PushEvidence, tip: Rev, conditions: Conditions, now: int) -> Need:
    asks_checks = conditions.require_ci is not None
    return Need(
        known=known,
        proven=pushes.proven | {tip},
        is_old=lambda each: now // DAY_S - each.time // DAY_S >= conditions.cooldown_days,
        wanted=conditions.ci_depth if asks_checks else 1,
        any_age=conditions.at_least is not None,
        by_date=not conditions.tips and not conditions.only_trusted,
        # Where no age is asked for a wrong date does no harm. A forge has told of all that it has checked.
        always=asks_checks and conditions.cooldown_days == 0 and not pushes.times,
    )


def _history(
    reference: FlakeRef, tip: Rev, need: Need, hosts: "Hosts | None", cache: Path, now: int
) -> "tuple[Window | None, str | None, bool]":
    """Return the history, or why there is none, and whether the next run would have none either.

    Raises: FlakesyncError(`interrupted`).
    """
    try:
        window = read_history(reference, tip, need, hosts, cache, now)
    except FlakesyncError as error:
        if error.code in INTERRUPTED:
            raise
        return None, error.message, error.code not in _PASSING
    return window, None if window is not None else "its history is not here (`--offline`)", True


def _in_history(
    known: Sequence[Candidate], proven: frozenset[Rev], window: "Window | None", *, is_final: bool
) -> tuple[list[Candidate], str | None]:
    """Return those that the branch still has, and what is to be said of the others.

    Where there is never a history (is_final) the record is believed: nothing would else ever move.
    """
    if window is None and not is_final:
        return [each for each in known if each.rev in proven], None
    if window is None:
        unsure = sum(each.rev not in proven for each in known)
        said = f"that it still has {unsure} commits which it was seen at is not proven" if unsure else None
        return [*known], said
    order = {rev: place for place, rev in enumerate(window.commits)}
    found = [each for each in known if each.rev in proven or each.rev in order]
    # A clock that was wrong puts none before what came after it; what the window does not reach lies below it.
    found.sort(key=lambda each: order.get(each.rev, len(order)))
    lost = ", ".join(each.rev[:7] for each in known if each not in found)
    return found, _said_of_lost(lost, window) if lost else None


def _said_of_lost(names: str, window: "Window") -> str:
    if window.is_whole:
        return f"rewritten: its history does not have {names} any more"
    return f"its {len(window.commits):,} newest commits do not have {names}"


def _joined(notes: Iterable[str | None]) -> str | None:
    return "; ".join(note for note in notes if note is not None) or None

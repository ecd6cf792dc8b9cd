"""Decides for many branches at once which commit is proven: the record of tips, what servers tell, the choice."""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from flakesync.cooldown.model import DAY_S, Candidate, Candidates, Choice, CommitChecks, Wait, WaitReason
from flakesync.errors import INTERRUPTED, FlakesyncError
from flakesync.nix.reference.flakeref import Attr, FlakeRef
from flakesync.terms import Rev
from flakesync.workspace.settings.cooldown import Conditions

if TYPE_CHECKING:
    from flakesync.cooldown.archives import Archives
    from flakesync.cooldown.seen import SeenRecord
    from flakesync.workspace.hosts import Hosts

Key = TypeVar("Key", bound=Hashable)

_MERGED_LATE_S = 14 * DAY_S
"""How long before it came to its branch a commit may have been made, so that its date alone says nothing."""


class BranchQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """A branch to decide on.

    tip: its newest commit; archive: the attributes of an immutable archive of that, for tarball sources. locked: the
    commits that inputs are at, each with the date that its lock gives it. only: the commits that may be chosen; None:
    any, and `tip` is what its server has just said. waived: the reason for not waiting; None: nothing is waived.
    """

    reference: FlakeRef
    conditions: Conditions
    tip: Rev
    archive: Mapping[str, Attr] | None = None
    locked: Mapping[Rev, int | None] = msgspec.field(default_factory=dict)
    only: Collection[Rev] | None = None
    waived: str | None = None


class Decision(msgspec.Struct, frozen=True):
    """What was decided on a branch, and what it was decided on.

    commits: what is known of the branch, newest first. ahead: the locked commits that are newer than the chosen one,
    or may be. archives: of these commits, for tarball sources. error: why nothing could be decided.
    """

    choice: Choice
    conditions: Conditions
    commits: Sequence[Candidate] = ()
    ahead: frozenset[Rev] = frozenset()
    archives: Mapping[Rev, Mapping[str, Attr]] = msgspec.field(default_factory=dict)
    error: FlakesyncError | None = None

    def instead(self, rev: Rev, waived: str | None) -> Choice | None:
        """Return the choice of a commit in place of the chosen one; None: it is an older one, or not known.

        Where nothing could be decided, any that is known will do. Where the chosen one is that commit, and was waived
        for, the reason of today counts.
        """
        if self.choice.waived is not None and _rev(self.choice.chosen) == rev:
            return None
        place = next((place for place, each in enumerate(self.commits) if each.rev == rev), None)
        if place is None or (self.error is None and place > _place(self.commits, self.choice.chosen)):
            return None
        newer = frozenset(each.rev for each in self.commits[:place])
        waits = tuple(each for each in self.choice.waits if each.rev in newer)
        return msgspec.structs.replace(
            self.choice, chosen=self.commits[place], waits=waits, newer=newer, waived=waived, why_none=None
        )


class _Unreadable(Exception):  # noqa: N818 - it never leaves this module
    """The checks of a commit cannot be read, so nothing can be chosen."""


def decide(
    questions: Mapping[Key, BranchQuestion],
    *,
    now: int,
    hosts: "Hosts | None",
    cache: Path,
    place: Path,
    jobs: int,
    note: Callable[[str], None],
) -> dict[Key, Decision]:
    """Decide on every branch; those of one repository one after the other, as they share what is fetched.

    now: seconds since the epoch. hosts: how servers are contacted; None: the record and the cache alone. place: the
    record of tips, which what servers have said goes into. note: is told what a person should know of the record.

    Raises:
        FlakesyncError: the record cannot be used (`seen-corrupt`).
    """
    from concurrent.futures import ThreadPoolExecutor

    from flakesync.cooldown.seen import keep_seen, read_seen, source_name

    record = read_seen(place, now=now)
    for each in questions.values():
        if each.only is None:
            record = record.with_tip(source_name(each.reference), each.reference.ref, each.tip, now)
    for text in (record.note, keep_seen(place, record, now=now)):
        if text is not None:
            note(text)
    groups: dict[Hashable, list[Key]] = {}
    for key, each in questions.items():
        groups.setdefault(each.reference.identity or each.reference.to_url(), []).append(key)

    def of_group(keys: Iterable[Key]) -> list[tuple[Key, Decision]]:
        return [(key, _Branch(questions[key], record, now, hosts, cache).decide()) for key in keys]

    with ThreadPoolExecutor(max_workers=max(1, min(jobs, len(groups)))) as pool:
        return {key: decision for found in pool.map(of_group, groups.values()) for key, decision in found}


class _Branch:
    """One branch that is being decided on."""

    def __init__(
        self, question: BranchQuestion, record: "SeenRecord", now: int, hosts: "Hosts | None", cache: Path
    ) -> None:
        self.question = question
        self.record = record
        self.now = now
        self.hosts = hosts
        self.cache = cache
        self.checks: dict[Rev, CommitChecks] = {}
        self.found = Candidates(())

    def decide(self) -> Decision:
        """Return the decision, which is to stay where something that it needs cannot be had."""
        try:
            return self._decide()
        except _Unreadable as error:
            return self._stays(self._unreadable(str(error)))
        except FlakesyncError as error:
            if error.code in INTERRUPTED:
                raise
            return self._stays(error)

    def _decide(self) -> Decision:
        from flakesync.cooldown.archives import Archives
        from flakesync.cooldown.choose import choose
        from flakesync.cooldown.evidence import find_candidates
        from flakesync.cooldown.seen import source_name

        question = self.question
        seen = self.record.first_seen(source_name(question.reference), question.reference.ref)
        archives = Archives.read(self.cache, question.reference) if question.archive is not None else None
        if archives is not None and question.archive is not None:
            archives.add(question.tip, question.archive)
            # A commit whose archive nobody has named could be chosen, but not locked.
            seen = {rev: time for rev, time in seen.items() if archives.get(rev) is not None}
        found = find_candidates(
            question.reference,
            question.tip,
            question.conditions,
            seen,
            now=self.now,
            hosts=self.hosts,
            cache=self.cache,
        )
        self.found = found = _among(found, question.only)
        choice = choose(
            found,
            question.conditions,
            now=self.now,
            locked=question.locked.keys(),
            waived=question.waived,
            checks=self._checks_of,
            contains=self._has_fix,
        )
        ahead = self._ahead(found.commits, choice, seen)
        return Decision(choice, question.conditions, tuple(found.commits), ahead, dict(_named(archives, found.commits)))

    def _checks_of(self, rev: Rev) -> CommitChecks:
        from flakesync.cooldown.evidence import checks_of

        if rev not in self.checks:
            self.checks[rev] = checks_of(self.question.reference, rev, self.hosts, self.cache)
        if self.checks[rev].why_unknown is not None:
            raise _Unreadable(f"{rev[:7]}: {self.checks[rev].why_unknown}")
        return self.checks[rev]

    def _has_fix(self, rev: Rev) -> bool:
        fix = self.question.conditions.at_least
        return fix is None or self._has(rev, fix) is True

    def _has(self, rev: Rev, ancestor: Rev) -> bool | None:
        from flakesync.cooldown.evidence import has_in_history

        return has_in_history(self.question.reference, rev, ancestor, self.hosts, self.cache)

    def _ahead(self, commits: Sequence[Candidate], choice: Choice, seen: Mapping[Rev, int]) -> frozenset[Rev]:
        """Return the locked commits that are newer than the chosen one, or may be. seen: the record of the branch."""
        chosen = choice.chosen
        if chosen is None:
            return frozenset()
        place = _place(commits, chosen)
        newer = choice.newer | {each.rev for each in commits[:place]}
        older = {each.rev for each in commits[place:]} | {rev for rev, time in seen.items() if time <= chosen.time}
        return frozenset(
            rev
            for rev, date in self.question.locked.items()
            if rev in newer or (rev not in older and self._seems_newer(rev, date, chosen, choice.tip))
        )

    def _seems_newer(self, rev: Rev, date: int | None, chosen: Candidate, tip: Candidate) -> bool:
        """Tell whether a commit of which only its lock tells anything may be newer than the chosen one."""
        if date is None or date < chosen.time - _MERGED_LATE_S:
            return False
        below = self._has(chosen.rev, rev)
        if date > chosen.time:
            return below is not True
        # Made before the branch was at the chosen one, and yet on the branch since: it was merged later.
        return below is False and self._has(tip.rev, rev) is True

    def _unreadable(self, why: str) -> FlakesyncError:
        return FlakesyncError(
            "ci-unreadable",
            f"{self.question.reference.to_url()}: the checks of {why}",
            hint="a token that may read them helps, or a `require-ci` less; until then its inputs stay",
        )

    def _stays(self, error: FlakesyncError) -> Decision:
        """Return the decision to leave everything where it is."""
        commits = self.found.commits or (
            Candidate(self.question.tip, self.now, "seen", was_tip=self.question.only is None),
        )
        why: WaitReason = "ci" if error.code == "ci-unreadable" else "not-dated"
        wait = Wait(commits[0].rev, why, None, error.message)
        choice = Choice(None, commits[0], (wait,), frozenset(), why_none=error.message, note=self.found.note)
        return Decision(choice, self.question.conditions, tuple(commits), error=error)


def _named(archives: "Archives | None", commits: Iterable[Candidate]) -> Iterator[tuple[Rev, Mapping[str, Attr]]]:
    for each in commits:
        attrs = archives.get(each.rev) if archives is not None else None
        if attrs is not None:
            yield each.rev, attrs


def _among(found: Candidates, only: Collection[Rev] | None) -> Candidates:
    if only is None:
        return found
    commits = [each for each in found.commits if each.rev in only]
    return msgspec.structs.replace(found, commits=commits or found.commits[:1])


def _place(commits: Sequence[Candidate], chosen: Candidate | None) -> int:
    """Return how many commits are newer than the chosen one; all where there is none."""
    return next((place for place, each in enumerate(commits) if each.rev == _rev(chosen)), len(commits))


def _rev(candidate: Candidate | None) -> Rev | None:
    return candidate.rev if candidate is not None else None

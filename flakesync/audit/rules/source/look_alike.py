"""`look-alike`: an owner that is easily taken for another one of a repository of the same name."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from flakesync.audit.rule import Answer, Context, Said, SourcesRule
from flakesync.audit.shown import clean
from flakesync.audit.subject import Subject
from flakesync.nix.reference.identity import Identity

_FOLDED = str.maketrans({"0": "o", "1": "l", "i": "l", "-": "", "_": "", ".": ""})
_PUNYCODE = re.compile(r"(?:^|\.)xn--", re.IGNORECASE)
_LONGEST = 128
"""So long may a host with an owner be to be compared letter by letter: that takes its length squared."""


class _Use(NamedTuple):
    """How much a repository counts; the greater is what others are taken for."""

    named: bool
    nodes: int
    shown: str


def find(context: Context, subjects: Sequence[Subject]) -> Iterator[tuple[Subject, Answer]]:
    """Yield a finding for each node of a repository that looks like another one that is locked more often.

    What the manifest names, its repos and pins, is what others are taken for, however rare it is.
    """
    places: dict[Identity, list[Subject]] = {}
    for subject in subjects:
        found = subject.node.origin.found
        if found is not None and found.host:
            places.setdefault(found, []).append(subject)
    told: dict[Identity, str] = {}
    for group in _by_name(places):
        uses = {each: _use(context, each, places[each]) for each in group}
        for odd, usual in _odd_ones(uses):
            told[odd] = f"{clean(str(odd))} looks like {clean(usual)}"
    for odd in places:
        if not f"{odd.host}{odd.path}".isascii() or _PUNYCODE.search(odd.host):
            told.setdefault(odd, f"{clean(str(odd))} has letters of another script in its name")
    for identity, message in told.items():
        for subject in places[identity]:
            yield subject, Said(message)


def _by_name(places: Mapping[Identity, object]) -> Iterator[Sequence[Identity]]:
    """Yield the repositories that have their name in common with others, together."""
    by_name: dict[str, list[Identity]] = {}
    for identity in places:
        by_name.setdefault(identity.path.rpartition("/")[2].lower(), []).append(identity)
    return (group for group in by_name.values() if len(group) > 1)


def _use(context: Context, identity: Identity, nodes: Sequence[Subject]) -> _Use:
    return _Use(identity in context.owners or identity in context.pinned, len(nodes), str(identity))


def _odd_ones(uses: Mapping[Identity, _Use]) -> Iterator[tuple[Identity, str]]:
    """Yield each repository that looks like one that counts more, and the one of those that counts most.

    uses: of repositories of one name. What the manifest names is never odd.
    """
    most: dict[str, _Use] = {}
    for identity, use in uses.items():
        owner = _owner(identity)
        most[owner] = max(most.get(owner, use), use)
    usual: dict[str, _Use] = {}
    for pair in _alike(sorted(most, key=most.__getitem__, reverse=True)):
        for one, other in (pair, pair[::-1]):
            usual[one] = max(usual.get(one, most[other]), most[other])
    for identity, use in uses.items():
        found = usual.get(_owner(identity))
        if found is not None and found > use and not use.named:
            yield identity, found.shown


def _alike(owners: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield pairs of owners that are one edit apart, or the same when folded: each with the first that it is so with.

    Of many that are alike among themselves each is paired with the first alone: two thousand ways to write one owner
    are two thousand pairs, not two million, and a thousand forks of nixpkgs none. owners: the most used first.
    """
    known = {*owners}
    first: dict[str | tuple[int, str], str] = {}
    for owner in owners:
        alike = [first.setdefault(_folded(owner), owner)]
        if len(owner) <= _LONGEST:
            for at in range(len(owner)):
                shorter = owner[:at] + owner[at + 1 :]
                # All that give one word without the letter at one place differ in that letter alone.
                alike.append(first.setdefault((at, shorter), owner))
                swapped = owner[:at] + owner[at : at + 2][::-1] + owner[at + 2 :]
                alike += {shorter, swapped} & known
        yield from ((owner, other) for other in dict.fromkeys(alike) if other != owner)


def _owner(identity: Identity) -> str:
    """Return the host and the owner of a repository: a look-alike host is one, too."""
    return f"{identity.host}/{identity.path.rpartition('/')[0]}".lower()


def _folded(word: str) -> str:
    return word.replace("rn", "m").translate(_FOLDED)


RULE = SourcesRule(
    id="look-alike",
    severity="medium",
    title="an owner that looks like another one",
    help=(
        "Of two repositories of one name the owners differ by a letter, or by letters that look alike (0 and o, rn and "
        "m), and this one is locked less often. Look whose it is. If it is right, an `[[audit.ignore]]` says so."
    ),
    find=find,
)

"""`look-alike`: an owner that is easily taken for another one of a repository of the same name."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

from flakesync.audit.rule import Answer, Context, Said, SourcesRule
from flakesync.audit.subject import Subject
from flakesync.errors import plain
from flakesync.nix.reference.identity import Identity

_FOLDED = str.maketrans({"0": "o", "1": "l", "i": "l", "-": "", "_": "", ".": ""})
_PUNYCODE = re.compile(r"(?:^|\.)xn--", re.IGNORECASE)


def find(context: Context, subjects: Sequence[Subject]) -> Iterator[tuple[Subject, Answer]]:
    """Yield a finding for each node that is locked to the rarer of two such repositories.

    What the manifest names, its repos and pins, is what others are taken for, however rare it is.
    """
    places: dict[Identity, list[Subject]] = {}
    for subject in subjects:
        found = subject.node.origin.found
        if found is not None and found.host:
            places.setdefault(found, []).append(subject)
    told: dict[Identity, str] = {}
    for one, other in _alike(places):
        known = [each in context.owners or each in context.pinned for each in (one, other)]
        if all(known):
            continue
        weights = [(named, len(places[each]), str(each)) for named, each in zip(known, (one, other), strict=True)]
        rare, usual = (one, other) if weights[0] < weights[1] else (other, one)
        told.setdefault(rare, f"{plain(str(rare))} looks like {plain(str(usual))}")
    for odd in places:
        if not f"{odd.host}{odd.path}".isascii() or _PUNYCODE.search(odd.host):
            told.setdefault(odd, f"{plain(str(odd))} has letters of another script in its name")
    for identity, message in told.items():
        for subject in places[identity]:
            yield subject, Said(message)


def _alike(identities: Iterable[Identity]) -> Iterator[tuple[Identity, Identity]]:
    """Yield the pairs of repositories of one name whose owners are one edit apart, or the same when folded."""
    by_name: dict[str, list[Identity]] = {}
    for identity in identities:
        by_name.setdefault(identity.path.rpartition("/")[2].lower(), []).append(identity)
    for group in by_name.values():
        if len(group) > 1:
            yield from _pairs(group)


def _pairs(group: Sequence[Identity]) -> Iterator[tuple[Identity, Identity]]:
    # Two words are one edit apart only if they are equal after a letter is taken out of one of them, or of both. So
    # only what shares such a word is compared: a thousand forks of nixpkgs are no million pairs.
    sharing: dict[str, set[Identity]] = {}
    for identity in group:
        owner = _owner(identity)
        words = {owner, _folded(owner), *(owner[:at] + owner[at + 1 :] for at in range(len(owner)))}
        for word in words:
            sharing.setdefault(word, set()).add(identity)
    seen: Counter[tuple[Identity, Identity]] = Counter()
    for candidates in sharing.values():
        for one, other in combinations(sorted(candidates), 2):
            seen[one, other] += 1
            if seen[one, other] == 1 and _is_alike(_owner(one), _owner(other)):
                yield one, other


def _owner(identity: Identity) -> str:
    """Return the host and the owner of a repository: a look-alike host is one, too."""
    return f"{identity.host}/{identity.path.rpartition('/')[0]}".lower()


def _folded(word: str) -> str:
    return word.replace("rn", "m").translate(_FOLDED)


def _is_alike(one: str, other: str) -> bool:
    if one == other:
        return False
    return _folded(one) == _folded(other) or _is_one_edit(one, other)


def _is_one_edit(one: str, other: str) -> bool:
    """Tell whether a letter put in, taken out or replaced, or two swapped, makes one word of the other."""
    short, long = sorted((one, other), key=len)
    if len(long) - len(short) > 1:
        return False
    start = next((at for at, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(long) > len(short):
        return short[start:] == long[start + 1 :]
    replaced = short[start + 1 :] == long[start + 1 :]
    swapped = short[start : start + 2] == long[start : start + 2][::-1] and short[start + 2 :] == long[start + 2 :]
    return replaced or swapped


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

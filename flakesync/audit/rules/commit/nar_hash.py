"""`nar-hash`: the files of the locked commit are not those that the lock has the hash of."""

import base64
from collections.abc import Iterator
from itertools import takewhile

from flakesync.analysis.findings.unlocked import why_unlocked
from flakesync.audit.evidence.model import ContentEvidence, Unknown, commit_key
from flakesync.audit.rule import Answer, Context, NodeRule, NotChecked, Said
from flakesync.nix.lock.node import LockNode
from flakesync.nix.store.narhash import sha256_of

_FEWEST_SHOWN = len("sha256-") + 4


def find(context: Context, node: LockNode) -> Iterator[Answer]:
    """Yield the finding.

    An archive that names no commit is what its hash says, and there is nothing to compare it with: no word of it.
    """
    locked = node.origin.locked
    given = locked.get("narHash")
    if not given or locked.get("type") == "path" or why_unlocked(node.origin) is not None:
        return
    key = commit_key(node)
    if key is None:
        if node.origin.rev is not None:
            yield NotChecked(f"locked as `{locked.get('type')}`: git cannot fetch the commit that it names")
        return
    says = sha256_of(str(given))
    if says is None:
        yield NotChecked("its narHash is none of SHA-256")
        return
    match context.evidence.contents.get(key):
        case ContentEvidence(nar_hashes=right, unsure=unsure):
            if says in map(sha256_of, right):
                return
            if unsure is not None:
                yield NotChecked(unsure)
            elif len(right) > 1 and "exportIgnore" in locked:
                yield NotChecked("`exportIgnore` takes some of its attributes into account, and others not")
            else:
                yield Said(f"{key.identity} {key.rev[:7]} is {_compare(right[0], says)}")
        case Unknown(reason=reason):
            yield NotChecked(reason)
        case None:
            yield NotChecked("its files were not looked at")


def _compare(right: str, says: bytes) -> str:
    """Return both hashes in one spelling, as far as it takes to tell them apart."""
    wrong = f"sha256-{base64.b64encode(says).decode()}"
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(right, wrong, strict=True)))
    shown = max(_FEWEST_SHOWN, same + 1)
    return f"{right[:shown]}…, the lock says {wrong[:shown]}…"


RULE = NodeRule(
    id="nar-hash",
    severity="high",
    level="mirror",
    of_commit=True,
    title="other files than those of the commit",
    help=(
        "The narHash of the lock is not that of the files that the locked commit has in its repository. Nix looks for "
        "a source by narHash first: whoever can put files into a store or a binary cache that is asked, and their hash "
        "into a lock, has them built, while owner, repository and commit look right, on every Nix. Find out who wrote "
        "the hash, and lock the input again (`nix flake update INPUT`)."
    ),
    find=find,
)

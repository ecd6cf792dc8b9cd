"""`not-in-history`: the locked commit is on no branch and no tag of its repository."""

from collections.abc import Iterator

from flakesync.audit.evidence.model import HistoryEvidence, Unknown, commit_key
from flakesync.audit.rule import Answer, Context, NodeRule, NotChecked, Said
from flakesync.nix.lock.node import LockNode


def find(context: Context, node: LockNode) -> Iterator[Answer]:
    """Yield the finding."""
    key = commit_key(node)
    if key is None:
        if node.origin.locked.get("type") == "hg" and node.origin.rev is not None:
            yield NotChecked("histories of Mercurial are not looked at")
        return
    match context.evidence.histories.get(key):
        case HistoryEvidence(standing="nowhere"):
            yield Said(f"{key.rev[:7]} is on no branch and no tag of {key.identity}")
        case Unknown(reason=reason):
            yield NotChecked(reason)
        case None:
            yield NotChecked("its history was not looked at")


RULE = NodeRule(
    id="not-in-history",
    severity="high",
    level="mirror",
    of_commit=True,
    title="on no branch and no tag of its repository",
    help=(
        "Forges hand out the commits of forks and of pull requests under the name of the repository too, to whoever "
        "names one, and Nix builds them without a word: anybody may have written this one. It can be honest: a branch "
        "that was squashed or rebased when it was merged, and deleted, or whose history was written anew, leaves such "
        "commits behind; one that was merged as it is does not. Lock a commit of a branch (`nix flake update INPUT`)."
    ),
    find=find,
)

"""`other-branch`: the locked commit is in the repository, but not on the branch that flake.nix names."""

from collections.abc import Iterator

from flakesync.audit.evidence.model import CommitKey, HistoryEvidence, Unknown, commit_key
from flakesync.audit.rule import Answer, Context, NodeRule, NotChecked, Said
from flakesync.nix.lock.node import LockNode


def find(context: Context, node: LockNode) -> Iterator[Answer]:
    """Yield the finding."""
    key = commit_key(node)
    if key is None or key.any_ref:
        return  # what names a commit, or a mere name of the registry, names no branch
    match context.evidence.histories.get(key):
        case HistoryEvidence(standing="on-other", ref_gone=True, branches=branches):
            gone = f"branch or tag {key.ref} (any more)" if key.ref is not None else "default branch"
            yield NotChecked(f"{key.identity} has no {gone}; {_on(key, branches)}")
        case HistoryEvidence(standing="on-other", branches=branches):
            yield Said(f"{_on(key, branches)}, and not on {_named(key)}")
        case Unknown(reason=reason):
            yield NotChecked(reason)
        case None:
            yield NotChecked("its history was not looked at")


def _on(key: CommitKey, branches: tuple[str, ...]) -> str:
    return f"{key.rev[:7]} is on {', '.join(branches)}"


def _named(key: CommitKey) -> str:
    return key.ref if key.ref is not None else "the default branch"


RULE = NodeRule(
    id="other-branch",
    severity="medium",
    level="mirror",
    of_commit=True,
    title="not on the branch that flake.nix names",
    help=(
        "The commit is one of the repository, but of another branch or tag than the input asks for: what was never "
        "reviewed, an older release with known holes, or a try that was forgotten. Nix does not look: it takes the "
        "commit of the lock. Name in flake.nix the branch that is meant, or lock the input again (`nix flake update "
        "INPUT`). A branch that was squashed or rebased when it was merged leaves commits that are on no branch."
    ),
    find=find,
)

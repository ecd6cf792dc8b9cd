"""`unsigned`: a commit that has to be signed by an allowed signer is not."""

from collections.abc import Iterator

from flakesync.audit.evidence.model import Signature, Unknown, commit_key
from flakesync.audit.rule import Answer, Context, NodeRule, NotChecked, Said
from flakesync.audit.sources import must_be_signed
from flakesync.nix.lock.node import LockNode


def find(context: Context, node: LockNode) -> Iterator[Answer]:
    """Yield the finding."""
    if not must_be_signed(context.settings, node):
        return
    key = commit_key(node)
    if key is None:
        what = f"as `{node.origin.locked.get('type')}`" if node.origin.rev is not None else "without a commit"
        yield Said(f"it has to be signed, and is locked {what}: only commits of git are")
        return
    match context.evidence.signatures.get(key):
        case Signature(good=False, detail=detail):
            yield Said(f"{key.identity} {key.rev[:7]} {detail}")
        case Unknown(reason=reason):
            yield NotChecked(reason)
        case None:
            no_file = context.settings.allowed_signers is None
            yield NotChecked(
                "`[audit] allowed-signers` names no file" if no_file else "its signature was not looked at"
            )


RULE = NodeRule(
    id="unsigned",
    severity="medium",
    level="mirror",
    of_commit=True,
    title="not signed by an allowed signer",
    help=(
        "`require-signed` in the manifest covers this source, and the locked commit has no signature that holds and is "
        "by somebody of `allowed-signers`, a file as ssh-keygen(1) describes it. Nix checks no signatures of commits. "
        "Ask who made the commit, or lock one that is signed."
    ),
    find=find,
)

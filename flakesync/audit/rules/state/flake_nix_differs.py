"""`flake-nix-differs`: flake.nix asks for something else than what is locked, so that Nix builds something else."""

from collections.abc import Iterator

from flakesync.audit.rule import Answer, Context, FlakeRule, NotChecked, Said
from flakesync.audit.subject import subjects
from flakesync.nix.expression.nested import find_nested
from flakesync.nix.lock.file import LockFile
from flakesync.terms import InputPath, RepoName
from flakesync.workspace.snapshot import FlakeState, RepoState

_OF_OTHER_CODE = ("new", "reference", "follows")
"""Not `gone` and `shared`: there Nix writes the file anew, and builds what it has locked all the same."""


def find(context: Context, state: RepoState, flake: FlakeState) -> Iterator[tuple[InputPath | None, Answer]]:
    """Yield a finding for each input that Nix would fetch, or take from elsewhere, as soon as it reads the flake.

    And for those below that are not what the flake.nix above them asks for, where that is known. Without a flake.nix
    nothing is asked for, and no Nix reads the lock.
    """
    if not flake.is_flake:
        return
    if flake.uncompared is not None:
        yield None, NotChecked(flake.uncompared)
    for each in flake.stale:
        if each.kind in _OF_OTHER_CODE:
            yield each.input, Said(f"{each.detail}: {each.wanted}" if each.kind == "new" else each.detail)
    if context.evidence.inputs and flake.lock is not None:
        yield from _find_nested(context, state.name, flake, flake.lock)


def _find_nested(
    context: Context, repo: RepoName, flake: FlakeState, lock: LockFile
) -> Iterator[tuple[InputPath | None, Answer]]:
    """Yield a finding for each node that is not what the flake.nix of the input that takes it asks for."""
    inputs = context.evidence.inputs
    # At level offline only of the workspace's own repos is it known what they ask for.
    takers = (each for each in subjects(repo, flake.dir, lock) if each.node.inputs)
    paths = [each.path for each in takers if each.node.origin.found in inputs]
    for each in find_nested(lock, paths, flake.overrides, context.evidence.declared):
        if each.detail is not None and flake.uncompared is None:
            yield each.input, Said(each.detail)
        else:
            yield each.input, NotChecked(each.why_unknown or flake.uncompared or "")


RULE = FlakeRule(
    id="flake-nix-differs",
    severity="high",
    title="flake.nix asks for something else than the lock has",
    help=(
        "Nix does not take an input from the lock where flake.nix says something else: it fetches what flake.nix names "
        "at once, in every build, so what is built is in no lock. Below an input Nix does not look: there it builds "
        "what is locked, whatever the flake.nix of that input asks for; the two are compared where a repo of the "
        "workspace has the commit, and at level mirror wherever its files are fetched. Lock anew (`nix flake lock`), "
        "and look at what has changed."
    ),
    # What flake.nix names is no part of a fingerprint: where it differed before, it may lead somewhere worse now.
    of_commit=True,
    find=find,
)

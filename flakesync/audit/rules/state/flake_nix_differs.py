"""`flake-nix-differs`: flake.nix asks for something else than what is locked, so that Nix builds something else."""

from collections.abc import Iterator

from flakesync.audit.rule import Answer, Context, FlakeRule, NotChecked, Said
from flakesync.terms import InputPath
from flakesync.workspace.snapshot import FlakeState, RepoState

_OF_OTHER_CODE = ("new", "reference", "follows")
"""Not `gone` and `shared`: there Nix writes the file anew, and builds what it has locked all the same."""


def find(context: Context, state: RepoState, flake: FlakeState) -> Iterator[tuple[InputPath | None, Answer]]:
    """Yield a finding for each input that Nix would fetch, or take from elsewhere, as soon as it reads the flake."""
    if flake.uncompared is not None:
        yield None, NotChecked(flake.uncompared)
    for each in flake.stale:
        if each.kind in _OF_OTHER_CODE:
            yield each.input, Said(f"{each.detail}: {each.wanted}" if each.kind == "new" else each.detail)


RULE = FlakeRule(
    id="flake-nix-differs",
    severity="high",
    title="flake.nix asks for something else than the lock has",
    help=(
        "Nix does not take an input from the lock where flake.nix says something else: it fetches what flake.nix names "
        "at once, in every build, so what is built is in no lock. Lock anew (`nix flake lock`), and look at what has "
        "changed."
    ),
    # What flake.nix names is no part of a fingerprint: where it differed before, it may lead somewhere worse now.
    of_commit=True,
    find=find,
)

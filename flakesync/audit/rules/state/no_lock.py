"""`no-lock`: a flake has inputs and no flake.lock."""

from collections.abc import Iterator

from flakesync.audit.rule import Answer, Context, FlakeRule, Said
from flakesync.terms import InputPath
from flakesync.workspace.snapshot import FlakeState, RepoState


def find(context: Context, state: RepoState, flake: FlakeState) -> Iterator[tuple[InputPath | None, Answer]]:
    """Yield what is missing."""
    if flake.problem is not None and flake.problem.kind == "no-lock":
        yield None, Said(flake.problem.detail)


RULE = FlakeRule(
    id="no-lock",
    # As grave as `unlocked`, which is the same of one input.
    severity="high",
    title="no flake.lock",
    help=(
        "Without a flake.lock every build takes what its inputs are at that moment: nothing is locked, and there is "
        "nothing that could be looked at. Write one (`nix flake lock`) and commit it; what is no flake goes out of the "
        "manifest."
    ),
    find=find,
)

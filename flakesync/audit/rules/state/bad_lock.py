"""`bad-lock`: a flake.lock cannot be used."""

from collections.abc import Iterator

from flakesync.audit.rule import Answer, Context, FlakeRule, Said
from flakesync.terms import InputPath
from flakesync.workspace.snapshot import FlakeState, RepoState


def find(context: Context, state: RepoState, flake: FlakeState) -> Iterator[tuple[InputPath | None, Answer]]:
    """Yield what is wrong with the file."""
    if flake.problem is not None and flake.problem.kind == "bad-lock":
        yield None, Said(flake.problem.detail)


RULE = FlakeRule(
    id="bad-lock",
    severity="high",
    title="a flake.lock that cannot be used",
    help=(
        "The flake.lock is damaged, or says what no Nix would write, so nothing of what it locks could be looked at. "
        "Take the last good one from git, or let Nix write it anew (`nix flake lock`)."
    ),
    find=find,
)

"""`unreachable`: a repo could not be read."""

from collections.abc import Iterator

from flakesync.audit.rule import Answer, Context, RepoRule, Said
from flakesync.workspace.snapshot import RepoState, UnreadableRepo


def find(context: Context, state: RepoState) -> Iterator[Answer]:
    """Yield why."""
    if isinstance(state, UnreadableRepo):
        yield Said(state.error.message)


RULE = RepoRule(
    id="unreachable",
    # A finding, and a grave one: what was not looked at must not pass where nobody reads more than the exit status.
    severity="high",
    title="a repo that could not be read",
    help=(
        "Nothing of the repo was looked at: it is not there, is damaged or somebody else's, or was never fetched. At "
        "level `offline` no server is asked; `flakesync drift`, and `--level mirror`, fetch what has no clone here."
    ),
    find=find,
)

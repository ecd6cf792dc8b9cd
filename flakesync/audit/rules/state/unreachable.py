"""`unreachable`: a repo could not be read."""

from collections.abc import Iterator

from flakesync.audit.rule import Answer, Context, NotChecked, RepoRule, Said
from flakesync.errors import NoAnswerError
from flakesync.workspace.snapshot import RepoState, UnreadableRepo


def find(context: Context, state: RepoState) -> Iterator[Answer]:
    """Yield why; a server that is down says nothing of the repo, which is then as it was, and unchecked."""
    if isinstance(state, UnreadableRepo):
        why = state.error.message
        yield NotChecked(why) if isinstance(state.error, NoAnswerError) else Said(why)


RULE = RepoRule(
    id="unreachable",
    # A finding, and a grave one: what was not looked at must not pass where nobody reads more than the exit status.
    severity="high",
    title="a repo that could not be read",
    help=(
        "Nothing of the repo was looked at: it is not there, is damaged or somebody else's, or was never fetched; or "
        "its server lets nobody in. Where that is only down, the repo is unchecked, and this is no finding. At "
        "level `offline` no server is asked; `flakesync drift`, and `--level mirror`, fetch what has no clone here."
    ),
    find=find,
)

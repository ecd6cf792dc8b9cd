"""Forgejo and Gitea: pushes among the activities of a repository."""

import msgspec

from flakesync.forge.model import Push
from flakesync.forge.pushes import Event, Moment, seconds
from flakesync.terms import Rev

_PUSHES = frozenset({"commit_repo", "mirror_sync_push"})
"""Types of activity that move a branch; a merge is one of them too, beside the one that says which it was."""


class _Commit(msgspec.Struct, frozen=True):
    sha: str = msgspec.field(default="", name="Sha1")


class _Pushed(msgspec.Struct, frozen=True):
    head: _Commit | None = msgspec.field(default=None, name="HeadCommit")
    # The newest first, and no more than a few.
    commits: tuple[_Commit, ...] | None = msgspec.field(default=None, name="Commits")

    @property
    def tip(self) -> str:
        newest = next(iter(self.commits or ()), None)
        commit = self.head or newest
        return commit.sha if commit is not None else ""


class FeedItem(msgspec.Struct, frozen=True):
    """An entry of `/activities/feeds`. content: of a push, JSON; of a branch that was made, nothing."""

    created: Moment
    op_type: str = ""
    ref_name: str = ""
    content: str = ""

    def event(self, branch: str) -> Event:
        """Return it as what happened to a branch. Whether a push was forced is not told."""
        time = seconds(self.created)
        if self.op_type not in _PUSHES or self.ref_name.removeprefix("refs/heads/") != branch:
            return time, None
        try:
            tip = msgspec.json.decode(self.content, type=_Pushed).tip
        except (msgspec.DecodeError, RecursionError):
            return time, None
        return time, Push(Rev(tip), time) if tip else None

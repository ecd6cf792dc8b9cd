"""GitHub: what has happened to a branch, as the activity of its repository tells it."""

import msgspec

from flakesync.forge.model import Push
from flakesync.forge.pushes import Event, Moment, seconds
from flakesync.terms import Rev

_FORWARD = frozenset({"push", "pr_merge", "merge_queue_merge"})
"""Types of activity that only add to a branch; GitHub tells a push that was forced from them."""
_REPLACES = frozenset({"force_push", "branch_creation"})
"""Types after which a branch may lack what it had: a branch of that name may have been deleted before it was made."""


class Activity(msgspec.Struct, frozen=True):
    """An entry of `/activity`."""

    after: str
    ref: str
    timestamp: Moment
    activity_type: str

    def event(self, branch: str) -> Event:
        """Return it as what happened to a branch. After every move the branch was at `after`."""
        time = seconds(self.timestamp)
        if self.ref != f"refs/heads/{branch}" or self.activity_type not in _FORWARD | _REPLACES:
            return time, None
        return time, Push(Rev(self.after), time, self.activity_type in _FORWARD)

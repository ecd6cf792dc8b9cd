"""GitLab: pushes among the events of a project."""

import msgspec

from flakesync.forge.model import Push
from flakesync.forge.pushes import Event, Moment, seconds
from flakesync.terms import Rev


class _PushData(msgspec.Struct, frozen=True):
    # Of many refs that were pushed at once there is one event, which names none of them.
    ref: str | None = None
    ref_type: str = ""
    # None: the branch was deleted.
    commit_to: str | None = None


class ProjectEvent(msgspec.Struct, frozen=True):
    """An entry of `/events`. A merge is a push there too."""

    created_at: Moment
    push_data: _PushData | None = None

    def event(self, branch: str) -> Event:
        """Return it as what happened to a branch. Whether a push was forced is not told."""
        time, data = seconds(self.created_at), self.push_data
        if data is None or (data.ref_type, data.ref) != ("branch", branch) or not data.commit_to:
            return time, None
        return time, Push(Rev(data.commit_to), time)

"""Whether a pull request may be merged now, by what its forge tells of its head, its checks and its reviews."""

from flakesync.forge.model import ForgeError, MergeStatus, Pull, Waiting


def find_obstacle(pull: Pull, merge_status: MergeStatus, *, settling: bool) -> Waiting | None:
    """Return what a merge waits for; None: nothing that is known, and the forge has the last word.

    settling: whether the head is so new that its checks may not have begun, so that having none says nothing.

    Raises: ForgeError(`pull-checks-failed`).
    """
    if pull.draft:
        return Waiting("person", "it is a draft")
    if merge_status.checks == "failed":
        message = f"{pull.url}: its checks failed{_named(merge_status.failed)}"
        raise ForgeError("pull-checks-failed", message, hint="look at them on the forge")
    if merge_status.waiting is not None:
        return merge_status.waiting
    if merge_status.checks == "pending":
        return Waiting("checks", f"its checks on the forge are running{_named(merge_status.pending)}")
    if merge_status.checks in ("none", "unknown") and settling:
        return Waiting("checks", "its checks on the forge have not begun yet")
    if merge_status.reviews == "changes-requested":
        return Waiting("person", "a review asks for changes")
    return None


def _named(checks: tuple[str, ...]) -> str:
    return f": {', '.join(checks)}" if checks else ""

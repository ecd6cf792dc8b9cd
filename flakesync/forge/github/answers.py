"""Every answer that GitHub gives to a merge, and what it means."""

from flakesync.forge.answers import NO, row

ANSWERS = (
    row(None, NO, r"^repository rule violations? found"),  # what follows says which
    row("archived", 403, r"repository (was|is) archived"),
    row("rights", 403, r""),  # that of writing workflow files among them, which is a permission of its own
    row("gone", 404, r""),
    row("rights", NO, r"not (authorized|allowed) to (push|merge|update)"),
    row("checks-failed", NO, r"required status check.*\b(failing|failed|errored)\b"),
    row("checks-failed", NO, r"required workflows?.*\b(failing|failed|errored)\b"),
    row("person", NO, r"not set by the expected github app"),
    row("queue", NO, r"merge queue"),
    row("checks", NO, r"required status checks?.*\b(expected|queued|pending|in progress|not succeeded|waiting)\b"),
    row("checks", NO, r"required (workflows?|deployments?).*\bnot (satisfied|succeeded)\b"),
    row("reviews", NO, r"approving reviews? (is|are) required"),
    row("reviews", NO, r"(code owner|last pusher|required review|review is required|requires? approval)"),
    # "Base branch was modified. Review and try the merge again.": the base moved under the commit being made.
    row("base-moved", NO, r"base branch was modified"),
    row("head-moved", NO, r"(head (branch )?was modified|expected head|head sha)"),
    row("behind", NO, r"(head branch is (behind|out of date)|not up[ -]to[ -]date with|out-of-date with the base)"),
    row("computing", NO, r"merge already in progress"),
    row("conflict", NO, r"merge conflict"),
    row("person", NO, r"\bdraft\b"),
    row("method", NO, r"(merge commits|squash merg\w+|rebase merg\w+|merge method) .*not allowed"),
    row("method", NO, r"must not contain merge commits"),
    row("state", NO, r"pull request is not mergeable"),
    row("head-moved", 409, r""),
)

"""Every answer that GitLab gives to a merge, and every status of a merge request, and what they mean."""

from collections.abc import Mapping

from flakesync.forge.answers import Meaning, row

ANSWERS = (
    row("rights", 401, r""),
    row("rights", 403, r""),
    row("gone", 404, r""),
    row("head-moved", 409, r"sha does not match"),
    row("state", (400, 405, 406, 409, 422), r""),
)

STATUSES: Mapping[str, Meaning] = {
    **dict.fromkeys(("preparing", "checking", "unchecked", "approvals_syncing"), "computing"),
    **dict.fromkeys(("cannot_be_merged_recheck", "cannot_be_merged_rechecking", ""), "computing"),
    **dict.fromkeys(("ci_still_running", "status_checks_must_pass", "external_status_checks"), "checks"),
    # Whether a pipeline of this commit is still to come, or one has failed, the pipelines say.
    "ci_must_pass": "checks",
    **dict.fromkeys(("not_approved", "code_owners_approval"), "reviews"),
    **dict.fromkeys(("merge_request_blocked", "blocked_status"), "upstream"),
    **dict.fromkeys(("conflict", "broken_status", "cannot_be_merged"), "conflict"),
    "need_rebase": "behind",
    # Not open, mergeable after all: what was refused has changed meanwhile, and is looked at again.
    **dict.fromkeys(("mergeable", "can_be_merged", "not_open"), "state"),
    **dict.fromkeys(
        (
            "requested_changes", "merge_time", "merge_after", "draft_status", "discussions_not_resolved",
            "jira_association_missing", "jira_association", "security_policy_violations",
            "security_policies_violations", "locked_paths", "locked_lfs_files", "title_regex", "title_not_matching",
            "commits_status",
        ),
        "person",
    ),
}  # fmt: skip
"""`detailed_merge_status` of GitLab, or `merge_status` of before 15.6, in lower case; what is not here needs a person.

It is the first condition that is not met, approvals before conflicts before pipelines.
"""

"""Every answer that a forge gives to a merge, and what it means: one row an answer.

Forges say why they do not merge in words, and GitHub and Gitea in words alone; what is not in this table needs a
person, who is shown them. docs/landing.md says where each row is known from.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from flakesync.forge.refusals import in_one_line
from flakesync.workspace.model import ForgeKind

Meaning = Literal[
    "rights", "archived", "gone", "method", "checks-failed", "head-moved", "conflict", "person", "queue", "upstream",
    "reviews", "checks", "behind", "base-moved", "computing", "state",
]  # fmt: skip
"""What an answer to a merge means, gravest first: of several lines the gravest counts.

rights, archived, gone, method: never, with this token, repository or merge method. checks-failed: a required check is
red. head-moved, behind, base-moved: a branch moved, look at it again. conflict: the branches do not go together.
person: somebody has to do something. queue: the base has a merge queue. upstream: another pull request goes first.
reviews, checks: not all of them are there yet. computing: the forge has not decided. state: the answer does not say,
the pull request itself does.
"""

_GRAVITY: Mapping[Meaning, int] = {means: number for number, means in enumerate(get_args(Meaning))}


@dataclass(frozen=True, slots=True)
class _Row:
    """An answer. statuses: of HTTP; empty: any. words: a pattern that is found in one line of it, whatever its case."""

    means: Meaning | None
    statuses: frozenset[int]
    words: re.Pattern[str]


def _row(means: Meaning | None, statuses: int | tuple[int, ...], words: str) -> _Row:
    known = frozenset((statuses,) if isinstance(statuses, int) else statuses)
    return _Row(means, known, re.compile(words, re.IGNORECASE))


_NO = (405, 409, 422)

_GITHUB = (
    _row(None, _NO, r"^repository rule violations? found"),  # what follows says which
    _row("archived", 403, r"repository (was|is) archived"),
    _row("rights", 403, r""),  # that of writing workflow files among them, which is a permission of its own
    _row("gone", 404, r""),
    _row("rights", _NO, r"not (authorized|allowed) to (push|merge|update)"),
    _row("checks-failed", _NO, r"required status check.*\b(failing|failed|errored)\b"),
    _row("checks-failed", _NO, r"required workflows?.*\b(failing|failed|errored)\b"),
    _row("person", _NO, r"not set by the expected github app"),
    _row("queue", _NO, r"merge queue"),
    _row("checks", _NO, r"required status checks?.*\b(expected|queued|pending|in progress|not succeeded|waiting)\b"),
    _row("checks", _NO, r"required (workflows?|deployments?).*\bnot (satisfied|succeeded)\b"),
    _row("reviews", _NO, r"approving reviews? (is|are) required"),
    _row("reviews", _NO, r"(code owner|last pusher|required review|review is required|requires? approval)"),
    # "Base branch was modified. Review and try the merge again.": the base moved under the commit being made.
    _row("base-moved", _NO, r"base branch was modified"),
    _row("head-moved", _NO, r"(head (branch )?was modified|expected head|head sha)"),
    _row("behind", _NO, r"(head branch is (behind|out of date)|not up[ -]to[ -]date with|out-of-date with the base)"),
    _row("computing", _NO, r"merge already in progress"),
    _row("conflict", _NO, r"merge conflict"),
    _row("person", _NO, r"\bdraft\b"),
    _row("method", _NO, r"(merge commits|squash merg\w+|rebase merg\w+|merge method) .*not allowed"),
    _row("method", _NO, r"must not contain merge commits"),
    _row("state", _NO, r"pull request is not mergeable"),
    _row("head-moved", 409, r""),
)
_GITLAB = (
    _row("rights", 401, r""),
    _row("rights", 403, r""),
    _row("gone", 404, r""),
    _row("head-moved", 409, r"sha does not match"),
    _row("state", (400, 405, 406, 409, 422), r""),
)
_FORGEJO = (
    _row("rights", 403, r""),
    _row("gone", 404, r""),
    _row("rights", 413, r""),  # the owner's quota
    _row("archived", 423, r""),
    _row("rights", _NO, r"user not allowed to merge"),
    _row("method", _NO, r"(is not (an )?allowed|not allowed an allowed) (an allowed )?merge style"),
    _row("method", _NO, r"merge style .*not allowed"),
    _row("checks", _NO, r"not all required status checks successful"),
    _row("reviews", _NO, r"(does not have enough approvals|official review requests)"),
    _row("person", _NO, r"(requested changes|changed protected files|would not be signed|work in progress)"),
    _row("behind", _NO, r"head branch is behind"),
    _row("head-moved", _NO, r"head out of date"),
    _row("base-moved", _NO, r"merge push out of date"),
    _row("person", _NO, r"(push ?rejected|pre-receive hook)"),
    # What git said, instead of a message.
    _row("conflict", 409, r"^(style|stdout|stderr) "),
    _row("computing", _NO, r"try again later"),
    _row("state", _NO, r"^(the pr is already merged)?$"),
)
_NAMES = re.compile(r"""".*"|(?<!\w)'.*'(?!\w)""")
_ANSWERS: Mapping[ForgeKind, tuple[_Row, ...]] = {"github": _GITHUB, "gitlab": _GITLAB, "forgejo": _FORGEJO, "none": ()}

GITLAB_STATUSES: Mapping[str, Meaning] = {
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


def meaning_of(kind: ForgeKind, status: int, lines: Iterable[str]) -> Meaning:
    """Return what the answer to a merge means: of its lines the gravest; what no row knows needs a person.

    status: of HTTP. lines: what the forge says, see `refusal.lines_in`.
    """
    rows = [row for row in _ANSWERS[kind] if status in row.statuses]
    found = [_meaning_of_line(rows, line) for line in lines or ("",)]
    known = [means for means in found if means is not None]
    return min(known, key=_GRAVITY.__getitem__, default="person")


def said(kind: ForgeKind, status: int, lines: Sequence[str]) -> str:
    """Return what the answer to a merge says, in one line, without what only introduces the rest."""
    rows = [row for row in _ANSWERS[kind] if status in row.statuses]
    return in_one_line([line for line in lines if _meaning_of_line(rows, line) is not None] or lines)


def _meaning_of_line(rows: Iterable[_Row], line: str) -> Meaning | None:
    """Return what one line means; None: it only introduces others."""
    # The name of a check can be any text: "merge queue", or "failing tests".
    words = _NAMES.sub('""', line)
    for row in rows:
        if row.words.search(words):
            return row.means
    return "person"

"""`ignore-expired`, `ignore-unused`: what is wrong with an `[[audit.ignore]]`; found where ignores are applied."""

from flakesync.audit.rule import BaseRule

EXPIRED = BaseRule(
    id="ignore-expired",
    severity="info",
    title="the end of an ignore has passed",
    help=(
        "An `[[audit.ignore]]` has an `until` that has passed, so that what it left out is a finding again. This one "
        "is as grave as that. Mend what it was about, or look at it again and give the ignore a later `until`."
    ),
)
"""Found with the severity of the finding that is back."""

UNUSED = BaseRule(
    id="ignore-unused",
    severity="info",
    title="an ignore covers nothing",
    help=(
        "No finding is what this `[[audit.ignore]]` describes: what it was about has been mended, or its repo, input "
        "or `locked` has changed. Delete it, so that it hides nothing later."
    ),
)

"""Every answer that Forgejo, or Gitea, gives to a merge, and what it means."""

from flakesync.forge.answers import NO, row

ANSWERS = (
    row("rights", 403, r""),
    row("gone", 404, r""),
    row("rights", 413, r""),  # the owner's quota
    row("archived", 423, r""),
    row("rights", NO, r"user not allowed to merge"),
    row("method", NO, r"(is not (an )?allowed|not allowed an allowed) (an allowed )?merge style"),
    row("method", NO, r"merge style .*not allowed"),
    row("checks", NO, r"not all required status checks successful"),
    row("reviews", NO, r"(does not have enough approvals|official review requests)"),
    row("person", NO, r"(requested changes|changed protected files|would not be signed|work in progress)"),
    row("behind", NO, r"head branch is behind"),
    row("head-moved", NO, r"head out of date"),
    row("base-moved", NO, r"merge push out of date"),
    row("person", NO, r"(push ?rejected|pre-receive hook)"),
    # What git said, instead of a message.
    row("conflict", 409, r"^(style|stdout|stderr) "),
    row("computing", NO, r"try again later"),
    row("state", NO, r"^(the pr is already merged)?$"),
)

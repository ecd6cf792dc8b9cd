"""Forgejo and Gitea: a token is not told about; what it may not do, the refusals name."""

import msgspec

from flakesync.doctor.forges.ask import ForgeAnswer, ForgeQuestions
from flakesync.doctor.forges.facts import KindQuestions, RepoFacts, TokenFacts
from flakesync.forge.urls import repository


class _Permissions(msgspec.Struct):
    push: bool | None = None


class _Repository(msgspec.Struct):
    archived: bool = False
    permissions: _Permissions | None = None
    has_pull_requests: bool = True
    allow_merge_commits: bool | None = None
    allow_squash_merge: bool | None = None
    allow_rebase: bool | None = None
    allow_fast_forward_only_merge: bool = False


def ask_token(forge: ForgeQuestions) -> tuple[TokenFacts, ForgeAnswer]:
    """Ask whose the token is: 401 refuses it, 403 means that it lacks the scope for that, which nobody needs."""
    answer = forge.ask("/user")
    if answer.status == 401 or answer.is_limited:
        return TokenFacts(problem=forge.words(answer)), answer
    return TokenFacts(), answer


def _read(answer: ForgeAnswer) -> RepoFacts | None:
    found = answer.read(_Repository)
    if found is None:
        return None
    allowed = {"merge": found.allow_merge_commits, "squash": found.allow_squash_merge, "rebase": found.allow_rebase}
    known = all(value is not None for value in allowed.values())
    allowed["fast-forward"] = found.allow_fast_forward_only_merge
    methods = frozenset(name for name, value in allowed.items() if value) if known else None
    pushes = found.permissions.push if found.permissions is not None else None
    return RepoFacts(pushes and found.has_pull_requests, found.archived, methods)


QUESTIONS = KindQuestions(ask_token, lambda path: f"/repos/{repository(path)}", _read, "/pulls?limit=1")

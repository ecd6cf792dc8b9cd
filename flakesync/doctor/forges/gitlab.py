"""GitLab: a token of a person, a project or a group is asked about itself."""

from datetime import UTC, date, datetime

import msgspec

from flakesync.doctor.forges.ask import ForgeAnswer, ForgeQuestions
from flakesync.doctor.forges.facts import KindQuestions, RepoFacts, TokenFacts, number
from flakesync.forge.urls import segment

_DEVELOPER = 30
"""The lowest level that may push branches."""
_METHODS = {"merge": "merge", "rebase_merge": "merge", "ff": "fast-forward"}


class _Token(msgspec.Struct):
    scopes: list[str]
    expires_at: date | None = None
    active: bool = True
    revoked: bool = False


class _Access(msgspec.Struct):
    access_level: int = 0


class _Permissions(msgspec.Struct):
    project_access: _Access | None = None
    group_access: _Access | None = None


class _Project(msgspec.Struct):
    archived: bool = False
    permissions: _Permissions | None = None
    merge_method: str | None = None
    squash_option: str | None = None


def ask_token(forge: ForgeQuestions) -> tuple[TokenFacts, ForgeAnswer]:
    """Ask a token about itself; one of OAuth or of a job, which has no such answer, whose it is."""
    answer = forge.ask("/personal_access_tokens/self")
    left, limit = number(answer.headers.get("ratelimit-remaining")), number(answer.headers.get("ratelimit-limit"))
    facts = TokenFacts(left=left, limit=limit, reset=number(answer.headers.get("ratelimit-reset")))
    if answer.status in (400, 403, 404) and not answer.is_limited:
        user = forge.ask("/user")
        # Where that is not to be found either, something else than GitLab may answer: the repositories tell.
        return (facts._replace(problem=forge.words(user)) if user.status == 401 else facts), user
    found = answer.read(_Token)
    if found is None:
        return facts._replace(problem=forge.words(answer)), answer
    if found.revoked or not found.active:
        return facts._replace(problem="it has been revoked, or has ended"), answer
    ends = datetime(found.expires_at.year, found.expires_at.month, found.expires_at.day, tzinfo=UTC).timestamp() \
        if found.expires_at is not None else None  # fmt: skip
    said = f"scopes {', '.join(map(forge.clean, sorted(found.scopes))) or 'none'}"
    return facts._replace(scopes=said, lacks=None if "api" in found.scopes else "api", ends=ends), answer


def _read(answer: ForgeAnswer) -> RepoFacts | None:
    found = answer.read(_Project)
    if found is None:
        return None
    pushes = None
    if found.permissions is not None:
        both = (found.permissions.project_access, found.permissions.group_access)
        levels = [access.access_level for access in both if access is not None]
        # Without any of its own a token may still have what an administrator has: then it is not said.
        pushes = max(levels) >= _DEVELOPER if levels else None
    method = _METHODS.get(found.merge_method or "")
    if method is None:
        return RepoFacts(pushes, found.archived)
    methods = {method} | ({"squash"} if found.squash_option != "never" else set())
    return RepoFacts(pushes, found.archived, frozenset(methods))


QUESTIONS = KindQuestions(ask_token, lambda path: f"/projects/{segment(path)}", _read, "/merge_requests?per_page=1")

"""GitHub: scopes of classic tokens in a header; of other kinds of tokens only when they end."""

from datetime import UTC, datetime

import msgspec

from flakesync.doctor.forges.ask import ForgeAnswer, ForgeQuestions
from flakesync.doctor.forges.facts import KindQuestions, RepoFacts, TokenFacts, number
from flakesync.forge.urls import repository

_ENDS = "github-authentication-token-expiration"


class _Permissions(msgspec.Struct):
    push: bool | None = None


class _Repository(msgspec.Struct):
    archived: bool = False
    permissions: _Permissions | None = None
    allow_merge_commit: bool | None = None
    allow_squash_merge: bool | None = None
    allow_rebase_merge: bool | None = None


def ask_token(forge: ForgeQuestions) -> tuple[TokenFacts, ForgeAnswer]:
    """Ask for the rate limit, which costs nothing of it and is answered to tokens of every kind.

    An Enterprise Server without limits says 404 and means the same: the token is good.
    """
    answer = forge.ask("/rate_limit")
    headers = answer.headers
    left, limit = number(headers.get("x-ratelimit-remaining")), number(headers.get("x-ratelimit-limit"))
    reset = number(headers.get("x-ratelimit-reset"))
    facts = TokenFacts(ends=_ends(headers.get(_ENDS, "")), left=left, limit=limit, reset=reset)
    if answer.status not in (200, 404):
        return facts._replace(problem=forge.words(answer)), answer
    scopes = headers.get("x-oauth-scopes")
    if scopes is None:
        return facts, answer  # a fine-grained token, or one of an app: its repositories tell
    have = {scope.strip() for scope in scopes.split(",")} - {""}
    lacks = None if have & {"repo", "public_repo"} else "repo"
    said = f"scopes {', '.join(sorted(have))}" if have else "no scope at all"
    return facts._replace(scopes=said, lacks=lacks), answer


def _read(answer: ForgeAnswer) -> RepoFacts | None:
    found = answer.read(_Repository)
    if found is None:
        return None
    allowed = {
        "merge": found.allow_merge_commit, "squash": found.allow_squash_merge, "rebase": found.allow_rebase_merge,
    }  # fmt: skip
    known = all(value is not None for value in allowed.values())
    methods = frozenset(name for name, value in allowed.items() if value) if known else None
    pushes = found.permissions.push if found.permissions is not None else None
    return RepoFacts(pushes, found.archived, methods)


def _ends(text: str) -> float | None:
    try:
        return datetime.strptime(text[:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


QUESTIONS = KindQuestions(ask_token, lambda path: f"/repos/{repository(path)}", _read, "/pulls?per_page=1")

"""Whatever a server answers, a row comes of it, without a traceback and without its control characters."""

import json
import time
from collections.abc import Mapping
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakesync.doctor.forges.ask import ForgeAnswer, ForgeQuestions
from flakesync.doctor.forges.facts import RepoFacts
from flakesync.doctor.forges.rows import KINDS, _clock, _of_facts, _repo, _token
from flakesync.workspace.hosts import Account

ACCOUNT = Account("git.acme.example", "gitlab", "https://git.acme.example/api", "bot", "t0ken", ("ACME_TOKEN",))
NAMES = (
    "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit-limit", "ratelimit-remaining",
    "ratelimit-reset", "retry-after", "date", "x-oauth-scopes", "github-authentication-token-expiration",
)  # fmt: skip
FIELDS = (
    "scopes", "expires_at", "active", "revoked", "archived", "permissions", "push", "project_access", "access_level",
    "merge_method", "allow_merge_commit", "has_pull_requests", "message",
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.sampled_from(["2026-12-01", "9999-12-31"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5),
    max_leaves=9,
)
TEXTS = st.text(st.characters(codec="ascii", exclude_characters="\r\n\0"), max_size=30)
HEADERS = st.dictionaries(
    st.sampled_from(NAMES), TEXTS | st.integers().map(str) | st.sampled_from(["9" * 15, "9999-12-31 23:59:59 UTC"])
)


class _Asked:
    """Questions to a forge that has one answer."""

    account = ACCOUNT
    token = "the token in ACME_TOKEN"

    def __init__(self, answer: ForgeAnswer) -> None:
        self._answer = answer

    def ask(self, path: str) -> ForgeAnswer:
        return self._answer

    def words(self, answer: ForgeAnswer) -> str:
        return f"status {answer.status}"

    def clean(self, text: str) -> str:
        return text


@pytest.mark.parametrize("kind", [*KINDS])
@given(status=st.sampled_from([200, 204, 301, 400, 401, 403, 404, 429, 500]), body=VALUES, headers=HEADERS)
def test_any_answer_is_a_row(kind: str, status: int, body: object, headers: Mapping[str, str]) -> None:
    answer = ForgeAnswer(status, headers, json.dumps(body).encode(), time.time())
    forge = cast("ForgeQuestions", _Asked(answer))
    facts, last = KINDS[kind].token(forge)
    rows = [*_token(forge, facts, last, {}), *_clock(ACCOUNT, last), _repo(forge, KINDS[kind], last, "squash")]
    assert rows[0].what.startswith("token for")


@pytest.mark.parametrize(
    ("facts", "how"),
    [
        (RepoFacts(pushes=True), "ok"),
        (RepoFacts(), "ok"),
        (RepoFacts(pushes=False), "fails"),
        (RepoFacts(pushes=True, archived=True), "fails"),
        (RepoFacts(pushes=True, methods=frozenset({"merge"})), "fails"),
        (RepoFacts(pushes=True, methods=frozenset({"merge", "squash"})), "ok"),
        (RepoFacts(pushes=True, methods=frozenset()), "fails"),
    ],
)
def test_what_a_repository_allows_decides(facts: RepoFacts, how: str) -> None:
    assert _of_facts(facts, "squash").how == how

"""What a forge says of a token and of a repository, in the same words for all kinds."""

from collections.abc import Callable
from typing import NamedTuple

from flakesync.doctor.forges.ask import ForgeAnswer, ForgeQuestions


class TokenFacts(NamedTuple):
    """What is known of a token.

    problem: why nothing can be done with it; None: it is taken. scopes: what it may do, as a phrase; None: the forge
    does not say. lacks: what it needs and has not, as the forge calls it. ends: when it ends (seconds since the
    epoch), None: never, or it is not said. left, limit, reset: requests that are left of how many, until when.
    """

    problem: str | None = None
    scopes: str | None = None
    lacks: str | None = None
    ends: float | None = None
    left: int | None = None
    limit: int | None = None
    reset: float | None = None


class RepoFacts(NamedTuple):
    """What is known of a repository, by the token that asks.

    pushes: whether its owner may push there; None: it is not said. methods: how pull requests may be merged, as
    `merge-method` of the manifest names it; None: it is not said.
    """

    pushes: bool | None = None
    archived: bool = False
    methods: frozenset[str] | None = None


class KindQuestions(NamedTuple):
    """What is asked of a kind of forge.

    token: returns what is known of the token, with the answer that says so. repository: the path of a repository in the
    API. read: what an answer to it says; None: it is no such answer. pulls: what is added to the path for its pull
    requests.
    """

    token: Callable[[ForgeQuestions], tuple[TokenFacts, ForgeAnswer]]
    repository: Callable[[str], str]
    read: Callable[[ForgeAnswer], RepoFacts | None]
    pulls: str


def number(text: str | None) -> int | None:
    """Parse a whole number of a header; None if it is none."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 16 else None

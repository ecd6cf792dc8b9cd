"""The newest pull requests of many repositories by one question to GitHub's GraphQL.

The answer becomes the very values that REST's becomes. What it leaves open is missing, and asked for by REST.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import msgspec

from flakesync.forge.github.graphql import GraphError, GraphQL, State, TooMuchError
from flakesync.forge.model import ForgeError, Project, Pull, PullQuestion
from flakesync.terms import PullState, Rev

AT_ONCE = 50
"""Questions a call. It costs 3 points of 5,000 an hour: one for 100 lists, and each pull request has one, of labels."""

_FEWEST = 6
_STATES: Mapping[str, PullState] = {"OPEN": "open", "CLOSED": "closed", "MERGED": "merged"}
# Pull requests from forks are listed too, if their branch has the same name; no filter leaves them out.
_LIST = "headRefName: $head{0}, baseRefName: $base{0}, first: 2, orderBy: {{field: CREATED_AT, direction: DESC}}"
_REPOSITORY = (
    "  r{0}: repository(owner: $owner{0}, name: $name{0}) {{\n"
    f"    open: pullRequests(states: [OPEN], {_LIST}) {{{{ ...Listed }}}}\n"
    f"    all: pullRequests({_LIST}) {{{{ ...Listed }}}}\n"
    "  }}"
)
_VARIABLES = "$owner{0}: String!, $name{0}: String!, $head{0}: String!, $base{0}: String!"
_LISTED = """
fragment Listed on PullRequestConnection {
  pageInfo { hasNextPage }
  nodes {
    id number url state title body isDraft headRefOid headRefName baseRefName isCrossRepository
    labels(first: 100) { nodes { name } }
    mergeCommit { oid }
  }
}
"""


class _Label(msgspec.Struct, frozen=True):
    name: str


class _Labels(msgspec.Struct, frozen=True):
    nodes: tuple[_Label, ...] = ()


class _Commit(msgspec.Struct, frozen=True):
    oid: str


class _Pull(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    number: int
    url: str
    state: str
    title: str
    body: str
    is_draft: bool
    head_ref_oid: str
    head_ref_name: str
    base_ref_name: str
    is_cross_repository: bool
    labels: _Labels | None = None
    merge_commit: _Commit | None = None

    def is_for(self, question: PullQuestion) -> bool:
        """Tell whether it is between these branches of one repository."""
        return not self.is_cross_repository and (self.head_ref_name, self.base_ref_name) == (
            question.head,
            question.base,
        )

    def value(self) -> Pull:
        state = _STATES.get(self.state, "closed")
        merged = self.merge_commit if state == "merged" else None
        return Pull(
            number=self.number,
            url=self.url,
            state=state,
            title=self.title,
            body=self.body,
            head=Rev(self.head_ref_oid),
            head_branch=self.head_ref_name,
            base_branch=self.base_ref_name,
            draft=self.is_draft,
            labels=tuple(label.name for label in self.labels.nodes) if self.labels is not None else (),
            merged_rev=Rev(merged.oid) if merged is not None else None,
            key=self.id,
        )


class _Page(msgspec.Struct, frozen=True, rename="camel"):
    has_next_page: bool


class _List(msgspec.Struct, frozen=True, rename="camel"):
    page_info: _Page
    # None: the token may not read it.
    nodes: tuple[_Pull | None, ...]


class _Repository(msgspec.Struct, frozen=True):
    open: _List
    all: _List

    def newest(self, question: PullQuestion) -> tuple[bool, Pull | None]:
        """Return whether it is known, and the pull request: an open one goes first; None: there is none."""
        for listed in (self.open, self.all):
            found = next((pull for pull in listed.nodes if pull is not None and pull.is_for(question)), None)
            if found is not None:
                return True, found.value()
            if listed.page_info.has_next_page or None in listed.nodes:
                return False, None
        return True, None


@dataclass
class Many:
    """Asks one GitHub. at_once: how many questions it is given a call; 0: it does not answer them."""

    graphql: GraphQL
    at_once: int = AT_ONCE

    def find(self, questions: Sequence[PullQuestion]) -> Mapping[PullQuestion, Pull | None]:
        """Return what one call answers. After a call that failed fewer are asked at once, and in the end none."""
        asked = [question for question in questions if _can_be_asked(question)][: self.at_once]
        if not asked:
            return {}
        try:
            parts = self.graphql.parts("PullRequests", text_of(len(asked)), _variables(asked))
        except ForgeError:  # its limit is used up; REST has one of its own
            return {}
        except TooMuchError:
            parts = {}
        except GraphError:
            self.at_once = 0
            return {}
        found = dict(_answers(asked, parts))
        if not found:
            self.at_once = self.at_once // 2 if self.at_once // 2 >= _FEWEST else 0
        return found

    def states(self, pulls: Sequence[tuple[Project, Pull]]) -> Iterator[tuple[Project, Pull, State]]:
        """Yield what GraphQL says of open pull requests, of each as it was found; what is not answered is left out."""
        asked = [(project, pull) for project, pull in pulls if pull.key]
        while asked and self.at_once:
            batch, asked = asked[: self.at_once], asked[self.at_once :]
            try:
                found = self.graphql.states([pull for _, pull in batch])
            except (GraphError, ForgeError):
                return
            for (project, pull), state in zip(batch, found, strict=True):
                if state is not None and (state.state, state.head_ref_oid) == ("OPEN", pull.head):
                    yield project, pull, state


@cache
def text_of(count: int) -> str:
    """Return the query for so many pull requests. Nothing of a repository is in it: names travel as variables."""
    variables = ", ".join(_VARIABLES.format(number) for number in range(count))
    repositories = "\n".join(_REPOSITORY.format(number) for number in range(count))
    return f"query PullRequests({variables}) {{\n{repositories}\n}}\n{_LISTED}"


def _variables(questions: Sequence[PullQuestion]) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, question in enumerate(questions):
        owner, _, name = question.project.path.partition("/")
        found |= {f"owner{number}": owner, f"name{number}": name}
        found |= {f"head{number}": question.head, f"base{number}": question.base}
    return found


def _answers(
    questions: Sequence[PullQuestion], parts: Mapping[str, msgspec.Raw]
) -> list[tuple[PullQuestion, Pull | None]]:
    found = []
    for number, question in enumerate(questions):
        try:
            known, pull = msgspec.json.decode(parts.get(f"r{number}", b"null"), type=_Repository).newest(question)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if known:
            found.append((question, pull))
    return found


def _can_be_asked(question: PullQuestion) -> bool:
    """Tell whether it is about OWNER/NAME, and no name has bytes that are no text."""
    words = (question.project.path, question.head, question.base)
    return question.project.path.count("/") == 1 and all(word.isprintable() for word in words)

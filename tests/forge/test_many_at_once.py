"""Pull requests of many repositories by one question to GitHub: the values of one by one, or no answer at all."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from graphql import build_schema, graphql_sync, parse, validate

from flakesync.demo.forge.model import Job
from flakesync.demo.forge.web.messages import Json
from flakesync.forge.github import graphql
from flakesync.forge.github.adapter import GitHub
from flakesync.forge.github.many import AT_ONCE, text_of
from flakesync.forge.lookup import FRESH_S, PullLookup
from flakesync.forge.model import ForgeError, OnForge, Project, Pull, PullQuestion
from tests.forge.described import HERE
from tests.forge.scripted import Script
from tests.forge.sides import Make, Side
from tests.forge.test_github import HEAD, NEXT, PULL
from tests.forge.test_github_queue import state
from tests.support.forge import Forge, faults
from tests.support.forge.client import branch, client_of

BRANCH = "flakesync/update"
HOSTILE = 'x"){viewer{login}}#\\u0022$owner0 ...Listed'


def questions(*names: str) -> list[PullQuestion]:
    return [PullQuestion(Project("github.com", f"acme/{name}"), BRANCH, "main") for name in names]


# ---- the example forge: both ways give the same ----------------------------------------------------------------------


@pytest.fixture
def github(make: Make) -> Side:
    return make("github")


def opened(side: Side, name: str, *, states: Sequence[str] = ("open",)) -> PullQuestion:
    """Make a repository, and pull requests that come to these states one after the other; return its question."""
    hand = client_of(side.hand.forge, "github", f"acme/{name}")
    head, base = "update", "main"
    for number, end in enumerate(states, 1):
        branch(hand.project, head, {"flake.lock": f"{name} {number}"})
        assert hand.open(head=head, base=base, title=f"Update {number} “{name}”", body=f"Body\n{number}").status == 201
        hand.call("POST", f"/issues/{number}/labels", {"labels": ["flake-lock", "b a"]})
        if end == "closed":
            hand.edit({"state": "closed"}, number)
        elif end != "open":
            assert hand.merge(end, number=number).status == 200
    return PullQuestion(Project(side.hand.site.host, f"acme/{name}"), head, base)


def test_the_same_pull_request_is_found_whichever_way_it_is_asked_for(github: Side) -> None:
    asked = [
        opened(github, "none", states=()),
        opened(github, "one"),
        opened(github, "closed", states=("closed",)),
        opened(github, "merged", states=("closed", "merge")),
        opened(github, "squashed", states=("squash",)),
        opened(github, "again", states=("closed", "merge", "open")),
    ]
    reopened = opened(github, "reopened", states=("closed", "closed", "closed"))
    client_of_one = replace(github.hand, project=github.hand.site.projects["acme/reopened"])
    client_of_one.edit({"state": "open"}, 1)
    other_base = replace(asked[1], base="release")
    moved = opened(github, "moved")
    github.hand.site.move("acme/moved", "acme/elsewhere")
    asked += [reopened, other_base, moved]
    one_by_one = {each: github.forge.find(each.project, head=each.head, base=each.base) for each in asked}
    github.calls()
    together = github.forge.find_many(asked)
    assert github.calls() == 1
    assert together == one_by_one
    assert [pull.state if pull is not None else None for pull in together.values()] == [
        None, "open", "closed", "merged", "merged", "open", "open", None, "open",
    ]  # fmt: skip


def test_what_is_gone_or_hidden_is_not_answered_and_the_others_are(github: Side) -> None:
    here = opened(github, "here")
    hidden = opened(github, "hidden")
    github.hand.site.projects["acme/hidden"].private = True
    github.hand.site.accounts.clear()
    github.hand.site.add_account(github.hand.token or "", "reader", "none")
    gone = replace(here, project=replace(here.project, path="acme/gone"))
    found = github.forge.find_many([gone, here, hidden])
    assert [each.project.path for each in found] == ["acme/here"]
    with pytest.raises(ForgeError):
        github.forge.find(gone.project, head=gone.head, base=gone.base)


def test_a_server_without_graphql_is_asked_once(github: Side) -> None:
    asked = [opened(github, name) for name in ("a", "b")]
    github.hand.site.graphql = False
    assert github.forge.find_many(asked) == {}
    assert github.forge.at_once == 0
    github.calls()
    assert github.forge.find_many(asked) == {}
    assert github.calls() == 0


# ---- GitHub's own schema ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, AT_ONCE])
def test_the_question_is_one_by_githubs_schema(count: int) -> None:
    schema = build_schema((HERE / "github.graphql").read_text())
    assert validate(schema, parse(text_of(count))) == []


@pytest.mark.parametrize("text", [graphql.STATE, graphql.STATES])
def test_the_question_how_pull_requests_stand_is_one_by_githubs_schema(text: str) -> None:
    schema = build_schema((HERE / "github.graphql").read_text())
    assert validate(schema, parse(text)) == []


def test_the_example_forge_answers_by_githubs_schema(github: Side) -> None:
    asked = [opened(github, "a", states=("closed", "squash", "open")), opened(github, "b", states=())]
    variables = {
        f"{key}{number}": value
        for number, each in enumerate(asked)
        for key, value in {"owner": "acme", "name": each.project.path[5:], "head": each.head, "base": "main"}.items()
    }
    answer = github.hand.raw("POST", "/api/graphql", {"query": text_of(2), "variables": variables})
    data = answer["data"]
    assert isinstance(data, dict)
    schema = build_schema((HERE / "github.graphql").read_text())
    for number in range(2):
        # The schema resolves a field by its name, and the answer has it by its alias.
        lists: Json = data[f"r{number}"]
        for alias in ("open", "all"):
            text = f'{{ repository(owner: "acme", name: "x") {{ pullRequests(first: 2) {{ {SHOWN} }} }} }}'
            root = {"repository": {"pullRequests": lists[alias]}}
            checked = graphql_sync(schema, text, root)
            assert checked.errors is None
            assert checked.data == {"repository": {"pullRequests": lists[alias]}}


SHOWN = text_of(1).partition("PullRequestConnection {")[2].rpartition("}")[0]


# ---- answers ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def script() -> Script:
    return Script("https://api.github.com", None)


@pytest.fixture
def adapter(script: Script) -> GitHub:
    return GitHub(script.client(GitHub.headers("s3cret"), "github.com"))


def node(number: int = 7, **changes: Any) -> Json:
    return {
        "id": f"PR_{number}", "number": number, "url": f"https://github.com/acme/lib/pull/{number}", "state": "OPEN",
        "title": "Update", "body": "Body", "isDraft": False, "headRefOid": HEAD, "headRefName": BRANCH,
        "baseRefName": "main", "isCrossRepository": False, "labels": {"nodes": []}, "mergeCommit": None, **changes,
    }  # fmt: skip


def listed(*nodes: Json | None, more: bool = False) -> Json:
    return {"pageInfo": {"hasNextPage": more}, "nodes": [*nodes]}


def repository(opened: Json | None = None, every: Json | None = None) -> Json:
    return {"open": opened or listed(), "all": every or opened or listed()}


GOOD = repository(listed(node()))
LIB, APP = questions("lib", "app")
FOUND = replace(PULL, key="PR_7")


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (GOOD, FOUND),
        (repository(), None),
        (repository(listed(), listed(node(state="MERGED", mergeCommit={"oid": NEXT}))),
         replace(FOUND, state="merged", merged_rev=NEXT)),
        (repository(listed(), listed(node(state="CLOSED", mergeCommit={"oid": NEXT}))), replace(FOUND, state="closed")),
        (repository(listed(node(8, isCrossRepository=True), node())), FOUND),
        (repository(listed(node(8, headRefName="flakesync/update2"), node())), FOUND),
        # Not known: there may be another one behind those of forks, or the token may not read it.
        (repository(listed(node(isCrossRepository=True), more=True)), "missing"),
        (repository(listed(), listed(node(isCrossRepository=True), more=True)), "missing"),
        (repository(listed(None)), "missing"),
        (None, "missing"),
        ({}, "missing"),
        ({"open": None, "all": None}, "missing"),
        (repository(listed({**node(), "number": "7"})), "missing"),
        (repository(listed({"number": 7})), "missing"),
    ],
)  # fmt: skip
def test_an_answer_is_a_pull_request_none_or_no_answer(
    script: Script, adapter: GitHub, part: object, expected: object
) -> None:
    script.then(200, {"data": {"r0": part, "r1": GOOD}})
    found = adapter.find_many([LIB, APP])
    assert found.get(LIB, "missing") == expected
    assert found[APP] == FOUND


@pytest.mark.parametrize(
    "error",
    [
        {"type": "NOT_FOUND", "path": ["r0"], "message": "Could not resolve to a Repository"},
        {"type": "FORBIDDEN", "path": ["r0", "open", "nodes", 0, "body"], "message": "Resource not accessible"},
    ],
)
def test_an_error_of_one_repository_takes_its_answer_alone(script: Script, adapter: GitHub, error: Json) -> None:
    script.then(200, {"data": {"r0": GOOD, "r1": GOOD}, "errors": [error]})
    assert adapter.find_many([LIB, APP]) == {APP: FOUND}
    assert adapter.at_once == AT_ONCE


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"data": {"r0": GOOD}, "errors": [{"message": "Something went wrong while executing your query."}]}),
        (200, {"data": None, "errors": [{"type": "MAX_NODE_LIMIT_EXCEEDED", "message": "This query requests …"}]}),
        (200, {"data": {"r0": GOOD}, "errors": [{"message": "x", "path": []}]}),
        (200, {"data": {"r0": None, "r1": None}}),
        (200, {}),
        (502, "<html>"),
        (504, {"message": "We couldn't respond to your request in time."}),
    ],
)
def test_after_a_question_without_answers_fewer_are_asked_at_once(
    script: Script, adapter: GitHub, status: int, body: object
) -> None:
    script.then(status, body)
    assert adapter.find_many([LIB, APP]) == {}
    assert adapter.at_once == AT_ONCE // 2
    assert len(script.told) == 1
    assert script.pauses == []


def test_a_graphql_that_never_answers_is_given_up_after_four_questions(script: Script, adapter: GitHub) -> None:
    sizes = []
    while adapter.at_once:
        sizes.append(adapter.at_once)
        script.then(502, "<html>")
        adapter.find_many([LIB, APP])
    assert sizes == [50, 25, 12, 6]


@pytest.mark.parametrize(
    ("status", "body"),
    [(401, {"message": "Bad credentials"}), (403, {"message": "No"}), (404, {}), (405, {}), (200, "<html>"), (200, [])],
)
def test_a_refusal_turns_it_off(script: Script, adapter: GitHub, status: int, body: object) -> None:
    script.then(status, body)
    assert adapter.find_many([LIB, APP]) == {}
    assert adapter.at_once < AT_ONCE


def test_a_broken_connection_says_nothing_of_the_rest_of_the_api(script: Script, adapter: GitHub) -> None:
    script.breaks().then(200, [])
    assert adapter.find_many([LIB, APP]) == {}
    assert adapter.find(LIB.project, head=BRANCH, base="main") is None


def test_where_its_limit_is_used_up_it_is_not_waited_for(script: Script, adapter: GitHub) -> None:
    headers = {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "2000", "X_RateLimit_Resource": "graphql"}
    script.then(200, {"data": {"r0": GOOD, "r1": GOOD}}, **headers).then(200, [])
    assert len(adapter.find_many([LIB, APP])) == 2
    assert adapter.find_many([LIB, APP]) == {}
    assert adapter.find(LIB.project, head=BRANCH, base="main") is None  # REST has a limit of its own
    assert script.pauses == []
    assert [line.partition("?")[0] for line in script.told] == ["POST /graphql", "GET /repos/acme/lib/pulls"]


def test_nothing_of_a_repository_is_in_the_text_of_the_question(script: Script, adapter: GitHub) -> None:
    hostile = [PullQuestion(Project("github.com", f"acme/{HOSTILE}"), HOSTILE, HOSTILE), APP]
    script.then(200, {"data": {"r0": repository(), "r1": GOOD}})
    assert adapter.find_many(hostile) == {hostile[0]: None, APP: FOUND}
    (body,) = script.bodies
    assert isinstance(body, dict)
    assert body["query"] == text_of(2)
    assert body["variables"]["name0"] == HOSTILE


@pytest.mark.parametrize("path", ["lib", "acme/lib/deep", "acme/\udcff"])
def test_what_is_no_name_of_github_is_left_to_rest(script: Script, adapter: GitHub, path: str) -> None:
    script.then(200, {"data": {"r0": GOOD}})
    odd = PullQuestion(Project("github.com", path), BRANCH, "main")
    assert adapter.find_many([odd, APP]) == {APP: FOUND}


# ---- PullLookup ------------------------------------------------------------------------------------------------------


class Counting(GitHub):
    """Answers any question. asked: how many at a time. lacks: repositories that are answered one by one alone."""

    at_once = 50

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.lacks: set[str] = set()

    def find_many(self, questions: Sequence[PullQuestion]) -> dict[PullQuestion, Pull | None]:
        self.asked.append(len(questions))
        return {each: self.pull(each.project) for each in questions if each.project.path not in self.lacks}

    def find(self, project: Project, *, head: str, base: str) -> Pull | None:
        self.asked.append(1)
        return self.pull(project)

    def pull(self, project: Project) -> Pull:
        return replace(PULL, title=f"{project.path} {len(self.asked)}")


def lookup(count: int, clock: Callable[[], float] = lambda: 0.0) -> tuple[Counting, PullLookup, list[OnForge]]:
    forge, made = Counting(), PullLookup(clock)
    asked = questions(*(f"r{number}" for number in range(count)))
    made.expect((forge, each) for each in asked)
    return forge, made, [OnForge(forge, each.project) for each in asked]


def titles(made: PullLookup, repos: Sequence[OnForge]) -> list[str]:
    found = [made.find(each, head=BRANCH, base="main") for each in repos]
    return [pull.title.partition(" ")[0] for pull in found if pull is not None]


@pytest.mark.parametrize(("count", "asked"), [(1, [1]), (2, [2]), (50, [50]), (51, [50, 1]), (120, [50, 50, 20])])
def test_fifty_are_looked_up_by_one_call(count: int, asked: list[int]) -> None:
    forge, made, repos = lookup(count)
    assert titles(made, repos) == [f"acme/r{number}" for number in range(count)]
    assert forge.asked == asked


def test_the_order_in_which_they_are_asked_for_does_not_matter() -> None:
    forge, made, repos = lookup(120)
    assert len(titles(made, repos[::-1])) == 120
    assert forge.asked == [50, 50, 20]


def test_what_is_not_answered_is_asked_for_alone() -> None:
    forge, made, repos = lookup(10)
    forge.lacks = {"acme/r0", "acme/r7"}
    assert len(titles(made, repos)) == 10
    assert forge.asked == [10, 1, 1]


def test_an_answer_is_given_once() -> None:
    forge, made, repos = lookup(10)
    titles(made, repos)
    again = made.find(repos[3], head=BRANCH, base="main")
    assert again is not None
    assert again.title == "acme/r3 2"
    assert forge.asked == [10, 1]


def test_an_old_answer_is_asked_for_again_with_the_others() -> None:
    now = [0.0]
    forge, made, repos = lookup(60, lambda: now[0])
    titles(made, repos[:10])
    now[0] += FRESH_S + 1
    titles(made, repos[10:])
    assert forge.asked == [50, 50]


def test_another_branch_than_expected_is_asked_for_alone() -> None:
    forge, made, repos = lookup(10)
    made.find(repos[0], head=BRANCH, base="release")
    assert forge.asked == [1]


def test_what_is_expected_again_is_asked_again() -> None:
    forge, made, repos = lookup(10)
    titles(made, repos[:1])
    made.expect((forge, each) for each in questions(*(f"r{number}" for number in range(10))))
    titles(made, repos)
    assert forge.asked == [10, 10]


def test_an_error_of_one_repository_is_raised_for_it_alone(github: Side) -> None:
    asked = [opened(github, name) for name in ("a", "b")]
    gone = replace(asked[0], project=Project(github.hand.site.host, "acme/gone"))
    made = PullLookup()
    made.expect((github.forge, each) for each in [gone, *asked])
    with pytest.raises(ForgeError) as caught:
        made.find(OnForge(github.forge, gone.project), head=gone.head, base=gone.base)
    assert caught.value.code == "forge-not-found"
    github.calls()
    for each in asked:
        assert made.find(OnForge(github.forge, each.project), head=each.head, base=each.base) is not None
    assert github.calls() == 0


def test_a_502_of_graphql_ends_in_one_by_one(forge: Forge, github: Side) -> None:
    asked = [opened(github, name) for name in ("a", "b", "c")]
    forge.faults.add(faults.answer_after_acting(502), path="/graphql", times=None)
    made = PullLookup()
    made.expect((github.forge, each) for each in asked)
    github.calls()
    for each in asked:
        assert made.find(OnForge(github.forge, each.project), head=each.head, base=each.base) is not None
    assert github.calls() == 1 + 3
    assert github.pauses == []


# ---- how many open ones stand ----------------------------------------------------------------------------------------


def test_the_same_is_told_of_open_pull_requests_whichever_way_it_is_asked_for(github: Side) -> None:
    github.hand.site.thinks_for = 0
    asked = [opened(github, name) for name in ("plain", "checked", "failed", "conflict", "approved")]
    projects = {each.project.path[5:]: github.hand.site.projects[each.project.path] for each in asked}
    projects["checked"].ci = [Job("ci")]
    projects["failed"].ci = [Job("ci", state="failure"), Job("build", run=True)]
    projects["approved"].protect("main", approvals=1)
    branch(projects["conflict"], "main", {"flake.lock": "theirs"})
    found = [pull for pull in github.forge.find_many(asked).values() if pull is not None]
    pulls = [(each.project, pull) for each, pull in zip(asked, found, strict=True)]
    one_by_one = {
        (project, pull.number): (github.forge.get(project, pull.number), github.forge.merge_status(project, pull))
        for project, pull in pulls
    }
    github.calls()
    assert github.forge.find_statuses(pulls) == one_by_one
    # The names of checks that have not passed, and what rules demand, are REST's to tell: of three of them.
    assert github.calls() < 12
    assert len({status for _, status in one_by_one.values()}) > 2


def test_fifty_are_asked_how_they_stand_by_one_call(github: Side) -> None:
    asked = [opened(github, name) for name in ("a", "b", "c")]
    pulls = [(each.project, pull) for each, pull in github.forge.find_many(asked).items() if pull is not None]
    github.calls()
    assert len(github.forge.find_statuses(pulls)) == 3
    assert github.calls() == 1


@pytest.mark.parametrize(
    "answer",
    [
        {"data": {"nodes": [state()["data"]["node"], None]}},
        {
            "data": {"nodes": [state()["data"]["node"]] * 2},
            "errors": [{"message": "x", "path": ["nodes", 1, "commits"]}],
        },
        {"data": {"nodes": [state()["data"]["node"], state(of=NEXT)["data"]["node"]]}},
        {"data": {"nodes": [state()["data"]["node"], state(merged="MERGED")["data"]["node"]]}},
    ],
)
def test_how_it_stands_is_told_of_what_was_answered_alone(script: Script, adapter: GitHub, answer: Json) -> None:
    script.then(200, answer)
    pulls = [(LIB.project, FOUND), (APP.project, replace(FOUND, number=8))]
    assert [*adapter.find_statuses(pulls)] == [(LIB.project, 7)]


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (502, "<html>"),
        (404, {}),
        (200, {"data": None, "errors": [{"message": "x"}]}),
        (200, {"data": {"nodes": []}}),
        (200, {"data": {"nodes": [state()["data"]["node"]] * 2}, "errors": [{"message": "x", "path": ["nodes"]}]}),
        (200, {"data": {"nodes": [{"state": 7}, None]}}),
    ],
)
def test_where_graphql_does_not_answer_each_is_asked_for_alone(
    script: Script, adapter: GitHub, status: int, answer: object
) -> None:
    script.then(status, answer)
    pulls = [(LIB.project, FOUND), (APP.project, replace(FOUND, number=8))]
    assert adapter.find_statuses(pulls) == {}
    assert len(script.told) == 1
    assert script.pauses == []

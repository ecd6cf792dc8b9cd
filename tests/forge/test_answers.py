"""Recorded answers of the forges, and what the adapters make of each; docs/landing.md tells it to people.

answers/FORGE.json is a list of objects:

name: what the forge says.
source: how that is known: from the description of its API (`description`), its other documents (`documented`), an
    answer of a live server that somebody has kept (`recorded`) or told of (`observed`), the forge's own `code`; or it
    is `inferred` from those.
call: what is asked of the adapter. before: calls that go before it.
answers: what the forge answers with, one after the other. A body may be `$like` one of objects.json.
expects: what must come of it. asked: the requests, without their queries.
values: what VALUE stands for, an answer for each.
beyond: in what the description is wrong about it.
"""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, get_args

import httpx2
import msgspec
import pytest
from graphql import GraphQLSchema, build_schema, graphql_sync, parse, validate

from flakesync.forge import answers
from flakesync.forge.github import graphql as github_graphql
from flakesync.forge.gitlab.answers import STATUSES
from flakesync.forge.hosts import adapter_of
from flakesync.forge.model import Forge, ForgeError, MergeStatus, NewPull, Project, Pull, Undecided, Waiting, WaitReason
from flakesync.forge.refusals import lines_in
from flakesync.terms import Rev
from tests.forge import described
from tests.forge.scripted import Script

Json = dict[str, Any]

HERE = Path(__file__).parent / "answers"
KINDS = ("github", "gitlab", "forgejo")
SOURCES = {"description", "documented", "recorded", "observed", "code", "inferred"}
HEAD = Rev("1" * 40)
PLACES = {
    "github": ("https://api.github.com", Project("github.com", "acme/lib"), "/pull/7"),
    "gitlab": ("https://gitlab.com/api/v4", Project("gitlab.com", "acme/core/lib"), "/-/merge_requests/7"),
    "forgejo": ("https://codeberg.org/api/v1", Project("codeberg.org", "acme/lib"), "/pulls/7"),
}
KEYS = {"github": "PR_7", "gitlab": "1007", "forgejo": ""}
NEW = NewPull("flakesync/update", "main", "Update", "Body")


@cache
def objects(kind: str) -> dict[str, Json]:
    found: dict[str, dict[str, Json]] = json.loads((HERE / "objects.json").read_text())
    return found[kind]


def whole(kind: str, node: Any) -> Any:
    """Return a body with each `$like` replaced by the object that it names, and its own fields over it."""
    if isinstance(node, list):
        return [whole(kind, item) for item in node]
    if not isinstance(node, dict):
        return node
    own = {name: whole(kind, value) for name, value in node.items() if name != "$like"}
    return laid_over(whole(kind, objects(kind)[node["$like"]]), own) if "$like" in node else own


def laid_over(below: Json, own: Json) -> Json:
    merged = dict(below)
    for name, value in own.items():
        known = merged.get(name)
        merged[name] = laid_over(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return merged


def cases(kind: str) -> list[Json]:
    """Return the answers of a forge; one with `values` is one for each of them, which stands where VALUE does."""
    found: list[Json] = []
    for case in json.loads((HERE / f"{kind}.json").read_text()):
        text = json.dumps(case)
        values = case.get("values", ["VALUE"])
        found += [json.loads(text.replace("VALUE", json.dumps(value)[1:-1])) for value in values]
    for case in found:
        for answer in case["answers"]:
            answer["body"] = whole(kind, answer.get("body"))
    return found


ALL = [pytest.param(kind, case, id=f"{kind}: {case['name']}") for kind in KINDS for case in cases(kind)]


DESCRIPTIONS = {"github": described.github, "gitlab": described.gitlab, "forgejo": described.forgejo}
OF_ANSWERS = {**DESCRIPTIONS, "forgejo": described.forgejo_answers}


def script_of(kind: str, case: Json) -> Script:
    script = Script(PLACES[kind][0], DESCRIPTIONS[kind]())
    for answer in case["answers"]:
        if answer.get("breaks"):
            script.breaks()
            continue
        body, told = answer["body"], answer.get("headers", {})
        what: Json = {"text": body} if isinstance(body, str) else {} if body is None else {"json": body}
        script.answers.append(httpx2.Response(answer["status"], headers=told, **what))
    return script


def forge_of(kind: str, script: Script) -> Forge:
    adapter = adapter_of(kind)
    assert adapter is not None
    return adapter(script.client(adapter.headers("s3cret"), PLACES[kind][1].host))


def act(kind: str, case: Json, forge: Forge) -> Callable[[str], object]:
    _, project, below = PLACES[kind]
    web = f"https://{project.host}/{project.path}{below}"
    key = KEYS[kind] if case.get("graphql", True) else ""
    pull = Pull(7, web, "open", "Update", "Body", HEAD, NEW.head_branch, NEW.base_branch, key=key)
    calls: dict[str, Callable[[], object]] = {
        "merge": lambda: forge.merge(project, pull, head=HEAD, method=case.get("method", "merge")),
        "open": lambda: forge.create(project, NEW),
        "merge_status": lambda: forge.merge_status(project, pull),
        "find": lambda: forge.find(project, head=NEW.head_branch, base=NEW.base_branch),
        "get": lambda: forge.get(project, 7),
        "update": lambda: forge.update(project, pull, title="Update", body="Body"),
        "depend": lambda: forge.depend(project, pull, [(project, pull)]),
    }
    return lambda name: calls[name]()


def outcome(do: Callable[[str], object], name: str) -> Json:
    """Return what came of a call, in the words of the file."""
    try:
        found = do(name)
    except ForgeError as error:
        waits = (
            {"waiting": error.waiting.reason, "detail": error.waiting.detail} if isinstance(error, Undecided) else {}
        )
        return {"error": error.code, "says": error.message, **waits}
    match found:
        case Waiting(reason, detail):
            return {"waiting": reason, "detail": detail}
        case Pull():
            return {"pull": {**msgspec.to_builtins(found), "labels": [*found.labels]}}
        case MergeStatus():
            told: Json = {"checks": found.checks, "reviews": found.reviews}
            told |= {"failed": [*found.failed], "pending": [*found.pending]}
            if found.waiting is not None:
                told |= {"waiting": found.waiting.reason, "detail": found.waiting.detail}
            return {"merge_status": told}
        case None:
            return {"pull": None}
        case other:
            raise AssertionError(other)


def is_as_expected(found: Json, expects: Json) -> bool:
    match expects:
        case {"pull": dict(fields)}:
            pull = found.get("pull")
            return isinstance(pull, dict) and all(pull[name] == value for name, value in fields.items())
        case {"says": words}:
            rest = {name: value for name, value in expects.items() if name != "says"}
            return words in found.get("says", "") and {k: v for k, v in found.items() if k != "says"} == rest
        case {"merge_status": fields}:
            return found == {"merge_status": {"reviews": "none", "failed": [], "pending": [], **fields}}
        case _:
            return found == expects


@pytest.mark.parametrize(("kind", "case"), ALL)
def test_each_answer_means_what_it_means_and_is_one_that_its_forge_describes(kind: str, case: Json) -> None:
    script = script_of(kind, case)
    given = list(script.answers)
    do = act(kind, case, forge_of(kind, script))
    for name in case.get("before", []):
        outcome(do, name)
    found = outcome(do, case["call"])
    assert is_as_expected(found, case["expects"]), found
    assert script.answers == [], f"only {script.told} was asked"
    if "asked" in case:
        assert [line.partition("?")[0] for line in script.told] == case["asked"]
    assert "s3cret" not in str(found)
    for line, answer, body in zip(script.told, given, script.bodies, strict=True):
        if isinstance(answer, httpx2.Response):
            check(kind, case, line, answer, body)


def check(kind: str, case: Json, line: str, answer: httpx2.Response, asked: object) -> None:
    """Fail unless an answer is one that its forge describes. line: the request. asked: its body."""
    method, _, target = line.partition(" ")
    if target == "/graphql":
        check_graphql(asked, answer)
    elif "beyond" not in case and "json" in answer.headers.get("content-type", ""):
        check_answer(kind, method, target, answer.status_code, answer.content)


@cache  # most of them are one and the same pull request
def check_answer(kind: str, method: str, target: str, status: int, content: bytes) -> None:
    base = httpx2.URL(PLACES[kind][0]).raw_path.decode().rstrip("/")
    told = {"content-type": "application/json"}
    OF_ANSWERS[kind]().check_answer(method, f"{base}{target}", {}, status, told, content)


# ---- GraphQL ---------------------------------------------------------------------------------------------------------


@cache
def schema() -> GraphQLSchema:
    return build_schema((described.HERE / "github.graphql").read_text())


def check_graphql(request: Any, answer: httpx2.Response) -> None:
    """Fail unless the schema has what was asked for, and answers so."""
    assert validate(schema(), parse(request["query"])) == []
    document = answer.json() if answer.status_code == 200 else {}
    if "data" not in document or "errors" in document:
        return
    names = {"operation_name": request["operationName"], "variable_values": request["variables"]}
    result = graphql_sync(schema(), request["query"], _named(document["data"]), **names)
    assert result.errors is None, result.errors
    assert result.data == document["data"]


def _named(node: Any, name: str = "") -> Any:
    """Return an answer with the types of what can be several ones."""
    if isinstance(node, list):
        return [_named(item, name) for item in node]
    if not isinstance(node, dict):
        return node
    kinds = {"node": "PullRequest", "timelineItems": "RemovedFromMergeQueueEvent"}
    below = {key: _named(value, name if key == "nodes" else key) for key, value in node.items()}
    return {"__typename": kinds[name], **below} if name in kinds else below


@pytest.mark.parametrize("name", ["STATE", "STATES", "_ENQUEUE", "_AUTO_MERGE"])
def test_all_that_graphql_is_asked_is_in_githubs_schema(name: str) -> None:
    assert validate(schema(), parse(getattr(github_graphql, name))) == []


@pytest.mark.parametrize("changed", [{"mergeStateStatus": "FINE"}, {"headRefOid": None}, {"isInMergeQueue": "yes"}])
def test_an_answer_of_graphql_that_the_schema_does_not_allow_is_noticed(changed: Json) -> None:
    node = whole("github", {"$like": "state", **changed})
    asked = {"query": github_graphql.STATE, "operationName": "PullRequestState", "variables": {"id": "PR_7"}}
    with pytest.raises(AssertionError):
        check_graphql(asked, httpx2.Response(200, json={"data": {"node": node}}))


# ---- the files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["node_id", "mergeable_state", "head"])
def test_an_answer_of_github_that_lacks_what_is_described_is_noticed(missing: str) -> None:
    body = whole("github", {"$like": "pull"})
    del body[missing]
    told = {"content-type": "application/json"}
    with pytest.raises(AssertionError):
        described.github().check_answer("GET", "/repos/acme/lib/pulls/7", {}, 200, told, json.dumps(body).encode())


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_unique_and_sources_are_known(kind: str) -> None:
    found = cases(kind)
    names = [case["name"] for case in found]
    assert len(names) == len(set(names)) >= 30
    assert {case["source"] for case in found} <= SOURCES


@pytest.mark.parametrize("kind", KINDS)
def test_every_row_of_the_table_is_met_by_an_answer(kind: str) -> None:
    adapter = adapter_of(kind)
    assert adapter is not None
    met = set()
    for case in cases(kind):
        for answer in case["answers"] if case["call"] == "merge" else []:
            rows = [row for row in adapter.answers if answer.get("status") in row.statuses]
            for line in lines_in(json.dumps(answer["body"]).encode()) or ("",):
                words = answers._NAMES.sub('""', line)
                met.add(next((row for row in rows if row.words.search(words)), None))
    assert [row for row in adapter.answers if row not in met] == []


def test_every_status_of_gitlab_is_met_by_an_answer() -> None:
    bodies = [answer["body"] for case in cases("gitlab") for answer in case["answers"]]
    told = {
        body.get(key) for body in bodies if isinstance(body, dict) for key in ("detailed_merge_status", "merge_status")
    }
    assert {status.lower() for status in told if status is not None} >= STATUSES.keys()


def test_every_reason_to_wait_is_met_by_an_answer() -> None:
    reasons = {case["expects"].get("waiting") for kind in KINDS for case in cases(kind) if case["call"] == "merge"}
    # A spent limit (tests/forge/test_limits.py) is met before a merge is tried at all.
    assert reasons >= set(get_args(WaitReason)) - {"limit"}

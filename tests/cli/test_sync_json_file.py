"""`flakesync sync --json-file`: the JSON document beside the answer for people."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Ran
from tests.support.nixspace import Space, chain

Call = Callable[..., Ran]


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Space:
    """A workspace of two repos that are behind; it is the current folder."""
    space = chain(tmp_path, 2)
    space.manifest(tables={"r1": {"checks": ["sh -c 'echo broken; exit 7'"]}})
    monkeypatch.chdir(tmp_path)
    return space


def test_the_file_has_the_document_and_the_answer_stays_for_people(space: Space, flakesync: Call) -> None:
    ran = flakesync("sync", "--json-file", "page/sync.json")
    assert ran.status == 1, ran.err
    assert "    | broken\n" in ran.out, "what the check wrote"
    document = json.loads(Path("page/sync.json").read_bytes())
    assert {repo["repo"]: repo["status"] for repo in document["repos"]} == {"r0": "updated", "r1": "failed"}
    again = flakesync("sync", "--json", "--json-file", "page/again.json")
    assert again.out == Path("page/again.json").read_text()


def test_a_file_that_cannot_be_written_is_an_error_and_the_answer_is_not_lost(space: Space, flakesync: Call) -> None:
    Path("page").write_text("")
    ran = flakesync("sync", "--json-file", "page/sync.json")
    assert ran.status == 2
    assert "1 updated, 1 failed" in ran.out
    assert "error[no-answer]: page: cannot be written: " in ran.err
    assert space.ref("r0") is not None

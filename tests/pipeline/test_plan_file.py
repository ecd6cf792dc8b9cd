"""The file of a plan: the same bytes for the same plan, and nothing in it is believed before it is looked at."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flakesync.errors import FlakesyncError
from flakesync.pipeline import plan_file
from flakesync.pipeline.manifest import digest_of
from flakesync.pipeline.plan_file import PlanFile, read_plan_file
from flakesync.workspace.manifest import load_workspace
from tests.pipeline.machines import AUTHOR, Machines
from tests.support.nixspace import Space, Take

Break = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Space, Machines]:
    root = tmp_path_factory.mktemp("plan")
    space = Space(root / "space")
    space.add("lib").add("app", {"nixpkgs": Take(), "lib": Take()}).add("left", {})
    return space, Machines(space.manifest(AUTHOR, mirrored=space.names), root)


def refused(machines: Machines, data: bytes) -> FlakesyncError:
    """Return the error with which a file is refused."""
    machines.file.write_bytes(data)
    with pytest.raises(FlakesyncError) as caught:
        read_plan_file(machines.file, load_workspace(machines.manifest))
    assert caught.value.hint is not None
    assert str(machines.file) in caught.value.message
    return caught.value


def test_a_plan_is_read_as_it_was_written_and_equal_plans_are_equal_bytes(made: tuple[Space, Machines]) -> None:
    _, machines = made
    plan = machines.plan()
    data = machines.file.read_bytes()
    machines.plan()
    assert machines.file.read_bytes() == data == plan.encode()
    assert [task.repo for task in plan.tasks] == ["lib", "app"]
    assert plan.untouched == ("left",)
    assert str(machines.root) not in data.decode().replace(f"file://{machines.root}", "")


def test_a_part_of_a_file_is_no_plan(made: tuple[Space, Machines]) -> None:
    _, machines = made
    data = machines.plan().encode()
    for length in (0, 1, 40, len(data) // 2, len(data) - 3):
        assert refused(machines, data[:length]).code == "bad-plan"
    assert read(machines, data[:-1]).encode() == data  # nothing but the line end is gone


def read(machines: Machines, data: bytes) -> PlanFile:
    machines.file.write_bytes(data)
    return read_plan_file(machines.file, load_workspace(machines.manifest))


@pytest.mark.parametrize("data", [b"[]", b"{}", b"null", b"[" * 5000, b'{"schema": "flakesync/plan/1"}', b"\xff\xfe"])
def test_another_file_is_no_plan(made: tuple[Space, Machines], data: bytes) -> None:
    assert refused(made[1], data).code == "bad-plan"


def test_a_file_that_is_too_large_is_not_read(made: tuple[Space, Machines], monkeypatch: pytest.MonkeyPatch) -> None:
    data = made[1].plan().encode()
    monkeypatch.setattr(plan_file, "MOST_BYTES", len(data) - 1)
    assert "is no plan" in refused(made[1], data).message


def test_another_version_is_refused(made: tuple[Space, Machines]) -> None:
    data = made[1].plan().encode().replace(b'"flakesync":"', b'"flakesync":"1', 1)
    error = refused(made[1], data)
    assert error.code == "other-version"


def test_a_manifest_counts_by_what_tasks_take_from_it(made: tuple[Space, Machines]) -> None:
    space, machines = made
    data = machines.plan().encode()
    text = machines.manifest.read_text()
    try:
        machines.manifest.write_text(f"# a comment\n{text}".replace('name = "acme"', 'name = "acme"\njobs = 7', 1))
        assert read(machines, data).encode() == data
        for settings in ({"sign-off": True}, {"branch": "other/branch"}, {"author": "Else <else@acme.example>"}):
            space.manifest({**AUTHOR, **settings}, mirrored=space.names)
            assert refused(machines, data).code == "other-manifest"
        space.manifest(AUTHOR, mirrored=space.names, tables={"app": {"checks": ["true"]}})
        assert refused(machines, data).code == "other-manifest"
    finally:
        machines.manifest.write_text(text)


def test_a_manifest_that_lies_elsewhere_is_the_same(tmp_path: Path) -> None:
    digests = set()
    for name in ("one", "two"):
        for repo in ("work/lib", "app"):
            (tmp_path / name / repo).mkdir(parents=True)
        file = tmp_path / name / "work/workspace.toml"
        file.write_text('[workspace]\nname = "acme"\n[repos.lib]\npath = "./lib"\nurl = "github:acme/lib"\n'
                        '[repos.app]\npath = "../app"\n')  # fmt: skip
        digests.add(digest_of(load_workspace(file)))
    assert len(digests) == 1


HOSTILE: dict[str, Break] = {
    "a run with a line feed": lambda it: it.update(run="abc\nSigned-off-by: x"),
    "another run in a task": lambda it: it["tasks"][0].update(run="abc"),
    "another branch": lambda it: it.update(branch="--upload-pack=x"),
    "a repo that is an option": lambda it: it.update(untouched=["--all"]),
    "a repo twice": lambda it: it.update(untouched=["lib"]),
    "a base that is an option": lambda it: it["tasks"][0].update(base_rev="--output=x"),
    "a short base": lambda it: it["tasks"][0].update(base_rev="abc"),
    "the base of an upstream": lambda it: it["tasks"][1].update(bases={"lib": "HEAD"}),
    "upstreams that come later": lambda it: it["tasks"].reverse(),
    "an upstream of its own": lambda it: it["tasks"][0].update(upstreams=["lib"], bases={"lib": "0" * 40}),
    "commits that it brings along": lambda it: it["tasks"][1].update(commits={"lib": "0" * 40}),
    "a target that is no commit": lambda it: it["tasks"][0]["changes"][0]["to"].update(rev="main"),
    "a branch that is an option": lambda it: it["tasks"][0]["changes"][0]["to"].update(branch="-x"),
    "an upstream that is no repo": lambda it: it["tasks"][0]["changes"][0]["to"].update(upstream="../x"),
    "a pin that there is not": lambda it: it["tasks"][0]["changes"][0].update(pin="x\nFlakesync-Pin: y"),
    "a flake that there is not": lambda it: it["tasks"][0]["changes"][0].update(flake="../.."),
    "a change of another repo": lambda it: it["tasks"][0]["changes"][0].update(repo="app"),
    "an input without a name": lambda it: it["tasks"][0]["changes"][0].update(input=[]),
    "a reason of two lines": lambda it: it["tasks"][0]["changes"][0].update(waived="a\nb"),
    "a day": lambda it: it["tasks"][0].update(day="today"),
    "a number for a name": lambda it: it["tasks"][0].update(repo=1),
    "failures of others": lambda it: it.update(failing={"x": {"code": "x", "message": "x"}}),
    "others beside": lambda it: it.update(beside={"lib": ["x"]}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_hostile_is_taken_from_a_plan(made: tuple[Space, Machines], name: str) -> None:
    _, machines = made
    document = json.loads(machines.plan().encode())
    HOSTILE[name](document)
    assert refused(machines, json.dumps(document).encode()).code == "bad-plan"


def test_a_repo_that_the_plan_does_not_name_is_refused_with_what_there_is(made: tuple[Space, Machines]) -> None:
    _, machines = made
    workspace = load_workspace(machines.manifest)
    plan = machines.plan("lib")
    with pytest.raises(FlakesyncError) as caught:
        plan.require_repo(workspace, "app")
    assert caught.value.code == "not-planned"
    with pytest.raises(FlakesyncError) as caught:
        plan.require_repo(workspace, "lbi")
    assert (caught.value.code, caught.value.hint) == ("unknown-repo", "did you mean `lib`?")

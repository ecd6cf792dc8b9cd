"""What nobody foresaw in one repo fails that repo alone: the others go on, and the exit status is 3."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flakesync.analysis import drift, plan
from flakesync.cli.main import run
from flakesync.git.repository import Repository
from flakesync.git.store.objects import ObjectReader
from flakesync.land import land, server_state
from flakesync.land import run as land_run
from flakesync.land.repo import RepoLanding
from flakesync.publish import abandon, publish
from flakesync.publish.look import Look
from flakesync.publish.standing import look
from flakesync.publish.standing.known import KnownUpdates
from flakesync.survey import graph, pins
from flakesync.sync import borrowed, bump
from flakesync.sync.lockers.native.locker import NativeLocker
from flakesync.workspace import differences, history, snapshot
from flakesync.workspace.clones import flakes
from tests.cli.conftest import Ran
from tests.support.kept import Kept
from tests.support.nixspace import Space, Take

Flakesync = Callable[..., Ran]

JOBS = pytest.mark.parametrize("jobs", [pytest.param("1", marks=pytest.mark.slow), "4"])
MESSAGE = "this should not have happened: KeyError: 'nodes'"


def made(root: Path) -> Space:
    """Return `lib` → `tool` → `app`, and `other`, which takes `lib` alone; all are known by address."""
    space = Space(root)
    space.add("lib").add("tool", {"nixpkgs": Take(), "lib": Take()})
    space.add("app", {"nixpkgs": Take(), "tool": Take()}).add("other", {"nixpkgs": Take(), "lib": Take()})
    for name in space.names:
        with (space.path(name) / ".git/config").open("a") as config:
            config.write("[receive]\n\tdenyCurrentBranch = ignore\n")
    file = space.manifest(mirrored=space.names, defaults={"checks": ["test -f flake.nix"]})
    with file.open("a") as manifest:
        manifest.write('\n[publish]\nmerge-method = "fast-forward"\n')
    space.commit("lib", {"README": "more"})
    return space


def synced(root: Path) -> Space:
    space = made(root)
    assert run(["sync", "-q", "--locker", "native", "-w", str(space.root / "workspace.toml")]) == 0
    return space


def published(root: Path) -> Space:
    space = synced(root)
    assert run(["publish", "-q", "-w", str(space.root / "workspace.toml")]) == 0
    return space


STAGES = {"made": made, "synced": synced, "published": published}


@pytest.fixture
def at(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Space]:
    """Return a function that puts the workspace back as it was made, synced or published, and goes there."""

    def put_back(stage: str) -> Space:
        space = kept.again(f"bugs-{stage}", STAGES[stage])
        monkeypatch.chdir(space.root)
        return space

    return put_back


def break_tool(
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    name: str,
    is_tool: Callable[..., bool],
    error: BaseException | None = None,
) -> None:
    """Let a function raise where it works on `tool`. is_tool: tells it by the arguments."""
    real = getattr(owner, name)

    def broken(*arguments: Any, **named: Any) -> Any:
        if is_tool(*arguments, **named):
            raise error or KeyError("nodes")
        return real(*arguments, **named)

    monkeypatch.setattr(owner, name, broken)


def break_reading(monkeypatch: pytest.MonkeyPatch, error: BaseException | None = None) -> None:
    break_tool(monkeypatch, snapshot, "read_base", lambda reader, *_, **__: "tool" in str(reader.path), error)


def statuses(ran: Ran) -> dict[str, str]:
    return {each["repo"]: each["status"] for each in json.loads(ran.out)["repos"]}


def codes(ran: Ran) -> dict[str, str]:
    return {each["repo"]: each["error"]["code"] for each in json.loads(ran.out)["repos"] if each["error"]}


# ---- reading ---------------------------------------------------------------------------------------------------------


@JOBS
@pytest.mark.parametrize(
    ("stage", "command", "names_the_others"),
    [
        ("made", ["drift"], ["lib", "other"]),
        ("made", ["plan"], ["lib", "other"]),
        ("made", ["graph"], ["lib", "other"]),
        ("made", ["inputs"], ["/lib  2 copies, 2 repos", "/nixpkgs  6 copies, 3 repos"]),
        ("made", ["sync", "--locker", "native"], ["updated    lib", "updated    other"]),
        ("made", ["sync", "--locker", "native", "--dry-run"], ["updated    lib", "updated    other"]),
        ("synced", ["publish"], ["updated    lib", "updated    other"]),
        ("published", ["status"], ["lib", "other"]),
        ("published", ["land", "--locker", "native"], ["landed    lib", "landed    other"]),
        ("published", ["abandon"], ["abandoned  lib", "abandoned  other"]),
    ],
)
def test_a_repo_that_cannot_be_read_for_what_nobody_foresaw_fails_alone(
    at: Callable[[str], Space], flakesync: Flakesync, monkeypatch: pytest.MonkeyPatch,
    stage: str, command: list[str], names_the_others: list[str], jobs: str,
) -> None:  # fmt: skip
    at(stage)
    break_reading(monkeypatch)
    ran = flakesync(*command, "-j", jobs)
    assert ran.status == 3
    shown = ran.out + ran.err
    assert MESSAGE in shown
    assert "please report it, with what FLAKESYNC_DEBUG=1 prints" in shown
    assert "Traceback" not in shown
    assert [words for words in names_the_others if words not in ran.out] == []


PLANNED = (plan, "_external_inputs", lambda _survey, name, _flake: name == "tool")
FOUND = (drift, "findings_of", lambda _rule, _survey, repos: "tool" in repos)


@pytest.mark.parametrize(
    ("place", "command", "names_the_others"),
    [
        (PLANNED, ["plan"], ["lib", "other"]),
        (PLANNED, ["sync", "--locker", "native"], ["updated    lib", "updated    other", "failed     tool"]),
        (FOUND, ["drift"], ["lib", "other"]),
        (FOUND, ["sync", "--locker", "native"], ["updated    lib", "updated    other", "updated    tool"]),
    ],
)
def test_a_repo_that_nothing_can_be_decided_on_for_what_nobody_foresaw_fails_alone(
    at: Callable[[str], Space], flakesync: Flakesync, monkeypatch: pytest.MonkeyPatch,
    place: tuple[object, str, Callable[..., bool]], command: list[str], names_the_others: list[str],
) -> None:  # fmt: skip
    at("made")
    break_tool(monkeypatch, *place)
    ran = flakesync(*command)
    assert ran.status == 3
    assert MESSAGE in ran.out + ran.err
    assert [words for words in names_the_others if words not in ran.out] == []


@pytest.mark.parametrize(
    "error",
    [
        RecursionError("maximum recursion depth exceeded"),
        OverflowError("cannot convert float infinity to integer"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        struct.error("unpack requires a buffer of 4 bytes"),
        AssertionError(),
        AttributeError("'NoneType' object has no attribute 'rev'"),
        ExceptionGroup("several", [ValueError("x")]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_it_may_be_any_exception(
    at: Callable[[str], Space], flakesync: Flakesync, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    at("made")
    break_reading(monkeypatch, error)
    ran = flakesync("drift", "--json")
    assert ran.status == 3
    (found,) = [each for each in json.loads(ran.out)["findings"] if each["repo"] == "tool"]
    assert found["kind"] == "unreachable"
    assert f"this should not have happened: {type(error).__name__}" in found["detail"]


@pytest.mark.parametrize(
    ("error", "exit_status", "words"),
    [(OSError(5, "Input/output error", "x"), 1, "x: input/output error"), (MemoryError(), 1, "out of memory")],
)
def test_what_the_machine_refuses_one_repo_is_no_bug_and_fails_that_repo(
    at: Callable[[str], Space], flakesync: Flakesync, monkeypatch: pytest.MonkeyPatch,
    error: Exception, exit_status: int, words: str,
) -> None:  # fmt: skip
    at("made")
    break_reading(monkeypatch, error)
    ran = flakesync("graph")
    assert ran.status == exit_status
    assert words in ran.out
    assert "bug" not in ran.out + ran.err


@pytest.mark.parametrize(("error", "exit_status"), [(KeyboardInterrupt(), 130), (SystemExit(143), 143)])
@JOBS
@pytest.mark.parametrize("command", [["drift"], ["sync", "--locker", "native"]])
def test_who_ends_the_run_is_no_repos_error(
    at: Callable[[str], Space], flakesync: Flakesync, monkeypatch: pytest.MonkeyPatch,
    command: list[str], error: BaseException, exit_status: int, jobs: str,
) -> None:  # fmt: skip
    at("made")
    break_reading(monkeypatch, error)
    assert flakesync(*command, "-j", jobs).status == exit_status


@pytest.mark.parametrize(
    ("owner", "name", "is_tool"),
    [
        (graph, "_edges_of", lambda name, *_: name == "tool"),
        (pins, "_governed_in", lambda _pins, name, *_, **__: name == "tool"),
        (ObjectReader, "open", lambda path, *_, **__: "tool" in str(path)),
        (flakes, "read_flake", lambda name, *_: name == "tool"),
    ],
)
def test_what_is_read_off_its_lock_is_its_own_too(
    at: Callable[[str], Space], flakesync: Flakesync, monkeypatch: pytest.MonkeyPatch,
    owner: object, name: str, is_tool: Callable[..., bool],
) -> None:  # fmt: skip
    at("made")
    break_tool(monkeypatch, owner, name, is_tool)
    for command in (["drift"], ["plan"]):
        ran = flakesync(*command, "--json")
        assert ran.status == 3
        assert f'"{MESSAGE}"' in ran.out
        assert '"repo": "lib"' in ran.out or '"repo":"lib"' in ran.out


@pytest.mark.parametrize(
    ("owner", "name", "is_upstream"),
    [
        (history, "_from_history", lambda _, state, *__: state.name == "lib"),
        (differences, "_compare", lambda reader, *_: "lib" in str(reader.path)),
        (differences, "_find_reader", lambda reader, *_: "lib" in str(reader.path)),
    ],
)
def test_an_upstream_whose_history_cannot_be_looked_at_is_unreadable(
    at: Callable[[str], Space], flakesync: Flakesync, monkeypatch: pytest.MonkeyPatch,
    owner: object, name: str, is_upstream: Callable[..., bool],
) -> None:  # fmt: skip
    at("made")
    break_tool(monkeypatch, owner, name, is_upstream)
    ran = flakesync("drift", "--json")
    assert ran.status == 3
    found = json.loads(ran.out)["findings"]
    assert [each["detail"] for each in found if each["repo"] == "lib"] == [MESSAGE]
    assert {each["repo"] for each in found} == {"lib", "tool", "app", "other"}


def test_a_traceback_is_shown_once_where_it_is_asked_for(
    at: Callable[[str], Space], flakesync: Flakesync, monkeypatch: pytest.MonkeyPatch
) -> None:
    at("made")
    break_reading(monkeypatch)
    asked = flakesync("drift", "-v")
    assert asked.status == 3
    assert asked.err.count("Traceback (most recent call last):") == 1
    assert "in broken" in asked.err
    monkeypatch.setenv("FLAKESYNC_DEBUG", "1")
    debugged = flakesync("drift", "-q")
    assert "Traceback" in debugged.err
    assert ", Python 3." in debugged.err
    monkeypatch.undo()


def test_the_next_run_in_the_same_process_knows_nothing_of_it(
    at: Callable[[str], Space], flakesync: Flakesync, monkeypatch: pytest.MonkeyPatch
) -> None:
    at("made")
    with monkeypatch.context() as patch:
        break_reading(patch)
        assert flakesync("graph").status == 3
    assert flakesync("graph").status == 0


# ---- sync ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("owner", "name", "is_tool", "jobs"),
    [
        (bump, "find_update_branch", lambda repository, *_: "tool" in str(repository.path), "1"),
        (NativeLocker, "lock", lambda _, request: request.repo == "tool", "4"),
        (bump, "write_update", lambda repository, *_, **__: "tool" in str(repository.path), "1"),
        (bump, "run_checks", lambda job, *_: job.repo == "tool", "4"),
        (Repository, "update_ref", lambda repository, *_, **__: "tool" in str(repository.path), "1"),
    ],
)
def test_in_a_sync_its_dependents_are_skipped_and_the_others_go_on(
    at: Callable[[str], Space], flakesync: Flakesync, monkeypatch: pytest.MonkeyPatch,
    owner: object, name: str, is_tool: Callable[..., bool], jobs: str,
) -> None:  # fmt: skip
    at("made")
    break_tool(monkeypatch, owner, name, is_tool)
    ran = flakesync("sync", "--locker", "native", "--json", "-j", jobs)
    assert (ran.status, codes(ran)) == (3, {"tool": "bug", "app": "upstream-failed"})
    assert statuses(ran) == {"lib": "updated", "tool": "failed", "app": "skipped", "other": "updated"}


@pytest.mark.parametrize(
    ("owner", "name", "is_tool", "jobs"),
    [
        (borrowed, "borrow_objects", lambda repository, *_: "tool" in str(repository.path), "4"),
        (NativeLocker, "lock", lambda _, request: request.repo == "tool", "1"),
    ],
)
def test_in_a_dry_run_too(
    at: Callable[[str], Space], flakesync: Flakesync, monkeypatch: pytest.MonkeyPatch,
    owner: object, name: str, is_tool: Callable[..., bool], jobs: str,
) -> None:  # fmt: skip
    space = at("made")
    break_tool(monkeypatch, owner, name, is_tool)
    ran = flakesync("sync", "--locker", "native", "--json", "-j", jobs, "--dry-run")
    assert (ran.status, codes(ran)) == (3, {"tool": "bug", "app": "upstream-failed"})
    assert statuses(ran) == {"lib": "updated", "tool": "failed", "app": "skipped", "other": "updated"}
    assert [name for name in space.names if space.ref(name)] == []


def test_one_flake_of_a_repo_fails_alone(tmp_path: Path, flakesync: Flakesync, monkeypatch: pytest.MonkeyPatch) -> None:
    space = Space(tmp_path / "space")
    space.add("lib", dev={"nixpkgs": Take()})
    monkeypatch.chdir(space.manifest().parent)
    break_tool(monkeypatch, NativeLocker, "lock", lambda _, request: request.dir == "dev")
    ran = flakesync("sync", "--locker", "native", "--json")
    assert (ran.status, statuses(ran)) == (3, {"lib": "updated"})
    (left,) = json.loads(ran.out)["left"]
    assert (left["flake"], left["reason"]) == ("dev", f"dev/flake.lock could not be written: {MESSAGE}")


def test_an_update_branch_that_cannot_be_taken_away_stays_and_is_a_bug(
    at: Callable[[str], Space], flakesync: Flakesync, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = at("synced")
    space.manifest(mirrored=space.names, defaults={"hold": ["*"]})
    break_tool(monkeypatch, Repository, "delete_ref", lambda repository, *_, **__: "tool" in str(repository.path))
    ran = flakesync("sync", "--locker", "native")
    assert ran.status == 3
    assert f"note: tool: its update branch stays: {MESSAGE}" in ran.err


# ---- publish, status, abandon ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("owner", "name", "is_tool", "jobs"),
    [
        (Look, "at", lambda _, work: work.name == "tool", "1"),
        (publish, "find_lacking", lambda work, *_: work.name == "tool", "4"),
        (publish, "push", lambda repository, *_: "tool" in str(repository.path), "1"),
    ],
)
def test_in_a_publish_the_others_get_out(
    at: Callable[[str], Space], flakesync: Flakesync, monkeypatch: pytest.MonkeyPatch,
    owner: object, name: str, is_tool: Callable[..., bool], jobs: str,
) -> None:  # fmt: skip
    at("synced")
    break_tool(monkeypatch, owner, name, is_tool)
    ran = flakesync("publish", "--json", "-j", jobs)
    assert (ran.status, codes(ran)) == (3, {"tool": "bug"})
    assert statuses(ran) == {"lib": "updated", "tool": "failed", "app": "skipped", "other": "updated"}


@pytest.mark.parametrize(
    ("owner", "name", "jobs"),
    [(look, "as_read", "1"), (look, "find_current", "4"), (look, "has_landed", "4")],
)
def test_a_status_says_where_the_others_stand(
    at: Callable[[str], Space], flakesync: Flakesync, monkeypatch: pytest.MonkeyPatch,
    owner: object, name: str, jobs: str,
) -> None:  # fmt: skip
    at("published")
    monkeypatch.setattr(KnownUpdates, "get", lambda *_: None)  # what is known of them is not read
    break_tool(monkeypatch, owner, name, lambda repository, *_, **_named: "tool" in str(repository.path))
    ran = flakesync("status", "--json", "-j", jobs)
    assert (ran.status, codes(ran)) == (3, {"tool": "bug"})
    stages = {each["repo"]: each["stage"] for each in json.loads(ran.out)["repos"]}
    assert stages == {"lib": "pushed", "tool": "failed", "app": "pushed", "other": "pushed"}


@pytest.mark.parametrize(
    ("owner", "name", "jobs"), [(abandon, "find_branches", "1"), (abandon, "own_commits", "4"), (abandon, "push", "4")]
)
def test_an_abandon_takes_the_others_away(
    at: Callable[[str], Space], flakesync: Flakesync, monkeypatch: pytest.MonkeyPatch,
    owner: object, name: str, jobs: str,
) -> None:  # fmt: skip
    at("published")
    break_tool(monkeypatch, owner, name, lambda repository, *_: "tool" in str(repository.path))
    ran = flakesync("abandon", "--json", "-j", jobs)
    assert (ran.status, codes(ran)) == (3, {"tool": "bug"})
    assert statuses(ran) == {"lib": "abandoned", "tool": "failed", "app": "abandoned", "other": "abandoned"}


# ---- land ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("owner", "name", "is_tool", "jobs"),
    [
        (server_state, "mirror", lambda url, *_, **__: "tool" in str(url), "1"),
        (graph, "_edges_of", lambda name, *_: name == "tool", "4"),
        (server_state, "read_update", lambda repository, *_: "tool" in str(repository.path), "1"),
        (land._Landing, "_has_something", lambda _, name, *__: name == "tool", "4"),
        (land, "pending", lambda _, name, *__: name == "tool", "1"),
        (land, "waited_for", lambda _, __, name, *___: name == "tool", "4"),
        (RepoLanding, "carry_out", lambda landing: landing.name == "tool", "1"),
        (RepoLanding, "_plan", lambda landing, _: landing.name == "tool", "4"),
        (NativeLocker, "lock", lambda _, request: request.repo == "tool", "1"),
        (land_run, "push", lambda repository, *_: "tool" in str(repository.path), "4"),
    ],
)
def test_in_a_landing_the_dependents_are_skipped_and_the_others_land(
    at: Callable[[str], Space], flakesync: Flakesync, monkeypatch: pytest.MonkeyPatch,
    owner: object, name: str, is_tool: Callable[..., bool], jobs: str,
) -> None:  # fmt: skip
    at("published")
    break_tool(monkeypatch, owner, name, is_tool)
    ran = flakesync("land", "--locker", "native", "--json", "-j", jobs)
    assert (ran.status, codes(ran)) == (3, {"tool": "bug", "app": "upstream-failed"})
    assert statuses(ran) == {"lib": "landed", "tool": "failed", "app": "skipped", "other": "landed"}


def test_an_update_branch_that_cannot_be_deleted_after_landing_stays_and_is_a_bug(
    at: Callable[[str], Space], flakesync: Flakesync, monkeypatch: pytest.MonkeyPatch
) -> None:
    at("published")
    break_tool(monkeypatch, land, "is_ours", lambda repository, *_: "tool" in str(repository.path))
    ran = flakesync("land", "--locker", "native", "--json")
    assert (ran.status, codes(ran)) == (3, {})
    assert set(statuses(ran).values()) == {"landed"}
    assert json.loads(ran.out)["deleted"] == ["app", "lib", "other"]
    assert f"tool: its update branch stays: {MESSAGE}" in ran.err

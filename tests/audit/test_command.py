"""`flakesync audit` as it is met on a command line: in a pull request, for the first time, when something is broken."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from flakesync.terms import Rev
from tests.audit.lies import LIES, LyingSpace
from tests.support import forked, nixspace, repos
from tests.support.kept import Kept
from tests.support.nixspace import Take

_WIDTH = 60


def _made(folder: Path) -> LyingSpace:
    """Return `app`, whose lock has a lie about `mid/lib` that has been there for long, and `site`, without one."""
    space = LyingSpace(folder, "github")
    space.add("site", {"lib": Take(), "mid": Take()})
    space.add("app", {"lib": Take(), "mid": Take()})
    space.lied(LIES["A1"], "app", "mid/lib")
    repos.run_git("merge", "--quiet", "--ff-only", "A1", cwd=space.path("app"))
    repos.run_git("branch", "-D", "--quiet", "A1", cwd=space.path("app"))
    repos.run_git("update-ref", "refs/remotes/origin/main", "main", cwd=space.path("app"))
    space.manifest()
    return space


@pytest.fixture
def space(kept: Kept) -> LyingSpace:
    """The workspace."""
    return kept.again("audited", _made)


def _run(space: LyingSpace, *argv: str, **more: str) -> tuple[int, str, str]:
    done = forked.flakesync("audit", *argv, cwd=space.root, env={**os.environ, **more})
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def _json(space: LyingSpace, *argv: str) -> Mapping[str, list[dict[str, object]]]:
    status, out, err = _run(space, *argv, "--json")
    assert status in (0, 1), err
    found: Mapping[str, list[dict[str, object]]] = json.loads(out)
    return found


def _found(space: LyingSpace, *argv: str) -> list[tuple[object, ...]]:
    return [(each["rule"], each["input"]) for each in _json(space, *argv)["findings"]]


def test_what_is_grave_is_said_and_is_the_exit_status(space: LyingSpace) -> None:
    status, out, err = _run(space)
    assert (status, err) == (1, "")
    place, finding, blank, summary = out.splitlines()
    assert (place, blank) == ("app/flake.lock", "")
    evil = space.tip("evil")[:7]
    assert finding == f"  HIGH  foreign  mid/lib  github.com/acme/lib is locked to github.com/acme/evil {evil}"
    assert summary.startswith("1 finding in 1 of 3 repos (1 high); ")


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        (("--fail-on", "never"), 0),
        (("--fail-on", "low"), 1),
        (("--repo", "site"), 0),
        (("--repo", "site", "--fail-on", "low"), 0),
        (("unlocked",), 0),
        (("unlocked", "foreign"), 1),
        (("--strict", "--fail-on", "never"), 0),
        (("foriegn",), 2),
        (("--repo", "ap"), 2),
        (("--at", "nowhere"), 2),
        (("--new-since", "nowhere"), 2),
        (("-w", "/nowhere/workspace.toml"), 2),
    ],
)
def test_the_exit_status(space: LyingSpace, argv: tuple[str, ...], status: int) -> None:
    found, out, err = _run(space, *argv)
    assert found == status
    assert (out == "") == (status == 2)
    assert err.startswith("error[") == (status == 2)


def test_a_pull_request_that_changes_nothing_of_the_lock_has_no_new_finding(space: LyingSpace) -> None:
    space.commit("app", {"README": "unrelated\n"}, branch="pull")
    argv = ("--repo", "app", "--at", "pull", "--new-since", "origin/main", "--fail-on", "low")
    assert _run(space, *argv)[0] == 0
    assert _found(space, *argv) == []


def test_a_pull_request_with_a_lie_has_one_new_finding(space: LyingSpace) -> None:
    lied = space.lied(LIES["A1"], "app", "lib")
    repos.run_git("checkout", "--quiet", "--detach", lied, cwd=space.path("app"))
    argv = ("--repo", "app", "--at", "HEAD", "--new-since", "origin/main")
    status, out, _ = _run(space, *argv)
    assert (status, "1 new finding since origin/main in 1 of 1 repo (1 high)" in out) == (1, True)
    assert [(each["rule"], each["input"], each["new"]) for each in _json(space, *argv)["findings"]] == [
        ("foreign", "lib", True)
    ]


def test_a_bump_of_all_inputs_changes_no_fingerprint_and_adds_nothing(space: LyingSpace) -> None:
    before = _json(space, "--repo", "app")["findings"]
    for name in ("lib", "evil", "nixpkgs"):
        space.commit(name, {"NEWS": "more\n"})
    space.facts = space.read_facts()
    space.lock("mid", {".": {"lib": Take()}})
    # An input before all others: its lib is the node `lib` now, and ours is another one than before.
    space.lock("app", {".": {"a": Take("mid"), "lib": Take(), "mid": Take()}})
    bumped = space.lied(LIES["A1"], "app", "mid/lib")
    after = _json(space, "--repo", "app", "--at", bumped)["findings"]
    assert [each["fingerprint"] for each in after] == [each["fingerprint"] for each in before]
    assert [each["locked_rev"] for each in after] != [each["locked_rev"] for each in before]
    assert _found(space, "--repo", "app", "--at", bumped, "--new-since", "origin/main") == []


def _two_lies(space: LyingSpace, id: str) -> tuple[Rev, Rev]:
    """Tell a lie about a commit of lib, and, one commit later, the same about the next one."""
    first = space.lied(LIES[id], "site", "lib")
    space.commit("lib", {"NEWS": "more\n"})
    space.lock("site", {".": {"lib": Take(), "mid": Take()}})
    space.commit("site", {"flake.lock": nixspace.read(space.path("site"), space.tip("site"), "flake.lock")}, branch=id)
    return first, space.lied(LIES[id], "site", "lib")


def test_a_second_poisoned_commit_is_new_though_its_fingerprint_is_known(space: LyingSpace) -> None:
    first, second = _two_lies(space, "A8")
    old, new = (_json(space, "--repo", "site", "--at", rev)["findings"] for rev in (first, second))
    assert [each["fingerprint"] for each in old] == [each["fingerprint"] for each in new]
    assert _found(space, "--repo", "site", "--at", second, "--new-since", first) == [("no-nar-hash", "lib")]
    assert _found(space, "--repo", "site", "--at", first, "--new-since", first) == []


def test_a_broken_lock_and_a_broken_repo_are_findings_and_hide_no_other(space: LyingSpace) -> None:
    space.commit("mid", {"flake.lock": '{ "nodes": <<<<<<< HEAD\n'})
    shutil.rmtree(space.path("site") / ".git/objects")
    status, _, err = _run(space)
    assert (status, err) == (1, "hint: `git fsck` there shows what is damaged; a new clone mends it\n")
    findings = _json(space)["findings"]
    assert [(each["repo"], each["rule"], each["severity"]) for each in findings] == [
        ("app", "foreign", "high"),
        ("mid", "bad-lock", "high"),
        ("site", "unreachable", "high"),
    ]
    assert "flake.lock: line 1, column 12" in str(findings[1]["message"])


def test_a_repo_that_lacks_the_revision_to_compare_with_is_named_and_its_findings_are_new(space: LyingSpace) -> None:
    repos.run_git("update-ref", "-d", "refs/remotes/origin/main", cwd=space.path("app"))
    repos.run_git("update-ref", "refs/remotes/origin/main", "main", cwd=space.path("site"))
    argv = ("--repo", "app", "--repo", "site", "--new-since", "origin/main")
    status, _, err = _run(space, *argv)
    assert status == 1
    assert err.startswith("note: repos.app: ")
    assert "has no revision `origin/main`: all that is found there counts as new\nhint: fetch it first" in err
    assert _found(space, *argv) == [("foreign", "mid/lib")]


def test_without_git_a_revision_is_an_error_with_advice(space: LyingSpace, tmp_path: Path) -> None:
    status, out, err = _run(space, "--at", "HEAD", PATH=str(tmp_path))
    assert (status, out) == (2, "")
    assert err.startswith("error[no-git]: there is no git program on PATH")
    assert "hint: install git" in err


def test_help_fits_a_narrow_terminal(space: LyingSpace) -> None:
    status, out, _ = _run(space, "--help", COLUMNS=str(_WIDTH))
    assert status == 0
    too_long = [line for line in out.splitlines() if len(line) > _WIDTH and not line.startswith("    flakesync ")]
    assert too_long == []


@pytest.mark.parametrize("width", ["20", "60", "200"])
def test_a_pipe_gets_the_same_words_without_colours_whatever_the_width(space: LyingSpace, width: str) -> None:
    _, out, _ = _run(space, COLUMNS=width, TERM="xterm-256color")
    assert "\x1b" not in out
    assert " ".join(out.split()) == " ".join(_run(space)[1].split())

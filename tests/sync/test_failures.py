"""What goes wrong in one repo stays there: its dependents are skipped, all others go on, nothing wrong is written."""

from pathlib import Path

import pytest

from flakesync.errors import FlakesyncError
from flakesync.sync.events import Step
from flakesync.terms import Rev
from tests.support import repos
from tests.support.nixspace import UPDATE_BRANCH, Space, Take, read, run_sync
from tests.support.repos import run_git

pytestmark = pytest.mark.usefixtures("use_nix")


@pytest.fixture
def space(tmp_path: Path) -> Space:
    """`lib` → `tool` → `app`, and `other`, which takes `lib` alone."""
    space = Space(tmp_path / "space")
    space.add("lib").add("tool", {"lib": Take()}).add("app", {"tool": Take()})
    return space.add("other", {"nixpkgs": Take(), "lib": Take()})


def test_a_failed_check_skips_the_dependents_and_nothing_else(any_nix: object, space: Space) -> None:
    script = "echo to the log; test -f flake.lock; git log -1 --format=%s; exit 3"
    checks = ["true", f"sh -c '{script}'", "true"]
    ran = run_sync(space.manifest(tables={"tool": {"checks": checks}, "app": {"checks": ["false"]}}))
    assert ran.statuses == {"lib": "updated", "tool": "failed", "app": "skipped", "other": "updated"}
    tool, app = ran["tool"], ran["app"]
    assert tool.error is not None
    assert tool.error.code == "check-failed"
    assert [check.exit_status for check in tool.checks] == [0, 3]
    assert tool.checks[1].output == "to the log\nflake.lock: Update\n"
    assert app.error is not None
    assert (app.error.code, app.error.because, app.error.message) == ("upstream-failed", "tool", "tool failed")
    assert (space.ref("tool"), space.ref("app")) == (None, None)
    assert run_git("worktree", "list", "--porcelain", cwd=space.path("tool")).count("worktree ") == 1


def test_a_failed_check_leaves_an_older_update_branch_where_it_was(any_nix: object, space: Space) -> None:
    run_sync(space.manifest())
    old = {name: space.ref(name) for name in space.names}
    space.commit("nixpkgs", {"README": "three"})
    ran = run_sync(space.manifest(tables={"lib": {"checks": ["false"]}}))
    assert ran.statuses == {"lib": "failed", "tool": "skipped", "app": "skipped", "other": "skipped"}
    assert {name: space.ref(name) for name in space.names} == old


def test_the_first_failed_repo_is_named_all_the_way_down(any_nix: object, space: Space) -> None:
    ran = run_sync(space.manifest(tables={"lib": {"checks": ["false"]}}))
    because = {name: ran[name].error.because for name in ("tool", "app", "other") if ran[name].error}  # type: ignore[union-attr]
    assert because == {"tool": "lib", "app": "lib", "other": "lib"}


def test_a_check_that_is_no_program_or_that_leaves_things_behind(any_nix: object, space: Space) -> None:
    mess = "sh -c 'mkdir -p a/b && touch a/b/c flake.nix && chmod 500 a/b a && git add -f a 2>/dev/null; true'"
    tables = {"lib": {"checks": [mess]}, "other": {"checks": ["no-such-program --at-all"]}}
    ran = run_sync(space.manifest(tables=tables))
    assert ran.statuses == {"lib": "updated", "tool": "updated", "app": "updated", "other": "failed"}
    assert [check.exit_status for check in ran["other"].checks] == [127]
    assert run_git("show", "--format=", "--name-only", UPDATE_BRANCH, cwd=space.path("lib")) == "flake.lock"
    assert run_git("status", "--porcelain", cwd=space.path("lib")) == ""


def test_a_repo_that_cannot_be_reached_fails_alone(any_nix: object, space: Space) -> None:
    manifest = space.manifest(tables={"tool": {"url": f"git+file://{space.root}/gone"}}, mirrored=["tool"])
    ran = run_sync(manifest)
    assert ran.statuses == {"lib": "updated", "tool": "failed", "app": "unchanged", "other": "updated"}
    assert ran.errors == {"tool": "unreachable"}


def test_dependents_of_a_repo_that_cannot_be_reached_keep_its_commit(any_nix: object, space: Space) -> None:
    space.add("gone").add("user", {"nixpkgs": Take(), "gone": Take()})
    manifest = space.manifest(mirrored=["gone"])
    old = space.tip("gone")
    space.path("gone").rename(space.root / "moved")
    ran = run_sync(manifest)
    assert ran.errors == {"gone": "unreachable"}
    assert ran["user"].status == "updated"
    assert space.locked("user", "gone")["rev"] == old
    assert space.locked("user", "nixpkgs")["rev"] == space.tip("nixpkgs")


def test_an_update_branch_stays_while_an_upstream_cannot_be_read(any_nix: object, space: Space) -> None:
    manifest = space.manifest(mirrored=["tool"])
    run_sync(manifest)
    update = space.ref("app")
    assert update is not None
    space.path("tool").rename(space.root / "moved")
    ran = run_sync(manifest)
    assert ran.statuses == {"lib": "unchanged", "tool": "failed", "app": "unchanged", "other": "unchanged"}
    assert space.ref("app") == update, "it takes the update of tool"
    (space.root / "moved").rename(space.path("tool"))
    assert set(run_sync(manifest).statuses.values()) == {"unchanged"}


def test_a_broken_lock_fails_alone_and_says_where(any_nix: object, space: Space) -> None:
    space.commit("tool", {"flake.lock": '{"nodes": {"root": {}}, "root": "root", "version": 99}'})
    ran = run_sync(space.manifest(tables={"app": {"hold": ["tool"]}}))
    assert ran.statuses == {"lib": "updated", "tool": "failed", "app": "unchanged", "other": "updated"}
    assert ran["tool"].error is not None
    assert ran["tool"].error.code == "bad-lock"
    assert "flake.lock" in ran["tool"].error.message


def test_a_flake_nix_that_the_lock_does_not_fit_is_mended(any_nix: object, space: Space) -> None:
    text = read(space.path("tool"), space.tip("tool"), "flake.nix").decode()
    new = text.replace("inputs = {", f'inputs = {{\n    more.url = "git+{space.url("nixpkgs")}?ref=main";')
    space.commit("tool", {"flake.nix": new})
    ran = run_sync(space.manifest())
    assert (ran.errors, ran.statuses["tool"]) == ({}, "updated")
    assert space.locked("tool", "more")["rev"] == space.tip("nixpkgs")


def test_an_input_that_flake_nix_no_longer_has_is_gone_from_the_lock(any_nix: object, space: Space) -> None:
    space.commit("tool", {"flake.nix": "{ outputs = _: { }; }\n"})
    ran = run_sync(space.manifest())
    assert (ran.errors, ran.statuses["tool"]) == ({}, "updated")
    assert b'"lib"' not in read(space.path("tool"), space.tip("tool", UPDATE_BRANCH), "flake.lock")


def test_a_flake_nix_that_nix_cannot_read_fails_alone(any_nix: object, space: Space) -> None:
    space.commit("tool", {"flake.nix": "{ inputs = "})
    ran = run_sync(space.manifest())
    assert ran.errors == {"tool": "nix-failed", "app": "upstream-failed"}
    assert ran["tool"].error is not None
    assert "syntax error" in ran["tool"].error.message


def test_somebody_elses_commit_on_the_update_branch_is_left_alone(any_nix: object, space: Space) -> None:
    run_sync(space.manifest())
    run_git("switch", "--quiet", UPDATE_BRANCH, cwd=space.path("tool"))
    theirs = space.commit("tool", {"README": "mine"}, branch=UPDATE_BRANCH, message="Fix the build")
    run_git("switch", "--quiet", "main", cwd=space.path("tool"))
    space.commit("nixpkgs", {"README": "three"})
    ran = run_sync(space.manifest())
    assert ran.errors == {"tool": "branch-taken", "app": "upstream-failed"}
    assert ran["tool"].error is not None
    assert "Fix the build" in ran["tool"].error.message
    assert space.ref("tool") == theirs


def test_a_commit_made_on_the_update_branch_while_the_checks_run_is_not_lost(any_nix: object, space: Space) -> None:
    run_sync(space.manifest())
    space.commit("nixpkgs", {"README": "three"})
    theirs: list[Rev] = []

    def listen(event: object) -> None:
        if isinstance(event, Step) and event.step == "checking":
            theirs.append(repos.commit(space.path("lib"), {"README": "x"}, branch=UPDATE_BRANCH, message="Mine"))

    ran = run_sync(space.manifest(tables={"lib": {"checks": ["true"]}}), listener=listen)
    assert ran.errors["lib"] == "ref-moved"
    assert space.ref("lib") == theirs[0]


def test_a_branch_of_somebody_else_is_not_removed_when_nothing_is_to_update(any_nix: object, space: Space) -> None:
    space.commit("lib", {"README": "x"}, branch=UPDATE_BRANCH, message="Mine")
    held = space.manifest(defaults={"hold": ["*"]})
    theirs = space.ref("lib")
    ran = run_sync(held)
    assert set(ran.statuses.values()) == {"unchanged"}
    assert space.ref("lib") == theirs
    assert any("lib" in str(event) and "stays" in str(event) for event in ran.events)


def test_a_user_on_the_update_branch_stops_that_repo_only(any_nix: object, space: Space) -> None:
    run_sync(space.manifest())
    run_git("switch", "--quiet", UPDATE_BRANCH, cwd=space.path("tool"))
    space.commit("nixpkgs", {"README": "three"})
    before = space.ref("tool")
    ran = run_sync(space.manifest())
    assert ran.errors == {"tool": "branch-checked-out", "app": "upstream-failed"}
    assert space.ref("tool") == before
    assert ran["other"].status == "updated"


def test_attributes_that_change_archives_fail_the_dependents_and_write_nothing_wrong(
    any_nix: object, space: Space
) -> None:
    space.commit("lib", {".gitattributes": "README export-ignore\n", "README": "x"})
    ran = run_sync(space.manifest())
    # lib itself can be locked; nobody can be locked to a commit of it that no server has made an archive of.
    assert ran.statuses == {"lib": "updated", "tool": "failed", "app": "skipped", "other": "failed"}
    assert (ran.errors["tool"], ran.errors["other"]) == ("attributes", "attributes")
    assert ran["tool"].error is not None
    assert ".gitattributes line 1 has export-ignore" in ran["tool"].error.message
    assert (space.ref("tool"), space.ref("other")) == (None, None)


def test_a_pushed_commit_with_such_attributes_is_locked_from_its_server(any_nix: object, space: Space) -> None:
    space.commit("lib", {".gitattributes": "README export-ignore\n", "README": "x"})
    ran = run_sync(space.manifest(tables={"lib": {"hold": ["nixpkgs"]}}))
    assert ran.statuses == {"lib": "unchanged", "tool": "updated", "app": "updated", "other": "updated"}
    locked = space.locked("tool", "lib")
    assert (locked["rev"], locked["ref"], locked["url"]) == (space.tip("lib"), "main", space.url("lib"))


def test_a_plain_folder_is_refused_before_anything_is_done(any_nix: object, space: Space) -> None:
    folder = space.root / "plain"
    folder.mkdir()
    for file in ("flake.nix", "flake.lock"):
        (folder / file).write_bytes(read(space.path("other"), space.tip("other"), file))
    manifest = space.manifest()
    with manifest.open("a") as end:
        end.write('\n[repos.plain]\npath = "./plain"\n')
    with pytest.raises(FlakesyncError, match=r"repos\.plain\.path") as caught:
        run_sync(manifest)
    assert caught.value.code == "not-a-repository"
    assert space.ref("lib") is None

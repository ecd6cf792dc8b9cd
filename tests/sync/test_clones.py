"""A user's clone is written to by its update branch alone: tree, index, stash, HEAD and hooks are the user's own."""

import shutil
import subprocess
from pathlib import Path

import pytest

from flakesync.errors import GitError
from tests.support.nixspace import UPDATE, UPDATE_BRANCH, Space, Take, contents, read, run_sync
from tests.support.repos import run_git

pytestmark = pytest.mark.usefixtures("use_nix")


@pytest.fixture
def space(tmp_path: Path) -> Space:
    return Space(tmp_path / "space").add("lib", files={"README": "one\n"}).add("app", {"lib": Take()})


@pytest.mark.parametrize("nested", [False, True], ids=["plain", "with-relative-inputs"])
def test_a_dirty_checkout_stays_as_it_is_to_the_byte(any_nix: object, space: Space, nested: bool) -> None:
    lib = space.path("lib")
    if nested:  # locked in a worktree, as Nix has to see the whole tree
        text = read(lib, space.tip("lib"), "flake.nix").decode()
        text = text.replace("inputs = {", 'inputs = {\n    part.url = "path:./part";')
        space.commit("lib", {"flake.nix": text, "part/flake.nix": "{ outputs = _: { }; }\n"})
        subprocess.run(["nix", "flake", "lock"], cwd=lib, check=True, capture_output=True)
        space.commit("lib", {"flake.lock": (lib / "flake.lock").read_bytes()})
        assert b'"type": "path"' in (lib / "flake.lock").read_bytes()
    run_git("switch", "--quiet", "--create", "work", cwd=lib)
    (lib / "README").write_text("stashed\n")
    run_git("stash", cwd=lib)
    (lib / "README").write_text("staged\n")
    run_git("add", "README", cwd=lib)
    (lib / "README").write_text("dirty\n")
    (lib / "flake.lock").write_text("broken")
    (lib / "new").write_text("untracked")
    before = contents(lib, without=["/.git/objects/"])
    status = run_git("status", "--porcelain", cwd=lib)
    ran = run_sync(space.manifest(defaults={"checks": ["git status"]}))
    assert ran.statuses == {"lib": "updated", "app": "updated"}, ran.errors
    after = contents(lib, without=["/.git/objects/"])
    update = {f".git/{UPDATE}", f".git/logs/{UPDATE}"}
    made = {name for name in after.keys() - before.keys() if after[name] != b"folder"}
    assert made <= update
    assert {name: after[name] for name in before if after.get(name) != before[name]} == {}
    assert run_git("status", "--porcelain", cwd=lib) == status
    assert run_git("stash", "list", cwd=lib).count("stash@") == 1
    run_git("fsck", "--strict", cwd=lib)


def test_no_hook_runs(any_nix: object, space: Space, tmp_path: Path) -> None:
    log = tmp_path / "hooks.log"
    folder = space.path("lib") / ".git/hooks"
    folder.mkdir()
    for name in ("pre-commit", "commit-msg", "post-commit", "post-checkout", "reference-transaction", "pre-auto-gc"):
        (folder / name).write_text(f"#!/bin/sh\necho {name} >> {log}\nexit 1\n")
        (folder / name).chmod(0o755)
    manifest = space.manifest(defaults={"checks": ["true"]})
    assert run_sync(manifest).statuses == {"lib": "updated", "app": "updated"}
    assert not log.exists()
    run_sync(space.manifest(defaults={"hold": ["*"]}))
    assert not log.exists()
    assert space.ref("lib") is None


def test_the_identity_is_gits_own(any_nix: object, space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    run_git("config", "user.name", "Local Name", cwd=space.path("lib"))
    run_sync(space.manifest())
    assert who(space, "lib") == "Local Name <author@test.example> Local Name <author@test.example>"
    assert who(space, "app") == "Test Author <author@test.example> Test Author <author@test.example>"


def test_the_identity_of_the_manifest_is_author_and_committer(any_nix: object, space: Space) -> None:
    run_git("config", "user.name", "Local Name", cwd=space.path("lib"))
    run_sync(space.manifest({"author": "Flake Bot <bot@acme.example>"}))
    for name in space.names:
        assert who(space, name) == "Flake Bot <bot@acme.example> Flake Bot <bot@acme.example>"


def test_without_an_identity_nothing_is_begun_but_a_dry_run_needs_none(space: Space, hermetic: Path) -> None:
    (hermetic / ".gitconfig").unlink()
    with pytest.raises(GitError) as caught:
        run_sync(space.manifest(), locker="native")
    assert caught.value.code == "no-identity"
    assert "`author = " in (caught.value.hint or "")
    assert [space.ref(name) for name in space.names] == [None] * len(space.names)
    assert set(run_sync(space.manifest(), locker="native", dry_run=True).statuses.values()) == {"updated"}
    run_git("config", "user.name", "Local Name", cwd=space.path("app"))
    run_git("config", "user.email", "local@test.example", cwd=space.path("app"))
    assert run_sync(space.manifest(), locker="native").errors == {"lib": "no-identity", "app": "upstream-failed"}


def test_the_manifest_can_name_the_identity_that_git_lacks(any_nix: object, space: Space, hermetic: Path) -> None:
    (hermetic / ".gitconfig").unlink()
    assert run_sync(space.manifest({"author": "Bot <bot@acme.example>"})).errors == {}


def test_the_date_is_that_of_the_newest_thing_in_it(any_nix: object, space: Space) -> None:
    run_sync(space.manifest())
    newest = run_git("log", "-1", "--format=%ct %at", "main", cwd=space.path("lib"))
    assert run_git("log", "-1", "--format=%ct %at", UPDATE_BRANCH, cwd=space.path("lib")) == newest


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
def test_commits_are_signed_as_git_is_configured(any_nix: object, space: Space, hermetic: Path) -> None:
    key = hermetic / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    allowed = hermetic / "allowed"
    allowed.write_text(f"author@test.example {key.with_suffix('.pub').read_text()}")
    with (hermetic / ".gitconfig").open("a") as config:
        config.write("[commit]\n\tgpgSign = true\n[gpg]\n\tformat = ssh\n[user]\n\tsigningKey = " + str(key) + "\n")
        config.write(f'[gpg "ssh"]\n\tallowedSignersFile = {allowed}\n')
    first = run_sync(space.manifest())
    assert first.errors == {}
    for name in space.names:
        assert run_git("log", "-1", "--format=%G?", UPDATE_BRANCH, cwd=space.path(name)) == "G"
    before = {name: space.ref(name) for name in space.names}
    # An ssh signature is a function of key and text: also a rerun from nothing makes the same commits.
    for name in space.names:
        run_git("update-ref", "-d", UPDATE, cwd=space.path(name))
    dry = run_sync(space.manifest(), dry_run=True)
    assert {outcome.repo: outcome.commit for outcome in dry.document.repos} == before
    assert {name: run_sync(space.manifest())[name].commit for name in space.names} == before


def test_a_key_that_does_not_sign_fails_the_repo(any_nix: object, space: Space, hermetic: Path) -> None:
    with (hermetic / ".gitconfig").open("a") as config:
        config.write("[commit]\n\tgpgSign = true\n[gpg]\n\tformat = ssh\n[user]\n\tsigningKey = /nonexistent\n")
    assert run_sync(space.manifest()).errors == {"lib": "signing", "app": "upstream-failed"}


def who(space: Space, name: str) -> str:
    return run_git("log", "-1", "--format=%an <%ae> %cn <%ce>", UPDATE_BRANCH, cwd=space.path(name))

"""Commands of `after`: they run on the new lock, only what is declared enters the commit, and it comes to rest."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from flakesync.documents.sync import Outcome
from flakesync.git.repository import Repository
from flakesync.sync.events import Note, Step
from flakesync.terms import Rev
from flakesync.update.commit import is_ours
from tests.support.nix import RealNix
from tests.support.nixspace import UPDATE, Ran, Space, Take, contents, read, run_sync
from tests.support.repos import run_git

HASH = "sha256sum < flake.lock > deps.json"


@pytest.fixture
def space(tmp_path: Path) -> Space:
    """`lib`, which writes files, and `app`, which takes it."""
    space = Space(tmp_path / "space")
    space.add("lib", files={"deps.json": "old\n", "nix/a.json": "a\n", ".gitignore": "result\n/cache/\n"})
    return space.add("app", {"lib": Take(), "nixpkgs": Take()})


def sync(
    space: Space,
    script: str | Sequence[str] = HASH,
    files: Sequence[str] = ("deps.json", "nix/*.json"),
    *,
    dry_run: bool = False,
    **keys: object,
) -> Ran:
    """Sync with one command for each script, in `lib`. keys: more of that repo."""
    scripts = [script] if isinstance(script, str) else script
    after = [{"run": ["sh", "-ec", each], "files": [*files]} for each in scripts]
    return run_sync(space.manifest(tables={"lib": {"after": after, **keys}}), locker="native", dry_run=dry_run)


def changed(space: Space, rev: str | None) -> dict[str, str]:
    """Return the files that an update commit changes, each with git's letter for it."""
    assert rev is not None
    lines = run_git("diff", "--no-renames", "--name-status", f"{rev}^", rev, cwd=space.path("lib")).splitlines()
    return {path: kind for kind, path in (line.split("\t") for line in lines)}


def failed(ran: Ran) -> Outcome:
    """Return the outcome of `lib`, which failed, and took `app` along."""
    assert ran.statuses == {"lib": "failed", "app": "skipped"}
    return ran["lib"]


def error_of(ran: Ran) -> tuple[str, str]:
    error = failed(ran).error
    assert error is not None
    return error.code, error.message


def is_own(space: Space, rev: str | None) -> bool:
    with Repository.open(space.path("lib")) as repository:
        return is_ours(repository, repository.commit(Rev(str(rev))))


def test_what_a_command_writes_enters_the_commit_with_the_lock(space: Space) -> None:
    script = [
        f"git log -1 --format=%s; {HASH}",
        "rm nix/a.json; echo b > nix/b.json; chmod +x nix/b.json; touch result",
    ]
    ran = sync(space, script, checks=["test -x nix/b.json", "sh -c 'sha256sum < flake.lock | cmp - deps.json'"])
    assert ran.statuses == {"lib": "updated", "app": "updated"}, ran["lib"]
    lib = ran["lib"]
    assert changed(space, lib.commit) == {"deps.json": "M", "flake.lock": "M", "nix/a.json": "D", "nix/b.json": "A"}
    assert lib.files == ["deps.json", "nix/a.json", "nix/b.json"]
    assert [each.output for each in lib.after] == ["flake.lock: Update\n", ""]
    assert [each.exit_status for each in lib.checks] == [0, 0]
    assert run_git("ls-tree", str(lib.commit), "nix/b.json", cwd=space.path("lib")).startswith("100755")
    assert space.locked("app", "lib")["rev"] == lib.commit
    assert is_own(space, lib.commit)
    assert run_git("fsck", "--strict", "--no-dangling", cwd=space.path("lib")) == ""
    steps = [(event.step, event.detail[:6]) for event in ran.events if isinstance(event, Step) and event.repo == "lib"]
    assert [step for step, _ in steps] == ["locking", "running", "running", "checking", "checking"]


def test_nothing_is_left_behind_but_the_branch(space: Space, hermetic: Path) -> None:
    before = contents(space.path("lib"), without=[".git"])
    tmp = contents(hermetic / "tmp")
    sync(space, f"{HASH}; mkdir -p cache; touch cache/x; git add -f . ; git commit -qm mine; git checkout -q -b theirs")
    assert contents(space.path("lib"), without=[".git"]) == before
    assert contents(hermetic / "tmp") == tmp
    assert run_git("worktree", "list", "--porcelain", cwd=space.path("lib")).count("worktree ") == 1
    assert run_git("status", "--porcelain", cwd=space.path("lib")) == ""


def test_what_a_command_has_committed_itself_counts_as_what_it_has_changed(space: Space) -> None:
    own = "git -c user.name=x -c user.email=x@y.z commit -qam mine"
    assert changed(space, sync(space, f"{HASH}; {own}")["lib"].commit) == {"deps.json": "M", "flake.lock": "M"}
    assert error_of(sync(space, f"{HASH}; echo new > more; git add more; {own}; echo 1"))[0] == "after-files"


@pytest.mark.parametrize(
    ("script", "named"),
    [
        ("touch other.json", "other.json"),
        ("mkdir -p nix/deep; touch nix/deep/a.json", "nix/deep/a.json"),
        ("echo >> flake.lock", "flake.lock"),
        ("echo >> flake.nix", "flake.nix"),
        ("echo '*' > .gitignore", ".gitignore"),
        ("echo 'deps.json filter=x' > .gitattributes", ".gitattributes"),
        ("rm -r nix; ln -s /etc nix", "nix"),
        ("git init -q nested", "nested/"),
        ("touch 'a\nb'", "a\\nb"),
        ("for each in 1 2 3 4 5 6 7; do touch x$each; done", "x1, x2, x3, x4, x5 and 2 more"),
        ("git mv deps.json moved.json", "moved.json"),
    ],
)
def test_a_file_that_is_not_declared_fails_the_repo_and_is_named(space: Space, script: str, named: str) -> None:
    code, message = error_of(sync(space, script))
    assert code == "after-files"
    assert message == f"`sh -ec {_quoted(script)}` has changed files that its `files` do not name: {named}"
    assert space.ref("lib") is None


def _quoted(script: str) -> str:
    from shlex import quote

    return quote(script)


def test_a_glob_of_all_files_does_not_reach_locks_and_files_of_git(space: Space) -> None:
    code, message = error_of(sync(space, "echo >> flake.lock; echo >> .gitignore; touch more", ["**"]))
    assert (code, message.partition("name: ")[2]) == ("after-files", ".gitignore, flake.lock")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("ln -sf /etc/passwd deps.json", "has made deps.json a link that leads out of the repo"),
        ("ln -sf ../../x deps.json", "has made deps.json a link that leads out of the repo"),
        ("ln -sf .git/config deps.json", "has made deps.json a link that leads out of the repo"),
        ("truncate -s 51M deps.json", "has written deps.json of 51 MiB"),
        ("for each in a b c; do truncate -s 40M nix/$each.json; done", "has written 120 MiB"),
        ("i=0; while [ $i -lt 1001 ]; do : > nix/$i.json; i=$((i+1)); done", "has changed 1001 files"),
        ("rm deps.json; mkfifo deps.json", "has made deps.json, which is no file"),
    ],
)
def test_what_no_commit_should_hold_is_refused(space: Space, script: str, message: str) -> None:
    code, said = error_of(sync(space, script))
    assert (code, said.partition("` ")[2]) == ("after-files", message)


def test_a_link_within_the_repo_is_kept(space: Space) -> None:
    commit = sync(space, "ln -sf nix/a.json deps.json")["lib"].commit
    assert run_git("ls-tree", str(commit), "deps.json", cwd=space.path("lib")).startswith("120000")
    assert is_own(space, commit)


def test_a_file_that_a_filter_keeps_is_refused(space: Space) -> None:
    space.commit("lib", {".gitattributes": "deps.json filter=lfs\n"})
    code, message = error_of(sync(space))
    assert (code, message.partition("` ")[2]) == (
        "after-files",
        "has changed files that git keeps by way of a filter: deps.json",
    )


def test_line_ends_are_committed_as_gitattributes_say(space: Space) -> None:
    space.commit("lib", {".gitattributes": "*.json text eol=crlf\n"})
    commit = sync(space, "printf 'a\\r\\nb\\r\\n' > deps.json; printf 'a\\r\\n' > nix/a.json")["lib"].commit
    assert read(space.path("lib"), Rev(str(commit)), "deps.json") == b"a\nb\n"
    assert "nix/a.json" not in changed(space, commit)


def test_settings_of_the_user_change_nothing(space: Space, hermetic: Path) -> None:
    commit = sync(space, f"{HASH}; chmod +x nix/a.json; echo 1 > nix/new.json")["lib"].commit
    run_git("update-ref", "-d", UPDATE, cwd=space.path("lib"))
    ignored = hermetic / "ignored"
    ignored.write_text("*.json\n")
    for setting in (
        f"core.excludesFile={ignored}",
        "core.fileMode=false",
        "core.autocrlf=true",
        "core.splitIndex=true",
    ):
        run_git("config", "--global", *setting.split("=", 1), cwd=space.path("lib"))
    (space.path("lib") / ".git/info/exclude").write_text("*.json\n")
    assert sync(space, f"{HASH}; chmod +x nix/a.json; echo 1 > nix/new.json")["lib"].commit == commit


def test_a_failed_command_fails_the_repo_and_says_what_it_printed(space: Space) -> None:
    old = sync(space)["lib"].commit
    space.commit("nixpkgs", {"README": "three"})
    ran = sync(space, ["echo one", "echo two; exit 3", "echo three"], checks=["true"])
    lib = failed(ran)
    assert error_of(ran) == ("after-failed", "`sh -ec 'echo two; exit 3'` ended with exit status 3")
    assert [(each.exit_status, each.output) for each in lib.after] == [(0, "one\n"), (3, "two\n")]
    assert lib.checks == []
    assert space.ref("lib") == old


def test_a_failed_check_says_what_ran_before_it(space: Space) -> None:
    lib = failed(sync(space, f"echo said; {HASH}", checks=["false"]))
    assert lib.error is not None
    assert lib.error.code == "check-failed"
    assert [each.output for each in lib.after] == ["said\n"]
    assert space.ref("lib") is None


def test_a_command_that_is_no_program_fails_its_repo(space: Space) -> None:
    after = [{"run": ["no-such-program"], "files": ["x"]}]
    ran = run_sync(space.manifest(tables={"lib": {"after": after}}), locker="native")
    assert error_of(ran) == ("after-failed", "`no-such-program` ended with exit status 127")


def counted(space: Space) -> str:
    """Return a script that notes that it ran."""
    return f"echo >> {space.root}/ran; {HASH}"


def runs(space: Space) -> int:
    file = space.root / "ran"
    return len(file.read_text()) if file.exists() else 0


def test_nothing_new_runs_nothing(space: Space) -> None:
    first = sync(space, counted(space))
    assert runs(space) == 1
    again = sync(space, counted(space))
    assert again.statuses == {"lib": "unchanged", "app": "unchanged"}
    assert (again["lib"].commit, again["app"].commit) == (first["lib"].commit, first["app"].commit)
    assert runs(space) == 1


def test_on_another_machine_the_branch_of_the_same_run_is_kept(space: Space, hermetic: Path) -> None:
    first = sync(space, counted(space))
    _forget_what_is_known(hermetic)
    assert sync(space, counted(space)).statuses == {"lib": "unchanged", "app": "unchanged"}
    assert runs(space) == 1
    run_git("update-ref", "-d", UPDATE, cwd=space.path("lib"))
    assert sync(space, counted(space))["lib"].commit == first["lib"].commit
    assert runs(space) == 2


def test_made_again_in_another_run_the_same_result_keeps_its_commit(space: Space, hermetic: Path) -> None:
    first = sync(space, counted(space))
    # The run has another name, as another repo has moved.
    space.commit("app", {"README": "two"})
    again = sync(space, counted(space))
    assert (again.document.run != first.document.run, again.statuses) == (True, {"lib": "unchanged", "app": "updated"})
    assert runs(space) == 1
    _forget_what_is_known(hermetic)
    again = sync(space, counted(space))
    assert (again["lib"].commit, again.statuses["lib"]) == (first["lib"].commit, "unchanged")
    assert runs(space) == 2, "a branch of another run is not believed what its commands have written"


def _forget_what_is_known(hermetic: Path) -> None:
    for file in hermetic.rglob("*up-to-date*"):
        file.unlink()


@pytest.mark.parametrize(
    ("script", "files"), [(f"{HASH} ", ("deps.json", "nix/*.json")), (HASH, ("deps.json", "nix/a.json"))]
)
def test_other_commands_make_the_commit_anew(space: Space, script: str, files: Sequence[str]) -> None:
    first = sync(space)["lib"].commit
    ran = sync(space, script, files)
    assert (ran.statuses["lib"], ran["lib"].commit != first) == ("updated", True)
    none = run_sync(space.manifest(), locker="native")
    assert none.statuses["lib"] == "updated"
    assert changed(space, none["lib"].commit) == {"flake.lock": "M"}
    assert sync(space)["lib"].commit == first


def test_a_command_that_changes_nothing_adds_nothing(space: Space) -> None:
    lib = sync(space, "true", checks=["true"])["lib"]
    assert (changed(space, lib.commit), lib.files) == ({"flake.lock": "M"}, [])


def test_files_that_somebody_has_changed_on_the_branch_are_not_overwritten(space: Space) -> None:
    commit = sync(space)["lib"].commit
    run_git("checkout", "-q", "flakesync/update", cwd=space.path("lib"))
    (space.path("lib") / "deps.json").write_text("mine")
    run_git("commit", "-qam", "Mine", cwd=space.path("lib"))
    mine = space.ref("lib")
    run_git("checkout", "-q", "main", cwd=space.path("lib"))
    space.commit("nixpkgs", {"README": "three"})
    assert error_of(sync(space))[0] == "branch-taken"
    assert space.ref("lib") == mine != commit


def test_a_new_base_runs_the_commands_again_on_it(space: Space) -> None:
    sync(space)
    space.commit("lib", {"nix/a.json": "from the base\n"})
    ran = sync(space, f"{HASH}; cp nix/a.json nix/b.json")
    assert read(space.path("lib"), Rev(str(ran["lib"].commit)), "nix/b.json") == b"from the base\n"


def test_a_dry_run_runs_no_command(space: Space) -> None:
    ran = sync(space, counted(space), dry_run=True)
    assert ran.statuses == {"lib": "updated", "app": "updated"}
    assert (runs(space), ran["lib"].after, ran["lib"].files) == (0, [], [])


def test_a_mirror_and_a_bare_repository_do_too(space: Space) -> None:
    after = [{"run": ["sh", "-c", HASH], "files": ["deps.json"]}]
    manifest = space.manifest(tables={"lib": {"after": after}}, mirrored=["lib"])
    assert run_sync(manifest, locker="native")["lib"].files == ["deps.json"]


def test_a_repo_with_odd_names(tmp_path: Path) -> None:
    space = Space(tmp_path / "space")
    names: Mapping[str, str] = {'d e/"é"\t.json': "1", "d e/ .json": "2"}
    space.add("lib", files={**names, "d e/x\n.json": "3"}).add("app", {"lib": Take()})
    script = "for each in d*/*.json; do echo new > \"$each\"; done; echo 1 > 'd e/new .json '"
    ran = sync(space, script, ["d e/*"])
    assert ran.statuses == {"lib": "updated", "app": "updated"}, ran["lib"]
    assert len(ran["lib"].files) == 4
    assert is_own(space, ran["lib"].commit)
    assert sync(space, script, ["d e/*"]).statuses == {"lib": "unchanged", "app": "unchanged"}


def test_dependents_take_an_update_with_files_though_they_follow_all_that_moves(tmp_path: Path) -> None:
    space = Space(tmp_path / "space")
    space.add("lib", files={"deps.json": "old\n"})
    space.add("app", {"nixpkgs": Take(), "lib": Take(follows={"nixpkgs": "nixpkgs"})})
    assert run_sync(space.manifest(), locker="native")["app"].commit is not None
    assert space.locked("app", "lib")["rev"] == space.tip("lib"), "a lock alone is no content"
    ran = sync(space)
    assert space.locked("app", "lib")["rev"] == ran["lib"].commit == space.ref("lib")
    [reason] = [change.reason for change in ran["app"].changes if change.input == "lib"]
    assert reason == "lib is updated, what `after` writes too"
    # And it comes to rest, also where the base has all of it.
    assert sync(space).statuses == {"lib": "unchanged", "app": "unchanged"}


def test_a_command_of_nix_evaluates_the_new_lock(any_nix: RealNix, use_nix: RealNix, tmp_path: Path) -> None:
    space = Space(tmp_path / "space")
    space.add("lib", files={"deps.json": "old\n"})
    text = read(space.path("lib"), space.tip("lib"), "flake.nix").decode()
    space.commit("lib", {"flake.nix": text.replace('note = "one"', "note = inputs.nixpkgs.note")})
    ran = run_sync(
        space.manifest(
            tables={"lib": {"after": [{"run": "sh -ec 'nix eval --raw .#note > deps.json'", "files": ["deps.json"]}]}}
        ),
        locker="native",
    )
    assert ran.statuses == {"lib": "updated"}, ran["lib"]
    # The stand-in's second commit says so, which the old lock does not name.
    assert read(space.path("lib"), Rev(str(ran["lib"].commit)), "deps.json") == b"two"


def test_a_dry_run_says_that_it_runs_none(space: Space) -> None:
    ran = sync(space, dry_run=True)
    assert [event.text for event in ran.events if isinstance(event, Note)] == [
        "lib: a dry run runs no command of `after`: its commit is without their files"
    ]


def test_a_file_that_git_would_give_other_line_ends_is_not_what_a_command_has_changed(space: Space) -> None:
    space.commit(
        "lib", {".gitattributes": "*.txt text\n*.json text\n", "crlf.txt": "a\r\nb\r\n", "nix/a.json": "a\r\n"}
    )
    commit = sync(space)["lib"].commit
    assert changed(space, commit) == {"deps.json": "M", "flake.lock": "M"}
    run_git("update-ref", "-d", UPDATE, cwd=space.path("lib"))
    assert error_of(sync(space, f"{HASH}; echo c >> crlf.txt"))[1].endswith(": crlf.txt")
    # Of what it has changed git decides on the line ends.
    commit = sync(space, f"{HASH}; printf 'a\\r\\nb\\r\\n' > nix/a.json")["lib"].commit
    assert read(space.path("lib"), Rev(str(commit)), "nix/a.json") == b"a\nb\n"

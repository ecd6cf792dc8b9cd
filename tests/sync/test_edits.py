"""Edits of flake.nix are committed with the lock that they make, and with nothing else; the branch is known by them."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from flakesync.analysis.plan import make_plan
from flakesync.cache.layout import cache_dir
from flakesync.documents.sync import Outcome
from flakesync.errors import SyncError
from flakesync.git.repository import Repository
from flakesync.nix.expression.edit import Edit, Edited, Place, RemoveFollows, SetFollows
from flakesync.nix.lock.file import LockFile
from flakesync.survey.read import read_survey
from flakesync.sync.bump import bump
from flakesync.sync.documents import sync_document
from flakesync.sync.engine import sync
from flakesync.sync.files.edits import require_untouched
from flakesync.sync.job import BumpJob
from flakesync.sync.lockers.auto import LockerChoice
from flakesync.sync.options import Options
from flakesync.sync.outcome import Unchanged, Updated
from flakesync.sync.tools import Tools
from flakesync.terms import FlakeDir, Rev
from flakesync.update.commit import is_ours
from flakesync.workspace.manifest import load_workspace, select
from tests.support.nix import RealNix
from tests.support.nixspace import UPDATE, Space, Take, contents, read, run_sync
from tests.support.repos import run_git

Edits = Sequence[tuple[str, Edit]]
FOLLOW = SetFollows(("lib", "nixpkgs"), ("nixpkgs",))
LINE = '    lib.inputs.nixpkgs.follows = "nixpkgs";\n'


@pytest.fixture
def space(tmp_path: Path) -> Space:
    space = Space(tmp_path / "space")
    return space.add("lib").add("app", {"nixpkgs": Take(), "lib": Take()})


def carried_out(
    space: Space,
    edits: Edits = ((".", FOLLOW),),
    *,
    locker: LockerChoice = "native",
    dry_run: bool = False,
    still: bool = False,
    **tables: object,
) -> Outcome:
    """Sync with these edits of `app`; return what was done about it. still: nothing moves but for them."""
    workspace = load_workspace(space.manifest(tables={"app": tables}))
    survey = read_survey(workspace)
    made = tuple((FlakeDir(dir), edit) for dir, edit in edits)

    def work(job: BumpJob, tools: Tools) -> Updated | Unchanged:
        if job.repo == "app":
            job = msgspec.structs.replace(job, edits=made)
            job = msgspec.structs.replace(job, moves=(), subject="flake.lock: Update") if still else job
            assert BumpJob.decode(job.encode()) == job
        return bump(job, tools)

    options = Options(cache=cache_dir(), locker=locker, dry_run=dry_run)
    plan = make_plan(survey, select(workspace, (), (), ()))
    result = sync(survey, plan, options, lambda _: None, work=work)
    return next(each for each in sync_document(result).repos if each.repo == "app")


def failed(outcome: Outcome) -> tuple[str, str]:
    assert outcome.error is not None, outcome
    return outcome.error.code, outcome.error.message


def file_of(space: Space, outcome: Outcome, file: str) -> str:
    return read(space.path("app"), Rev(str(outcome.commit)), file).decode()


def base_file(space: Space, file: str = "flake.nix") -> str:
    return read(space.path("app"), space.tip("app"), file).decode()


def changed(space: Space, outcome: Outcome) -> set[str]:
    return {*run_git("diff", "--name-only", f"{outcome.commit}^", str(outcome.commit), cwd=space.path("app")).split()}


def is_own(space: Space, outcome: Outcome) -> bool:
    with Repository.open(space.path("app")) as repository:
        return is_ours(repository, repository.commit(Rev(str(outcome.commit))))


@pytest.mark.parametrize("locker", ["native", "nix"])
def test_flake_nix_is_edited_and_locked_in_one_commit_that_nix_takes(
    outer_nix: RealNix, use_nix: RealNix, space: Space, tmp_path: Path, locker: LockerChoice
) -> None:
    made = carried_out(space, locker=locker)
    assert (made.status, made.files, changed(space, made)) == ("updated", ["flake.nix"], {"flake.nix", "flake.lock"})
    old, new = base_file(space), file_of(space, made, "flake.nix")
    assert new.replace(LINE, "") == old
    assert new.count(LINE) == 1
    lock = LockFile.parse(file_of(space, made, "flake.lock").encode())
    lib = lock.node(("lib",))
    assert lib is not None
    assert lib.inputs == {"nixpkgs": ("nixpkgs",)}
    assert len(lock.nodes) == 3
    assert is_own(space, made)
    folder = tmp_path / "check"
    folder.mkdir()
    for file in ("flake.nix", "flake.lock"):
        (folder / file).write_text(file_of(space, made, file))
    # lib's update is in no branch that Nix would look for; all of it is in the clone.
    command = ["nix", "flake", "lock", "--no-update-lock-file", f"path:{folder}"]
    subprocess.run(command, check=True, capture_output=True)


def test_nothing_new_keeps_the_commit_and_a_branch_made_elsewhere_is_believed_what_it_can_be(
    space: Space, hermetic: Path
) -> None:
    first = carried_out(space)
    assert carried_out(space).status == "unchanged"
    forget(hermetic)
    assert (carried_out(space).status, space.ref("app")) == ("unchanged", first.commit)
    run_git("update-ref", "-d", UPDATE, cwd=space.path("app"))
    assert carried_out(space).commit == first.commit
    # Another run, of another name, looks at all of it.
    space.commit("lib", {"README": "two"}, branch="beside")
    space.add("more")
    forget(hermetic)
    assert (carried_out(space).status, space.ref("app")) == ("unchanged", first.commit)


def forget(hermetic: Path) -> None:
    for file in hermetic.rglob("*up-to-date*"):
        file.unlink()


def test_without_the_edits_the_commit_is_made_anew(space: Space) -> None:
    first = carried_out(space)
    again = carried_out(space, ())
    assert (again.status, again.files) == ("updated", [])
    assert file_of(space, again, "flake.nix") == base_file(space)
    assert carried_out(space).commit == first.commit


def test_a_flake_nix_that_was_edited_otherwise_in_the_same_run_is_made_anew(space: Space, hermetic: Path) -> None:
    first = carried_out(space, [*edits_of(FOLLOW)])
    forget(hermetic)
    ghost = SetFollows(("lib", "ghost"), ("nixpkgs",))
    again = carried_out(space, edits_of(FOLLOW, ghost))
    assert (again.status, again.commit != first.commit) == ("updated", True)
    assert 'lib.inputs.ghost.follows = "nixpkgs";' in file_of(space, again, "flake.nix")


def edits_of(*edits: Edit) -> list[tuple[str, Edit]]:
    return [(".", edit) for edit in edits]


def test_edits_that_change_no_lock_are_a_commit_of_flake_nix_alone(space: Space) -> None:
    text = base_file(space).replace("\n  };", '\n    lib.inputs.ghost.follows = "nixpkgs"; # gone\n  };', 1)
    space.commit("app", {"flake.nix": text})
    made = carried_out(space, edits_of(RemoveFollows(("lib", "ghost"))), still=True)
    assert (made.status, changed(space, made)) == ("updated", {"flake.nix"})
    assert "ghost" not in file_of(space, made, "flake.nix")
    assert is_own(space, made)
    message = run_git("log", "-1", "--format=%B", str(made.commit), cwd=space.path("app"))
    assert "updates" not in message
    assert carried_out(space, edits_of(RemoveFollows(("lib", "ghost"))), still=True).status == "unchanged"


def test_what_the_base_has_already_is_not_edited(space: Space) -> None:
    made = carried_out(space)
    space.commit("app", {name: file_of(space, made, name) for name in ("flake.nix", "flake.lock")})
    again = carried_out(space, still=True)
    assert (again.status, again.branch, space.ref("app")) == ("unchanged", None, None)


def test_mode_line_ends_and_every_other_byte_stay(space: Space) -> None:
    text = base_file(space).replace("\n", "\r\n").rstrip() + " # no line end"
    space.commit("app", {"flake.nix": f"exec:{text}"})
    made = carried_out(space)
    new = file_of(space, made, "flake.nix")
    assert new.replace(LINE.replace("\n", "\r\n"), "") == text
    assert run_git("ls-tree", str(made.commit), "flake.nix", cwd=space.path("app")).startswith("100755")


def test_a_flake_in_a_subfolder_is_edited_there(tmp_path: Path) -> None:
    space = Space(tmp_path / "space").add("lib")
    space.add("app", {"nixpkgs": Take()}, dev={"nixpkgs": Take(), "lib": Take()})
    made = carried_out(space, [("dev", FOLLOW)])
    assert made.files == ["dev/flake.nix"]
    assert changed(space, made) == {"dev/flake.nix", "dev/flake.lock", "flake.lock"}
    assert carried_out(space, [("dev", FOLLOW)]).status == "unchanged"


@pytest.mark.parametrize("target", ["nix/real.nix", "other/deep/flake.nix"])
def test_of_a_symlink_the_file_is_edited_that_it_leads_to(space: Space, target: str) -> None:
    space.commit("app", {"flake.nix": f"link:{target}", target: base_file(space)})
    made = carried_out(space)
    assert (made.files, changed(space, made)) == ([target], {target, "flake.lock"})
    assert LINE in file_of(space, made, target)
    assert run_git("ls-tree", str(made.commit), "flake.nix", cwd=space.path("app")).startswith("120000")
    assert is_own(space, made)
    assert carried_out(space).status == "unchanged"


def test_a_symlink_out_of_the_repo_is_refused(space: Space) -> None:
    space.commit("app", {"flake.nix": "link:../elsewhere.nix"})
    assert failed(carried_out(space)) == ("cannot-edit", "flake.nix is no file, and no symlink to one of the repo")


def test_what_has_to_be_evaluated_is_refused_with_its_place(space: Space) -> None:
    text = base_file(space).replace("{\n  inputs = {", "let a = 1; in\n{\n  inputs = rec {", 1)
    space.commit("app", {"flake.nix": text})
    code, message = failed(carried_out(space))
    assert code == "cannot-edit"
    assert message.startswith("flake.nix:")
    assert space.ref("app") is None


def test_a_dry_run_shows_both_files_and_leaves_nothing(space: Space) -> None:
    before = contents(space.root)
    made = carried_out(space, dry_run=True)
    assert contents(space.root, without=["workspace.toml"]) == {
        path: content for path, content in before.items() if path != "workspace.toml"
    }
    diff = str(made.diff)
    assert f"+{LINE}" in diff
    assert {line for line in diff.splitlines() if line.startswith("+++")} == {"+++ b/flake.nix", "+++ b/flake.lock"}
    real = carried_out(space)
    assert real.commit == made.commit
    run_git("switch", "--quiet", "--detach", "main", cwd=space.path("app"))
    subprocess.run(["git", "apply", "-"], input=diff.encode(), cwd=space.path("app"), check=True)
    assert run_git("diff", str(real.commit), cwd=space.path("app")) == ""


def test_commands_of_after_see_the_edited_flake_nix(space: Space) -> None:
    after = [{"run": ["sh", "-ec", "grep -c follows flake.nix > deps"], "files": ["deps"]}]
    made = carried_out(space, after=after)
    assert made.files == ["deps", "flake.nix"]
    assert file_of(space, made, "deps") == "1\n"


def test_a_flake_that_cannot_be_locked_takes_the_edits_of_its_repo_along(tmp_path: Path) -> None:
    space = Space(tmp_path / "space").add("lib")
    space.add("app", {"nixpkgs": Take(), "lib": Take()}, dev={"nixpkgs": Take(), "lib": Take()})
    bad = base_file(space, "dev/flake.nix").replace("/nixpkgs?", "/nowhere?")
    space.commit("app", {"dev/flake.nix": bad})
    made = carried_out(space)
    assert (made.status, made.files, changed(space, made)) == ("updated", ["flake.nix"], {"flake.nix", "flake.lock"})
    assert carried_out(space, [(".", FOLLOW), ("dev", FOLLOW)]).status == "failed"


@pytest.mark.parametrize("locker", ["native", "nix"])
def test_a_folder_that_the_flake_takes_is_edited_and_locked_with_it(
    any_nix: RealNix, use_nix: RealNix, tmp_path: Path, locker: LockerChoice
) -> None:
    space = Space(tmp_path / "space")
    old, new = (space.commit("nixpkgs", {"release": name}, branch=name) for name in ("old", "new"))
    url = f"git+{space.url('nixpkgs')}?ref="
    space.add("app", {})
    files = {
        "flake.nix": '{ inputs.sub.url = "path:./sub"; outputs = _: { }; }',
        "sub/flake.nix": f'{{ inputs.nixpkgs.url = "{url}old"; outputs = _: {{ }}; }}',
    }
    space.commit("app", files)
    run_git("reset", "-q", "--hard", cwd=space.path("app"))
    subprocess.run(["nix", "flake", "lock"], cwd=space.path("app"), check=True, capture_output=True)
    space.commit("app", {"flake.lock": (space.path("app") / "flake.lock").read_text()})
    manifest = space.manifest(pins={"nixpkgs": {"source": f"{url}new", "replaces": ["old"]}})
    ran = run_sync(manifest, locker=locker)
    assert ran.statuses == {"app": "updated"}, ran["app"]
    assert ran["app"].files == ["sub/flake.nix"]
    assert file_of(space, ran["app"], "sub/flake.nix") == files["sub/flake.nix"].replace("?ref=old", "?ref=new")
    assert space.locked("app", "sub/nixpkgs")["rev"] == new != old
    run_git("switch", "-q", "--detach", str(ran["app"].commit), cwd=space.path("app"))
    command = ["nix", "flake", "lock", "--no-update-lock-file"]
    subprocess.run(command, cwd=space.path("app"), check=True, capture_output=True)
    assert run_sync(manifest, locker=locker).statuses == {"app": "unchanged"}


@pytest.mark.parametrize(
    ("source", "places"),
    [
        (b"a\nBc\n", ((2, 1, "b", "B"),)),
        (b"a\r\nbxc\n", ((2, 2, "", "x"),)),
        (b"a\nc\n", ((2, 1, "b", ""),)),
        (b"a\nbc\n", ()),
    ],
)
def test_an_edit_that_would_touch_more_than_its_place_is_refused(
    source: bytes, places: tuple[tuple[int, int, str, str], ...]
) -> None:
    before = b"a\r\nbc\n" if b"\r" in source else b"a\nbc\n"
    made = Edited(source, tuple(Place(FOLLOW, *each) for each in places))
    require_untouched(before, made, file="flake.nix")
    for other in (source + b" ", b" " + source, source.replace(b"c", b"d")):
        with pytest.raises(SyncError, match="more would change"):
            require_untouched(before, Edited(other, made.places), file="flake.nix")

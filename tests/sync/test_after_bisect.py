"""A bisection checks what sync would commit: some of the moves, with the files and the edits that belong to these."""

import hashlib
from pathlib import Path

from flakesync.nix.expression.edit import SetFollows
from flakesync.sync.job import BumpJob, PlannedMove
from flakesync.sync.lockers import FromServer, Move
from flakesync.terms import FlakeDir, RepoName, Rev
from flakesync.workspace.clones.edits import FlakeEdit
from tests.support.nixspace import read
from tests.sync.bisect.bisecting import Bisecting, guilty


def test_each_probe_has_the_files_of_its_own_locks(tmp_path: Path) -> None:
    matches = "sha256sum < flake.lock | cmp - deps.sum || { echo 'error: old files' >&2; exit 1; }"
    made = Bisecting(tmp_path, 4, more=matches)
    lock = read(made.space.path("app"), made.space.tip("app"), "flake.lock")
    made.space.commit("app", {"deps.sum": f"{hashlib.sha256(lock).hexdigest()}  -\n"})
    after = [{"run": ["sh", "-c", "sha256sum < flake.lock > deps.sum"], "files": ["deps.sum"]}]
    tables = {"app": {"checks": ["sh check.sh"], "after": after}}
    made.manifest = made.space.manifest(tables=tables)
    made.break_with("r2")
    assert guilty(made.bisect()) == ["r2"]


def moved(name: str, edit: SetFollows | None) -> PlannedMove:
    move = Move((name,), {}, {}, FromServer(Rev("1" * 40), None))
    found = FlakeEdit(FlakeDir("."), edit, edit.input, "flake.nix", 1, 1, "", "") if edit is not None else None
    return PlannedMove(FlakeDir("."), move, "", None, stale=edit is not None, edit=found)


def test_a_part_of_a_job_has_the_edits_of_its_moves() -> None:
    one, other = (SetFollows((name, "np"), ("np",)) for name in ("a", "b"))
    moves = (moved("a", one), moved("b", other), moved("c", None))
    job = BumpJob(
        run="1",
        repo=RepoName("r"),
        branch="u",
        author=None,
        clone=Path("/r"),
        base_rev=Rev("2" * 40),
        moves=moves,
        edits=((FlakeDir("."), one), (FlakeDir("."), other)),
    )
    part = job.part(moves[1:], ())
    assert (part.moves, part.edits) == (moves[1:], ((FlakeDir("."), other),))
    assert job.part(moves, ()) == job
    assert job.part((), ()).edits == ()

"""A BumpJob is a value: written down and read elsewhere, it makes the same commit."""

import os
from pathlib import Path

import pytest

from flakesync.git.values import Signature
from flakesync.nix.reference.flakeref import Attr
from flakesync.sync.bump import bump
from flakesync.sync.job import BumpJob, PlannedMove
from flakesync.sync.lockers import FromClone, FromServer, Move
from flakesync.sync.outcome import Unchanged, Updated
from flakesync.sync.tools import Tools
from flakesync.terms import FlakeDir, PinName, RepoName, Rev
from tests.support.nixspace import Space, Take, run_sync

ARCHIVE: dict[str, Attr] = {
    "type": "tarball",
    "url": "https://x.test/a.tar.gz",
    "narHash": "sha256-x",
    "lastModified": 3,
    "flake": True,
}


def test_a_job_that_was_written_down_makes_the_commits_of_the_one_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = Space(tmp_path / "space")
    space.add("lib").add("tool", {"nixpkgs": Take(), "lib": Take()}).add("left", {})
    space.add("app", {"tool": Take(follows={"lib": "lib"}), "lib": Take(), "left": Take()}, dev={"nixpkgs": Take()})
    space.commit("left", {"new": "commit"})
    manifest = space.manifest(tables={"app": {"checks": ["test -f flake.lock"]}})
    wanted = run_sync(manifest, dry_run=True, locker="native")
    jobs: list[BumpJob] = []

    def carry_out_copy(job: BumpJob, tools: Tools) -> Updated | Unchanged:
        copy = BumpJob.decode(job.encode())
        assert copy == job
        jobs.append(job)
        return bump(copy, tools)

    monkeypatch.setattr("flakesync.sync.engine.bump", carry_out_copy)
    ran = run_sync(manifest, locker="native")
    assert ran.statuses == {"lib": "updated", "tool": "updated", "app": "updated", "left": "unchanged"}, ran.errors
    for name in ("lib", "tool", "app"):
        assert wanted[name].commit == ran[name].commit == space.ref(name)
    sources = {type(each.move.source) for job in jobs for each in job.moves}
    assert sources == {FromClone, FromServer}
    assert [check.exit_status for check in ran["app"].checks] == [0]


def test_all_that_a_job_can_hold_is_read_as_it_was_written() -> None:
    odd = Path(os.fsdecode(b"/clones/\xff \xe2\x82\xac"))
    moves = (
        PlannedMove(
            FlakeDir("dev"), Move(("a", "b"), {"id": "a"}, {}, FromServer(Rev("1" * 40), None)), "behind", None
        ),
        PlannedMove(
            FlakeDir("."),
            Move(("c",), ARCHIVE, ARCHIVE, FromServer(Rev("2" * 40), "main", ARCHIVE)),
            "pin nixpkgs",
            PinName("nixpkgs"),
        ),
        PlannedMove(
            FlakeDir("."),
            Move(("d",), {"type": "git"}, {}, FromClone(Rev("3" * 40), odd, "refs/heads/main", "main", pushed=True)),
            "lib is updated",
            None,
        ),
    )
    job = BumpJob(
        run="0123456789ab",
        repo=RepoName("app"),
        branch="flakesync/update",
        author=Signature("Bot", "bot@acme.example"),
        clone=odd,
        base_rev=Rev("4" * 40),
        moves=moves,
        checks=(("sh", "-c", "true"),),
        borrowed=odd / "x",
        reuse_checks=True,
    )
    assert BumpJob.decode(job.encode()) == job

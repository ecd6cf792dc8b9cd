"""A run that is killed or interrupted while a command of `after` runs loses nothing, and the next one finishes it."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.nixspace import Space, Take, run_sync
from tests.support.repos import run_git
from tests.sync.test_interruptions import PATIENCE_S, processes_with, started, user_state, wait_for, wait_for_orphans


class Slow:
    """lib ← app, where lib has a command that lasts until `go` exists; `begun` exists when it runs."""

    def __init__(self, root: Path) -> None:
        self.space = Space(root / "space").add("lib", files={"deps.json": "old\n"}).add("app", {"lib": Take()})
        self.begun, self.go = root / "begun", root / "go"
        wait = f"touch {self.begun}; while ! test -e {self.go}; do sleep 0.02; done"
        script = f"echo half > deps.json; {wait}; wc -l < flake.lock > deps.json"
        after = [{"run": ["sh", "-ec", script], "files": ["deps.json"]}]
        self.manifest = self.space.manifest(tables={"lib": {"after": after}})
        self.before = user_state(self.space)


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Slow]:
    found = Slow(tmp_path)
    yield found
    found.go.touch()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_leaves_everything_as_it_was_and_the_next_run_finishes(slow: Slow, number: signal.Signals) -> None:
    space = slow.space
    with started(slow.manifest, "--locker", "native") as process:
        wait_for(slow.begun, process)
        process.send_signal(number)
        process.communicate(timeout=PATIENCE_S)
    if number != signal.SIGKILL:
        assert processes_with(str(slow.go)) == []
        assert run_git("worktree", "list", "--porcelain", cwd=space.path("lib")).count("worktree ") == 1
    assert (space.ref("lib"), space.ref("app")) == (None, None)
    assert user_state(space) == slow.before
    slow.go.touch()
    wait_for_orphans(space.root)
    ran = run_sync(slow.manifest, locker="native")
    assert ran.statuses == {"lib": "updated", "app": "updated"}, ran.errors
    commit = ran["lib"].commit
    assert run_git("show", f"{commit}:deps.json", cwd=space.path("lib")).isdigit()
    assert user_state(space) == slow.before
    assert run_git("worktree", "list", "--porcelain", cwd=space.path("lib")).count("worktree ") == 1
    run_git("fsck", "--strict", "--no-dangling", cwd=space.path("lib"))
    # What an undisturbed run makes, it makes too.
    run_git("update-ref", "-d", "refs/heads/flakesync/update", cwd=space.path("lib"))
    assert run_sync(slow.manifest, locker="native")["lib"].commit == commit

from flakesync.documents.change.task import TaskDocument
from flakesync.documents.plan import ChangeDocument
from flakesync.documents.sync import CheckResult, ErrorDocument, LeftDocument, Outcome
from flakesync.report.pipeline.task import render_task
from flakesync.report.text import to_text

OLD, NEW = "1a2b3c4" + "0" * 33, "5d6e7f8" + "0" * 33
CHANGE = ChangeDocument(flake=".", input="nixpkgs", from_=OLD, to={"rev": NEW}, reason="pin nixpkgs")
BRANCH = "flakesync/update"


def render(outcome: Outcome, *, pushed: bool = False, left: tuple[LeftDocument, ...] = (), full: bool = False) -> str:
    document = TaskDocument(run="0123456789ab", locker="native", outcome=outcome, pushed=pushed, left=[*left])
    return to_text(render_task(document, width=80, full=full))


def test_a_task_that_was_pushed_says_where_to() -> None:
    outcome = Outcome(repo="lib", status="updated", branch=BRANCH, commit=NEW, changes=[CHANGE])
    assert render(outcome, pushed=True) == (
        "updated    lib  5d6e7f8  flakesync/update\n"
        "    nixpkgs  1a2b3c4 → 5d6e7f8  pin nixpkgs\n"
        "\n"
        "updated, flakesync/update is pushed  (run 0123456789ab)\n"
    )
    assert "updated, 5d6e7f8, nothing was pushed  (run" in render(outcome)


def test_a_task_with_nothing_to_do_says_why() -> None:
    there = Outcome(repo="lib", status="unchanged", branch=BRANCH, commit=NEW)
    assert render(there) == ("unchanged  lib\n\nas planned already, 5d6e7f8, nothing was pushed  (run 0123456789ab)\n")
    none = Outcome(repo="lib", status="unchanged")
    assert render(none) == ("unchanged  lib\n\nas planned already, there is no update to push  (run 0123456789ab)\n")


def test_a_task_that_failed_shows_the_end_of_its_check() -> None:
    output = "\n".join(f"line {number}" for number in range(25))
    check = CheckResult(command="nix flake check", exit_status=1, duration_s=2.25, output=output)
    error = ErrorDocument(code="check-failed", message="nix flake check failed", hint="run it in the worktree")
    failed = Outcome(repo="app", status="failed", checks=[check], error=error)
    text = render(failed)
    assert text.startswith("failed     app\n    error[check-failed]: nix flake check failed\n")
    assert "    | … 5 lines more (-v)\n    | line 5\n" in text
    assert text.endswith("\nfailed, its dependents are skipped  (run 0123456789ab)\n")
    assert "    | line 0\n" in render(failed, full=True)


def test_a_task_that_was_skipped_names_the_upstream_and_what_began_it() -> None:
    message = "tool has no update of this plan, as lib has none"
    error = ErrorDocument(code="upstream-failed", message=message, because="lib")
    assert render(Outcome(repo="app", status="skipped", error=error)) == (
        "skipped    app  tool has no update of this plan, as lib has none\n"
        "\n"
        "skipped, to be run again when its upstream has an update  (run 0123456789ab)\n"
    )


def test_a_lock_that_could_not_be_written_is_shown_beside_those_that_were() -> None:
    left = LeftDocument(kind="pin", repo="lib", flake="dev", input=None, reason="dev/flake.lock: no", fails=True)
    text = render(Outcome(repo="lib", status="updated", branch=BRANCH, commit=NEW), pushed=True, left=(left,))
    assert "left       lib dev: pin, dev/flake.lock: no\n" in text

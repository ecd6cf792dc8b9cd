from flakesync.documents.drift import FindingKind
from flakesync.documents.plan import ChangeDocument
from flakesync.documents.sync import CheckResult, ErrorDocument, HeldDocument, LeftDocument, Outcome, SyncDocument
from flakesync.report.sync import render_sync
from flakesync.report.text import to_text

OLD, NEW = "1a2b3c4" + "0" * 33, "5d6e7f8" + "0" * 33
CHANGE = ChangeDocument(flake=".", input="nixpkgs", from_=OLD, to={"rev": NEW}, reason="pin nixpkgs")


def render(*repos: Outcome, dry_run: bool = False, width: int = 80, full: bool = False) -> str:
    document = SyncDocument(run="0123456789ab", locker="nix 2.34", dry_run=dry_run, repos=list(repos))
    return to_text(render_sync(document, width=width, full=full))


def failed_check(output: str) -> Outcome:
    check = CheckResult(command="nix flake check", exit_status=1, duration_s=2.25, output=output)
    passed = CheckResult(command="true", exit_status=0, duration_s=0.1, output="fine")
    return Outcome(
        repo="app", status="failed", checks=[passed, check],
        error=ErrorDocument(code="check-failed", message="nix flake check failed", hint="run it in the worktree"),
    )  # fmt: skip


def test_a_sync_is_told_repo_by_repo_and_summed_up() -> None:
    text = render(
        Outcome(repo="lib", status="updated", branch="flakesync/update", commit=NEW, changes=[CHANGE]),
        failed_check("building\nerror: no"),
        Outcome(
            repo="site",
            status="skipped",
            error=ErrorDocument(code="upstream-failed", message="tool was skipped", because="app"),
        ),
        Outcome(repo="docs", status="unchanged"),
        Outcome(repo="misc", status="unchanged"),
    )
    assert text == (
        "updated    lib   5d6e7f8  flakesync/update\n"
        "    nixpkgs  1a2b3c4 → 5d6e7f8  pin nixpkgs\n"
        "failed     app\n"
        "    error[check-failed]: nix flake check failed\n"
        "    hint: run it in the worktree\n"
        "    $ nix flake check\n"
        "    | building\n"
        "    | error: no\n"
        "    exit status 1 after 2.2 s\n"
        "skipped    site  tool was skipped, because app failed\n"
        "unchanged  docs, misc\n"
        "\n"
        "1 updated, 2 unchanged, 1 failed, 1 skipped  (run 0123456789ab)\n"
    )


def test_only_the_end_of_a_long_check_is_shown_unless_asked_for() -> None:
    output = "\n".join(f"line {number}" for number in range(50))
    text = render(failed_check(output))
    assert "    | … 30 lines more (-v)\n    | line 30\n" in text
    assert "    | line 0\n" in render(failed_check(output), full=True)


def test_an_error_of_several_lines_keeps_them() -> None:
    error = ErrorDocument(code="nix-lock", message="nix failed\nerror: cannot \x1b[31mfind\x1b[0m\n  at flake.nix")
    assert "    error[nix-lock]: nix failed\n    | error: cannot find\n    |   at flake.nix\n" in render(
        Outcome(repo="app", status="failed", error=error)
    )


def test_a_dry_run_shows_the_diff_and_says_that_nothing_was_written() -> None:
    diff = "--- a/flake.lock\n+++ b/flake.lock\n@@ -1 +1 @@\n-\told\x1b[2J\n+\tnew\n"
    text = render(Outcome(repo="lib", status="updated", commit=NEW, changes=[CHANGE], diff=diff), dry_run=True)
    assert "--- a/flake.lock\n+++ b/flake.lock\n@@ -1 +1 @@\n-\told\n+\tnew\n" in text
    assert "dry run, nothing was written: 1 updated" in text


def test_a_sync_without_any_repo_is_still_an_answer() -> None:
    assert render() == "no repos  (run 0123456789ab)\n"


def test_a_check_that_took_too_long_has_no_exit_status() -> None:
    check = CheckResult(command="sleep 9999", exit_status=None, duration_s=600.0, output="")
    error = ErrorDocument(code="check-failed", message="`sleep 9999` took too long")
    assert "    $ sleep 9999\n    stopped after 600.0 s\n" in render(
        Outcome(repo="app", status="failed", checks=[check], error=error)
    )


def left(kind: FindingKind, repo: str, place: str | None, reason: str, *, fails: bool = True) -> LeftDocument:
    return LeftDocument(kind=kind, repo=repo, flake=".", input=place, reason=reason, fails=fails)


def test_what_is_left_is_told_with_the_reason_and_advice_is_counted() -> None:
    document = SyncDocument(
        run="0123456789ab", locker="native", dry_run=False, repos=[Outcome(repo="lib", status="unchanged")],
        left=[
            left("no-lock", "lib", None, "has inputs but no flake.lock"),
            left("pin", "app", "nixpkgs", "not at pin nixpkgs; held by the manifest", fails=False),
            left("duplicate", "app", "x/nixpkgs", "a second nixpkgs", fails=False),
        ],
    )  # fmt: skip
    text = to_text(render_sync(document, width=80))
    assert text == (
        "unchanged  lib\n"
        "left       lib: no-lock, has inputs but no flake.lock\n"
        "left       app nixpkgs: pin, not at pin nixpkgs; held by the manifest\n"
        "flake.nix or the pin decides what else drift finds: 1 duplicate (-v)\n"
        "\n1 unchanged, 1 finding left  (run 0123456789ab)\n"
    )
    assert "left       app x/nixpkgs: duplicate, a second nixpkgs\n" in to_text(
        render_sync(document, width=80, full=True)
    )
    assert max(map(len, to_text(render_sync(document, width=50, full=True)).splitlines())) <= 50


def test_files_beside_the_locks_are_named_and_a_failed_command_of_after_is_shown() -> None:
    files = ["deps.json", "nix/\x1b[1mx.json"]
    updated = Outcome(repo="lib", status="updated", branch="u", commit=NEW, changes=[CHANGE], files=files)
    assert "    files: deps.json, nix/x.json\n" in render(updated)
    ran = CheckResult(command="make deps", exit_status=3, duration_s=1, output="no\n")
    error = ErrorDocument(code="after-failed", message="`make deps` ended with exit status 3")
    text = render(Outcome(repo="lib", status="failed", after=[ran], error=error))
    assert "    $ make deps\n    | no\n    exit status 3 after 1.0 s\n" in text


def test_the_first_bad_commit_is_named_where_it_is_another_than_the_one_that_is_held_back() -> None:
    def said(first_bad: str | None) -> str:
        held = HeldDocument(
            flake="dev", input="crane", rev=NEW, reason="`x` fails", since="2026-11-29", check="x", first_bad=first_bad
        )
        return render(Outcome(repo="app", status="updated", held=[held]))

    assert "    held: dev#crane, since 2026-11-29: `x` fails, first with 1a2b3c4\n" in said(OLD)
    assert said(OLD).endswith("1 updated, 1 input held  (run 0123456789ab)\n")
    assert "`x` fails\n" in said(NEW)
    assert "`x` fails\n" in said(None)

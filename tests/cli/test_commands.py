import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from flakesync.analysis.moves import Plan
from flakesync.cli.app import COMMANDS
from flakesync.errors import NixError
from flakesync.survey.survey import Survey
from flakesync.sync.events import Finished
from flakesync.sync.options import Options
from flakesync.sync.outcome import Failed, FailedUpstream, RepoOutcome, Skipped, SyncResult, Unchanged, Updated
from flakesync.terms import RepoName, Rev
from tests.cli.conftest import Ran
from tests.support.locks import Input, rev_of
from tests.support.workspaces import make_ground

Flakesync = Callable[..., Ran]
LIB, TOOL = RepoName("lib"), RepoName("tool")
OUTCOMES: dict[str, RepoOutcome] = {
    "updated": Updated(repo=LIB, branch="update", commit=Rev(rev_of("lib")), moves=(), locks=()),
    "unchanged": Unchanged(repo=LIB, branch="update", commit=Rev(rev_of("lib")), moves=()),
    "failed": Failed(LIB, NixError("nix-lock", "no")),
    "skipped": Skipped(LIB, FailedUpstream(TOOL, skipped=False, because=TOOL)),
}


@pytest.mark.usefixtures("acme")
def test_graph_draws_the_waves(flakesync: Flakesync) -> None:
    ran = flakesync("graph")
    assert ran.status == 0
    assert ran.out == "3 repos, 1 edge, 2 waves\n\nwave 1\n  docs, lib\n\nwave 2\n  app ← lib\n"
    assert ran.err == ""


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    ("kind", "begins"), [("dot", 'digraph "acme" {'), ("mermaid", "flowchart LR"), ("json", "{\n")]
)
def test_graph_has_other_formats(flakesync: Flakesync, kind: str, begins: str) -> None:
    ran = flakesync("graph", "--format", kind)
    assert ran.status == 0
    assert ran.out.startswith(begins)


@pytest.mark.usefixtures("acme")
def test_graph_json_is_format_json(flakesync: Flakesync) -> None:
    assert flakesync("graph", "--json").out == flakesync("graph", "--format", "json").out
    assert json.loads(flakesync("graph", "--json").out)["waves"] == [["docs", "lib"], ["app"]]


@pytest.mark.parametrize("words", [["inputs"], ["inputs", "--json"], ["graph", "--json"], ["graph", "--format", "dot"]])
def test_what_could_not_be_read_is_named_beside_answers_that_do_not_name_it(
    flakesync: Flakesync, acme: Path, words: list[str]
) -> None:
    (acme / "docs/flake.lock").write_text("broken")
    subprocess.run(["git", "init", "-q", str(acme / "lib")], check=True)
    ran = flakesync(*words, "-q", "--local")
    assert ran.status == 1
    assert "note: not read: docs: docs/flake.lock: " in ran.err
    assert re.search(r"note: not read: lib: .*lib has no commit yet: ", ran.err)
    tree = flakesync("graph", "--local")
    assert "not read" in tree.out
    assert "not read" not in tree.err


def test_a_source_that_no_lock_has_is_told_with_the_locks_that_could_not_be_read(
    flakesync: Flakesync, acme: Path
) -> None:
    whole = flakesync("inputs", "nothing", "--local")
    assert "error[unknown-source]: no lock of the workspace has" in whole.err
    assert "not read" not in whole.err
    subprocess.run(["git", "init", "-q", str(acme / "lib")], check=True)
    ran = flakesync("inputs", "nothing", "--local")
    assert ran.status == 2
    assert "note: not read: lib: " in ran.err
    assert "error[unknown-source]: no lock that could be read has a source called `nothing`" in ran.err


@pytest.mark.usefixtures("acme")
def test_graph_of_some_repos_has_their_neighbours_marked(flakesync: Flakesync) -> None:
    document = json.loads(flakesync("graph", "--json", "--repo", "app").out)
    assert [(repo["name"], repo["neighbour"]) for repo in document["repos"]] == [("app", False), ("lib", True)]
    assert [(edge["upstream"], edge["dependent"]) for edge in document["edges"]] == [("lib", "app")]
    assert "  (lib)\n" in flakesync("graph", "--repo", "app").out
    assert "  (app) ← lib\n" in flakesync("graph", "--repo", "lib").out
    assert 'style="rounded,dashed"' in flakesync("graph", "--repo", "lib", "--format", "dot").out


@pytest.mark.usefixtures("acme")
def test_a_verbose_graph_names_each_input_with_its_commit(flakesync: Flakesync) -> None:
    assert re.search(r"^      lib  [0-9a-f]{7}  lib$", flakesync("graph", "-v").out, re.MULTILINE)
    assert "      lib" not in flakesync("graph").out


@pytest.mark.usefixtures("acme")
def test_drift_of_some_kinds_shows_these_and_its_exit_status_follows_them(flakesync: Flakesync) -> None:
    ran = flakesync("drift", "--kind", "unlanded", "--kind", "duplicate")
    assert (ran.status, ran.out) == (0, "no finding of kind duplicate or unlanded: 3 repos\n")
    assert flakesync("drift", "--kind", "pin").status == 1
    assert json.loads(flakesync("drift", "--kind", "pin", "--json").out)["kinds"] == ["pin"]
    ran = flakesync("drift", "--kind", "dublicate")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.endswith("hint: did you mean `duplicate`?\n")


@pytest.mark.usefixtures("acme")
def test_a_summary_of_drift_has_a_line_a_repo(flakesync: Flakesync) -> None:
    lines = flakesync("drift", "--summary", "--kind", "pin").out.splitlines()
    assert lines[:4] == ["app   none of these", "docs  none of these", "lib   1 finding: 1 pin", ""]
    assert flakesync("drift", "--summary", "--json").status == 2


@pytest.mark.usefixtures("acme")
def test_why_tells_the_chain_and_knows_what_it_was_asked_for(flakesync: Flakesync) -> None:
    ran = flakesync("why", "lib", "nixpkgs")
    assert ran.status == 0
    assert ran.out.startswith("lib: 1 input, 1 moves\n  nixpkgs  moves    ")
    assert ran.out.endswith("  pin nixpkgs\n")
    assert "did you mean `nixpkgs`?" in flakesync("why", "lib", "nixpkg").err
    assert "did you mean `lib`?" in flakesync("why", "libb").err
    wrong = (["lib", "nixpkg"], ["libb"], ["lib", "--exclude", "lib"])
    assert [flakesync("why", *given).status for given in wrong] == [2, 2, 2]


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(("words", "begun", "offered"), [
    (["drift", "--repo"], "", {"app", "docs", "lib"}),
    (["drift", "--exclude"], "", {"app", "core", "docs", "lib"}),
    (["plan", "--group"], "c", {"core"}),
    (["drift", "--kind"], "un", {"unknown-rev", "unlanded", "unlocked", "unreachable"}),
    (["inputs"], "n", {"nixpkgs"}),
    (["why"], "a", {"app"}),
    (["seen"], "n", {"nixpkgs"}),
    (["graph", "--format"], "d", {"dot"}),
    (["schema"], "d", {"doctor", "drift"}),
    (["sync", "--dialect"], "l", {"lix"}),
])  # fmt: skip
def test_a_shell_completes_names(
    flakesync: Flakesync, monkeypatch: pytest.MonkeyPatch, words: list[str], begun: str, offered: set[str]
) -> None:
    monkeypatch.setenv("_FLAKESYNC_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", " ".join(["flakesync", *words, begun]))
    monkeypatch.setenv("COMP_CWORD", str(len(words) + 1))
    assert set(flakesync().out.split()) == offered


@pytest.mark.usefixtures("acme")
def test_drift_exits_with_1_when_something_drifts(flakesync: Flakesync) -> None:
    ran = flakesync("drift")
    assert ran.status == 1
    first, app, lib = ran.out.splitlines()[:3]
    assert first.split() == ["pin", "rev", "date", "age", "behind", "repos"]
    assert app.startswith(f"→ nixpkgs  {rev_of('new')[:7]}  2025-11-09")
    assert app.endswith("1: app")
    assert lib.endswith("31 d  1: lib")


@pytest.mark.usefixtures("acme")
def test_drift_of_a_repo_in_step_exits_with_0(flakesync: Flakesync) -> None:
    ran = flakesync("drift", "--repo", "docs")
    assert ran.status == 0
    assert ran.out.endswith("in step: 1 repo, no drift\n")


@pytest.mark.usefixtures("acme")
def test_drift_json_has_the_findings_of_the_selected_repos_only(flakesync: Flakesync) -> None:
    document = json.loads(flakesync("drift", "--json", "--group", "core").out)
    assert {finding["repo"] for finding in document["findings"]} == {"lib"}
    assert [locked["repos"] for locked in document["pins"][0]["locked"]] == [["app"], ["lib"]]


@pytest.mark.usefixtures("acme")
def test_plan_says_what_moves_and_exits_with_0(flakesync: Flakesync) -> None:
    ran = flakesync("plan")
    assert ran.status == 0
    assert f"  lib\n    nixpkgs  {rev_of('old')[:7]} → {rev_of('new')[:7]}  pin nixpkgs\n" in ran.out
    assert "→ update of lib" in ran.out
    document = json.loads(flakesync("plan", "--json").out)
    assert [[entry["repo"] for entry in wave] for wave in document["waves"]] == [["lib"], ["app"]]


@pytest.mark.usefixtures("acme")
def test_a_verbose_plan_has_whole_commits_with_their_source_and_date(flakesync: Flakesync) -> None:
    below = (
        f"        github:NixOS/nixpkgs/nixos-25.11, locked to 2025-10-09\n        {rev_of('old')} → {rev_of('new')}\n"
    )
    assert below in flakesync("plan", "-v", "--repo", "lib").out
    assert "locked to" not in flakesync("plan", "--repo", "lib").out


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("command", ["init", "demo"])
def test_what_answers_people_alone_says_so_when_json_is_asked_of_it(flakesync: Flakesync, command: str) -> None:
    ran = flakesync("--json", command)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(f"error[usage]: invalid value: {command} has no --json\n")


@pytest.mark.usefixtures("acme")
def test_options_mean_the_same_before_and_after_the_command(flakesync: Flakesync) -> None:
    after = flakesync("drift", "--json", "--repo", "lib", "-w", "workspace.toml")
    assert flakesync("--json", "--repo", "lib", "-w", "workspace.toml", "drift") == after
    assert flakesync("--json", "-w", "workspace.toml", "drift", "--repo", "lib") == after


@pytest.mark.usefixtures("acme")
def test_repeatable_options_on_both_sides_are_joined(flakesync: Flakesync) -> None:
    document = json.loads(flakesync("--repo", "app", "graph", "--json", "--repo", "lib").out)
    assert [repo["name"] for repo in document["repos"]] == ["app", "lib"]


@pytest.mark.usefixtures("acme")
def test_an_unknown_repo_is_an_error_with_a_hint(flakesync: Flakesync) -> None:
    ran = flakesync("graph", "--repo", "lob")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error[unknown-repo]: ")
    assert "hint: did you mean `lib`?\n" in ran.err


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("command", ["graph", "drift", "plan", "sync", "publish", "status", "land", "abandon"])
def test_no_command_is_content_with_no_repo_at_all(flakesync: Flakesync, command: str) -> None:
    for chosen in (("--repo", "lib", "--exclude", "lib"), ("--group", "core", "--exclude", "core")):
        ran = flakesync(command, *chosen)
        assert (ran.status, ran.out) == (2, "")
        assert ran.err.startswith(f"error[nothing-selected]: `{' '.join(chosen)}` leaves no repo\nhint: ")


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("command", ["publish", "status", "land", "abandon"])
def test_without_git_nothing_is_begun(
    flakesync: Flakesync, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    ran = flakesync(command, "-q")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error[no-git]: ")


def test_a_folder_without_a_manifest_is_an_error(
    flakesync: Flakesync, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = flakesync("drift")
    assert ran.status == 2
    assert ran.err.startswith("error[no-manifest]: ")


@pytest.mark.parametrize("arguments", [
    ["drft"], ["drift", "--foo"], ["graph", "--format", "svg"], ["drift", "-j", "0"], ["drift", "-w"], ["--json"],
    ["schema"], ["schema", "nothing"], ["graph", "extra"], ["graph", "--format", "dot", "--json"], ["why"],
])  # fmt: skip
def test_wrong_arguments_are_a_usage_error(flakesync: Flakesync, arguments: list[str]) -> None:
    ran = flakesync(*arguments)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error[usage]: ")
    assert "--help` shows what can be given\n" in ran.err


def test_a_mistyped_command_gets_a_suggestion(flakesync: Flakesync) -> None:
    assert "did you mean 'drift'" in flakesync("drft").err.lower()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_with_an_example(flakesync: Flakesync, command: str) -> None:
    ran = flakesync(command, "--help")
    assert ran.status == 0
    assert f"  flakesync {command} " in ran.out or f"  flakesync {command}\n" in ran.out
    assert max(len(line) for line in ran.out.splitlines()) <= 80


def test_the_help_names_every_command_and_is_shown_without_arguments(flakesync: Flakesync) -> None:
    text = flakesync("--help").out
    assert all(f"  {command} " in text for command in COMMANDS)
    assert flakesync() == flakesync("--help")


def test_schema_prints_a_json_schema(flakesync: Flakesync) -> None:
    ran = flakesync("schema", "plan")
    assert json.loads(ran.out)["title"] == "flakesync plan"
    assert flakesync("schema", "plan", "--json") == ran


def test_init_writes_a_manifest_that_graph_reads(flakesync: Flakesync, acme: Path) -> None:
    (acme / "workspace.toml").unlink()
    ran = flakesync("init")
    assert ran.status == 0
    assert ran.out.startswith("workspace.toml: 3 repos\n")
    assert flakesync("graph").status == 0
    again = flakesync("init")
    assert again.status == 2
    assert again.err.startswith("error[manifest-exists]: ")


@pytest.mark.parametrize("argv", [("init", "--exclude", "docs"), ("--exclude", "docs", "init")])
def test_init_leaves_out_what_is_excluded_on_either_side(
    flakesync: Flakesync, acme: Path, argv: tuple[str, ...]
) -> None:
    (acme / "workspace.toml").unlink()
    assert flakesync(*argv).out.startswith("workspace.toml: 2 repos\n")
    assert json.loads((acme / "workspace.schema.json").read_text())["title"] == "flakesync workspace"
    assert json.loads(flakesync("schema", "workspace").out) == json.loads((acme / "workspace.schema.json").read_text())


@pytest.mark.parametrize("argv", [("init", "-w", "other.toml"), ("-w", "other.toml", "init")])
def test_init_writes_the_file_that_is_named(flakesync: Flakesync, acme: Path, argv: tuple[str, ...]) -> None:
    assert flakesync(*argv).out.startswith("other.toml: 3 repos\n")
    assert (acme / "other.toml").is_file()
    assert "upward" not in flakesync("init", "--help").out, "it looks for no manifest"


@pytest.mark.usefixtures("acme")
def test_sync_refuses_plain_folders(flakesync: Flakesync) -> None:
    ran = flakesync("sync")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error[")


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(("status", "exit_status"), [("updated", 0), ("unchanged", 0), ("failed", 1), ("skipped", 1)])
def test_sync_exits_with_1_when_a_repo_failed_or_was_skipped(
    flakesync: Flakesync, monkeypatch: pytest.MonkeyPatch, status: str, exit_status: int
) -> None:
    def carry_out(
        survey: Survey, _: Plan, options: Options, listener: Callable[[object], None], **_executor: object
    ) -> SyncResult:
        assert (survey.snapshot.workspace.jobs, options.dry_run) == (3, True)
        listener(Finished(LIB, OUTCOMES[status], 1, 1))
        return SyncResult(run="x", locker="nix", dry_run=options.dry_run, repos=(OUTCOMES[status],), untouched=())

    monkeypatch.setattr("flakesync.sync.engine.sync", carry_out)
    ran = flakesync("sync", "--dry-run", "-j", "3")
    assert ran.status == exit_status
    assert ran.err.startswith(f"[1/1] lib  {status}")
    assert json.loads(flakesync("sync", "-n", "-j3", "--json").out)["repos"][0]["status"] == status
    assert flakesync("sync", "-n", "-j3", "-q").err == ""


def test_sync_is_not_content_with_a_lock_that_it_cannot_mend(
    flakesync: Flakesync, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dirty = {"type": "git", "url": "https://git.example.com/x"}
    make_ground(tmp_path, {"lib": {}, "app": {"x": Input({**dirty, "lastModified": 1}, dirty)}})
    monkeypatch.chdir(tmp_path)
    ran = flakesync("sync", "-q")
    assert ran.status == 1
    assert ran.out.startswith("unchanged  app, lib\nleft       app x: unlocked, no commit\n\n")
    assert flakesync("sync", "-q", "--repo", "lib").status == 0
    (left,) = json.loads(flakesync("sync", "-q", "--json").out)["left"]
    assert (left["repo"], left["input"], left["fails"]) == ("app", "x", True)
    assert flakesync("drift", "--at", "update").status == 1


@pytest.mark.usefixtures("acme")
def test_what_people_are_asked_to_report_holds_no_secrets(
    flakesync: Flakesync, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError("https://bob:hunter2@git.example/x?sig=presigned", "Bearer glpat-0123456789")

    monkeypatch.setattr("flakesync.survey.read.read_graph", fail)
    monkeypatch.setenv("GITLAB_TOKEN", "glpat-0123456789")
    monkeypatch.setenv("FLAKESYNC_DEBUG", "1")
    ran = flakesync("graph", "--offline")
    assert ran.status == 3
    assert "Traceback" in ran.err
    assert "git.example/x" in ran.err
    assert not [secret for secret in ("hunter2", "presigned", "glpat-") if secret in ran.err]


@pytest.mark.usefixtures("acme")
def test_a_bug_is_told_as_one_with_the_traceback_only_when_asked(
    flakesync: Flakesync, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise LookupError("\x1b[31mwhy")

    monkeypatch.setattr("flakesync.survey.read.read_graph", broken)
    ran = flakesync("graph")
    assert ran.status == 3
    assert ran.err.startswith("error[bug]: this should not have happened: LookupError: why\nhint: please report it")
    assert "Traceback" not in ran.err
    assert "Traceback" in flakesync("graph", "-v").err
    monkeypatch.setenv("FLAKESYNC_DEBUG", "1")
    assert "Traceback" in flakesync("graph").err


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (OSError(28, "No space left on device", "/x/y"), 2, "error[disk-full]: /x/y: no space left on device\n"),
        (PermissionError(13, "Permission denied"), 2, "error[no-permission]: permission denied\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (BrokenPipeError(32, "Broken pipe"), 141, ""),
        (RecursionError("deep"), 3, "error[bug]: "),
    ],
)
def test_every_error_becomes_a_message_and_an_exit_status(
    flakesync: Flakesync, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int, said: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("flakesync.survey.read.read_graph", fail)
    ran = flakesync("graph")
    assert (ran.status, ran.out) == (status, "")
    assert ran.err.startswith(said)
    assert ran.err or not said


@pytest.mark.usefixtures("acme")
def test_notes_go_to_stderr_and_quiet_keeps_them(flakesync: Flakesync, acme: Path) -> None:
    manifest = acme / "workspace.toml"
    manifest.write_text(manifest.read_text().replace('target = "newest-locked"\n', ""))
    assert flakesync("drift", "--offline").err.startswith("note: offline: ")
    assert flakesync("drift", "--offline", "-q").err == ""


@pytest.mark.usefixtures("acme")
def test_drift_in_markdown_is_a_page_with_the_same_exit_status(flakesync: Flakesync) -> None:
    ran = flakesync("drift", "--markdown")
    assert ran.status == 1
    assert ran.out.startswith("## Drift of acme (base branches)\n")
    assert "| `lib` | pin | `nixpkgs` |" in ran.out
    assert flakesync("drift", "--markdown", "--repo", "docs").status == 0


@pytest.mark.usefixtures("acme")
def test_an_answer_has_one_form(flakesync: Flakesync) -> None:
    ran = flakesync("drift", "--markdown", "--json")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error[usage]: ")

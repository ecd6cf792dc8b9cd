"""`flakesync audit` for code scanning: on stdout, and as files."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Ran, make_flake
from tests.support import locks

Flakesync = Callable[..., Ran]


@pytest.fixture
def poisoned(acme: Path) -> Path:
    """The workspace, with a lock in site that names another repository than its flake.nix."""
    with (acme / "workspace.toml").open("a") as file:
        file.write('\n[repos.site]\nurl = "github:acme/site"\npath = "site"\n')
    lib = locks.github("acme", "lib")
    make_flake(acme / "site", {"lib": locks.Input(lib.locked | {"owner": "evil"}, lib.original)})
    return acme


def _results(path: Path) -> list[tuple[str, int]]:
    (run,) = json.loads(path.read_bytes())["runs"]
    places = [each["locations"][0]["physicalLocation"]["region"]["startLine"] for each in run["results"]]
    return [*zip([each["ruleId"] for each in run["results"]], places, strict=True)]


def test_sarif_is_on_stdout_and_keeps_the_exit_status(flakesync: Flakesync, poisoned: Path) -> None:
    ran = flakesync("audit", "foreign", "--format", "sarif")
    runs = {run["automationDetails"]["id"]: run["results"] for run in json.loads(ran.out)["runs"]}
    assert [name for name, results in runs.items() if results] == ["flakesync/site/"]
    assert len(runs) == 4
    assert ran.status == 1
    assert flakesync("audit", "foreign", "--format", "sarif", "--fail-on", "never").status == 0


def test_a_sarif_file_a_repo_closes_what_was_mended(flakesync: Flakesync, poisoned: Path) -> None:
    ran = flakesync("audit", "foreign", "--sarif-dir", "out/sarif", "--fail-on", "never")
    assert (ran.status, ran.out.splitlines()[0]) == (0, "site/flake.lock")
    folder = poisoned / "out" / "sarif"
    assert sorted(each.name for each in folder.iterdir()) == ["app.sarif", "docs.sarif", "lib.sarif", "site.sarif"]
    lock = (poisoned / "site" / "flake.lock").read_text().splitlines()
    ((rule, line),) = _results(folder / "site.sarif")
    assert (rule, lock[line - 1].strip()) == ("foreign", '"locked": {')
    assert _results(folder / "app.sarif") == []

    (poisoned / "site" / "flake.lock").write_bytes(locks.to_bytes(locks.lock({"lib": locks.github("acme", "lib")})))
    assert flakesync("audit", "foreign", "--sarif-dir", "out/sarif").status == 0
    assert _results(folder / "site.sarif") == []


def test_a_repo_that_could_not_be_read_has_no_file_so_its_alerts_stay(flakesync: Flakesync, poisoned: Path) -> None:
    argv = ("audit", "foreign", "--sarif-dir", "out", "--fail-on", "never")
    flakesync(*argv)
    manifest = poisoned / "workspace.toml"
    manifest.write_text(manifest.read_text().replace('path = "site"\n', ""))  # it was never fetched
    ran = flakesync(*argv)
    assert sorted(each.name for each in (poisoned / "out").iterdir()) == ["app.sarif", "docs.sarif", "lib.sarif"]
    said = " ".join(ran.err.split())
    assert "note: not in out: site.sarif, of what could not be read; its alerts stay as they are" in said
    assert "note: not read: site: " in said  # nobody asked for the rule that says so
    assert "1 repo unread" in ran.out
    assert (ran.status, flakesync(*argv, "--strict").status) == (0, 1)
    assert json.loads(flakesync("audit", "--json").out)["unread"] == ["site"]
    runs = json.loads(flakesync("audit", "--format", "sarif").out)["runs"]
    assert [run["invocations"][0]["executionSuccessful"] for run in runs] == [True, True, True, False]


def test_what_is_ignored_is_suppressed_or_on_request_not_there(flakesync: Flakesync, poisoned: Path) -> None:
    with (poisoned / "workspace.toml").open("a") as file:
        file.write('\n[[audit.ignore]]\nrule = "foreign"\nreason = "known"\nuntil = 2999-12-31\n')
    kept = {(): ["foreign"], ("--sarif-ignored", "keep"): ["foreign"], ("--sarif-ignored", "drop"): []}
    for more, fired in kept.items():
        assert flakesync("audit", "foreign", "--sarif-dir", "out", *more).status == 0
        assert [rule for rule, _ in _results(poisoned / "out" / "site.sarif")] == fired
        runs = json.loads(flakesync("audit", "foreign", "--format", "sarif", *more).out)["runs"]
        assert [each["ruleId"] for run in runs for each in run["results"]] == fired
    ran = flakesync("audit", "--sarif-ignored", "drop")
    assert (ran.status, ran.out) == (2, "")


def test_json_is_format_json_and_goes_with_no_other(flakesync: Flakesync, poisoned: Path) -> None:
    assert flakesync("audit", "--json").out == flakesync("audit", "--format", "json").out
    ran = flakesync("audit", "--json", "--format", "sarif")
    assert (ran.status, ran.out) == (2, "")


def test_a_folder_that_cannot_be_written_is_named(flakesync: Flakesync, poisoned: Path) -> None:
    (poisoned / "file").write_text("")
    ran = flakesync("audit", "--sarif-dir", "file/sarif")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error[no-answer]: file/sarif: cannot be written: Not a directory\n")


def test_a_file_that_cannot_be_replaced_leaves_nothing_behind(flakesync: Flakesync, poisoned: Path) -> None:
    (poisoned / "out" / "app.sarif").mkdir(parents=True)
    ran = flakesync("audit", "--sarif-dir", "out")
    assert ran.status == 2
    assert ran.err.startswith("error[no-answer]: out/app.sarif: cannot be written: ")
    assert [each.name for each in (poisoned / "out").iterdir()] == ["app.sarif"]

"""flakesync-nightly, run for real: real Nix, a real server to push to, and nights that go wrong."""

import json
import re
from pathlib import Path

import pytest

from flakesync.nix.lock.file import LockFile
from tests.nightly.night import make_place, program
from tests.support.nixspace import UPDATE_BRANCH, read

WITH_NIX = pytest.mark.usefixtures("use_nix", "any_nix")


def steps(summary: str) -> dict[str, str]:
    """Return what the summary says of each step."""
    return dict(re.findall(r"^- `flakesync (.*?)`: (.*)$", summary, re.MULTILINE))


def drifts(summary: str) -> dict[str, str]:
    """Return the line that sums up the drift, by which branches it is of."""
    return dict(re.findall(r"^## Drift of acme \((base|update) branches\)\n\n(.*)$", summary, re.MULTILINE))


@pytest.mark.slow
@WITH_NIX
def test_nights_go_on_until_people_have_merged_everything(tmp_path: Path) -> None:
    place = make_place(tmp_path)
    first = place.night()
    assert first.status == 0, first.err
    assert steps(first.summary) == {"sync": "done", "publish": "done", "land --no-merge": "done"}
    published = place.published()
    assert all(published.values())
    assert "\n## Updates\n\n    " in first.summary
    found = drifts(first.summary)
    assert found["base"].startswith("3 findings in 3 of 3 repos: 3 pin")
    assert found["update"] == "in step: 3 repos, no drift"

    place.merge("lib")
    second = place.night()
    assert second.status == 0, second.err
    assert place.published()["docs"] == published["docs"], "nothing has changed for it"
    lock = LockFile.parse(read(place.space.path("app"), place.space.tip("app", UPDATE_BRANCH), "flake.lock"))
    node = lock.node(("lib",))
    assert node is not None
    assert (node.locked or {})["rev"] == place.space.tip("lib"), "squashed: not the commit that was published"

    place.merge("app")
    place.merge("docs")
    last = place.night()
    assert last.status == 0, last.err
    assert drifts(last.summary) == dict.fromkeys(("base", "update"), "in step: 3 repos, no drift")


@WITH_NIX
def test_a_failed_repo_fails_the_night_after_the_others_are_published(tmp_path: Path) -> None:
    place = make_place(tmp_path, checks={"app": ["sh -c 'exit 7'"]})
    ran = place.night()
    assert ran.status == 1
    assert steps(ran.summary)["sync"] == "**some repos failed**, the log says why"
    assert steps(ran.summary)["publish"] == "done"
    published = place.published()
    assert {name for name, rev in published.items() if rev is not None} == {"lib", "docs"}
    assert drifts(ran.summary)["update"].startswith("2 findings in 1 of 3 repos: ")
    assert "| `app` | pin |" in ran.summary


@WITH_NIX
def test_the_page_shows_a_night_in_which_a_repo_failed_and_its_history_goes_on_in_a_new_folder(tmp_path: Path) -> None:
    place = make_place(tmp_path, checks={"app": ["sh -c 'exit 7'"]})
    first = place.night("--report", "monday")
    assert first.status == 1, first.err
    assert steps(first.summary)["report"] == "done"
    monday = place.folder / "monday"
    assert {repo["repo"]: repo["status"] for repo in json.loads((monday / "sync.json").read_bytes())["repos"]} == {
        "lib": "updated",
        "app": "failed",
        "docs": "updated",
    }
    assert '"failed":1' in (monday / "history.jsonl").read_text()
    assert "</html>" in (monday / "index.html").read_text()

    options = ("--steps", "drift report", "--history", "monday/history.jsonl", "--workspace", str(place.folder))
    assert place.night("--report", "tuesday", *options).status == 1
    lines = (place.folder / "tuesday/history.jsonl").read_text().splitlines(keepends=True)
    assert (lines[0], len(lines)) == ((monday / "history.jsonl").read_text(), 2)


@WITH_NIX
def test_drift_that_no_update_mends_fails_the_night(tmp_path: Path) -> None:
    place = make_place(tmp_path)
    text = (place.folder / "workspace.toml").read_text()
    (place.folder / "workspace.toml").write_text(text.replace("[repos.docs]\n", '[repos.docs]\nhold = ["nixpkgs"]\n'))
    ran = place.night()
    assert ran.status == 1
    assert set(steps(ran.summary).values()) == {"done"}
    assert drifts(ran.summary)["update"] == "1 finding in 1 of 3 repos: 1 pin"


@WITH_NIX
def test_what_cannot_run_ends_the_night_at_once(tmp_path: Path) -> None:
    place = make_place(tmp_path)
    with (place.folder / "workspace.toml").open("a") as file:
        file.write("[nonsense]\n")
    ran = place.night()
    assert ran.status == 2
    assert steps(ran.summary) == {"sync": "**could not run** (exit status 2), the log says why"}
    assert "error[manifest]" in ran.err
    assert not any(place.published().values())


@pytest.mark.parametrize(("fails", "status", "after"), [
    ("publish", 2, ["sync", "publish"]),
    ("status", 2, ["sync", "publish", "land", "status"]),
    ("status", 1, ["sync", "publish", "land", "status", "drift", "drift"]),
    ("drift", 2, ["sync", "publish", "land", "status", "drift"]),
    ("sync", 3, ["sync", "publish", "land", "status", "drift", "drift"]),
    ("status", 3, ["sync", "publish", "land", "status", "drift", "drift"]),
    ("drift", 3, ["sync", "publish", "land", "status", "drift", "drift"]),
    ("publish", 1, ["sync", "publish", "land", "status", "drift", "drift"]),
    ("land", 4, ["sync", "publish", "land", "status", "drift", "drift"]),
    ("nothing", 0, ["sync", "publish", "land", "status", "drift", "drift"]),
])  # fmt: skip
def test_every_exit_status_has_its_meaning(tmp_path: Path, fails: str, status: int, after: list[str]) -> None:
    place = make_place(tmp_path)
    log = tmp_path / "log"
    program(place, "flakesync", f'echo "$1" >>"{log}"\ntest "$1" != {fails} || exit {status}')
    ran = place.night()
    assert ran.status == {4: 0}.get(status, status)
    assert log.read_text().split() == after


def test_a_bug_in_one_repo_is_told_and_outweighs_repos_that_failed(tmp_path: Path) -> None:
    place = make_place(tmp_path)
    program(place, "flakesync", 'case "$1" in sync) exit 3 ;; publish | drift) exit 1 ;; esac')
    ran = place.night()
    assert ran.status == 3
    assert steps(ran.summary) == {
        "sync": "**a bug in flakesync**, the log says which; please report it",
        "publish": "**some repos failed**, the log says why",
        "land --no-merge": "done",
    }


def test_without_a_file_the_report_is_the_output(tmp_path: Path) -> None:
    place = make_place(tmp_path)
    program(place, "flakesync", 'echo "$*"')
    ran = place.run(["flakesync-nightly"])
    assert (ran.status, list(steps(ran.out))) == (0, ["sync", "publish", "land --no-merge"])
    assert ran.out.endswith("\ndrift --quiet --markdown\n\ndrift --quiet --markdown --at update\n\n")


def test_the_updates_stay_a_block_of_code_whatever_is_in_them(tmp_path: Path) -> None:
    place = make_place(tmp_path)
    program(place, "flakesync", "printf '```\\n# not a heading\\n'")
    block = place.night().summary.partition("## Updates\n\n")[2].partition("\n\n")[0]
    assert block == "    ```\n    # not a heading"

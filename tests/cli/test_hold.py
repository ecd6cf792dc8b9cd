"""`flakesync hold`: written into the manifest, listed, and taken away."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest

from flakesync.workspace.settings.days import today
from tests.cli.conftest import Ran
from tests.sync.bisect.bisecting import Bisecting
from tests.sync.holding.test_on_failure import night

Flakesync = Callable[..., Ran]

SOON = (today() + timedelta(days=30)).isoformat()
HOLD = ("--until", SOON, "--reason", "waits")


def test_what_is_held_is_shown_by_drift_and_does_not_count(acme: Path, flakesync: Flakesync) -> None:
    assert flakesync("drift", "--offline").status == 1
    ran = flakesync("hold", "lib", "nixpkgs", *HOLD)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == f"lib\n  nixpkgs  until {SOON}, 30 days left  waits\nadded to workspace.toml\n"
    drift = flakesync("drift", "--offline", "--kind", "pin")
    assert drift.status == 0
    assert f"held until {SOON}: waits" in " ".join(drift.out.split())
    assert drift.out.endswith("; 1 held\n")
    (finding,) = json.loads(flakesync("drift", "--offline", "--kind", "pin", "--json").out)["findings"]
    assert finding["held"] == f"held until {SOON}: waits"
    assert f"held until {SOON}: waits" in flakesync("plan", "--offline").out
    assert flakesync("hold", "lib", "nixpkgs", "--release").out.endswith("taken out of workspace.toml\n")
    assert flakesync("drift", "--offline", "--kind", "pin").status == 1


def test_the_list_is_a_document_with_a_schema(acme: Path, flakesync: Flakesync) -> None:
    ran = flakesync("hold", "lib", "nixpkgs", *HOLD, "--json")
    document = json.loads(ran.out)
    jsonschema.Draft202012Validator(json.loads(flakesync("schema", "hold").out)).validate(document)
    assert document["written"] == "added"
    assert document["holds"] == document["changed"]
    (one,) = json.loads(flakesync("hold", "--json").out)["holds"]
    assert (one["repo"], one["input"], one["until"], one["days_left"]) == ("lib", "nixpkgs", SOON, 30)
    assert json.loads(flakesync("hold", "--exclude", "lib", "--json").out)["holds"] == []
    assert json.loads(flakesync("hold", "app", "--json").out)["holds"] == []


@pytest.mark.parametrize(
    ("argv", "said", "hint"),
    [
        (("ap", "nixpkgs", *HOLD), "no repo is called `ap`", "did you mean `app`?"),
        (("app", "x#nixpkgs", *HOLD), "`x` is no flake of app", "there are: ."),
        (("app", "a b", *HOLD), "error[bad-hold]: the input: `a b` contains a space", "an input path looks like"),
        (("app", "nixpkgs", "--until", "2020-01-01", "--reason", "x"), "--until: 2020-01-01 is over", "a day from"),
        (("app", "nixpkgs", "--until", "soon", "--reason", "x"), "--until: `soon` is not a day", "write a day"),
        (("app", "nixpkgs", "--until", SOON, "--reason", "a\nb"), "--reason: must not contain line feeds", None),
        (("app", "nixpkgs", "--until", SOON, "--reason", "\x1b[31m"), "control characters", None),
        (("app", "nixpkgs", "--until", SOON, "--reason", " "), "--reason: must not be empty", None),
        (("app", "nixpkgs", "--until", SOON), "a hold needs --reason TEXT", "flakesync hold --help"),
        (("app", "nixpkgs", "--reason", "x"), "a hold needs --until DATE", None),
        (("app", "nixpkgs"), "a hold needs --until DATE", None),
        (("app", *HOLD), "name the input too", None),
        (("--release",), "name the repo and the input too", None),
        (("app", "nixpkgs", *HOLD, "--release"), "only one of --release", None),
        (("app", "nixpkgs", "--prune"), "--prune takes no input", None),
        (("app", "nixpkgs", "--release"), "error[no-hold]", None),
        (("app", "nixpkgs", *HOLD, "--repo", "lib"), "the options leave app out", "choose app"),
    ],
)
def test_what_cannot_be_held_is_refused_and_nothing_is_written(
    acme: Path, flakesync: Flakesync, argv: tuple[str, ...], said: str, hint: str | None
) -> None:
    before = (acme / "workspace.toml").read_bytes()
    ran = flakesync("hold", *argv)
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err
    assert hint is None or hint in ran.err
    assert (acme / "workspace.toml").read_bytes() == before


def test_an_input_that_the_lock_does_not_have_is_held_with_a_warning(acme: Path, flakesync: Flakesync) -> None:
    ran = flakesync("hold", "app", "nixpkg", *HOLD)
    assert ran.status == 0
    assert ran.err == "note: `nixpkg` matches no input of app, did you mean `nixpkgs`?\n"
    assert "hold[0]: `nixpkg` matches no input of app" in flakesync("plan", "--offline").err
    assert flakesync("hold", "app", "x", *HOLD, "-q").err == ""
    (acme / "app/flake.lock").write_text("{")
    assert "not all locks of app can be read" in flakesync("hold", "app", "y", *HOLD).err


def test_what_is_over_is_told_of_and_pruned(acme: Path, flakesync: Flakesync) -> None:
    before = (acme / "workspace.toml").read_text()
    table = "\n[[hold]]\nrepo = 'lib'\ninput = 'nixpkgs'\nreason = 'x'\nuntil = 2020-01-01\n"
    (acme / "workspace.toml").write_text(before + table)
    drift = flakesync("drift", "--offline", "--kind", "pin")
    assert (drift.status, drift.err.count("a hold is over and holds nothing: nixpkgs of lib (2020-01-01)")) == (1, 1)
    listed = flakesync("hold")
    assert "ended 2020-01-01" in listed.out
    assert listed.err == "hint: `flakesync hold --prune` takes the one that is over out of the manifest\n"
    assert flakesync("hold", "--prune").status == 0
    assert (acme / "workspace.toml").read_text() == before
    assert flakesync("hold", "--prune").out == "workspace.toml is as it was\n"


def test_what_sync_holds_is_listed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flakesync: Flakesync) -> None:
    monkeypatch.setenv("FLAKESYNC_NIX", "no-nix-here")
    made = Bisecting(tmp_path, 2, on_failure="bisect")
    assert json.loads(flakesync("hold", "--json", "-w", str(made.manifest)).out)["holds"] == []
    made.break_with("r1")
    night(made)
    (one,) = json.loads(flakesync("hold", "--json", "-w", str(made.manifest)).out)["holds"]
    assert (one["kind"], one["repo"], one["flake"], one["input"]) == ("checks", "app", ".", "r1")
    assert 0 <= one["days_left"] < 7
    assert "(held by sync)" in " ".join(flakesync("hold", "app", "-w", str(made.manifest)).out.split())

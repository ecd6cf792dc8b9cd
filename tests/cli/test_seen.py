"""`flakesync seen`: the record is shown, and takes what others have seen."""

import io
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest

from flakesync.cache.layout import cache_dir, seen_file
from flakesync.cooldown.model import DAY_S
from flakesync.cooldown.seen import SeenRecord, keep_seen, read_seen
from flakesync.terms import Rev, iso_day
from tests.cli.conftest import Ran
from tests.support.repos import commit, make_repo

Flakesync = Callable[..., Ran]
SOURCE, REF = "github:NixOS/nixpkgs", "nixos-25.11"
REVS = [Rev(digit * 40) for digit in "abcdef1"]

pytestmark = pytest.mark.usefixtures("acme")


@pytest.fixture
def now() -> int:
    """The clock."""
    return int(time.time())


@pytest.fixture
def record(now: int) -> SeenRecord:
    """Seven tips of nixpkgs, a day apart, and one of a source that is no pin."""
    times = {rev: now - days * DAY_S for days, rev in enumerate(REVS)}
    found = SeenRecord().with_tips(SOURCE, REF, times).with_tip("github:acme/x", None, REVS[0], now)
    assert keep_seen(seen_file(cache_dir()), found) is None
    return found


def test_nothing_seen_yet_is_said(flakesync: Flakesync) -> None:
    ran = flakesync("seen")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == "no tip seen yet: drift, plan and sync remember those of cooled pins\n"
    assert not seen_file(cache_dir()).exists()


@pytest.mark.usefixtures("record")
def test_the_latest_tips_of_each_branch_are_shown(flakesync: Flakesync, now: int) -> None:
    ran = flakesync("seen")
    first, second = ran.out.split("\n\n")
    assert second == f"github:acme/x: 1 tip\n  rev      first seen  age\n  aaaaaaa  {iso_day(now)}  0 d\n"
    assert first.startswith("github:NixOS/nixpkgs nixos-25.11 (pin nixpkgs): 7 tips\n")
    assert first.endswith(f"\n  eeeeeee  {iso_day(now - 4 * DAY_S)}  4 d\n  and 2 more (-v)")
    assert first.count("\n") == 7
    assert f"\n  1111111  {iso_day(now - 6 * DAY_S)}  6 d\n" in flakesync("seen", "-v").out


@pytest.mark.usefixtures("record")
def test_a_pin_has_all_its_tips_and_only_these(flakesync: Flakesync) -> None:
    ran = flakesync("seen", "nixpkgs")
    assert "acme" not in ran.out
    assert "1111111" in ran.out


def test_json_has_all_and_is_as_its_schema_says(flakesync: Flakesync, record: SeenRecord) -> None:
    document = json.loads(flakesync("seen", "--json").out)
    jsonschema.Draft202012Validator(json.loads(flakesync("schema", "seen").out)).validate(document)
    branch, other = document["branches"]
    assert (other["pins"], branch["pins"]) == ([], ["nixpkgs"])
    assert [each["rev"] for each in branch["tips"]] == REVS
    assert {each["rev"]: each["first_seen"] for each in branch["tips"]} == record.first_seen(SOURCE, REF)
    assert document["file"] == str(seen_file(cache_dir()))


def test_the_reflog_of_a_mirror_is_imported(flakesync: Flakesync, tmp_path: Path, now: int) -> None:
    mirror = tmp_path / "mirror"
    first = make_repo(mirror, {"a": "1"})
    second = commit(mirror, {"a": "2"})
    for days, rev in ((9, first), (2, second)):
        subprocess.run(
            ["git", "-C", str(mirror), "update-ref", "--create-reflog", "-m", "fetch", "refs/heads/mirrored", rev],
            check=True,
            env={"GIT_COMMITTER_DATE": f"{now - days * DAY_S} +0200", "GIT_COMMITTER_NAME": "a",
                 "GIT_COMMITTER_EMAIL": "a@b.example", "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
    reflog = subprocess.run(
        ["git", "-C", str(mirror), "log", "-g", "--date=unix", "--format=%H %gd", "mirrored"],
        check=True,
        capture_output=True,
    ).stdout
    (tmp_path / "log").write_bytes(reflog)
    ran = flakesync("seen", "nixpkgs", "--import", str(tmp_path / "log"))
    assert ran.status == 0
    assert ran.out.startswith("2 tips imported\n\ngithub:NixOS/nixpkgs nixos-25.11 (pin nixpkgs): 2 tips\n")
    found = read_seen(seen_file(cache_dir())).first_seen(SOURCE, REF)
    assert found == {first: now - 9 * DAY_S, second: now - 2 * DAY_S}
    again = json.loads(flakesync("seen", "nixpkgs", "--import", str(tmp_path / "log"), "--json").out)
    assert again["imported"] == 0


@pytest.mark.usefixtures("record")
def test_what_is_imported_makes_tips_older_and_never_younger(
    flakesync: Flakesync, monkeypatch: pytest.MonkeyPatch, now: int
) -> None:
    text = f"{REVS[0]} {now - 9 * DAY_S}\n{REVS[6]} {now}\n{'9' * 40} {now - 500 * DAY_S}\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    ran = flakesync("seen", "nixpkgs", "--import", "-", "--json")
    assert json.loads(ran.out)["imported"] == 1
    assert "note: 1 of its lines is more than 400 days old, and left out" in ran.err
    found = read_seen(seen_file(cache_dir())).first_seen(SOURCE, REF)
    assert (found[REVS[0]], found[REVS[6]]) == (now - 9 * DAY_S, now - 6 * DAY_S)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--import", "log"], "error[usage]: "),
        (["nixpkg"], "error[unknown-pin]: "),
        (["nixpkgs", "--import", "nowhere"], "error[seen-import]: nowhere cannot be read: No such file or directory"),
        (["nixpkgs", "--import", "lib"], "error[seen-import]: lib cannot be read: Is a directory"),
        (["nixpkgs", "--import", "log"], "error[seen-import]: log:1: `no` is not a full rev"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    flakesync: Flakesync, acme: Path, words: list[str], said: str
) -> None:
    (acme / "log").write_text("no line\n")
    ran = flakesync("seen", *words)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(said)
    assert not seen_file(cache_dir()).exists()


def test_a_damaged_record_is_an_error_with_its_line(flakesync: Flakesync, acme: Path) -> None:
    text = (acme / "workspace.toml").read_text()
    (acme / "workspace.toml").write_text(text.replace("[workspace]", '[workspace]\nseen = "seen.json"'))
    (acme / "seen.json").write_text("{\n")
    (acme / "log").write_text(f"{REVS[0]} 2026-11-20\n")
    for words in (["seen"], ["seen", "nixpkgs", "--import", "log"]):
        ran = flakesync(*words)
        assert ran.status == 2
        assert ran.err.startswith(f"error[seen-corrupt]: {acme / 'seen.json'}:1: ")
    assert (acme / "seen.json").read_text() == "{\n"


def test_times_in_the_future_are_noted(flakesync: Flakesync, now: int) -> None:
    keep_seen(seen_file(cache_dir()), SeenRecord().with_tip(SOURCE, REF, REVS[0], now + 9 * DAY_S), now=now + 9 * DAY_S)
    assert "note: " in flakesync("seen").err
    assert flakesync("seen", "-q").err == ""
    assert "  0 d\n" in flakesync("seen").out

"""The seen record: what is seen once is remembered, whoever writes at the same time, and whatever git merges."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakesync.cache.layout import cache_dir, seen_file
from flakesync.cooldown import seen as seen_module
from flakesync.cooldown.model import DAY_S
from flakesync.cooldown.seen import SeenRecord, encode_seen, keep_seen, read_seen, seen_place, source_name
from flakesync.errors import FlakesyncError
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.terms import Rev
from flakesync.workspace.manifest import load_workspace
from tests.support.repos import run_git

NOW = 1_790_000_000
SOURCE = "github:NixOS/nixpkgs"
Write = Callable[[str], Path]


def rev(number: int) -> Rev:
    return Rev(f"{number:040x}")


def record(*tips: tuple[int, int], source: str = SOURCE, ref: str | None = "nixos-26.05") -> SeenRecord:
    """Return a record of tips: a number of a commit, and how many days before NOW it was seen."""
    return SeenRecord().with_tips(source, ref, {rev(number): NOW - days * DAY_S for number, days in tips})


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "seen.json"


@pytest.fixture
def write(place: Path) -> Write:
    def run(text: str) -> Path:
        place.write_text(text)
        return place

    return run


def lines(*tips: str) -> str:
    return "\n".join(['{"schema":"flakesync/seen-record/1","tips":[', *tips, "null]}", ""])


def entry(**other: object) -> str:
    usual = {"source": SOURCE, "ref": None, "rev": rev(1), "seen": "2026-09-21T00:00:00Z"}
    return json.dumps({**usual, **other}) + ","


def test_a_tip_is_remembered_by_when_it_was_first_seen() -> None:
    found = SeenRecord().with_tip(SOURCE, None, rev(1), NOW)
    assert found.with_tip(SOURCE, None, rev(1), NOW + 5) is found
    assert found.with_tip(SOURCE, None, rev(1), NOW - 5).first_seen(SOURCE, None) == {rev(1): NOW - 5}


def test_a_commit_is_seen_on_one_branch_of_one_source() -> None:
    found = record((1, 3), ref="a")
    assert found.first_seen(SOURCE, "b") == found.first_seen(SOURCE, None) == found.first_seen("github:x/y", "a") == {}


@pytest.mark.parametrize(("one", "other"), [("main", "refs/heads/main"), (None, "HEAD")])
def test_one_branch_has_one_name(one: str | None, other: str) -> None:
    assert record((1, 3), ref=one).first_seen(SOURCE, other) == record((1, 3), ref=other).first_seen(SOURCE, one) != {}


def test_what_is_kept_is_read_again(place: Path) -> None:
    found = record((1, 3), (2, 0)).merged(record((3, 1), ref=None))
    assert keep_seen(place, found, now=NOW) is None
    assert read_seen(place, now=NOW) == found
    assert place.read_bytes() == encode_seen(found)
    assert oct(place.stat().st_mode & 0o777) == "0o644"


def test_the_file_is_sorted_json_with_a_line_for_each_tip(place: Path) -> None:
    keep_seen(place, record((2, 0), (1, 3)), now=NOW)
    first, second = place.read_text().splitlines()[1:-1]
    assert first == entry(rev=rev(1), ref="nixos-26.05", seen="2026-09-18T14:13:20Z").replace('": ', '":').replace(
        ", ", ","
    )
    assert second.endswith('"seen":"2026-09-21T14:13:20Z"},')
    assert json.loads(place.read_text())["tips"][-1] is None


def test_nothing_new_leaves_the_file_as_it_is(write: Write) -> None:
    place = write(lines("", entry()) + "\n\n")
    before = place.stat()
    known = read_seen(place, now=NOW)
    place.parent.chmod(0o500)
    assert keep_seen(place, known, now=NOW) is None
    place.parent.chmod(0o700)
    assert place.stat().st_mtime_ns == before.st_mtime_ns
    assert place.stat().st_ino == before.st_ino


def test_what_lies_there_by_now_is_merged_by_the_earlier_time(place: Path) -> None:
    keep_seen(place, record((1, 3), (2, 1)), now=NOW)
    keep_seen(place, record((1, 1), (2, 2), (3, 0)), now=NOW)
    assert read_seen(place, now=NOW) == record((1, 3), (2, 2), (3, 0))


def test_what_was_seen_more_than_400_days_ago_goes_but_for_the_last_tip_of_a_branch(place: Path) -> None:
    old = record((1, 500), (2, 450), ref="old")
    keep_seen(place, old.merged(record((3, 401), (4, 400), (5, 1))), now=NOW)
    assert read_seen(place, now=NOW) == record((2, 450), ref="old").merged(record((4, 400), (5, 1)))


def test_a_time_in_the_future_is_taken_for_now_and_said(place: Path) -> None:
    keep_seen(place, record((1, -5), (2, 1)), now=NOW + 9 * DAY_S)
    found = read_seen(place, now=NOW)
    assert found.tips == record((1, 0), (2, 1)).tips
    assert found.note == f"{place}: 1 of its times are in the future, and taken for now"
    keep_seen(place, found, now=NOW)
    assert read_seen(place, now=NOW + DAY_S).note is None


def test_a_clock_that_is_a_little_behind_is_no_news(place: Path) -> None:
    keep_seen(place, record((1, 0)), now=NOW)
    assert read_seen(place, now=NOW - 60).note is None


def test_nobody_has_seen_anything_where_there_is_no_file(place: Path) -> None:
    assert read_seen(place) == SeenRecord()


# Up to 3.13 Python counts calls; later it goes as deep as the stack is, and this is seen to its end.
DEEP = "recursion" if sys.version_info < (3, 14) else "input data was truncated"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "input data was truncated"),
        ("nonsense", 1, "JSON is malformed"),
        (lines(entry(), "{"), 3, "input data was truncated"),
        (lines(entry(), entry(rev="12ab")), 3, "expected `str` matching regex"),
        (lines(entry(rev=rev(1).replace("0", "A"))), 2, "expected `str` matching regex"),
        (lines(entry(seen=5)), 2, "expected `datetime`, got `int`"),
        (lines(entry(seen="2026-09-21T00:00:00")), 2, "expected `datetime` with a timezone"),
        (lines(entry(seen="yesterday")), 2, "invalid RFC3339"),
        (lines(entry(), entry(), entry(source="a\x1b[31mb")), 4, "expected `str` matching regex"),
        (lines(entry(ref="a\nb")), 2, "expected `str` matching regex"),
        (lines(entry(ref="main\n")), 2, "expected `str` matching regex"),
        (lines(entry(source="x" * 5000)), 2, "expected `str` of length <= 4096"),
        (lines(entry(source=None)), 2, "expected `str`, got `null`"),
        (lines("[],"), 2, "expected `object`, got `array`"),
        (lines().replace("record/1", "record/2"), 1, "invalid enum value"),
        (lines("<<<<<<< HEAD", entry(), "=======", entry(), ">>>>>>> other"), 2, "git has left a conflict in it"),
        ("[" * 100_000, 1, "expected `object`, got `array`"),
        (lines('{"more":' + "[" * 100_000 + ","), 2, DEEP),
    ],
)
def test_what_is_no_record_is_refused_with_its_line_and_stays(write: Write, text: str, line: int, said: str) -> None:
    place = write(text)
    for use in (lambda: read_seen(place), lambda: keep_seen(place, record((1, 0)))):
        with pytest.raises(FlakesyncError) as caught:
            use()
        assert caught.value.code == "seen-corrupt"
        assert caught.value.message.startswith(f"{place}:{line}: ")
        assert said in caught.value.message
        assert caught.value.hint is not None
    assert place.read_text() == text


def test_bytes_that_are_no_text_are_refused(place: Path) -> None:
    place.write_bytes(lines(entry(source="X")).encode().replace(b'"X"', b'"\xff"'))
    with pytest.raises(FlakesyncError, match=r"seen\.json:2: ") as caught:
        read_seen(place)
    assert caught.value.code == "seen-corrupt"


def test_a_record_is_a_file_of_some_size(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(place)
    with pytest.raises(FlakesyncError, match="is no file"):
        read_seen(place)
    place.unlink()
    monkeypatch.setattr(seen_module, "MOST_BYTES", 1 << 20)
    place.write_bytes(b" " * (1 << 20) + b" ")
    with pytest.raises(FlakesyncError, match="is larger than 1 MB"):
        read_seen(place)


def test_where_it_cannot_be_written_the_reason_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = keep_seen(tmp_path / "file" / "seen.json", record((1, 0)), now=NOW)
    assert said is not None
    assert "what was seen today is forgotten" in said


def test_without_a_cache_to_lock_in_the_reason_is_said_too(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FLAKESYNC_CACHE", str(tmp_path / "file"))
    said = keep_seen(place, record((1, 0)), now=NOW)
    assert said is not None
    assert said.startswith(f"{place} cannot be written: {tmp_path / 'file'}")
    assert not place.exists()


def test_a_time_before_there_were_times_is_the_first(write: Write) -> None:
    found = read_seen(write(lines(entry(seen="1960-01-01T00:00:00+23:59"))), now=NOW)
    assert found.first_seen(SOURCE, None) == {rev(1): 0}


def test_processes_at_once_lose_nothing(place: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from flakesync.cooldown.seen import SeenRecord, keep_seen\n"
        "for number in range(int(sys.argv[2]), int(sys.argv[2]) + 10):\n"
        f"    record = SeenRecord().with_tip('{SOURCE}', None, f'{{number:040x}}', {NOW})\n"
        f"    keep_seen(Path(sys.argv[1]), record, now={NOW})\n"
    )
    argv = [[sys.executable, "-c", program, str(place), str(start * 10)] for start in range(4)]
    running = [subprocess.Popen(each) for each in argv]
    assert [each.wait() for each in running] == [0] * 4
    assert read_seen(place, now=NOW).first_seen(SOURCE, None).keys() == {rev(number) for number in range(40)}
    assert [each.name for each in place.parent.iterdir()] == [place.name]


def merged_by_git(folder: Path, base: SeenRecord | None, ours: SeenRecord, theirs: SeenRecord) -> bytes:
    """Return what git makes of the records of two runners, each of whom began with `base`."""
    run_git("init", "-q", "-b", "main", cwd=folder)
    (folder / ".gitattributes").write_text("seen.json merge=union\n")
    run_git("add", ".", cwd=folder)
    run_git("commit", "-q", "-m", "begin", cwd=folder)
    if base is not None:
        commit_record(folder, base)
    run_git("branch", "theirs", cwd=folder)
    commit_record(folder, ours)
    run_git("checkout", "-q", "theirs", cwd=folder)
    commit_record(folder, theirs)
    run_git("checkout", "-q", "main", cwd=folder)
    run_git("merge", "-q", "--no-edit", "theirs", cwd=folder)
    return (folder / "seen.json").read_bytes()


def commit_record(folder: Path, each: SeenRecord) -> None:
    (folder / "seen.json").write_bytes(encode_seen(each))
    run_git("add", ".", cwd=folder)
    run_git("commit", "-q", "--allow-empty", "-m", "seen", cwd=folder)


def random_record(chance: random.Random) -> SeenRecord:
    found = SeenRecord()
    for _ in range(chance.randrange(12)):
        tip = (chance.randrange(8), chance.randrange(30))
        found = found.merged(record(tip, source=chance.choice([SOURCE, "a", "z"]), ref=chance.choice([None, "b"])))
    return found


@pytest.mark.parametrize("seed", range(8))
def test_git_merges_the_records_of_two_runners_without_a_conflict_in_either_order(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    base = random_record(chance) if seed % 2 else None
    one, other = ((base or SeenRecord()).merged(random_record(chance)) for _ in range(2))
    found = []
    for name, (ours, theirs) in {"a": (one, other), "b": (other, one)}.items():
        folder = tmp_path / name
        folder.mkdir()
        json.loads(merged_by_git(folder, base, ours, theirs))
        found.append(read_seen(folder / "seen.json", now=NOW))
        keep_seen(folder / "seen.json", found[-1].with_tip("new", None, rev(9), NOW), now=NOW)
    assert found == [one.merged(other)] * 2
    assert len({(tmp_path / name / "seen.json").read_bytes() for name in "ab"}) == 1


def test_what_one_runner_has_dropped_and_the_other_has_not_is_merged_too(tmp_path: Path) -> None:
    base = record((1, 500), (2, 100), (3, 50))
    text = merged_by_git(tmp_path, base, base.until(NOW).merged(record((4, 1))), base.merged(record((5, 2))))
    json.loads(text)
    found = read_seen(tmp_path / "seen.json", now=NOW).until(NOW)
    assert found == record((2, 100), (3, 50), (4, 1), (5, 2))


records = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 600)), max_size=6).map(
    lambda tips: record(*tips) if tips else SeenRecord()
)


@given(records, records, records)
def test_merging_is_independent_of_order(one: SeenRecord, two: SeenRecord, three: SeenRecord) -> None:
    assert one.merged(two) == two.merged(one)
    assert one.merged(two).merged(three) == one.merged(two.merged(three))
    assert one.merged(one) == one


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("github:NixOS/nixpkgs/nixos-26.05", "github:NixOS/nixpkgs"),
        ("github:acme/x?dir=sub&host=git.example.com", "github:acme/x"),
        ("git+https://git.example.com/x?ref=main&submodules=1", "git+https://git.example.com/x"),
        ("git+ssh://git@git.example.com/x", "git+ssh://git@git.example.com/x"),
        ("git+https://user:password@git.example.com/x", "git+https://git.example.com/x"),
        (
            "https://channels.nixos.org/nixos-26.05/nixexprs.tar.xz",
            "https://channels.nixos.org/nixos-26.05/nixexprs.tar.xz",
        ),
        ("https://example.com/a.tar.gz?token=abcdef", "https://example.com/a.tar.gz?token=…"),
    ],
)
def test_a_source_is_called_by_its_url_without_what_is_secret(reference: str, name: str) -> None:
    assert source_name(FlakeRef.parse(reference)) == name


def test_the_record_lies_where_the_manifest_says_or_in_the_cache(tmp_path: Path) -> None:
    manifest = tmp_path / "workspace.toml"
    manifest.write_text('[workspace]\nseen = "tips.json"\n[repos.a]\nurl = "github:a/a"\n')
    assert seen_place(load_workspace(manifest), cache_dir()) == tmp_path / "tips.json"
    manifest.write_text('[repos.a]\nurl = "github:a/a"\n')
    place = seen_place(load_workspace(manifest), cache_dir())
    assert place == seen_file(cache_dir())
    keep_seen(place, record((1, 0)), now=NOW)
    assert oct(place.stat().st_mode & 0o777) == "0o600"

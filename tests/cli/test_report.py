"""`flakesync report DIR`: the page, the documents beside it, and the history."""

import multiprocessing
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from flakesync.cli.commands.look import report as module
from flakesync.cli.page_folder import Run, write_run
from flakesync.documents.history import HistoryLine
from flakesync.history.read import read_history
from flakesync.report.documents import to_json
from flakesync.report.html import page
from flakesync.report.html.given import PageDocuments
from tests.cli.conftest import Ran, spawn
from tests.history.test_append import ENCODED
from tests.history.test_read import LINE
from tests.support import locks
from tests.support.pages import page_documents

Flakesync = Callable[..., Ran]
DOCUMENTS = ["audit.json", "drift.json", "graph.json", "status.json"]
WRITTEN = sorted([*DOCUMENTS, "history.jsonl", "index.html"])
TORN = msgspec.json.encode(LINE)[:60]


def lines(folder: Path) -> list[HistoryLine]:
    return list(read_history((folder / "history.jsonl").read_bytes()).lines)


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def told(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets the day of November on which the next run is."""

    def set_day(day: int) -> None:
        monkeypatch.setattr(module, "_now", lambda: datetime(2026, 11, day, 3, 17, tzinfo=UTC))

    return set_day


def test_the_page_the_documents_and_a_line_of_history_are_written(flakesync: Flakesync, acme: Path) -> None:
    ran = flakesync("report", "out")
    told_by_status = "note: where an update stands is not known of docs, lib, app\n"  # folders, no repositories
    assert (ran.status, ran.err) == (0, told_by_status)
    assert ran.out == "out/index.html: 3 repos, 2 in step, 1 finding; history of 1 day\n"
    assert names(acme / "out") == WRITTEN
    text = (acme / "out" / "index.html").read_text()
    assert text.startswith("<!doctype html>")
    assert text.rstrip().endswith("</html>")
    assert all(name in text for name in ("acme", "app", "lib", "docs"))
    (line,) = lines(acme / "out")
    assert (line.repos, line.in_step, line.findings) == (3, 2, {"pin": 1})
    assert line.run in text
    assert {(acme / "out" / name).stat().st_mode & 0o777 for name in WRITTEN} == {0o644}


def test_the_documents_are_what_the_commands_answer(flakesync: Flakesync, acme: Path) -> None:
    for argv in ([], ["--repo", "lib"], ["--at", "update", "--group", "core"]):
        chosen = [each for each in argv if each not in ("--at", "update")]
        flakesync("report", "out", *argv)
        for name in DOCUMENTS:
            command = name.removesuffix(".json")
            own = chosen if command == "status" else argv
            answer = flakesync(command, "--json", *own).out
            assert (acme / "out" / name).read_text() == answer, (argv, name)


def test_a_second_run_adds_a_line_and_the_same_documents_make_the_same_page(
    flakesync: Flakesync, acme: Path, clock: Callable[[int], None]
) -> None:
    clock(20)
    flakesync("report", "out")
    first = (acme / "out" / "index.html").read_bytes()
    before = (acme / "out" / "history.jsonl").read_bytes()
    flakesync("report", "out")
    assert (acme / "out" / "index.html").read_bytes() == first
    assert (acme / "out" / "history.jsonl").read_bytes().startswith(before)
    assert [line.run for line in lines(acme / "out")] == [lines(acme / "out")[0].run] * 2
    clock(21)
    ran = flakesync("report", "out")
    assert ran.out.endswith("history of 2 days\n")
    clock(20)
    flakesync("report", "fresh")
    assert (acme / "fresh" / "index.html").read_bytes() == first
    (acme / "lib" / "flake.lock").unlink()
    flakesync("report", "fresh")
    assert lines(acme / "fresh")[0].run != lines(acme / "fresh")[1].run


def test_with_json_the_answer_is_the_new_line(flakesync: Flakesync, acme: Path) -> None:
    answer = msgspec.json.decode(flakesync("report", "out", "--json").out, type=HistoryLine)
    assert [answer] == lines(acme / "out")


def test_a_page_of_stored_documents_reads_no_repo(
    flakesync: Flakesync, acme: Path, clock: Callable[[int], None]
) -> None:
    clock(20)
    flakesync("report", "out")
    before = (acme / "out" / "index.html").read_bytes()
    for name in ("lib", "app", "docs"):
        (acme / name / "flake.nix").unlink()
        (acme / name / "flake.lock").unlink(missing_ok=True)
    flakesync("report", "other", "--from", "out")
    assert (acme / "other" / "index.html").read_bytes() == before
    flakesync("report", "out", "--from", "out", "--no-pulls", "--no-audit")
    assert names(acme / "out") == WRITTEN  # they are not this run's to delete
    flakesync("report", "other", "--from", "out", "--no-pulls", "--no-audit")
    assert names(acme / "other") == ["drift.json", "graph.json", "history.jsonl", "index.html"]
    assert lines(acme / "other")[-1].pulls is None


@pytest.mark.parametrize("option", [("--repo", "lib"), ("--group", "core"), ("--exclude", "lib"), ("--at", "base")])
def test_what_is_stored_cannot_be_chosen_from(flakesync: Flakesync, acme: Path, option: tuple[str, str]) -> None:
    ran = flakesync("report", "out", "--from", "out", *option)
    assert (ran.status, "--from shows what is stored" in told(ran.err)) == (2, True)
    assert not (acme / "out").exists()


BROKEN = {
    "drift.json": (b'{"schema": "flakesync/drift/1", "pins"', "bad-document"),
    "graph.json": (b'{"schema": "flakesync/graph/2"}', "bad-document"),
    "status.json": (b"[" * 100_000, "bad-document"),
    "audit.json": (b"\xff", "bad-document"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_stored_document_that_is_none_is_an_error_with_its_place(flakesync: Flakesync, acme: Path, name: str) -> None:
    flakesync("report", "stored")
    (acme / "stored" / name).write_bytes(BROKEN[name][0])
    ran = flakesync("report", "out", "--from", "stored")
    assert ran.status == 2
    command = name.removesuffix(".json")
    assert told(ran.err).startswith(f"error[bad-document]: stored/{name}: is no answer of `flakesync {command} --json`")
    assert not (acme / "out" / "index.html").exists()
    (acme / "stored" / name).unlink()
    ran = flakesync("report", "out", "--from", "stored")
    needed = name in ("graph.json", "drift.json")
    assert (ran.status, "error[no-document]" in ran.err) == ((2, True) if needed else (0, False))


def test_the_answer_of_a_sync_in_the_folder_is_shown_and_half_of_one_is_told(flakesync: Flakesync, acme: Path) -> None:
    out = acme / "out"
    out.mkdir()
    sync = page_documents(3).sync
    assert sync is not None
    (out / "sync.json").write_bytes(to_json(sync))
    ran = flakesync("report", "out", "--no-pulls")
    assert ran.err == ""
    found = lines(out)[-1].sync
    assert found is not None
    assert found.updated == sum(each.status == "updated" for each in sync.repos)
    for size in (-50, 20, 0):
        (out / "sync.json").write_bytes(to_json(sync)[:size])
        ran = flakesync("report", "out")
        assert ran.status == 0
        assert "note: the page goes without it: out/sync.json: is no answer of `flakesync sync --json`" in told(ran.err)
        assert lines(out)[-1].sync is None
        assert (out / "sync.json").read_bytes() == to_json(sync)[:size]
    (out / "sync.json").write_bytes(to_json(sync))
    flakesync("report", "other", "--from", "out")
    assert (acme / "other" / "sync.json").read_bytes() == to_json(sync)
    (out / "sync.json").unlink()
    flakesync("report", "other", "--from", "out")
    assert not (acme / "other" / "sync.json").exists()


def test_lines_that_are_none_are_told_once_left_out_and_stay(flakesync: Flakesync, acme: Path) -> None:
    (acme / "out").mkdir()
    before = b"foreign\n" + msgspec.json.encode(LINE).replace(b"history/1", b"history/2") + b"\n" + TORN
    (acme / "out" / "history.jsonl").write_bytes(before)
    ran = flakesync("report", "out", "--no-pulls")
    assert (ran.status, ran.err.count("note:")) == (0, 1)
    assert "2 lines, the first is line 1, not of a history that this flakesync knows; the last line" in told(ran.err)
    assert (acme / "out" / "history.jsonl").read_bytes().startswith(before + b"\n")
    assert len(lines(acme / "out")) == 1


def test_a_folder_without_a_history_gets_the_published_one_first(flakesync: Flakesync, acme: Path) -> None:
    earlier = b"foreign\n" + b"".join(
        msgspec.json.encode(each) + b"\n" for each in page_documents(3, nights=5).history
    )  # fmt: skip
    (acme / "earlier").write_bytes(earlier)
    ran = flakesync("report", "out", "--history", "earlier", "--no-pulls")
    assert ran.out.endswith("history of 6 days\n")
    assert (acme / "out" / "history.jsonl").read_bytes().startswith(earlier)
    assert len(lines(acme / "out")) == 6
    again = flakesync("report", "out", "--history", "earlier", "--no-pulls")
    assert again.err.startswith("note: out/history.jsonl is there, so earlier is not read\n")
    assert len(lines(acme / "out")) == 7


@pytest.mark.parametrize("source", ["none", "https://me:s3cret@127.0.0.1:9/h?token=s3cret", "page.html", "."])
def test_a_published_history_that_cannot_be_had_is_a_note(
    flakesync: Flakesync, acme: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flakesync.history.published._PAUSES_S", ())
    (acme / "page.html").write_text("<!doctype html>\n")
    ran = flakesync("report", "out", "--history", source, "--no-pulls")
    assert (ran.status, ran.err.count("note:")) == (0, 1)
    assert told(ran.err).endswith(": the history begins with this run")
    assert "s3cret" not in ran.err
    assert len(lines(acme / "out")) == 1


def test_without_pulls_and_audit_there_are_none_and_those_of_an_earlier_run_go(
    flakesync: Flakesync, acme: Path
) -> None:
    flakesync("report", "out")
    (acme / "out" / "kept").write_text("somebody's\n")
    flakesync("report", "out", "--no-pulls", "--no-audit")
    assert names(acme / "out") == ["drift.json", "graph.json", "history.jsonl", "index.html", "kept"]
    assert lines(acme / "out")[-1].pulls is None


def test_with_offline_pull_requests_were_not_asked_for(flakesync: Flakesync, acme: Path) -> None:
    ran = flakesync("report", "out", "--offline")
    assert "no forge is asked: the page has update branches, and no pull requests" in told(ran.err)
    assert (ran.status, lines(acme / "out")[-1].pulls) == (0, None)
    assert (acme / "out" / "status.json").exists()
    assert "no forge is asked" not in flakesync("report", "out", "--offline", "-q").err


def test_a_repo_that_cannot_be_read_is_on_the_page_and_told(flakesync: Flakesync, acme: Path) -> None:
    (acme / "lib" / "flake.lock").write_text("{")
    (acme / "app").rename(acme / "moved")
    manifest = acme / "workspace.toml"
    manifest.write_text(manifest.read_text().replace('path = "app"\n', ""))
    ran = flakesync("report", "out", "--offline")
    assert ran.status == 0
    assert "note: not read: lib: " in told(ran.err)
    assert "note: not read: app: " in told(ran.err)
    text = (acme / "out" / "index.html").read_text()
    assert "unreachable" in text
    assert "bad-lock" in text


def other(place: Path) -> Path:
    place.write_text("mine\n")
    return place


def test_where_no_page_can_be_written_an_error_says_so_and_nothing_is_read(flakesync: Flakesync, acme: Path) -> None:
    other(acme / "file")
    (acme / "gone").symlink_to("nowhere")
    (acme / "lib" / ".git").mkdir()
    for folder, words in {
        "file": "file: is a file, not a folder",
        "file/x": "file/x: cannot be written: Not a directory",
        "gone": "gone: is a symlink that leads nowhere, not a folder",
        "/proc/x": "/proc/x: cannot be written: ",
        "/dev/null": "/dev/null: is a file, not a folder",
        "lib/.git/out": "lies in a folder of git's",
        "x" * 300: "File name too long",
    }.items():
        ran = flakesync("report", folder)
        assert (ran.status, ran.out) == (2, "")
        assert ran.err.startswith("error[no-answer]: "), ran.err
        assert words in told(ran.err)
    assert (acme / "file").read_text() == "mine\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to_is_an_error(flakesync: Flakesync, acme: Path) -> None:
    (acme / "out").mkdir(mode=0o500)
    ran = flakesync("report", "out")
    assert (ran.status, "error[no-answer]: out: cannot be written: Permission denied" in ran.err) == (2, True)


@pytest.mark.parametrize("name", ["index.html", *DOCUMENTS])
def test_a_file_of_something_else_is_not_replaced(flakesync: Flakesync, acme: Path, name: str) -> None:
    (acme / "site").mkdir()
    place = other(acme / "site" / name)
    ran = flakesync("report", "site")
    assert ran.status == 2
    assert told(ran.err).startswith(f"error[not-a-report]: site/{name}: is there, and n")
    assert place.read_text() == "mine\n"
    assert names(acme / "site") == [name]


def test_what_is_a_symlink_in_the_folder_is_not_written_through(flakesync: Flakesync, acme: Path) -> None:
    flakesync("report", "out")
    own = other(acme / "own")
    (acme / "out" / "index.html").unlink()
    (acme / "out" / "index.html").symlink_to(own)
    assert flakesync("report", "out").status == 0
    assert not (acme / "out" / "index.html").is_symlink()
    (acme / "out" / "history.jsonl").unlink()
    (acme / "out" / "history.jsonl").symlink_to(own)
    ran = flakesync("report", "out")
    assert (ran.status, "error[no-answer]: out/history.jsonl: cannot be written" in told(ran.err)) == (2, True)
    assert own.read_text() == "mine\n"


def test_a_symlink_to_a_folder_is_that_folder(flakesync: Flakesync, acme: Path) -> None:
    (acme / "real").mkdir()
    (acme / "out").symlink_to("real")
    assert flakesync("report", "out").status == 0
    assert names(acme / "real") == WRITTEN
    assert (acme / "out").is_symlink()


def test_a_page_that_cannot_be_made_leaves_all_as_it_was(
    flakesync: Flakesync, acme: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flakesync("report", "out")
    before = {name: (acme / "out" / name).read_bytes() for name in WRITTEN}

    def refuse(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("flakesync.report.html.page.render_page", refuse)
    assert flakesync("report", "out").status == 2
    assert {name: (acme / "out" / name).read_bytes() for name in WRITTEN} == before


def test_what_a_killed_run_has_left_goes_with_the_next_and_other_files_stay(flakesync: Flakesync, acme: Path) -> None:
    flakesync("report", "out")
    left = [acme / "out" / f".{name}.ab_12345" for name in WRITTEN]
    mine = [acme / "out" / name for name in (".index.html.swp", ".mine.ab_12345", "index.html.ab_12345")]
    for place in left + mine:
        other(place)
    flakesync("report", "out")
    assert names(acme / "out") == sorted([*WRITTEN, *(place.name for place in mine)])


def test_no_login_that_the_documents_leave_out_is_on_the_page(flakesync: Flakesync, acme: Path) -> None:
    taken = locks.tarball("https://me:s3cret@git.example/x.tar.gz?private_token=s3cret")
    (acme / "lib" / "flake.lock").write_bytes(locks.to_bytes(locks.lock({"x": taken})))
    flakesync("report", "out", "--offline")
    for name in WRITTEN:
        assert "s3cret" not in (acme / "out" / name).read_text(), name
    assert "git.example" in (acme / "out" / "audit.json").read_text()


def test_what_stored_documents_have_of_logins_is_left_out_of_all_that_is_written(
    flakesync: Flakesync, acme: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flakesync("report", "stored")
    drift = acme / "stored" / "drift.json"
    drift.write_text(drift.read_text().replace("not at pin", "https://me:s3cret@git.example/x not at pin"))
    seen: list[PageDocuments] = []
    render = page.render_page

    def noted(given: PageDocuments) -> str:
        seen.append(given)
        return render(given)

    monkeypatch.setattr(page, "render_page", noted)
    flakesync("report", "out", "--from", "stored")
    assert "https://git.example/x not at pin" in seen[0].drift.findings[0].detail
    for name in WRITTEN:
        assert "s3cret" not in (acme / "out" / name).read_text(), name


def test_an_empty_document_is_nobodys(flakesync: Flakesync, acme: Path) -> None:
    (acme / "out").mkdir()
    (acme / "out" / "graph.json").touch()
    assert flakesync("report", "out").status == 0


def _run(number: int) -> Run:
    line = msgspec.structs.replace(LINE, run=f"{number}")
    return Run(
        {"graph.json": b"{}\n"}, line, gone=["audit.json"], earlier=ENCODED, render=lambda _: f"{number}\n" * 1000
    )


def _write_often(folder: Path, number: int) -> None:
    for _ in range(25):
        write_run(folder, _run(number))


def test_runs_at_the_same_time_wait_for_each_other(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_write_often, args=(tmp_path, number)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert names(tmp_path) == ["graph.json", "history.jsonl", "index.html"]
    runs = [line.run for line in lines(tmp_path)]
    assert (runs[0], sorted(runs[1:])) == (LINE.run, sorted("0123" * 25))  # the earlier history was copied once
    assert set((tmp_path / "index.html").read_text().split()) == {runs[-1]}


def test_a_name_that_is_no_utf_8_is_no_reason_to_fail(acme: Path) -> None:
    folder = os.fsdecode(b"caf\xe9")
    ran = spawn("report", folder, cwd=acme)
    assert (ran.returncode, ran.stdout.startswith("caf\\xe9/index.html: 3 repos")) == (0, True), ran.stderr
    assert names(acme / folder) == WRITTEN


def test_groups_are_those_of_the_chosen_repos(
    flakesync: Flakesync, acme: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[PageDocuments] = []

    def render(given: PageDocuments) -> str:
        seen.append(given)
        return ""

    monkeypatch.setattr("flakesync.report.html.page.render_page", render)
    flakesync("report", "out")
    flakesync("report", "out", "--repo", "app")
    assert [given.groups for given in seen] == [{"core": ["lib"]}, {}]
    assert [given.workspace for given in seen] == ["acme", "acme"]

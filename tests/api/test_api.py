"""flakesync as a library: documents as the commands have them, in one process, quietly."""

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from flakesync import api
from flakesync.cli.main import run
from flakesync.demo.build import build_workspace
from flakesync.net.wall import is_offline, offline
from flakesync.sync.events import Finished

ROOT = Path(__file__).parents[2]
EXAMPLE, OUTPUT = re.findall(r"```(?:python|text)\n(.*?)```", (ROOT / "docs/python.md").read_text(), re.DOTALL)
BRANCH = "refs/heads/flakesync/update"


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """The example workspace, whose locks flakesync writes itself; its checks are left out."""
    return build_workspace(tmp_path / "acme")


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> object:
    capsys.readouterr()
    run([*arguments, "--json"])
    return json.loads(capsys.readouterr().out)


def encoded(document: msgspec.Struct) -> object:
    return json.loads(msgspec.json.encode(document))


def update_of(manifest: Path, repo: str) -> str | None:
    found = subprocess.run(
        ["git", "-C", manifest.parent / repo, "rev-parse", "--verify", "--quiet", BRANCH],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return found.stdout.strip() or None


def test_the_example_of_the_page_prints_what_it_says(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(manifest.parent)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(EXAMPLE, "example", "exec"), {})
    assert out.getvalue() == OUTPUT


def test_each_function_answers_as_its_command(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = api.open_workspace(manifest)
    at = ("-w", str(manifest))
    assert encoded(api.graph(workspace)) == answer(capsys, "graph", *at)
    assert encoded(api.graph(workspace, ["lib"])) == answer(capsys, "graph", *at, "--repo", "lib")
    assert encoded(api.drift(workspace)) == answer(capsys, "drift", *at)
    assert encoded(api.plan(workspace, offline=True)) == answer(capsys, "plan", *at, "--offline")
    some = api.choose(workspace, groups=["foundation"], exclude=["lib"])
    assert encoded(api.plan(workspace, some)) == answer(
        capsys, "plan", *at, "--group", "foundation", "--exclude", "lib"
    )


def test_sync_makes_the_commits_of_the_command(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = api.open_workspace(manifest)
    heard: list[object] = []
    dry = api.sync(workspace, dry_run=True)
    assert [update_of(manifest, each.repo) for each in dry.repos] == [None] * 8
    assert all(each.diff for each in dry.repos if each.status == "updated")
    result = api.sync(workspace, listen=heard.append)
    made = {each.repo: each.commit for each in result.repos if each.status == "updated"}
    assert len(made) == 7
    assert {repo: update_of(manifest, repo) for repo in made} == made
    assert sum(isinstance(each, Finished) for each in heard) == 7
    again = answer(capsys, "sync", "-w", str(manifest))
    assert isinstance(again, dict)
    assert {each["status"] for each in again["repos"]} == {"unchanged"}
    assert len(api.drift(workspace, at="update").counted) == 0


def test_nothing_is_printed_and_no_handler_is_set(manifest: Path, capfd: pytest.CaptureFixture[str]) -> None:
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGURG)
    before = [signal.getsignal(number) for number in signals]
    workspace = api.open_workspace(manifest)
    api.graph(workspace)
    api.drift(workspace)
    api.plan(workspace)
    api.sync(workspace)
    assert capfd.readouterr() == ("", "")
    assert [signal.getsignal(number) for number in signals] == before


def test_calls_in_several_threads_have_the_answers_of_calls_one_after_another(tmp_path: Path) -> None:
    workspaces = [api.open_workspace(build_workspace(tmp_path / name)) for name in ("one", "two")]
    alone = [api.drift(workspace) for workspace in workspaces]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(api.drift, workspaces * 4))
    assert together == alone * 4
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(api.sync, workspaces))
    assert [sum(each.status == "updated" for each in result.repos) for result in results] == [7, 7]


def test_a_second_sync_of_the_same_workspace_is_refused_while_one_runs(manifest: Path) -> None:
    workspace = api.open_workspace(manifest)
    refused: list[str] = []

    def listen(_: object) -> None:
        if not refused:
            refused.append("")
            with pytest.raises(api.FlakesyncError) as raised:
                api.sync(workspace)
            refused[0] = raised.value.code

    result = api.sync(workspace, listen=listen)
    assert refused == ["busy"]
    assert sum(each.status == "updated" for each in result.repos) == 7


def test_the_wall_of_offline_falls_when_the_last_call_with_it_ends() -> None:
    first_up, second_up = threading.Event(), threading.Event()

    def online() -> None:
        with offline(False):
            first_up.set()
            assert second_up.wait(60)

    thread = threading.Thread(target=online)
    with offline(True):
        thread.start()
        assert first_up.wait(60)
        with offline(True):
            assert is_offline()
        assert is_offline()
    assert not is_offline()
    second_up.set()
    thread.join()
    assert not is_offline()


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("api.open_workspace('nowhere/workspace.toml')", "no-manifest"),
        ("api.open_workspace()", "no-manifest"),
        ("api.open_workspace(manifest, jobs=0)", "bad-jobs"),
        ("api.drift(api.open_workspace(manifest), ['lbi'])", "unknown-repo"),
        ("api.drift(api.open_workspace(manifest), 'lbi')", "unknown-repo"),
        ("api.plan(api.open_workspace(manifest), [])", "nothing-selected"),
        ("api.choose(api.open_workspace(manifest), groups=['nobody'])", "unknown-group"),
    ],
)
def test_what_cannot_be_done_is_an_error_with_a_code(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(api.FlakesyncError) as raised:
        eval(call, {"api": api, "manifest": manifest})
    assert raised.value.code == code


def test_a_name_alone_is_the_repo_of_that_name(manifest: Path) -> None:
    workspace = api.open_workspace(str(manifest))
    assert api.drift(workspace, "lib") == api.drift(workspace, ["lib"])


def test_ctrl_c_ends_a_sync_of_a_program_with_its_checks_and_its_folders(manifest: Path, tmp_path: Path) -> None:
    check = "sh -c 'touch $MARK/$$; exec sleep 120'"
    text = manifest.read_text().replace("[defaults]", f'[defaults]\nchecks = ["{check}"]', 1)
    assert "sleep 120" in text
    manifest.write_text(text)
    mark, temporary = tmp_path / "mark", tmp_path / "temporary"
    mark.mkdir()
    temporary.mkdir()
    program = f"from flakesync import api\napi.sync(api.open_workspace({str(manifest)!r}), ['lib'], locker='native')\n"
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT), "MARK": str(mark), "TMPDIR": str(temporary)},
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not any(mark.iterdir()):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in err
    assert process.returncode != 0
    assert list(temporary.iterdir()) == []
    assert update_of(manifest, "lib") is None
    pid = int(next(mark.iterdir()).name)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)

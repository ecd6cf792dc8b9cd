"""`report`, cut off at any moment: the page is there as a whole, old or new, and the next run leaves nothing else."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from flakesync.cli.stored import Stored, read_stored, to_files
from flakesync.history.read import read_history
from tests.kill import tracer
from tests.kill.tracer import Mode, Order
from tests.support import forked
from tests.support.pages import page_documents

pytestmark = pytest.mark.skipif(not tracer.available(), reason="needs ptrace, on Linux and x86-64")
EVERY = int(os.environ.get("FLAKESYNC_KILL", "0"))
"""As in test_every_moment.py: 0: at a few moments."""
FEW = 3
NEW = () if EVERY else pytest.mark.slow
MODES: tuple[Mode, ...] = get_args(Mode)
ARGV = ("report", "out", "--from", "stored")


def stored(repos: int) -> dict[str, bytes]:
    given = page_documents(repos)
    found = Stored(graph=given.graph, drift=given.drift, status=given.status, audit=given.audit, sync=given.sync)
    return to_files(found)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder with a manifest, the documents of a night, and the page of the night before."""
    work = tmp_path / "work"
    (work / "stored").mkdir(parents=True)
    (work / "workspace.toml").write_text('[workspace]\nname = "acme"\n\n[repos.a]\nurl = "github:acme/a"\n')
    _store(work, stored(30))
    ran = forked.flakesync(*ARGV, cwd=work, env=os.environ)
    assert ran.returncode == 0, ran.stderr
    _store(work, stored(8))
    shutil.copytree(work / "out", tmp_path / "saved")
    return work


def _store(work: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (work / "stored" / name).write_bytes(data)


def _moments(total: int) -> Iterator[int]:
    yield from range(1, total + 1, EVERY) if EVERY else (1 + int((each + 0.5) * total / FEW) for each in range(FEW))


@pytest.mark.parametrize("mode", [each for each in MODES if each != "all"])  # it starts nobody
@pytest.mark.parametrize("is_first", [pytest.param(False, id="replaced"), pytest.param(True, id="new", marks=NEW)])
def test_the_page_is_whole_at_any_moment_and_the_next_run_leaves_nothing_else(
    work: Path, mode: Mode, is_first: bool
) -> None:
    before = None if is_first else (work / "out" / "index.html").read_bytes()
    _reset(work, is_first)
    _, whole = forked.traced(*ARGV, cwd=work, env=os.environ, order=Order(0, "run", str(work)))
    assert whole.moments > 20
    for number in _moments(whole.moments if mode == "run" else whole.of_room):
        _reset(work, is_first)
        ran, traced = forked.traced(*ARGV, cwd=work, env=os.environ, order=Order(number, mode, str(work)))
        where = f"{mode} at {number}: {traced.what}: {ran.stderr}"
        if mode != "run":
            assert ran.returncode in (0, 2), where
            assert "Traceback" not in ran.stderr, where
        _require_whole(work / "out", before, where)
        again = forked.flakesync(*ARGV, cwd=work, env=os.environ)
        assert again.returncode == 0, where + again.stderr
        names = {each.name for each in (work / "out").iterdir()}
        assert names == {"index.html", "history.jsonl", *stored(8)}, where
        assert read_stored(work / "out") == read_stored(work / "stored"), where


def _reset(work: Path, is_first: bool) -> None:
    shutil.rmtree(work / "out", ignore_errors=True)
    if not is_first:
        shutil.copytree(work.parent / "saved", work / "out")


def _require_whole(out: Path, before: bytes | None, where: str) -> None:
    """Find the page as it was or whole, every document whole, and the history with all that was in it."""
    page = (out / "index.html").read_bytes() if (out / "index.html").exists() else None
    if page != before:
        assert page is not None, where
        assert page.startswith(b"<!doctype html>"), where
        assert page.rstrip().endswith(b"</html>"), where
    for place in out.glob("[!.]*.json"):
        msgspec.json.decode(place.read_bytes())
    history = (out / "history.jsonl").read_bytes() if (out / "history.jsonl").exists() else b""
    assert len(read_history(history).lines) >= (1 if before is not None else 0), where

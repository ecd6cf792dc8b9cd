"""`bundle` and `import`, cut off at any moment: nothing false is there, and the next run does the rest and no more."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest

from flakesync.nix.store.static_cache import StaticCache
from tests.bundle.send.sender import Sender
from tests.kill import tracer
from tests.kill.tracer import Mode, Order
from tests.support import forked, repos

EVERY = int(os.environ.get("FLAKESYNC_KILL", "0"))
"""As in test_every_moment.py; 0: at `TIMES` moments in each way."""
TIMES = 20
MODES: tuple[Mode, ...] = get_args(Mode)
pytestmark = [
    pytest.mark.skipif(not tracer.available(), reason="needs ptrace, on Linux and x86-64"),
    *([] if EVERY else [pytest.mark.slow]),
]

Times = Mapping[str, int]


@dataclass(frozen=True)
class Case:
    """A command that writes into `there`. finished: of what it writes, what the next run must not write again."""

    argv: Sequence[str]
    finished: Callable[[Path], Times]


def _no_files(_: Path) -> Times:
    return {}


def _whole_sources(there: Path) -> Times:
    """Return the sources that Nix would see, with the time of their NAR; none of them is false."""
    cache = StaticCache(there / "sources")
    if not (there / "sources/nix-cache-info").exists():
        assert not list(there.glob("sources/*.narinfo"))
        return {}
    found = cache.verify(deep=True)
    assert found.faults == ()
    return {
        str(file): (there / "sources" / _url(file)).stat().st_mtime_ns for file in there.glob("sources/*.narinfo")
    }  # fmt: skip


def _url(narinfo: Path) -> str:
    (line,) = (line for line in narinfo.read_text().splitlines() if line.startswith("URL: "))
    return line.removeprefix("URL: ")


CASES = {
    "bundle": Case(("bundle", "-q", "--local", "-o", "there/b"), _no_files),
    "bundle-archive": Case(("bundle", "-q", "--local", "-o", "there/b.tar"), _no_files),
    "import": Case(("import", "-q", "b", "--cache", "there/sources", "--repos", "there/git"), _whole_sources),
}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose repos take two sources from elsewhere and one commit of each other, and a bundle of it."""
    sender = Sender(tmp_path_factory.mktemp("gap"))
    taken = {}
    for name in ("one", "two"):
        rev = sender.add(name, {"text": f"{name}\n" * 30_000}, listed=False)
        taken[name] = sender.elsewhere(name, rev)
    lib = sender.add("lib", {"text": "text\n"})
    sender.add("app")
    sender.take("app", {**taken, "lib": sender.node("lib", lib)})
    for name in ("lib", "app"):
        repos.run_git("gc", "-q", cwd=sender.clone(name))
    sender.bundle("b")
    (sender.root / "b.json").unlink()
    return sender.root


def _files(there: Path) -> Mapping[str, bytes]:
    """Return the files that count; of repositories their refs, as git may pack objects in more than one way."""
    paths = (path for path in there.rglob("*") if path.is_file() and path.name != ".lock" and ".git/" not in str(path))
    found = {str(path.relative_to(there)): path.read_bytes() for path in paths}
    for repo in sorted(there.glob("git/*.git")):
        found[repo.name] = repos.run_git("for-each-ref", cwd=repo).encode()
        repos.run_git("fsck", "--strict", "--no-dangling", "--no-progress", cwd=repo)
    return found


def _moments(total: int) -> Iterator[int]:
    yield from (
        range(1, total + 1, EVERY) if EVERY else sorted({1 + int(each * total / TIMES) for each in range(TIMES)})
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", [*CASES])
def test_what_is_cut_off_is_true_as_far_as_it_is_there_and_ends_as_if_it_had_not_been(
    work: Path, name: str, mode: Mode, record_property: Callable[[str, object], None]
) -> None:
    case, there = CASES[name], work / "there"

    def run(number: int) -> tuple[int, str, tracer.Traced]:
        order = Order(number, mode if number else "run", str(there))
        ran, traced = forked.traced(*case.argv, cwd=work, env=os.environ, order=order)
        return ran.returncode, ran.stdout + ran.stderr, traced

    def begin() -> None:
        shutil.rmtree(there, ignore_errors=True)
        there.mkdir()

    begin()
    status, said, seen = run(0)
    assert status == 0, said
    whole = _files(there)
    total = seen.moments if mode in ("run", "all") else seen.of_room
    assert total >= TIMES
    moments = [*_moments(total)]
    record_property(name, len(moments))
    for number in moments:
        begin()
        status, said, traced = run(number)
        where = f"{mode} at {number} of {total}: {traced.what}: {said}"
        if mode in ("full", "full-once"):
            assert status in (0, 1, 2), where
            assert "Traceback" not in said, where
        finished = case.finished(there)
        status, said, _ = run(0)
        assert status == 0, f"{where}\nthen: {said}"
        assert _files(there) == whole, where
        again = case.finished(there)
        assert {file: again[file] for file in finished} == finished, where

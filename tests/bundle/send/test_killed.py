"""A sender that is killed at any moment goes on where it was: the same bytes, and no source made twice."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from flakesync.bundle.send.written import Written
from tests.bundle.send.sender import Sender
from tests.kill import tracer
from tests.kill.tracer import Mode, Order
from tests.support import forked, repos

TIMES = 24
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not tracer.available(), reason="needs ptrace, on Linux and x86-64"),
]


def files(place: Path) -> Mapping[str, bytes]:
    return {str(file.relative_to(place)): file.read_bytes() for file in place.rglob("*") if file.is_file()}


def proven(place: Path) -> dict[Path, int]:
    """Return the blobs that an unfinished bundle says it has, and when each was written."""
    try:
        lines = (place / "unfinished/written.jsonl").read_bytes().split(b"\n")
    except (FileNotFoundError, NotADirectoryError):  # an archive has no blobs that could be looked at
        return {}
    blobs = [msgspec.json.decode(line, type=Written) for line in lines if line.endswith(b"}")]
    paths = [place / "blobs/sha256" / blob.digest[7:] for blob in blobs]
    return {path: path.stat().st_mtime_ns for path in paths}


@pytest.mark.parametrize("mode", ["run", "all"])
@pytest.mark.parametrize("name", ["b", "b.tar"])
def test_a_killed_run_is_gone_on_with_and_ends_with_the_same_bytes(tmp_path: Path, mode: Mode, name: str) -> None:
    sender = Sender(tmp_path)
    nodes = {}
    for number in range(6):
        rev = sender.add(f"tool{number}", {"text": f"{number}\n" * 30_000}, listed=False)
        nodes[f"tool{number}"] = sender.elsewhere(f"tool{number}", rev)
    lib = sender.add("lib")
    sender.add("app")
    sender.take("app", {**nodes, "lib": sender.node("lib", lib)})
    repos.run_git("gc", "-q", cwd=sender.clone("app"))
    sender.write()
    work = tmp_path / "work"

    def run(place: Path, number: int) -> tuple[int, int]:
        argv = ("bundle", "-q", "--local", "-w", str(tmp_path / "workspace.toml"), "-o", str(place))
        order = Order(number, mode, str(place.parent))
        done, seen = forked.traced(*argv, cwd=tmp_path, env=os.environ, order=order)
        assert number or done.returncode == 0, done.stderr
        return seen.status, seen.moments

    (tmp_path / "whole").mkdir()
    _, moments = run(tmp_path / "whole" / name, 0)
    whole = files(tmp_path / "whole")
    assert moments > TIMES
    for number in range(1, moments + 1, max(1, moments // TIMES)):
        place = work / str(number) / name
        place.parent.mkdir(parents=True)
        run(place, number)
        there = proven(place)
        run(place, 0)
        assert files(place.parent) == whole
        assert all(path.stat().st_mtime_ns == time for path, time in there.items())

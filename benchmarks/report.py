"""`report`: the page of 100 to 2,000 repos from their documents, and what it costs beside `drift --json`."""

import gzip
import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks.drift import drift, make
from benchmarks.measure import interleaved, peak_bytes, python, run, show
from flakesync.cli.stored import Stored, to_files
from flakesync.report.html.given import PageDocuments
from flakesync.report.html.page import render_page
from tests.support.pages import page_documents

COUNT = 1000
ROUNDS = 7
_REPORT = ("-m", "flakesync", "report", "out", "--offline", "--local")
_DRIFT = ("-m", "flakesync", "drift", "--json", "--offline", "--local")
_FROM = ("-m", "flakesync", "report", "page", "--from", "stored")


def least_work(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the processor seconds of the round that took the least."""
    found = []
    for _ in range(rounds):
        begin = time.process_time()
        work()
        found.append(time.process_time() - begin)
    return min(found)


def pages() -> list[tuple[str, str, str]]:
    """Return the rows of pages that are made in this process."""
    from flakesync.report.html.layout import lay_out

    rows: list[tuple[str, str, str]] = []
    work: dict[int, float] = {}
    for count in (8, 100, 200, COUNT, 2000):
        given = page_documents(count)
        page = render_page(given).encode()
        work[count] = least_work(lambda given=given: render_page(given))  # type: ignore[misc]
        wanted = {8: "≤ 60 kB", COUNT: "≤ 1.3 MB, ≤ 150 kB, ≤ 0.25 s"}.get(count, "–")
        size = f"{len(page) / 1000:.0f} kB, gzip {len(gzip.compress(page, 9)) / 1000:.0f} kB"
        what = f"the page of {count} repos, {len(given.drift.findings)} findings, 366 nights: size; processor time"
        rows.append((what, f"{size}; {work[count] * 1000:.0f} ms", wanted))
    given = page_documents(COUNT)
    edges = sorted({(edge.upstream, edge.dependent) for edge in given.graph.edges})
    layout = least_work(lambda: lay_out(given.graph.waves, edges))
    rows.append((f"its graph of {COUNT} repos laid out: processor time", f"{layout * 1000:.0f} ms", "≤ 40 ms"))
    exponent = math.log(work[2000] / work[100]) / math.log(20)
    rows.append(("the page: growth of processor time from 100 to 2,000 repos, exponent", f"{exponent:.2f}", "≤ 1.1"))
    return rows


def store(folder: Path, given: PageDocuments) -> None:
    """Write the documents of a page, and a history, as a night leaves them."""
    folder.mkdir()
    found = Stored(graph=given.graph, drift=given.drift, status=given.status, audit=given.audit, sync=given.sync)
    for name, data in to_files(found).items():
        (folder / name).write_bytes(data)
    (folder / "history.jsonl").write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in given.history))


def report(root: Path, argv: tuple[str, ...], *more: str) -> None:
    """Run the command for a folder that has no page, and the history of a year where there is one."""
    shutil.rmtree(root / argv[3], ignore_errors=True)
    run(python(*argv, *more), cwd=str(root))


def commands(root: Path) -> list[tuple[str, str, str]]:
    """Return the rows of whole runs over repos."""
    make(root, COUNT)
    plain = ("--no-pulls", "--no-audit")
    peaks = [  # first: a process begins with the greatest size of the one that it was started from
        peak_bytes(python(*argv), cwd=str(root), statuses=(0, 1)) for argv in (_DRIFT, (*_REPORT, *plain), _REPORT)
    ]
    store(root / "stored", page_documents(COUNT))
    history = ("--history", "stored/history.jsonl")
    works = {
        "drift": lambda: drift(root, "--local"),
        "report": lambda: report(root, _REPORT, *plain, *history),
        "audit": lambda: report(root, _REPORT, "--no-pulls", *history),
        "all": lambda: report(root, _REPORT, *history),
        "stored": lambda: report(root, _FROM, *history),
        "start": lambda: run(python("-m", "flakesync", "schema", "drift"), cwd=str(root)),
    }
    times = {name: timing.least_work for name, timing in interleaved(works, rounds=ROUNDS).items()}
    beyond = times["report"] - times["drift"]
    what = f"report, {COUNT} repos, without pulls and audit, beyond `drift --json`: processor time"
    rows = [(what, f"{beyond * 1000:.0f} ms of {times['report'] * 1000:.0f}", "≤ 250 ms")]
    for name, words in (("audit", "what audit adds"), ("all", "what pulls add (--offline: branches alone)")):
        less = times["report"] if name == "audit" else times["audit"]
        rows.append((f"the same: {words}", f"{(times[name] - less) * 1000:.0f} ms", "–"))
    more = times["stored"] - times["start"]
    words = "1,650 findings and a year of history, beyond a start"
    rows.append((f"report --from, {COUNT} repos, {words}: processor time", f"{more * 1000:.0f} ms", "–"))
    memory = f"{(peaks[1] - peaks[0]) / 1e6:.0f} MB; {(peaks[2] - peaks[0]) / 1e6:.0f} MB"
    rows.append(("report beyond `drift --json`: memory; with pulls and audit", memory, "≤ 60 MB; –"))
    return rows


def main() -> None:
    """Print the sizes, the times, the memory, and the exponent of the growth."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FLAKESYNC_CACHE"] = f"{folder}/cache"
        root = Path(folder) / "many"
        root.mkdir()
        rows = commands(root)
    show([*pages(), *rows])


if __name__ == "__main__":
    main()

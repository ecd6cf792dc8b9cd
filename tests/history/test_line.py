"""What one run leaves in the history."""

import msgspec

from flakesync.documents.drift import DriftReport, Finding, Locked, PinDrift
from flakesync.documents.graph import GraphDocument, RepoDocument
from flakesync.documents.history import HistoryLine, PinHistory, PullHistory, SyncHistory
from flakesync.documents.sync import Outcome, SyncDocument
from flakesync.history.line import make_line, run_of
from flakesync.history.read import read_history
from tests.support.pages import page_documents

DAY_S = 86_400
NOW = 1_764_000_000


def line(
    drift: DriftReport, *repos: str, sync: SyncDocument | None = None, neighbours: tuple[str, ...] = ()
) -> HistoryLine:
    every = [(name, False) for name in repos] + [(name, True) for name in neighbours]
    graph = GraphDocument(
        repos=[
            RepoDocument(name=name, url=None, base=None, rev=None, flakes=["."], neighbour=near) for name, near in every
        ],
        edges=[],
        waves=[],
        cycles=[],
    )
    return make_line(graph, drift, at="2026-11-28T03:17:00Z", run="r", seconds=1.23456, more=(None, sync))


def finding(repo: str, held: str | None = None) -> Finding:
    return Finding(
        kind="pin", repo=repo, flake=".", input="n", locked_rev=None, wanted_rev=None, detail="", held=held
    )  # fmt: skip


def pin(target: int | None, locked: dict[str, int | None], at_target: tuple[str, ...] = ()) -> PinHistory:
    """Return the history of a pin; target, locked: dates."""
    found = [Locked(rev=f"{repo}", last_modified=date, repos=[repo]) for repo, date in locked.items()]
    found += [Locked(rev="target", last_modified=target, repos=list(at_target))] if at_target else []
    drift = PinDrift(
        name="n", source="s", target_rev="target", target_last_modified=target, target_note=None, locked=found
    )  # fmt: skip
    return line(DriftReport(pins=[drift], findings=[])).pins["n"]


def test_held_findings_and_neighbours_do_not_count() -> None:
    found = line(
        DriftReport(pins=[], findings=[finding("a"), finding("a"), finding("b", held="until May")]),
        "a", "b", "c", neighbours=("d",),
    )  # fmt: skip
    assert (found.repos, found.in_step, found.findings) == (3, 2, {"pin": 2})
    assert found.seconds == 1.235


def test_days_are_those_of_repos_from_the_greatest_to_the_middle_one() -> None:
    dates = {"a": NOW - 49 * DAY_S, "b": NOW - 14 * DAY_S, "c": NOW - 3 * DAY_S - 5, "d": NOW + DAY_S, "e": None}
    assert pin(NOW, dates, ("f",)) == PinHistory(target="target", revs=6, at_target=1, oldest_d=49, median_d=3)


def test_a_repo_past_the_target_is_not_behind_it() -> None:
    assert pin(NOW, {"a": NOW + 5 * DAY_S}).oldest_d == 0


def test_of_a_repo_whose_flakes_are_at_several_commits_the_greatest_number_of_days_counts() -> None:
    locked = [Locked(rev=f"{days}", last_modified=NOW - days * DAY_S, repos=["a"]) for days in (9, 4)]
    drift = PinDrift(
        name="n", source="s", target_rev="9", target_last_modified=NOW, target_note=None, locked=locked
    )  # fmt: skip
    found = line(DriftReport(pins=[drift], findings=[]), "a").pins["n"]
    assert found == PinHistory(target="9", revs=2, at_target=1, oldest_d=9, median_d=9)


def test_no_repo_is_at_a_target_that_is_not_known() -> None:
    locked = [Locked(rev=None, last_modified=NOW, repos=["a"])]
    drift = PinDrift(
        name="n", source="s", target_rev=None, target_last_modified=None, target_note=None, locked=locked
    )  # fmt: skip
    found = line(DriftReport(pins=[drift], findings=[]), "a").pins["n"]
    assert found == PinHistory(target=None, revs=1, at_target=0)


def test_no_date_gives_no_days_and_a_date_beyond_all_is_none() -> None:
    none = PinHistory(target="target", revs=1, at_target=0)
    assert pin(None, {"a": NOW}) == none
    assert pin(NOW, {"a": None}) == none
    assert pin(NOW, {"a": -(10**30)}) == none


def test_a_dry_run_of_sync_does_not_count() -> None:
    outcomes = [Outcome(repo="a", status="updated"), Outcome(repo="b", status="skipped")]
    sync = SyncDocument(run="r", locker="native", dry_run=False, repos=outcomes)
    drift = DriftReport(pins=[], findings=[])
    assert line(drift, sync=sync).sync == SyncHistory(updated=1, failed=0, skipped=1)
    assert line(drift, sync=msgspec.structs.replace(sync, dry_run=True)).sync is None


def test_a_line_of_a_thousand_repos_is_short_names_none_of_them_and_reads_back() -> None:
    given = page_documents(1000, nights=1)
    found = make_line(
        given.graph, given.drift, at=given.at, run=given.run, seconds=9.0, more=(given.status, given.sync)
    )
    data = msgspec.json.encode(found)
    assert len(data) <= 600
    assert not [repo.name for repo in given.graph.repos if len(repo.name) > 7 and repo.name.encode() in data]
    assert read_history(data + b"\n").lines == [found]
    assert given.status is not None
    states = [repo.pull.state for repo in given.status.repos if repo.pull is not None]
    failed = sum(repo.stage == "failed" for repo in given.status.repos)
    assert found.pulls == PullHistory(open=states.count("open"), merged=states.count("merged"), failed=failed)


def test_the_run_is_of_the_documents_alone() -> None:
    assert run_of([("a", b"1"), ("b", b"2")]) == run_of([("b", b"2"), ("a", b"1")])
    others = ([("a", b"2"), ("b", b"1")], [("a", b"1")], [("a", b"1b"), ("", b"2")], [("a", b"1"), ("c", b"2")])
    assert len({run_of([("a", b"1"), ("b", b"2")]), *map(run_of, others)}) == 5

"""Nothing that a command shows is wider than the terminal, whatever repos, inputs and branches are called."""

import types
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from flakesync.documents.audit import AuditReport
from flakesync.documents.bisect import BisectDocument
from flakesync.documents.change.hold import HoldsDocument
from flakesync.documents.change.task import TaskDocument
from flakesync.documents.cooldown.seen import SeenDocument
from flakesync.documents.doctor import DoctorDocument
from flakesync.documents.drift import DriftReport, Finding, Locked, PinDrift
from flakesync.documents.follow import FollowDocument
from flakesync.documents.inputs import InputsDocument
from flakesync.documents.move import MoveDocument
from flakesync.documents.plan import PlanDocument
from flakesync.documents.pulls.abandon import AbandonDocument
from flakesync.documents.pulls.land import LandDocument
from flakesync.documents.pulls.publish import PublishDocument
from flakesync.documents.pulls.status import StatusDocument
from flakesync.documents.sync import SyncDocument
from flakesync.documents.why import ReasonDocument, WhyDocument
from flakesync.report.audit.text import render_audit
from flakesync.report.bisect.text import render_bisect
from flakesync.report.cooldown.seen import render_seen
from flakesync.report.doctor.text import render_doctor
from flakesync.report.drift.summary import render_summary
from flakesync.report.drift.text import render_drift
from flakesync.report.follow.text import render_follow
from flakesync.report.graph.tree import render_tree
from flakesync.report.hold.text import render_holds
from flakesync.report.init import render_init
from flakesync.report.inputs import render_inputs
from flakesync.report.land import render_land
from flakesync.report.move.text import render_move
from flakesync.report.pipeline.task import render_task
from flakesync.report.plan import render_plan
from flakesync.report.publish import render_abandon, render_publish
from flakesync.report.status import render_status
from flakesync.report.sync import render_sync
from flakesync.report.text import UNLIMITED, Line, fold, line, line_width, to_text
from flakesync.report.why import render_why
from flakesync.terms import FlakeDir, RepoName
from flakesync.workspace.discover import Discovery, FoundRepo
from flakesync.workspace.discover.locks import SuggestedPin
from tests.report.graphs import edge, graph

NOW = 1_764_000_000
QUOTED = ("output", "diff", "command")  # what a tool printed is shown as it is
PARTS = ("nixpkgs", "a", "lib-", "/", "日本", "שלום", "e\u0301", "\x1b[31m", "\u202e", "\u200d", "\n", " ", "x" * 70)
NAMES = st.lists(st.sampled_from(PARTS), min_size=1, max_size=8).map("".join)
REVS = st.sampled_from(["0" * 40, "1a2b3c4" + "0" * 33])
KEYS = ("rev", "update_of")


@cache
def of(kind: object) -> st.SearchStrategy[Any]:
    """Return a strategy for the values of a type of the documents, whose texts are strange names."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return st.sampled_from(inner)
    if origin in (Union, types.UnionType):
        return st.one_of([of(each) for each in inner])
    if origin is list:
        if inner[0] is ReasonDocument:
            return st.lists(st.deferred(lambda: of(ReasonDocument)), max_size=1)
        return st.lists(of(inner[0]), max_size=4)
    if origin is dict:
        return st.tuples(st.sampled_from(KEYS), NAMES).map(lambda pair: dict([pair]))
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        hints = get_type_hints(kind)
        return st.builds(kind, **{name: field(name, hints[name]) for name in hints if name != "schema"})
    plain = {str: NAMES, int: st.integers(0, 2 * NOW), float: st.floats(0, 1e5), bool: st.booleans()}
    return st.none() if kind is type(None) else plain[kind]  # type: ignore[index]


def field(name: str, kind: object) -> st.SearchStrategy[Any]:
    if name in QUOTED:
        return st.just("")
    if name == "code":
        return st.just("cannot-read")
    if name == "message":
        return NAMES.map(lambda text: text.replace("\n", " "))
    if name.endswith("rev") or name in ("from_", "commit", "merged"):
        return REVS if type(None) not in get_args(kind) else st.none() | REVS
    return of(kind)


def drift(report: DriftReport, width: int) -> list[Line]:
    return render_drift(report, now=NOW, repos=3, width=width)


def inputs(document: InputsDocument, width: int) -> list[Line]:
    return render_inputs(document, now=NOW, width=width, full=True)


def seen(document: SeenDocument, width: int) -> list[Line]:
    return render_seen(document, now=NOW, width=width, full=True)


def summary(report: DriftReport, width: int) -> list[Line]:
    return render_summary(report, ["app", "x" * 90], width=width)


def move(document: MoveDocument, width: int) -> list[Line]:
    return render_move(document, manifest="workspace.toml", width=width)


def follow(document: FollowDocument, width: int) -> list[Line]:
    return render_follow(document, repos=3, width=width)


def of_document(render: Callable[..., list[Line]]) -> Callable[[Any, int], list[Line]]:
    return lambda document, width: render(document, width=width)


def holds(document: HoldsDocument, width: int) -> list[Line]:
    return render_holds(document, manifest="workspace.toml", width=width)


RENDERERS: Sequence[tuple[type, Callable[[Any, int], list[Line]]]] = [
    (DriftReport, drift),
    (AuditReport, of_document(render_audit)),
    (FollowDocument, follow),
    (InputsDocument, inputs),
    (SeenDocument, seen),
    (PlanDocument, of_document(render_plan)),
    (SyncDocument, of_document(render_sync)),
    (TaskDocument, of_document(render_task)),
    (BisectDocument, of_document(render_bisect)),
    (PublishDocument, of_document(render_publish)),
    (AbandonDocument, of_document(render_abandon)),
    (StatusDocument, of_document(render_status)),
    (LandDocument, of_document(render_land)),
    (WhyDocument, of_document(render_why)),
    (DriftReport, summary),
    (MoveDocument, move),
    (HoldsDocument, holds),
    (DoctorDocument, of_document(render_doctor)),
]


def require_within(lines: list[Line], width: int) -> None:
    for text in to_text(lines).split("\n"):
        assert cell_len(text) <= width, text
        assert not set(text) & set("\x1b\u202e\r")


@pytest.mark.parametrize(("document", "render"), RENDERERS, ids=lambda each: getattr(each, "__name__", ""))
@settings(max_examples=25, deadline=None)
@given(data=st.data(), width=st.integers(40, 200))
def test_no_line_is_wider_than_the_terminal(
    document: type, render: Callable[[Any, int], list[Line]], data: st.DataObject, width: int
) -> None:
    require_within(render(data.draw(of(document)), width), width)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(NAMES, NAMES, NAMES), min_size=1, max_size=6), st.integers(40, 200))
def test_no_line_of_a_graph_or_of_what_init_found_is(names: list[tuple[str, str, str]], width: int) -> None:
    edges = [edge(upstream, dependent, flake=flake) for upstream, dependent, flake in names]
    require_within(render_tree(graph(*edges), width=width), width)
    repos = tuple(
        FoundRepo(name=RepoName("r" * len(a)), path=b, url=None, flakes=(FlakeDir("."), FlakeDir(c)))
        for a, b, c in names
    )
    found = Discovery(
        file=Path(names[0][1]), repos=repos, pins=(SuggestedPin("nixpkgs", names[0][2], 2),), notes=(), text=""
    )
    require_within(render_init(found, width=width), width)


@given(NAMES, st.integers(8, 90), st.integers(0, 4))
def test_folding_loses_nothing_but_blanks(text: str, width: int, indent: int) -> None:
    each = line(text.replace("\n", " "))
    lines = fold(each, width, indent)
    assert "".join(to_text(lines).split()) == "".join(text.split())
    assert all(line_width(piece) <= width for piece in lines)


def finding(repo: str, input: str, *, flake: str = ".") -> Finding:
    return Finding(
        kind="pin",
        repo=repo,
        flake=flake,
        input=input,
        locked_rev="1" * 40,
        wanted_rev="2" * 40,
        detail="14 days behind",
    )


@pytest.mark.parametrize("width", [40, 50, 80])
def test_columns_hold_whatever_the_paths(width: int) -> None:
    inputs = ["nixpkgs", "a/very/long/input/path/that/nobody/wants/to/read/nixpkgs", "日本/nixpkgs"]
    locked = Locked(rev="1" * 40, last_modified=NOW, repos=["x" * 70, "y"])
    pin = PinDrift(
        name="a-name-that-is-wider-than-its-column", source="", target_rev="2" * 40, target_last_modified=NOW,
        target_note=None, locked=[locked],
    )  # fmt: skip
    report = DriftReport(pins=[pin], findings=[finding("app", each) for each in inputs])
    lines = to_text(drift(report, width)).splitlines()
    arrows = {cell_len(text.partition("1111111 →")[0]) for text in lines if "1111111 →" in text}
    assert len(arrows) == 1
    assert max(map(cell_len, lines)) <= width
    revs = {
        cell_len(text.partition(rev)[0]) for text in lines[:4] for rev in ("rev", "1111111", "2222222") if rev in text
    }
    assert len(revs) == 1


def test_in_a_pipe_a_record_is_a_line() -> None:
    repos = [f"repository-{number}" for number in range(300)]
    locked = Locked(rev="1" * 40, last_modified=NOW, repos=repos)
    pin = PinDrift(
        name="n" * 60, source="", target_rev="1" * 40, target_last_modified=NOW, target_note=None, locked=[locked]
    )
    report = DriftReport(pins=[pin], findings=[finding("app", "path/" * 30 + "nixpkgs")])
    lines = to_text(drift(report, UNLIMITED)).splitlines()
    assert [text[:10].strip() for text in lines] == ["pin", "→ nnnnnnnn", "→ target", "", "app", "pin", "", "1 finding"]
    assert lines[1].endswith(", repository-299")

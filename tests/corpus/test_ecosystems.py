"""Graph and drift of real organisations, from the locks that they published."""

import csv
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from flakesync.analysis.drift import find_drift
from flakesync.analysis.moves import ToUpdate
from flakesync.analysis.plan import make_plan
from flakesync.documents.drift import DriftReport
from flakesync.survey.graph import RepoGraph, build_graph
from flakesync.survey.newest import newest_locked, prover, sources_by_locks
from flakesync.survey.pins import choose_targets, pinned_inputs
from flakesync.survey.survey import Survey, questions
from flakesync.terms import RepoName
from flakesync.workspace.history import ask
from flakesync.workspace.snapshot import Snapshot, read_snapshot
from tests.corpus.real_locks import CORPUS, needs_real_locks
from tests.support.workspaces import NOW, pin, repo, workspace

pytestmark = needs_real_locks

ECOSYSTEMS = ("cachix", "cardano", "divnix", "hercules-ci", "hyprwm", "nix-community")
# Repositories that have moved: the locks name the old owner.
MOVED = {
    "IntersectMBO/cardano-haskell-packages": ["github:input-output-hk/cardano-haskell-packages"],
    "IntersectMBO/cardano-node": ["github:input-output-hk/cardano-node"],
    "IntersectMBO/cardano-db-sync": ["github:input-output-hk/cardano-db-sync"],
}


class Row(NamedTuple):
    """An edge, with names in lower case."""

    dependent: str
    input: str
    upstream: str
    flake: bool
    rev: str


def snapshot_of(ecosystem: str) -> Snapshot:
    """Return the ecosystem as a workspace of plain folders; each repo is named OWNER/REPO."""
    found = []
    for lock in sorted(CORPUS.joinpath(ecosystem).glob("*/*/flake.lock")):
        name = "/".join(lock.parts[-3:-1])
        found.append(repo(name, url=f"github:{name}", aliases=MOVED.get(name, ()), path=lock.parent))
    pins = [pin("nixpkgs", "github:NixOS/nixpkgs/nixos-unstable", "newest-locked")]
    return read_snapshot(workspace(found, pins), cache=Path("/nonexistent"))


def graph_of(ecosystem: str) -> RepoGraph:
    return build_graph(snapshot_of(ecosystem))


def situation_of(ecosystem: str) -> Survey:
    snapshot = snapshot_of(ecosystem)
    graph = build_graph(snapshot)
    governed = tuple(pinned_inputs(snapshot))
    by_locks = sources_by_locks(snapshot.workspace, offline=True)
    held = newest_locked(snapshot, by_locks, now=NOW, prove=prover(snapshot))
    targets = choose_targets(snapshot.workspace, governed, None, held)
    return Survey(snapshot, graph, governed, targets, ask(snapshot, questions(graph)), NOW)


def drift_of(ecosystem: str) -> DriftReport:
    survey = situation_of(ecosystem)
    return find_drift(survey, frozenset(survey.snapshot.states))


def second_opinion(ecosystem: str) -> set[Row]:
    with CORPUS.joinpath("edges.tsv").open(encoding="utf-8") as lines:
        return {
            Row(row["from"].lower(), row["input"], row["to"].lower(), row["flake"] == "True", row["locked_rev"])
            for row in csv.DictReader(lines, delimiter="\t")
            if row["ecosystem"] == row["to_ecosystem"] == ecosystem and not row["kind"].startswith("follows")
        }


def followed(ecosystem: str) -> set[tuple[str, str, str]]:
    with CORPUS.joinpath("edges.tsv").open(encoding="utf-8") as lines:
        return {
            (row["from"].lower(), row["input"], row["to"].lower())
            for row in csv.DictReader(lines, delimiter="\t")
            if row["ecosystem"] == ecosystem and row["kind"].startswith("follows")
        }


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS)
def test_the_edges_are_those_that_another_program_has_found(ecosystem: str) -> None:
    # No disagreement is left. The other list has the moved owners in a table of its own, here they are aliases; it
    # gives no kind and no commit for the two root inputs that follow a nested one: those are compared by name alone.
    graph = graph_of(ecosystem)
    ours = {
        Row(
            edge.dependent.lower(),
            "/".join(edge.input),
            edge.upstream.lower(),
            edge.kind == "flake",
            str(edge.locked_rev),
        )
        for edge in graph.edges
        if edge.follows is None
    }
    assert ours == second_opinion(ecosystem)
    indirect = {(edge.dependent.lower(), edge.input[0], edge.upstream.lower()) for edge in graph.edges if edge.follows}
    assert indirect == followed(ecosystem)


@pytest.mark.parametrize(
    ("ecosystem", "repos", "edges", "waves"),
    [
        ("cachix", 5, 4, 3),
        ("cardano", 16, 41, 4),
        ("divnix", 7, 8, 4),
        ("hercules-ci", 6, 5, 3),
        ("hyprwm", 27, 83, 6),
        ("nix-community", 32, 12, 2),
    ],
)
def test_each_ecosystem_has_its_size(ecosystem: str, repos: int, edges: int, waves: int) -> None:
    graph = graph_of(ecosystem)
    assert (len(graph.states), len(graph.edges), len(graph.waves)) == (repos, edges, waves)


def test_hyprwm_begins_with_the_libraries_and_ends_with_the_plugins() -> None:
    graph = graph_of("hyprwm")
    assert {"hyprwm/hyprutils", "hyprwm/hyprwayland-scanner", "hyprwm/hyprland-protocols"} <= set(graph.waves[0])
    assert (graph.waves[-2], graph.waves[-1]) == (("hyprwm/Hyprland",), ("hyprwm/hyprland-plugins",))
    assert graph.cycles == ()


def test_a_bump_of_hyprutils_reaches_twenty_three_repos() -> None:
    assert len(graph_of("hyprwm").downstream([RepoName("hyprwm/hyprutils")])) == 23


def test_cachix_and_devenv_are_a_cycle_and_no_other() -> None:
    assert graph_of("cachix").cycles == (("cachix/cachix", "cachix/devenv"),)
    assert [graph_of(ecosystem).cycles for ecosystem in ECOSYSTEMS if ecosystem != "cachix"] == [()] * 5


def test_std_and_tui_close_only_through_a_source() -> None:
    graph = graph_of("divnix")
    opened = [(edge.upstream, edge.dependent, edge.kind) for edge in graph.edges if graph.is_back_edge(edge)]
    assert opened == [("paisano-nix/tui", "divnix/std", "source")]


def test_cardano_parts_takes_the_same_repos_through_many_inputs() -> None:
    edges = [edge for edge in graph_of("cardano").edges if edge.dependent == "input-output-hk/cardano-parts"]
    assert Counter(edge.upstream for edge in edges) == {
        "IntersectMBO/cardano-db-sync": 4,
        "IntersectMBO/cardano-node": 6,
        "input-output-hk/iohk-nix": 2,
    }


def test_a_moved_repository_takes_itself_through_its_old_name() -> None:
    graph = graph_of("cardano")
    own = [edge for edge in graph.edges if edge.upstream == edge.dependent]
    assert [(edge.dependent, edge.input) for edge in own] == [("IntersectMBO/cardano-haskell-packages", ("CHaP",))]
    assert graph.is_back_edge(own[0])


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS)
def test_drift_is_found_and_always_the_same(ecosystem: str) -> None:
    report = drift_of(ecosystem)
    assert report == drift_of(ecosystem)
    # Plain folders have no history, so nothing can be said of upstreams; nothing else is odd in these locks.
    assert {found.kind for found in report.findings} <= {"pin", "ref", "duplicate"}


@pytest.mark.parametrize(
    ("ecosystem", "expected"),
    [
        ("cachix", {"ref": 2}),
        ("cardano", {"pin": 1, "duplicate": 311, "ref": 22}),
        ("divnix", {"ref": 5}),
        ("hercules-ci", {"pin": 3, "duplicate": 11, "ref": 1}),
        ("hyprwm", {"pin": 26}),
        ("nix-community", {"pin": 10, "duplicate": 1, "ref": 22}),
    ],
)
def test_the_counts_are_stable(ecosystem: str, expected: dict[str, int]) -> None:
    assert Counter[str](found.kind for found in drift_of(ecosystem).findings) == expected


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS)
def test_a_plan_can_be_made_of_every_ecosystem(ecosystem: str) -> None:
    survey = situation_of(ecosystem)
    plan = make_plan(survey, frozenset(survey.snapshot.states))
    wave_of = {name: number for number, wave in enumerate(plan.waves) for name, _ in wave}
    for name, changes in plan.changes():
        taken = [change.to.upstream for change in changes if isinstance(change.to, ToUpdate)]
        assert all(wave_of[upstream] < wave_of[name] for upstream in taken)
    assert plan.problems == {}

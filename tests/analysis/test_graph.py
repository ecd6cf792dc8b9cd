"""Edges, waves and cycles, from generated locks."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flakesync.report.graph.document import graph_document
from flakesync.survey.graph import Edge, RepoGraph, build_graph
from flakesync.terms import RepoName, show_path
from flakesync.workspace.snapshot import Problem
from tests.support import locks
from tests.support.locks import Inputs
from tests.support.workspaces import Flakes, commit_id, repo, scene, takes


def describe_edge(edge: Edge) -> str:
    """Return `dependent:flake#input`, the way messages name an input."""
    flake = "" if edge.flake == "." else f"/{edge.flake}"
    return f"{edge.dependent}{flake}#{show_path(edge.input)}"


def graph_of(flakes: dict[str, Inputs | Flakes], **values: object) -> RepoGraph:
    return build_graph(scene(flakes, **values).snapshot())  # type: ignore[arg-type]


def shape(graph: RepoGraph) -> list[str]:
    return [f"{edge.upstream} -> {describe_edge(edge)}" for edge in graph.edges]


def opened(graph: RepoGraph) -> list[str]:
    return [f"{edge.upstream} -> {describe_edge(edge)}" for edge in graph.edges if graph.is_back_edge(edge)]


def test_a_repo_is_in_the_wave_after_its_last_upstream() -> None:
    graph = graph_of(
        {
            "app": {"tool": takes("tool"), "lib": takes("lib")},
            "tool": {"lib": takes("lib")},
            "lib": {},
            "alone": {},
        }
    )
    assert graph.waves == (("alone", "lib"), ("tool",), ("app",))
    assert shape(graph) == ["lib -> app#lib", "tool -> app#tool", "lib -> tool#lib"]
    assert graph.upstreams(RepoName("app")) == ("lib", "tool")
    assert graph.cycles == ()


def test_an_edge_says_what_the_lock_says() -> None:
    lib = takes("lib", rev=commit_id("old"), ref="stable", flake=False)
    (edge,) = graph_of({"app": {"lib": lib}, "lib": {}}).edges
    assert (edge.kind, edge.branch, edge.locked_rev, edge.fixed) == ("source", "stable", commit_id("old"), False)
    assert (edge.original, edge.locked, edge.follows) == (lib.original, lib.locked, None)


def test_inputs_that_are_no_repos_of_the_workspace_make_no_edges() -> None:
    others = {"nixpkgs": locks.github("NixOS", "nixpkgs"), "x": locks.tarball("https://example.com/lib.tar.gz")}
    assert graph_of({"app": others, "lib": {}}).edges == ()


def test_inputs_are_resolved_from_the_root_and_not_by_label() -> None:
    # The node called `lib` is the tool's own, the root's lib is `lib_2`.
    inputs: Inputs = {
        "a": locks.github("acme", "tool", inputs={"lib": takes("lib", rev=commit_id("deep"))}),
        "lib": takes("lib"),
    }
    found = scene({"app": inputs, "tool": {}, "lib": {}})
    lock = found.snapshot().states[RepoName("app")].flakes[0].lock
    assert lock is not None
    assert lock.resolve(("lib",)) == "lib_2"
    graph = build_graph(found.snapshot())
    assert shape(graph) == ["tool -> app#a", "lib -> app#lib"]
    assert graph.edges[1].locked_rev == commit_id("lib")


def test_the_name_of_an_input_says_nothing() -> None:
    assert shape(graph_of({"app": {"lib": takes("tool")}, "lib": {}, "tool": {}})) == ["tool -> app#lib"]


def test_only_inputs_of_the_root_are_edges() -> None:
    outside = locks.github("other", "thing", inputs={"lib": takes("lib")})
    assert graph_of({"app": {"thing": outside}, "lib": {}}).edges == ()


def test_several_inputs_of_one_upstream_are_several_edges() -> None:
    inputs: Inputs = {
        "lib": takes("lib"),
        "lib-old": takes("lib", rev=commit_id("old")),
        "src": takes("lib", flake=False),
    }
    graph = graph_of({"app": inputs, "lib": {}})
    assert shape(graph) == ["lib -> app#lib", "lib -> app#lib-old", "lib -> app#src"]
    assert graph.waves == (("lib",), ("app",))


def test_every_flake_of_a_repo_has_its_own_edges() -> None:
    graph = graph_of({"app": {".": {"lib": takes("lib")}, "dev": {"tool": takes("tool")}}, "lib": {}, "tool": {}})
    assert shape(graph) == ["lib -> app#lib", "tool -> app/dev#tool"]


def test_a_flake_of_a_folder_in_an_upstream_is_an_edge_to_the_repo() -> None:
    assert shape(graph_of({"app": {"x": takes("lib", dir="sub")}, "lib": {}})) == ["lib -> app#x"]


def test_a_follows_at_the_root_is_an_edge_that_cannot_be_moved() -> None:
    tool = takes("tool", inputs={"lib": takes("lib")})
    app: Inputs = {"lib": ("tool", "lib"), "tool": tool}
    graph = graph_of({"app": app, "tool": {}, "lib": {}})
    assert shape(graph) == ["lib -> app#lib", "tool -> app#tool"]
    assert [edge.follows for edge in graph.edges] == [("tool", "lib"), None]


def test_a_follows_of_a_follows_leads_to_the_same_repo() -> None:
    app: Inputs = {"a": takes("lib"), "b": ("a",), "c": ("b",)}
    graph = graph_of({"app": app, "lib": {}})
    assert [(edge.input, edge.follows) for edge in graph.edges] == [(("a",), None), (("b",), ("a",)), (("c",), ("a",))]


def test_an_input_that_follows_the_flake_itself_is_no_edge() -> None:
    assert graph_of({"app": {"self-again": ()}}).edges == ()


def test_a_relative_path_is_a_part_of_the_repo_and_no_edge() -> None:
    document = locks.lock({"lib": takes("lib")})
    document["nodes"]["lib"] |= {"locked": {"path": "./lib", "type": "path"}, "parent": []}
    document["nodes"]["lib"]["original"] = {"path": "./lib", "type": "path"}
    assert graph_of({"app": {".": document}, "lib": {}}).edges == ()


@pytest.mark.parametrize("old", [False, True])
def test_the_inputs_of_a_folder_of_the_repo_are_the_repos_own(old: bool) -> None:
    deep = locks.folder("../deep", {"lib": takes("lib")}, parent=("sub",), old=old)
    sub = locks.folder("./sub", {"deep": deep, "lib": ("lib",), "tool": takes("tool")}, old=old)
    up = locks.folder("..", {"src": takes("lib", flake=False)}, old=old)
    app: Inputs = {"lib": takes("lib"), "sub": sub, "up": up}
    graph = graph_of({"app": {"inner": locks.lock(app)}, "lib": {}, "tool": {}})
    assert [(edge.upstream, "/".join(edge.input), edge.follows) for edge in graph.edges] == [
        ("lib", "lib", None),
        ("lib", "sub/deep/lib", None),
        ("lib", "sub/lib", ("lib",)),
        ("tool", "sub/tool", None),
        ("lib", "up/src", None),
    ]


def test_a_folder_of_another_repository_is_not_the_repos_own() -> None:
    inner = locks.folder("./inner", {"lib": takes("lib")}, parent=("other",))
    other = locks.github("other", "other", inputs={"inner": inner})
    assert graph_of({"app": {"other": other}, "lib": {}}).edges == ()


def test_an_absolute_path_is_no_folder_of_the_repo() -> None:
    outside = locks.folder("/srv/lib", {"lib": takes("lib")}, old=True)
    assert graph_of({"app": {"outside": outside}, "lib": {}}).edges == ()


def test_a_follows_into_a_folder_of_the_repo_leads_to_its_input() -> None:
    app: Inputs = {"lib": ("sub", "lib"), "sub": locks.folder("./sub", {"lib": takes("lib")})}
    graph = graph_of({"app": app, "lib": {}})
    assert [(edge.input, edge.follows) for edge in graph.edges] == [
        (("lib",), ("sub", "lib")),
        (("sub", "lib"), None),
    ]


@pytest.mark.parametrize("ref", ["HEAD", "refs/heads/main", "main", None])
def test_head_is_the_default_branch(ref: str | None) -> None:
    (edge,) = graph_of({"app": {"lib": takes("lib", ref=ref)}, "lib": {}}).edges
    assert edge.branch == (None if ref in ("HEAD", None) else "main")
    assert not edge.fixed


@pytest.mark.parametrize(
    "spelling",
    [
        locks.git("ssh://git@github.com/acme/lib"),
        locks.git("https://github.com/Acme/Lib.git"),
        locks.git("https://www.github.com/acme/lib/"),
        locks.github("ACME", "Lib"),
        locks.tarball("https://github.com/acme/lib/archive/main.tar.gz"),
    ],
)
def test_one_repository_has_many_spellings(spelling: locks.Input) -> None:
    assert shape(graph_of({"app": {"lib": spelling}, "lib": {}})) == ["lib -> app#lib"]


def test_a_moved_owner_is_found_by_its_alias() -> None:
    repos = {"lib": repo("lib", aliases=["github:old-owner/lib", "git@gitlab.example.com:acme/lib.git"])}
    inputs: Inputs = {"a": locks.github("old-owner", "lib"), "b": locks.git("ssh://git@gitlab.example.com/acme/lib")}
    graph = graph_of({"app": inputs, "lib": {}}, repos=repos)
    assert shape(graph) == ["lib -> app#a", "lib -> app#b"]
    assert graph_of({"app": inputs, "lib": {}}).edges == ()


def test_an_indirect_input_is_what_its_lock_says() -> None:
    indirect = locks.Input(takes("lib").locked, {"id": "lib", "type": "indirect"})
    assert shape(graph_of({"app": {"lib": indirect}, "lib": {}})) == ["lib -> app#lib"]


def test_what_flake_nix_names_counts_and_not_what_the_lock_holds() -> None:
    poisoned = locks.Input(locks.github("evil", "lib").locked, takes("lib").original)
    assert shape(graph_of({"app": {"lib": poisoned}, "lib": {}})) == ["lib -> app#lib"]


def test_repos_without_a_usable_lock_are_in_the_graph_without_edges() -> None:
    broken: Flakes = {".": Problem("bad-lock", "no"), "dev": None}
    assert graph_of({"app": broken, "lib": {}}).waves == (("app", "lib"),)


def test_downstream_is_all_that_waits_for_a_repo() -> None:
    graph = graph_of({"lib": {}, "tool": {"lib": takes("lib")}, "app": {"tool": takes("tool")}, "other": {}})
    assert graph.downstream([RepoName("lib")]) == {"tool", "app"}
    assert graph.downstream([RepoName("tool"), RepoName("other")]) == {"app"}
    assert graph.downstream([]) == frozenset()


def test_an_input_that_is_the_repo_itself_is_opened_and_delays_nothing() -> None:
    graph = graph_of({"lib": {"self-old": takes("lib"), "tool": takes("tool")}, "tool": {}})
    assert graph.waves == (("tool",), ("lib",))
    assert opened(graph) == ["lib -> lib#self-old"]
    assert graph.cycles == ()


def test_a_cycle_is_opened_at_its_source_edge_first() -> None:
    graph = graph_of({"std": {"tui": takes("tui", flake=False)}, "tui": {"std": takes("std")}})
    assert opened(graph) == ["tui -> std#tui"]
    assert graph.waves == (("std",), ("tui",))
    assert graph.cycles == ()


def test_a_pair_taken_as_a_flake_and_as_a_source_is_a_flake_pair() -> None:
    both: Inputs = {"b": takes("b"), "b-src": takes("b", flake=False)}
    graph = graph_of({"a": both, "b": {"a": takes("a")}})
    assert graph.cycles == (("a", "b"),)
    assert opened(graph) == ["b -> a#b", "b -> a#b-src"]


def test_a_source_edge_outside_of_every_cycle_orders_as_any_other() -> None:
    graph = graph_of({"app": {"data": takes("data", flake=False)}, "data": {}})
    assert graph.waves == (("data",), ("app",))
    assert opened(graph) == []


def test_only_as_many_source_edges_are_opened_as_needed() -> None:
    # a -> b -> c -> a, where two of three are sources.
    flakes: dict[str, Inputs | Flakes] = {
        "a": {"c": takes("c", flake=False)}, "b": {"a": takes("a", flake=False)}, "c": {"b": takes("b")},
    }  # fmt: skip
    graph = graph_of(flakes)
    assert len(opened(graph)) == 1
    assert graph.cycles == ()


def test_a_cycle_through_flakes_is_reported_in_the_order_of_its_bumps() -> None:
    graph = graph_of({"cachix": {"devenv": takes("devenv")}, "devenv": {"cachix": takes("cachix")}})
    assert graph.cycles == (("cachix", "devenv"),)
    assert opened(graph) == ["devenv -> cachix#devenv"]
    assert graph.waves == (("cachix",), ("devenv",))


def test_of_repos_that_wait_for_equally_many_the_name_decides_where_a_cycle_begins() -> None:
    ring = ["d", "a", "h", "c", "b", "g", "e", "f"]
    graph = graph_of({name: {"up": takes(ring[number - 1])} for number, name in enumerate(ring)})
    assert graph.cycles == (("a", "h", "c", "b", "g", "e", "f", "d"),)
    assert opened(graph) == ["d -> a#up"]


def test_what_hangs_on_a_cycle_is_ordered_around_it() -> None:
    graph = graph_of(
        {
            "app": {"a": takes("a")},
            "a": {"b": takes("b"), "lib": takes("lib")},
            "b": {"a": takes("a")},
            "lib": {},
        }
    )
    assert graph.cycles == (("a", "b"),)
    assert graph.waves == (("lib",), ("a",), ("app", "b"))


def test_the_document_shows_all_of_it() -> None:
    document = graph_document(graph_of({"app": {".": {"lib": takes("lib")}, "dev": None}, "lib": {}}))
    assert document.schema == "flakesync/graph/1"
    assert [(found.name, found.url, found.base, found.rev, found.flakes) for found in document.repos] == [
        ("app", "github:acme/app", "main", commit_id("app"), [".", "dev"]),
        ("lib", "github:acme/lib", "main", commit_id("lib"), ["."]),
    ]
    assert [(edge.upstream, edge.dependent, edge.flake, edge.input, edge.locked_rev) for edge in document.edges] == [
        ("lib", "app", ".", "lib", commit_id("lib"))
    ]
    assert (document.waves, document.cycles) == ([["lib"], ["app"]], [])


# The same shapes as in the wild: 27 repos in six waves; two that take each other; a loop through a source.

SIX_WAVES: dict[str, list[str]] = {
    "utils": [], "scanner": [], "protocols": [], "contrib": [],
    "lang": ["utils"], "graphics": ["utils"], "wire": ["utils"], "qt-engine": ["utils"], "polkit": ["utils"],
    "picker": ["utils", "scanner"], "sunset": ["utils", "protocols", "scanner"], "shutdown": ["utils"],
    "aqua": ["utils", "scanner"],
    "cursor": ["lang"], "idle": ["lang", "protocols", "scanner", "utils"], "paper": ["lang", "graphics", "scanner"],
    "toolkit": ["aqua", "lang", "graphics", "utils"], "portal": ["lang", "protocols", "scanner", "utils"],
    "qt-support": ["lang"], "sysinfo": ["graphics", "lang"], "lock": ["graphics", "lang", "utils"],
    "guiutils": ["toolkit", "aqua"], "launcher": ["toolkit", "wire"], "center": ["toolkit"], "qtutils": ["qt-support"],
    "land": ["guiutils", "cursor", "portal", "aqua", "lang", "utils", "graphics", "protocols", "scanner", "wire"],
    "plugins": ["land"],
}  # fmt: skip


def test_twenty_seven_repos_make_six_waves() -> None:
    graph = graph_of({name: {up: takes(up) for up in upstreams} for name, upstreams in SIX_WAVES.items()})
    assert len(graph.states) == 27
    assert [len(wave) for wave in graph.waves] == [4, 9, 8, 4, 1, 1]
    assert graph.waves[-1] == ("plugins",)
    assert len(graph.edges) == sum(map(len, SIX_WAVES.values()))
    assert graph.cycles == ()


# Laws.

names = [f"r{index}" for index in range(7)]
pairs = st.tuples(st.sampled_from(names), st.sampled_from(names), st.booleans())
webs = st.lists(pairs, max_size=24)


def graph_of_web(web: list[tuple[str, str, bool]], order: list[str]) -> RepoGraph:
    flakes: dict[str, dict[str, locks.Input | tuple[str, ...]]] = {name: {} for name in order}
    for number, (upstream, dependent, flake) in enumerate(web):
        flakes[dependent][f"i{number}"] = takes(upstream, flake=flake)
    return graph_of(dict(flakes))


@given(webs)
def test_every_edge_that_is_not_opened_goes_to_a_later_wave(web: list[tuple[str, str, bool]]) -> None:
    graph = graph_of_web(web, names)
    wave_of = {name: number for number, wave in enumerate(graph.waves) for name in wave}
    assert sorted(wave_of) == names
    for edge in graph.edges:
        if not graph.is_back_edge(edge):
            assert wave_of[edge.upstream] < wave_of[edge.dependent]
    assert len(graph.edges) == len(web)


@given(webs)
def test_an_edge_that_orders_the_waves_is_not_opened(web: list[tuple[str, str, bool]]) -> None:
    graph = graph_of_web(web, names)
    backwards = {(edge.upstream, edge.dependent) for edge in graph.edges if graph.is_back_edge(edge)}
    forward = {(upstream, name) for name in graph.states for upstream in graph.upstreams(name)}
    assert backwards.isdisjoint(forward)
    assert backwards | forward == {(edge.upstream, edge.dependent) for edge in graph.edges}


@given(webs, st.permutations(names))
def test_the_order_of_repos_in_the_manifest_changes_nothing(web: list[tuple[str, str, bool]], order: list[str]) -> None:
    one, other = graph_of_web(web, names), graph_of_web(web, order)
    assert graph_document(one) == graph_document(other)
    assert opened(one) == opened(other)


def reaches(edges: list[Edge], start: str, end: str) -> bool:
    seen, todo = {start}, [start]
    while todo:
        at = todo.pop()
        new = {edge.dependent for edge in edges if edge.upstream == at} - seen
        seen |= new
        todo += new
    return end in seen


@given(webs)
@settings(max_examples=60)
def test_cycles_are_what_takes_each_other_as_flakes(web: list[tuple[str, str, bool]]) -> None:
    graph = graph_of_web(web, names)
    flakes = [edge for edge in graph.edges if edge.kind == "flake" and edge.upstream != edge.dependent]
    together = {
        frozenset((one, other))
        for one, other in itertools.combinations(names, 2)
        if reaches(flakes, one, other) and reaches(flakes, other, one)
    }
    reported = {frozenset(pair) for cycle in graph.cycles for pair in itertools.combinations(cycle, 2)}
    # A source edge that had to stay can tie a cycle to more repos, never to fewer.
    assert together <= reported
    assert bool(together) == bool(reported)


@given(webs)
@settings(max_examples=60)
def test_a_flake_edge_is_opened_only_inside_a_cycle(web: list[tuple[str, str, bool]]) -> None:
    graph = graph_of_web(web, names)
    together = {frozenset(pair) for cycle in graph.cycles for pair in itertools.combinations(cycle, 2)}
    for edge in graph.edges:
        if graph.is_back_edge(edge) and edge.kind == "flake" and edge.upstream != edge.dependent:
            assert frozenset((edge.upstream, edge.dependent)) in together

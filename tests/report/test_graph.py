import re

from hypothesis import given, settings
from hypothesis import strategies as st

from flakesync.errors import GitError
from flakesync.report.graph.diagram import render_dot, render_mermaid
from flakesync.report.graph.tree import part_of, render_tree
from flakesync.report.text import to_text
from flakesync.terms import RepoName
from flakesync.workspace.manifest import Repo
from flakesync.workspace.snapshot import UnreadableRepo
from tests.report.graphs import edge, graph

PLAIN = graph(edge("lib", "app"), edge("proto", "app"), edge("lib", "tool"), edge("app", "site"), alone=("docs",))
CYCLE = graph(edge("cachix", "devenv"), edge("devenv", "cachix"), edge("hooks", "devenv"))


def test_a_tree_has_the_waves_as_headings_and_below_each_repo_what_it_takes() -> None:
    assert to_text(render_tree(PLAIN, width=80)) == (
        "6 repos, 4 edges, 3 waves\n"
        "\n"
        "wave 1\n"
        "  docs, lib, proto\n"
        "\n"
        "wave 2\n"
        "  app  ← lib, proto\n"
        "  tool ← lib\n"
        "\n"
        "wave 3\n"
        "  site ← app\n"
    )


def test_many_upstreams_go_on_below_each_other() -> None:
    wide = graph(*(edge(f"upstream-{number}", "app") for number in range(5)))
    assert to_text(render_tree(wide, width=40)).splitlines()[-3:] == [
        "  app ← upstream-0, upstream-1,",
        "        upstream-2, upstream-3,",
        "        upstream-4",
    ]


def test_a_cycle_is_named_and_its_opened_edge_is_marked() -> None:
    text = to_text(render_tree(CYCLE, width=80))
    assert "1 cycle" in text.splitlines()[0]
    assert "  cachix ← devenv (opens a cycle)\n" in text
    assert text.endswith("cycle, in the order of bumping\n  cachix, devenv\n")


def test_sources_other_flakes_several_inputs_and_an_input_that_is_itself_are_marked() -> None:
    odd = graph(
        edge("data", "app", kind="source"),
        edge("lib", "app", flake="dev"),
        edge("tool", "app"),
        edge("tool", "app", input="tool-old"),
        edge("app", "app", input="self-test"),
    )
    (line,) = (each for each in to_text(render_tree(odd, width=120)).splitlines() if "←" in each)
    assert line == "  app ← app (itself), data (source), lib (in dev), tool (2 inputs)"


def test_a_repo_that_could_not_be_read_is_named_with_the_reason() -> None:
    name = RepoName("gone")
    state = UnreadableRepo(Repo(name=name), None, GitError("unreachable", "no \x1b[31mroute"))
    broken = graph()
    broken.states = {name: state}
    assert to_text(render_tree(broken, width=80)).endswith("not read\n  gone: no route\n")


def test_a_part_of_a_graph_has_the_neighbours_marked_and_no_edges_among_them() -> None:
    selected = frozenset({RepoName("tool"), RepoName("site")})
    part = part_of(PLAIN, selected)
    assert sorted(part.states) == ["app", "lib", "site", "tool"]
    assert [(each.upstream, each.dependent) for each in part.edges] == [("app", "site"), ("lib", "tool")]
    assert to_text(render_tree(part, width=80, selected=selected)) == (
        "2 repos, 2 neighbours, 2 edges, 2 waves\n\nwave 1\n  (app), (lib)\n\nwave 2\n  site ← app\n  tool ← lib\n"
    )
    assert part_of(PLAIN, frozenset(PLAIN.states)) is PLAIN


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=40), st.integers(40, 120))
def test_every_repo_stands_in_a_tree_once_and_no_line_is_too_wide(pairs: list[tuple[int, int]], width: int) -> None:
    drawn = graph(*(edge(f"r{one}", f"r{other}") for one, other in pairs), alone=("r0",))
    lines = to_text(render_tree(drawn, width=width)).splitlines()
    assert all(len(line) <= width for line in lines)
    body = "\n".join(lines).split("\ncycle")[0]
    heads = [line.split("←")[0].strip() for line in body.splitlines() if line.startswith("  ") and line[2] != " "]
    assert sorted(name for head in heads for name in head.rstrip(",").split(", ")) == sorted(drawn.states)


def test_dot_clusters_the_waves_and_dashes_sources_and_dots_opened_edges() -> None:
    drawn = graph(edge("data", "app", kind="source"), edge("app", "app", input="me"), edge("lib", "app"))
    assert render_dot(drawn, title='ac"me\\') == (
        'digraph "ac\\"me\\\\" {\n'
        "  rankdir=LR;\n"
        "  node [shape=box, style=rounded];\n"
        "  subgraph cluster_1 {\n"
        '    label="wave 1";\n'
        '    "data";\n'
        '    "lib";\n'
        "  }\n"
        "  subgraph cluster_2 {\n"
        '    label="wave 2";\n'
        '    "app";\n'
        "  }\n"
        '  "app" -> "app" [style=dotted, constraint=false, tooltip="me"];\n'
        '  "data" -> "app" [style=dashed];\n'
        '  "lib" -> "app";\n'
        "}\n"
    )


def test_mermaid_has_ids_that_are_safe_for_any_name() -> None:
    drawn = graph(edge("end", 'we"ird;--> <b>'), edge("lib.nix", "end", kind="source"))
    text = render_mermaid(drawn)
    assert 'r2["we#34;ird#59;--#62; #60;b#62;"]' in text
    assert "  r1 -.-> r0\n" in text
    assert "  r0 --> r2\n" in text
    assert all(re.fullmatch(r'(flowchart LR|end|subgraph w\d+\["wave \d+"\]|r\d+(\["[^"]*"\])?.*)', line.strip())
               for line in text.splitlines())  # fmt: skip


def test_mermaid_says_where_a_cycle_is_opened() -> None:
    assert "-->|opens a cycle|" in render_mermaid(CYCLE)

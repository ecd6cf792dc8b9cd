"""The order of the repos is kept between runs, and what is read back is believed only where it can be true."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flakesync.cache.layout import cache_dir
from flakesync.survey.graph import RepoGraph
from flakesync.survey.order import kept
from flakesync.survey.order.find import Link, Order, find_order
from flakesync.survey.order.kept import is_order, order_of
from flakesync.terms import RepoName
from tests.cli.conftest import acme, environment
from tests.report.graphs import edge, graph
from tests.support import locks

__all__ = ["acme"]

NAMES = [RepoName(f"r{index}") for index in range(7)]
links = st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from(["flake", "source"]))
webs: st.SearchStrategy[frozenset[Link]] = st.frozensets(links, max_size=24)  # type: ignore[arg-type]
CYCLE: frozenset[Link] = frozenset(
    (RepoName(each[0]), RepoName(each[1]), "flake") for each in ("ab", "bc", "ca", "cd", "de", "xx")
)
REPOS = [RepoName(each) for each in "abcdex"]


def refuse(*_: object) -> Order:
    raise AssertionError("the order is computed")


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Each computation of an order."""
    calls: list[object] = []

    def count(names: list[RepoName], links: frozenset[Link]) -> Order:
        calls.append(names)
        return find_order(names, links)

    monkeypatch.setattr(kept, "find_order", count)
    return calls


def only_file(cache: Path) -> Path:
    [file] = (cache / "orders").iterdir()
    return file


def write(place: Path, body: bytes) -> None:
    """Keep a body as if it had been computed."""
    digest = hashlib.sha256(bytes.fromhex(place.name) + body).digest()
    place.write_bytes(digest + body)


@pytest.mark.parametrize("command", ["graph", pytest.param("plan", marks=pytest.mark.slow)])
def test_a_second_run_does_not_load_networkx_and_a_changed_edge_does(acme: Path, command: str) -> None:
    code = (
        "import sys\nfrom flakesync.cli.main import run\n"
        f"run([{command!r}, '-q', '--offline'])\nprint('networkx' in sys.modules, file=sys.stderr)"
    )

    def ran() -> tuple[str, str]:
        argv = [sys.executable, "-c", code]
        done = subprocess.run(argv, cwd=acme, env=environment(), capture_output=True, text=True, check=True)
        return done.stdout, done.stderr

    first = ran()
    assert (first[0] != "", first[1]) == (True, "True\n")
    assert ran() == (first[0], "False\n")
    (acme / "docs/flake.nix").write_text("{ }")
    (acme / "docs/flake.lock").write_bytes(locks.to_bytes(locks.lock({"app": locks.github("acme", "app")})))
    assert [ran()[1], ran()[1]] == ["True\n", "False\n"]


@given(webs)
@settings(max_examples=60)
def test_what_is_read_back_is_what_was_computed(web: frozenset[Link]) -> None:
    order = find_order(NAMES, web)
    assert is_order(order, NAMES, web)
    assert [order_of(NAMES, web, cache_dir()), order_of(reversed(NAMES), web, cache_dir())] == [order, order]


@given(webs, st.data())
def test_another_order_is_refused(web: frozenset[Link], data: st.DataObject) -> None:
    order = find_order(NAMES, web)
    waves = [list(wave) for wave in order.waves]
    name = data.draw(st.sampled_from(NAMES))
    [at] = [number for number, wave in enumerate(waves) if name in wave]
    other = data.draw(st.integers(0, len(waves)).filter(lambda number: number != at))
    waves[at].remove(name)
    waves = [*waves, []]
    waves[other] = sorted([*waves[other], name])
    while not waves[-1]:
        waves.pop()
    assert not is_order(msgspec.structs.replace(order, waves=tuple(map(tuple, waves))), NAMES, web)
    pair = data.draw(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)))
    assert not is_order(msgspec.structs.replace(order, opened=order.opened ^ {pair}), NAMES, web)


@pytest.mark.parametrize(
    "order",
    [
        Order((("a",), ("b",), ("c",), ("d",), ("e",)), (("a", "b", "c"),), frozenset({("c", "a")})),  # type: ignore[arg-type]
        Order((("a", "x"), ("b",), ("c",), ("d",), ("e", "a")), (("a", "b", "c"),), frozenset({("c", "a")})),  # type: ignore[arg-type]
        Order((("x", "a"), ("b",), ("c",), ("d",), ("e",)), (("a", "b", "c"),), frozenset({("c", "a")})),  # type: ignore[arg-type]
        Order((("a", "x"), ("b",), ("c",), ("d",), ("e",)), (), frozenset({("c", "a")})),  # type: ignore[arg-type]
        Order((("a", "x"), ("b",), ("c",), ("d",), ("e",)), (("a", "b"),), frozenset({("c", "a")})),  # type: ignore[arg-type]
        Order((("a", "x"), ("b",), ("c",), ("d",), ("e",)), (("a", "b", "c"), ("c", "d")), frozenset({("c", "a")})),  # type: ignore[arg-type]
        Order((("a", "x"), ("b",), ("c",), ("d",), ("e",)), (("a", "b", "c"), ("x",)), frozenset({("c", "a")})),  # type: ignore[arg-type]
        Order((("a", "x"), ("b",), ("c",), ("d",), ("e",)), (("d", "e"), ("a", "b", "c")), frozenset({("c", "a")})),  # type: ignore[arg-type]
    ],
    ids=["missing", "twice", "unsorted", "no cycle", "not in it", "in two", "of one", "cycles unsorted"],
)
def test_an_order_with_repos_missing_or_cycles_that_are_none_is_refused(order: Order) -> None:
    right = find_order(REPOS, CYCLE)
    assert right == Order(
        (("a", "x"), ("b",), ("c",), ("d",), ("e",)),  # type: ignore[arg-type]
        (("a", "b", "c"),),  # type: ignore[arg-type]
        frozenset({("c", "a")}),  # type: ignore[arg-type]
    )
    assert is_order(right, REPOS, CYCLE)
    assert not is_order(order, REPOS, CYCLE)


def test_a_damaged_file_is_computed_again_and_mended(tmp_path: Path, computed: list[object]) -> None:
    order = order_of(REPOS, CYCLE, tmp_path)
    place = only_file(tmp_path)
    right = place.read_bytes()
    damaged = [right[:at] + bytes([right[at] ^ 1]) + right[at + 1 :] for at in range(len(right))]
    damaged += [b"", right[:10], right[:-1], right + b"\0", b"\0" * 1000, bytes(range(256))]
    for number, data in enumerate(damaged, start=2):
        place.write_bytes(data)
        assert order_of(REPOS, CYCLE, tmp_path) == order
        assert (len(computed), place.read_bytes()) == (number, right)


@pytest.mark.parametrize(
    "body",
    [
        None, [], [[], [], []], [[0] * 6, [], []], [[0, 1, 2, 3, 4], [[0, 1, 2]], [[2, 0]]], "text",
        [[0, 1, 2, 3, 4, 0], [[0, 1, 9]], [[2, 0]]], [[0, 1, 2, 3, 4, 0], [[0, 1, 2]], [[2, -9]]],
        [[0, 1, 2, 3, 4, 9], [[0, 1, 2]], [[2, 0]]], [[0, 1, 2, 3, 4, -1], [[0, 1, 2]], [[2, 0]]],
        [[0, 1, 2, 3, 4, 1 << 40], [[0, 1, 2]], [[2, 0]]],
    ],
)  # fmt: skip
def test_what_has_the_right_checksum_and_cannot_be_the_order_is_computed_again(
    tmp_path: Path, body: object, computed: list[object]
) -> None:
    order = order_of(REPOS, CYCLE, tmp_path)
    write(only_file(tmp_path), msgspec.msgpack.encode(body))
    assert order_of(REPOS, CYCLE, tmp_path) == order
    assert len(computed) == 2


def test_the_file_of_another_graph_is_not_believed(tmp_path: Path, computed: list[object]) -> None:
    other = CYCLE - {("d", "e", "flake")}
    order_of(REPOS, CYCLE, tmp_path)
    place = only_file(tmp_path)
    data = place.read_bytes()
    order_of(REPOS, other, tmp_path)
    [second] = set((tmp_path / "orders").iterdir()) - {place}
    second.write_bytes(data)
    assert order_of(REPOS, other, tmp_path) == find_order(REPOS, other)
    assert len(computed) == 3


def test_the_kind_of_an_edge_and_a_repo_without_edges_make_another_graph(
    tmp_path: Path, computed: list[object]
) -> None:
    source: frozenset[Link] = (CYCLE - {("a", "b", "flake")}) | {(RepoName("a"), RepoName("b"), "source")}
    order_of(REPOS, CYCLE, tmp_path)
    assert order_of(REPOS, source, tmp_path).opened == {("a", "b")}
    assert order_of([*REPOS, RepoName("z")], CYCLE, tmp_path).waves[0] == ("a", "x", "z")
    assert len(computed) == 3


@pytest.mark.parametrize("blocked", ["cache", "cache/orders"])
def test_where_nothing_can_be_kept_the_order_is_computed(tmp_path: Path, blocked: str, computed: list[object]) -> None:
    place = tmp_path / blocked
    place.parent.mkdir(exist_ok=True)
    place.write_text("no folder")
    for _ in range(2):
        assert order_of(REPOS, CYCLE, tmp_path / "cache") == find_order(REPOS, CYCLE)
    assert len(computed) == 2


def test_without_a_home_folder_the_order_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "FLAKESYNC_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "not/absolute")
    assert graph(edge("lib", "app")).waves == (("lib",), ("app",))


def test_the_latest_64_orders_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graphs = [[RepoName(f"r{number}")] for number in range(70)]
    for names in graphs:
        order_of(names, frozenset(), tmp_path)
    assert len(list((tmp_path / "orders").iterdir())) == 64
    monkeypatch.setattr(kept, "find_order", refuse)
    assert [order_of(names, frozenset(), tmp_path).waves for names in graphs[6:]] == [(tuple(n),) for n in graphs[6:]]


def thousand() -> tuple[list[RepoName], frozenset[Link]]:
    names = [RepoName(f"organisation-repository-{number}") for number in range(1000)]
    links: set[Link] = {(names[number // 3], names[number], "flake") for number in range(1, 1000)}
    links |= {(names[number], names[number // 3], "source") for number in range(500, 1000)}
    return names, frozenset(links)


def test_the_order_of_1000_repos_with_500_opened_edges_takes_less_than_100_kb(tmp_path: Path) -> None:
    names, links = thousand()
    assert len(order_of(names, links, tmp_path).opened) == 500
    assert only_file(tmp_path).stat().st_size < 100_000


def test_a_graph_asks_for_its_order_once(computed: list[object]) -> None:
    found: RepoGraph = graph(edge("lib", "app"), edge("app", "cli"))
    asked: list[Callable[[], object]] = [
        lambda: found.waves, lambda: found.cycles, lambda: found.upstreams(RepoName("app")),
        lambda: found.downstream([RepoName("lib")]), lambda: found.is_back_edge(found.edges[0]),
    ]  # fmt: skip
    for ask in asked:
        ask()
    assert len(computed) == 1

"""Made-up graphs of repos, upstreams first, as plans have them."""

import random

from hypothesis import strategies as st

from flakesync.terms import RepoName

Upstreams = dict[RepoName, frozenset[RepoName]]


def large_graph(count: int, seed: int = 0) -> Upstreams:
    """Return a graph of so many repos like those of organisations: few hubs that nearly all take, and long tails."""
    pick = random.Random(seed)
    found: Upstreams = {}
    for number in range(count):
        name = RepoName(f"repo-{number:05}")
        some = pick.choices([1, 2, 3, 5], weights=[30, 40, 20, 10])[0] if number >= count // 50 else 0
        hubs = [RepoName(f"repo-{int(pick.paretovariate(0.7)) % max(1, number):05}") for _ in range(some)]
        found[name] = frozenset(hubs) - {name}
    return found


@st.composite
def graphs(draw: st.DrawFn, most: int = 12) -> Upstreams:
    """Any acyclic graph of at most so many repos, with any names that a manifest allows."""
    names = draw(
        st.lists(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,9}", fullmatch=True), unique=True, max_size=most)
    )
    found: Upstreams = {}
    for name in map(RepoName, names):
        above = sorted(found)
        found[name] = frozenset(draw(st.lists(st.sampled_from(above), max_size=4)) if above else ())
    return found

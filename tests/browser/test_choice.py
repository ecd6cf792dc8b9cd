"""A chosen repo: its cone, its panel, its address."""

import msgspec
import pytest

from flakesync.report.html.page import render_page
from tests.browser.conftest import Opener
from tests.browser.opened import Opened, reached
from tests.support.pages import page_documents


def choose(page: Opened, name: str) -> None:
    page.node(name).focus()
    page.press("Enter")


@pytest.mark.parametrize("repos", [8, 200])
def test_a_chosen_repo_s_upstreams_and_dependents_stay_and_all_else_fades(opened: Opener, repos: int) -> None:
    page = opened(repos)
    upstreams, dependents = page.neighbours()
    for name in page.names()[:: repos // 8 + 1]:
        choose(page, name)
        cone = reached(name, upstreams) | reached(name, dependents) | {name}
        assert page.marked() == cone, name
        counts = len(reached(name, upstreams)), len(reached(name, dependents))
        assert page.said() == f"{name}: {counts[0]} upstream, {counts[1]} downstream"
        far = page.page.locator("#svg a.n:not(.hit)")
        if far.count():
            assert float(far.first.evaluate("it => getComputedStyle(it).opacity")) < 0.5
        assert float(page.node(name).evaluate("it => getComputedStyle(it).opacity")) == 1


def test_repos_in_a_cycle_are_upstream_and_downstream_of_each_other(opened: Opener) -> None:
    given = page_documents(8, nights=2)
    there = given.graph.edges[0]
    back = msgspec.structs.replace(there, upstream=there.dependent, dependent=there.upstream, input="back")
    graph = msgspec.structs.replace(given.graph, edges=[*given.graph.edges, back])
    page = opened(render_page(msgspec.structs.replace(given, graph=graph)))
    choose(page, back.upstream)
    upstreams, dependents = page.neighbours()
    assert back.dependent in upstreams[back.upstream] | dependents[back.upstream]
    assert page.marked() >= {back.upstream, back.dependent}
    assert page.errors == []


def test_the_panel_has_what_the_repo_s_section_has_and_a_link_to_it(opened: Opener) -> None:
    page = opened(8)
    upstreams, dependents = page.neighbours()
    findings = {each.repo: each.detail for each in page_documents(8, nights=30).drift.findings}
    for name in page.names():
        choose(page, name)
        text = page.panel()
        for each in upstreams[name] | dependents[name]:
            assert each in text, f"{each} beside {name}"
        assert findings.get(name, "") in text
    page.page.click("#panel a.there")
    assert page.address() == page.address_of(page.names()[-1])
    assert page.page.locator(f"[id='{page.address()}']").is_visible()


def test_the_panel_doubles_no_id(opened: Opener) -> None:
    page = opened(8)
    choose(page, page.names()[0])
    ids = page.page.eval_on_selector_all("[id]", "all => all.map(each => each.id)")
    assert len(ids) == len(set(ids))


def test_a_repo_in_the_panel_is_chosen_by_its_link(opened: Opener) -> None:
    page = opened(8)
    upstreams, _ = page.neighbours()
    name = next(name for name, found in upstreams.items() if found)
    choose(page, name)
    link = page.page.locator("#panel a[href^='#']:not(.there)").first
    other = link.inner_text()
    link.click()
    assert page.marked("me") == {other}
    assert page.address() == page.address_of(other)


def test_a_choice_far_away_shows_the_repo_and_its_direct_neighbours(opened: Opener) -> None:
    page = opened(200)
    upstreams, dependents = page.neighbours()
    few = [name for name in page.names() if 1 <= len(upstreams[name] | dependents[name]) <= 2]
    for name in few[:10]:
        page.press("0")
        choose(page, name)
        assert page.in_sight(page.node(name)), name
        assert not page.is_far()


def test_the_address_names_the_chosen_repo_and_the_back_button_undoes_a_choice(opened: Opener) -> None:
    page = opened(8)
    one, two = page.names()[:2]
    choose(page, one)
    choose(page, two)
    assert page.address() == page.address_of(two)
    page.page.go_back()
    assert (page.address(), page.marked("me")) == (page.address_of(one), {one})
    page.page.go_back()
    assert (page.address(), page.marked("me")) == ("", set())
    page.page.go_forward()
    assert page.marked("me") == {one}
    assert len(page.requests) == 1


def test_an_address_opens_the_page_at_its_repo(opened: Opener) -> None:
    plain = opened(8)
    name = plain.names()[2]
    page = opened(8, "#" + plain.address_of(name))
    assert page.marked("me") == {name}
    assert page.said().startswith(f"{name}: ")


def test_an_address_shows_the_section_of_its_repo_on_a_long_page_too(opened: Opener) -> None:
    address = opened(1000).address_of("worker")
    page = opened(1000, "#" + address)
    for _ in range(2):
        box = page.page.locator(f"[id='{address}']").bounding_box()
        assert box is not None
        assert 0 <= box["y"] < 900
        page.settle()


@pytest.mark.parametrize(
    "address", ["#", "#drift", "#r-", "#r-nothing", "#%", "#%00", "#r-%F0%9F", "#[id]", "#constructor"]
)
def test_an_address_that_names_no_repo_chooses_none(opened: Opener, address: str) -> None:
    page = opened(8, address)
    assert page.marked("me") == set()
    assert page.errors == []


def test_addresses_are_of_names_so_that_they_last(opened: Opener) -> None:
    page = opened(8)
    addresses = {name: page.address_of(name) for name in page.names()}
    assert all(address.startswith("r-") and name in address for name, address in addresses.items()), addresses


def test_the_filter_leaves_what_is_out_of_step_and_the_chosen_repo(opened: Opener) -> None:
    page = opened(200)
    page.page.check("#only")
    gone = page.marked("off")
    shown = page.page.locator("#svg a.n:visible").count()
    assert gone
    assert shown == 200 - len(gone)
    assert page.said() == f"{shown} of 200 shown"
    page.node(min(gone)).evaluate("it => it.dispatchEvent(new MouseEvent('click', {bubbles: true}))")
    assert page.marked("off") == gone - page.marked("me")
    page.press("Escape")
    page.page.uncheck("#only")
    assert page.marked("off") == set()
    assert page.page.locator("#svg a.n:visible").count() == 200

"""The graph of no repo, of one, and of more than are drawn."""

import msgspec
import pytest

from flakesync.report.html.page import render_page
from tests.browser.conftest import Opener
from tests.support.pages import page_documents


def test_without_a_repo_everything_is_quiet(opened: Opener) -> None:
    given = page_documents(8, nights=2)
    page = opened(
        render_page(
            msgspec.structs.replace(
                given,
                graph=msgspec.structs.replace(given.graph, repos=[], edges=[], waves=[]),
                drift=msgspec.structs.replace(given.drift, findings=[], pins=[]),
                status=None,
                sync=None,
                audit=None,
            )
        )
    )
    page.page.fill("#find", "x")
    page.press("Enter")
    page.page.check("#only")
    page.page.click("#zin")
    page.page.click("#zfit")
    assert page.errors == []


def test_a_graph_of_one_repo(opened: Opener) -> None:
    page = opened(1)
    (name,) = page.names()
    page.node(name).click()
    assert page.said() == f"{name}: 0 upstream, 0 downstream"
    assert page.in_sight(page.node(name))
    assert page.errors == []


def test_above_2000_repos_groups_are_chosen_and_found(opened: Opener) -> None:
    page = opened(2100)
    names = page.names()
    assert len(names) < 50
    assert set(names) > set(page_documents(2100, nights=1).groups)
    for name in names[::4]:
        page.page.fill("#find", name)
        assert page.marked("me") == {name}
        assert name in page.panel()
    page.press("Escape")
    page.node(names[0]).click()
    assert page.address() == page.address_of(names[0])
    assert page.errors == []


@pytest.mark.parametrize(
    "missing", ["#panel", "#find", "#names", "#only", "#said", "#zin", ".tools", "#edges", ".canvas", "#svg"]
)
def test_the_script_does_what_it_can_where_a_part_of_the_page_is_missing(opened: Opener, missing: str) -> None:
    page = opened(8)
    other = page.page.content()
    page.page.evaluate("selector => document.querySelector(selector).remove()", missing)
    changed = page.page.content().replace(' class="on"', "")
    assert changed != other
    page = opened(changed)
    if missing not in {".canvas", "#svg"}:
        page.page.locator("#svg a.n").first.click()
        assert page.page.locator("#svg a.n.me").count() == 1
        page.page.focus(".canvas")
        page.press("Escape", "+", "0")
        assert page.page.locator("#svg a.n.me").count() == 0
    assert page.errors == []


@pytest.mark.parametrize("width", [390, 1280, 1900])
@pytest.mark.parametrize("repos", [8, 200])
def test_every_node_in_sight_has_its_text_where_the_graph_is_not_far(opened: Opener, repos: int, width: int) -> None:
    page = opened(repos, viewport={"width": width, "height": 900})
    page.page.focus(".canvas")
    for key in ("0", "+", "+", "ArrowRight", "+", "-", "-"):
        page.press(key)
        if not page.is_far():
            bare = "all => all.filter(it => getComputedStyle(it.querySelector('text')).display === 'none')"
            boxes = page.page.eval_on_selector_all(
                "#svg a.n",
                f"""all => {{ const box = document.querySelector("#svg").getBoundingClientRect();
                     return ({bare})(all).map(it => it.getBoundingClientRect()).filter(it => it.right > box.left + 1
                         && it.left < box.right - 1 && it.bottom > box.top + 1 && it.top < box.bottom - 1).length }}""",
            )
            assert boxes == 0, key

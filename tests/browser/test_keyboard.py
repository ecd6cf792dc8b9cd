"""The graph by keyboard alone."""

import pytest

from tests.browser.conftest import Opener
from tests.browser.opened import Opened


@pytest.fixture
def graph(opened: Opener) -> Opened:
    """The page of eight repos; the keyboard is at its graph."""
    page = opened(8)
    page.page.focus(".canvas")
    return page


def test_tab_reaches_the_search_the_filter_the_buttons_the_graph_and_every_node(opened: Opener) -> None:
    page = opened(8)
    met: list[str] = []
    while "BODY" not in met and len(met) < 200:
        page.press("Tab")
        met.append(page.focused())
    wanted = ["find", "only", "zin", "zout", "zfit", "canvas"]
    assert [each for each in met if each in wanted] == wanted
    assert sorted(each for each in met if each.isdecimal()) == sorted(map(str, range(8)))


def test_focus_is_seen_on_all_that_tab_reaches(opened: Opener) -> None:
    page = opened(8)
    for _ in range(200):
        page.press("Tab")
        if page.focused() == "BODY":
            return
        # A node of the graph has its border for that: an outline would be cut off by its neighbours.
        seen = page.page.evaluate(
            """() => { const it = document.activeElement, style = getComputedStyle(it);
                       const border = it.querySelector?.("rect");
                       return it.matches(".n") ? parseFloat(getComputedStyle(border).strokeWidth) >= 3
                            : style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0 }"""
        )
        assert seen, f"{page.focused()} shows no focus"
    pytest.fail("Tab never leaves the page")


@pytest.mark.parametrize(("key", "x", "y"), [("Left", -1, 0), ("Right", 1, 0), ("Up", 0, -1), ("Down", 0, 1)])
def test_arrows_move(graph: Opened, key: str, x: int, y: int) -> None:
    before = graph.view()
    graph.press(f"Arrow{key}")
    after = graph.view()
    moved = [round(new - old, 6) for new, old in zip(after, before, strict=True)]
    assert [(each > 0) - (each < 0) for each in moved] == [x, y, 0, 0]


def test_plus_and_minus_zoom_and_0_shows_the_whole(graph: Opened) -> None:
    whole = graph.view()
    graph.press("+")
    nearer = graph.view()
    graph.press("-", "-")
    farther = graph.view()
    assert nearer[2] < whole[2] < farther[2]
    graph.press("ArrowLeft", "0")
    assert graph.view() == whole


def test_the_drawing_cannot_be_lost(graph: Opened) -> None:
    graph.press(*["-"] * 30, *["ArrowRight"] * 60, *["ArrowDown"] * 60)
    x, y, width, height = graph.view()
    whole_width, whole_height = graph.size()
    assert x <= whole_width - width / 2 + 0.001
    assert y <= whole_height - height / 2 + 0.001
    assert width <= whole_width * 1.5 + 0.001


def test_keys_of_the_browser_stay_the_browser_s(graph: Opened) -> None:
    before = graph.view()
    graph.press("Control+0", "Control+-", "Control+=", "a", "Home")
    assert graph.view() == before


def test_enter_on_a_node_chooses_it_and_escape_takes_the_choice_back(opened: Opener) -> None:
    page = opened(8)
    name = page.names()[3]
    page.node(name).focus()
    page.press("Enter")
    assert page.marked("me") == {name}
    assert name in page.panel()
    assert page.said().startswith(f"{name}: ")
    page.press("Escape")
    assert page.marked("me") == set()
    assert page.marked() == set()
    assert page.said() == ""


def test_escape_in_the_panel_brings_the_keyboard_back_to_the_graph(opened: Opener) -> None:
    page = opened(8)
    page.node(page.names()[3]).focus()
    page.press("Enter")
    page.page.focus("#panel a")
    page.press("Escape")
    assert page.focused() == "canvas"


def test_what_the_keys_do_is_said_where_the_keyboard_is(graph: Opened) -> None:
    label = graph.page.get_attribute(".canvas", "aria-label") or ""
    for word in ("plus", "minus", "0", "arrows", "Escape", "Enter"):
        assert word.lower() in label.lower(), f"{word} is not in “{label}”"


def test_a_node_that_the_keyboard_comes_to_can_be_read(opened: Opener) -> None:
    page = opened(200, viewport={"width": 820, "height": 700})
    assert page.is_far(), "or there is nothing to show"
    page.page.focus(".canvas")
    page.press("Tab")
    assert page.focused().isdecimal()
    assert not page.is_far()
    assert page.in_sight(page.page.locator("#svg a.n:focus"))


def test_escape_empties_the_search(opened: Opener) -> None:
    page = opened(8)
    page.page.fill("#find", page.names()[0])
    assert page.marked() != set()
    page.press("Escape")
    assert page.page.input_value("#find") == ""
    assert page.marked() == set()

"""The graph by mouse, wheel, buttons and fingers."""

import pytest

from tests.browser.conftest import Opener
from tests.browser.opened import Opened


def middle(page: Opened) -> tuple[float, float]:
    """Return the middle of the graph on the screen."""
    box = page.page.locator(".canvas").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def wheel(page: Opened, by: int) -> None:
    """Turn the wheel over the graph, and wait until the page has heard of it."""
    page.page.evaluate("() => { window.heard = new Promise(ok => addEventListener('wheel', ok, {once: true})) }")
    page.page.mouse.wheel(0, by)
    page.page.evaluate("() => window.heard")


def test_the_wheel_scrolls_the_page_until_the_graph_has_the_keyboard(opened: Opener) -> None:
    page = opened(200)
    page.page.mouse.move(*middle(page))
    whole = page.view()
    wheel(page, 100)
    page.page.wait_for_function("() => scrollY > 0")
    assert page.view() == whole
    page.page.focus(".canvas")
    page.page.mouse.move(*middle(page))
    top = page.page.evaluate("() => scrollY")
    wheel(page, -100)
    assert page.view()[2] < whole[2]
    wheel(page, 100)
    wheel(page, 100)
    assert page.view()[2] > whole[2]
    assert page.page.evaluate("() => scrollY") == top


def test_the_wheel_with_ctrl_zooms_about_the_pointer(opened: Opener) -> None:
    page = opened(200)
    x, y = middle(page)
    page.page.mouse.move(x - 100, y - 50)
    before = page.point(x - 100, y - 50)
    whole = page.view()
    page.page.keyboard.down("Control")
    wheel(page, -100)
    wheel(page, -100)
    page.page.keyboard.up("Control")
    assert page.view()[2] < whole[2]
    assert page.point(x - 100, y - 50) == pytest.approx(before, abs=0.5)


def test_the_buttons_zoom_and_fit(opened: Opener) -> None:
    page = opened(8)
    whole = page.view()
    page.page.click("#zin")
    assert page.view()[2] < whole[2]
    page.page.click("#zout")
    page.page.click("#zout")
    assert page.view()[2] > whole[2]
    page.page.click("#zfit")
    assert page.view() == whole


def test_zooming_ends_somewhere_both_ways(opened: Opener) -> None:
    page = opened(8)
    for button in ("#zin", "#zout"):
        for _ in range(25):
            page.page.click(button)
        end = page.view()
        page.page.click(button)
        assert page.view() == pytest.approx(end)


def test_dragging_moves_the_drawing_with_the_pointer_and_chooses_nothing(opened: Opener) -> None:
    page = opened(8)
    box = page.node(page.names()[4]).bounding_box()
    assert box is not None
    x, y = box["x"] + 20, box["y"] + 5
    before = page.point(x, y)
    page.page.mouse.move(x, y)
    page.page.mouse.down()
    page.page.mouse.move(x + 30, y + 10)
    page.page.mouse.move(x + 60, y + 15)
    page.page.mouse.up()
    assert page.point(x + 60, y + 15) == pytest.approx(before, abs=3)
    assert page.marked("me") == set()
    assert page.address() == ""
    page.page.mouse.move(x, y)
    assert page.point(x + 60, y + 15) == pytest.approx(before, abs=3), "the button is up"


def test_a_click_chooses_and_a_click_beside_takes_it_back(opened: Opener) -> None:
    page = opened(8)
    name = page.names()[4]
    page.node(name).click()
    assert page.marked("me") == {name}
    page.page.mouse.click(*page.beside())
    assert page.marked("me") == set()
    assert page.address() == ""


def test_a_node_stays_under_the_mouse_that_presses_it(opened: Opener) -> None:
    page = opened(200, viewport={"width": 820, "height": 700})
    assert page.is_far()
    name = page.names()[50]
    page.node(name).click()
    assert page.marked("me") == {name}


PHONE = {"has_touch": True, "is_mobile": True, "viewport": {"width": 390, "height": 800}}
WIDTH = "() => +document.querySelector('#svg').getAttribute('viewBox').split(' ')[2]"


def test_two_fingers_zoom_the_graph_and_not_the_page(opened: Opener) -> None:
    page = opened(200, **PHONE)
    page.page.locator(".canvas").scroll_into_view_if_needed()
    x, y = middle(page)
    whole = page.view()
    session = page.page.context.new_cdp_session(page.page)

    def touch(kind: str, *places: float) -> None:
        points = [{"x": place, "y": y, "id": number} for number, place in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", x - 20, x + 20)
    for step in range(10, 60, 10):
        touch("touchMove", x - 20 - step, x + 20 + step)
    touch("touchEnd")
    page.page.wait_for_function(f"most => ({WIDTH})() < most", arg=whole[2] * 0.6)
    assert page.page.evaluate("() => visualViewport.scale") == 1


def test_one_finger_scrolls_the_page_until_the_graph_is_tapped(opened: Opener) -> None:
    page = opened(8, **PHONE)
    allowed = "() => getComputedStyle(document.querySelector('.canvas')).touchAction"
    assert page.page.evaluate(allowed) == "pan-x pan-y"
    page.page.touchscreen.tap(*page.beside())
    assert page.focused() == "canvas"
    assert page.page.evaluate(allowed) == "none"


def test_a_tap_chooses(opened: Opener) -> None:
    page = opened(8, **PHONE)
    page.page.locator(".canvas").scroll_into_view_if_needed()
    name = next(name for name in page.names() if page.in_sight(page.node(name)))
    page.node(name).tap()
    assert page.marked("me") == {name}


def test_nothing_moves_by_itself(opened: Opener) -> None:
    """Neither with nor without a wish for less motion."""
    page = opened(8, reduced_motion="no-preference")
    page.node(page.names()[4]).click()
    assert page.page.evaluate("() => document.getAnimations().length") == 0

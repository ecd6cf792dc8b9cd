"""The page on small screens."""

import pytest

from tests.browser.conftest import Opener

OVERFLOW = """() => {
    const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    const inBox = (it) => { for (; it; it = it.parentElement)
        if (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(it).overflowX)) return true; };
    const out = [...document.body.querySelectorAll("*")].filter((it) => it.checkVisibility()
        && it.getBoundingClientRect().right > innerWidth + 1 && !inBox(it));
    return [wide, out.slice(0, 5).map((it) => it.outerHTML.slice(0, 120))];
}"""


@pytest.mark.parametrize("width", [320, 390, 768])
@pytest.mark.parametrize("repos", [8, 200])
@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_nothing_is_wider_than_the_screen(opened: Opener, repos: int, width: int, script: bool) -> None:
    page = opened(repos, viewport={"width": width, "height": 800}, java_script_enabled=script)
    assert page.page.evaluate(OVERFLOW) == [0, []]
    if script:
        page.page.fill("#find", page.names()[1])
        assert page.page.evaluate(OVERFLOW) == [0, []]


def test_on_a_phone_a_small_graph_can_be_read(opened: Opener) -> None:
    page = opened(8, viewport={"width": 390, "height": 800})
    box = page.page.locator("#svg a.n text").first.bounding_box()
    assert box is not None
    assert box["height"] >= 9

"""axe-core on the page: WCAG 2.0 to 2.2, A and AA, and what axe calls best practice."""

from typing import Any

import pytest

from tests.browser.conftest import Opener
from tests.browser.opened import Opened
from tests.support.tools import npm_file

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


def violations(page: Opened) -> list[str]:
    """Return what axe finds, a line each."""
    # The policy of the page lets no script of another in, so axe comes by the way of the developer tools.
    session = page.page.context.new_cdp_session(page.page)
    session.send("Runtime.evaluate", {"expression": npm_file("axe-core/axe.min.js").read_text("utf-8")})
    options = {"runOnly": RULES, "resultTypes": ["violations"]}
    found: dict[str, Any] = page.page.evaluate("options => axe.run(document, options)", options)
    assert found["violations"] is not None
    nodes = [(rule["id"], node) for rule in found["violations"] for node in rule["nodes"]]
    return [f"{name}: {node['target']} {node['failureSummary']}" for name, node in nodes]


# What differs is not tried with all else that differs: at 1,000 repos axe takes half a minute.
@pytest.mark.parametrize(
    ("repos", "size", "scheme"),
    [
        (8, WIDE, "light"),
        (8, WIDE, "dark"),
        (8, NARROW, "light"),
        (8, NARROW, "dark"),
        (200, WIDE, "light"),
        (200, NARROW, "dark"),
        (1000, WIDE, "dark"),
        (1000, NARROW, "light"),
    ],
    ids=lambda each: f"{each['width']}px" if isinstance(each, dict) else str(each),
)
def test_axe_finds_nothing(opened: Opener, repos: int, size: dict[str, int], scheme: str) -> None:
    page = opened(repos, color_scheme=scheme, viewport=size)
    name = page.names()[repos // 2]
    page.settle()
    # The chosen repo's panel and the faded rest are looked at with the page: one run finds what two would.
    page.page.fill("#find", name)
    assert page.marked("me") == {name}
    assert violations(page) == []


@pytest.mark.parametrize(("repos", "scheme"), [(8, "light"), (200, "dark")])
def test_axe_finds_nothing_before_anything_is_chosen(opened: Opener, repos: int, scheme: str) -> None:
    assert violations(opened(repos, color_scheme=scheme)) == []


def test_axe_finds_what_is_wrong(opened: Opener) -> None:
    page = opened(8)
    page.page.evaluate("() => document.querySelector('main').append(document.createElement('img'))")
    assert [each for each in violations(page) if each.startswith("image-alt: ")]

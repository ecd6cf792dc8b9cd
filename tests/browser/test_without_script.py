"""The page without JavaScript, and on paper."""

import base64
from typing import TYPE_CHECKING, Literal

import pytest

from tests.browser.conftest import Opener
from tests.support.pages import page_documents

if TYPE_CHECKING:
    from tests.browser.opened import Opened

CONTROLS = "button, input, select, textarea, output, aside, [role=search]"


COUNT_COLOURS = """async (data) => {
    const it = new Image();
    it.src = data;
    await it.decode();
    const on = new OffscreenCanvas(it.width, it.height).getContext("2d");
    on.drawImage(it, 0, 0);
    return new Set(new Uint32Array(on.getImageData(0, 0, it.width, it.height).data.buffer)).size;
}"""


def colours(page: "Opened", png: bytes) -> int:
    """Return how many colours a picture has."""
    blank = page.page.context.new_page()  # the page itself may load no picture
    return int(blank.evaluate(COUNT_COLOURS, "data:image/png;base64," + base64.b64encode(png).decode()))


@pytest.mark.parametrize("repos", [8, 200])
def test_every_repo_finding_pull_request_and_figure_can_be_read_without_javascript(opened: Opener, repos: int) -> None:
    page = opened(repos, java_script_enabled=False)
    given = page_documents(repos, nights=30 if repos < 100 else 366)
    # What a closed <details> holds can be read by opening it, which needs no script.
    text = page.page.evaluate("() => document.body.textContent")
    seen = page.page.inner_text("body")
    for repo in given.graph.repos:
        assert repo.name in seen
    for finding in given.drift.findings:
        assert finding.detail in text
        assert finding.detail in seen
    assert given.status is not None
    for row in given.status.repos:
        if row.pull is not None:
            assert page.page.locator(f'a[href="{row.pull.url}"]').count(), row.pull.url
    # The table has one day a week of what is long ago; the charts have all.
    for line in given.history[-7:]:
        assert line.at[:10] in text


def test_no_control_is_shown_that_does_nothing(opened: Opener) -> None:
    page = opened(8, java_script_enabled=False)
    assert page.page.locator(CONTROLS).count()
    assert page.page.locator(CONTROLS).locator("visible=true").count() == 0
    assert page.page.locator(".js").locator("visible=true").count() == 0


def test_the_graph_s_nodes_lead_to_the_sections(opened: Opener) -> None:
    page = opened(8, java_script_enabled=False)
    for name in page.names():
        page.node(name).click()
        assert page.address() == page.address_of(name)
        assert name in page.page.inner_text(f"[id='{page.address()}']")


def test_the_graph_stands_at_its_own_size_in_a_box_that_scrolls(opened: Opener) -> None:
    page = opened(200, java_script_enabled=False, viewport={"width": 390, "height": 800})
    width, height = page.size()
    box = page.page.locator("#svg").bounding_box()
    assert box is not None
    assert (round(box["width"]), round(box["height"])) == (round(width), round(height))
    assert page.page.eval_on_selector(".canvas", "it => it.scrollWidth > it.clientWidth")


@pytest.mark.parametrize("repos", [8, 200])
def test_print_shows_every_section_and_no_control(opened: Opener, repos: int) -> None:
    page = opened(repos)
    name = page.names()[3]
    page.node(name).focus()
    page.press("Enter")
    page.page.emulate_media(media="print")
    sections = page.page.locator("article").all_inner_texts()
    assert len(sections) == repos
    assert {section.split("\n")[0].split()[-1] for section in sections} == set(page.names())
    assert page.page.locator(CONTROLS).locator("visible=true").count() == 0
    last = page.page.locator(f"[id='{page.address_of(page.names()[-1])}']")
    assert last.evaluate("it => getComputedStyle(it).contentVisibility") == "visible"


def test_a_pdf_has_every_section_in_its_outline(opened: Opener) -> None:
    page = opened(200)
    pdf = page.page.pdf(tagged=True, outline=True)
    for name in page.names():
        assert name.encode() in pdf or name.encode("utf-16-be") in pdf


def test_the_whole_graph_is_printed_wherever_it_was_moved_to(opened: Opener) -> None:
    page = opened(8)
    whole = page.view()
    page.page.focus(".canvas")
    page.press("+", "+", "ArrowLeft")
    page.page.pdf()
    assert page.view() == whole


@pytest.mark.parametrize("repos", [8, 200, 1000])
@pytest.mark.parametrize("media", ["screen", "print"])
def test_the_end_of_a_long_page_is_not_blank(opened: Opener, repos: int, media: Literal["screen", "print"]) -> None:
    page = opened(repos)
    page.page.emulate_media(media=media)
    if media == "screen":
        page.settle()
    address = page.address_of(page.names()[-1])
    box = page.page.locator(f"[id='{address}']").bounding_box()
    assert box is not None
    picture = page.page.screenshot(full_page=True, clip=box)
    assert colours(page, picture) > 10, "text has many shades"

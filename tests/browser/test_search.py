"""The search for repos."""

import pytest

from tests.browser.conftest import Opener


def test_a_part_of_a_name_says_how_many_it_found_and_marks_them(opened: Opener) -> None:
    page = opened(200)
    wanted = {name for name in page.names() if "cl" in name}
    page.page.fill("#find", "CL ")
    assert page.said() == f"{len(wanted)} found"
    assert page.marked() == wanted
    assert page.address() == ""


def test_what_is_not_there_is_said(opened: Opener) -> None:
    page = opened(8)
    page.page.fill("#find", "no such repo")
    assert page.said() == "0 found"
    page.press("Enter")
    assert page.marked("me") == set()


def test_a_full_name_shows_the_repo_in_the_middle(opened: Opener) -> None:
    page = opened(200)
    name = page.names()[77]
    page.page.fill("#find", name)
    assert page.marked("me") == {name}
    assert page.in_sight(page.node(name))
    assert not page.is_far()


def test_enter_chooses_the_first_that_was_found_and_its_address(opened: Opener) -> None:
    page = opened(200)
    first = next(name for name in page.names() if "li" in name)
    page.page.fill("#find", "li")
    page.press("Enter")
    assert page.marked("me") == {first}
    assert page.address() == page.address_of(first)


def test_typing_leaves_no_address_to_go_back_to(opened: Opener) -> None:
    page = opened(8)
    for text in (page.names()[0], page.names()[1], ""):
        page.page.fill("#find", text)
    assert page.page.evaluate("() => history.length") == 2, "about:blank and the page"
    assert page.marked() == set()
    assert page.said() == ""


def test_what_is_found_is_told_to_screen_readers(opened: Opener) -> None:
    page = opened(8)
    assert page.page.get_attribute("#said", "aria-live") == "polite"


@pytest.mark.parametrize("text", ["__proto__", "constructor", "<b>", '"', "\\", "[", "%00", " "])
def test_any_text_can_be_searched_for(opened: Opener, text: str) -> None:
    page = opened(8)
    page.page.fill("#find", text)
    page.press("Enter")
    assert page.said() in {"0 found", ""}
    assert page.errors == []

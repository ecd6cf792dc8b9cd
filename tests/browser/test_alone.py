"""The page asks for nothing, and what others write in it does nothing."""

import json
import re

import msgspec
import pytest

from flakesync.report.html.given import PageDocuments
from flakesync.report.html.page import render_page
from tests.browser.conftest import Opener, page_of
from tests.support.pages import page_documents

MARKUP = "</title></style></script></svg><script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)>"
EVIL = f"'\"`--><!--{MARKUP}{{{{7*7}}}}\u202eevil\u2066\x07"
LINK = 'javascript:alert(4)//" onclick="alert(5)" style="background:url(\'https://evil.example/x\')'


def hostile(given: PageDocuments) -> PageDocuments:
    """Return documents in which every text that others may write holds markup, and every address a script."""
    raw = msgspec.to_builtins(given)
    names = {repo["name"] for repo in raw["graph"]["repos"]}
    chosen = {*words_of_a_list(msgspec.json.schema(PageDocuments)), "at", "run", "schema"}

    def turn(value: object, key: str = "") -> object:
        match value:
            case dict():
                free = key in {"groups", "pins"} and "name" not in value  # the keys are names
                return {name + EVIL * free: turn(each, name) for name, each in value.items()}
            case list():
                return [turn(each, key) for each in value]
            case str() if value in names:
                return value + EVIL
            case str() if key == "url":
                return LINK
            case str() if key not in chosen and not re.fullmatch(r"[0-9T:Z.+-]+", value):
                return value + EVIL
        return value

    return msgspec.convert(turn(raw), PageDocuments)


def words_of_a_list(schema: object) -> set[str]:
    """Return the names of the properties that are one of a few words, anywhere in a JSON Schema."""
    match schema:
        case {"properties": dict() as properties, **rest}:
            found = {name for name, each in properties.items() if '"enum"' in json.dumps(each)}
            return found | words_of_a_list(list(properties.values())) | words_of_a_list(rest)
        case dict():
            return words_of_a_list(list(schema.values()))
        case list():
            return set().union(*map(words_of_a_list, schema))
    return set()


def test_the_page_asks_for_itself_alone(opened: Opener) -> None:
    page = opened(200)
    page.page.fill("#find", page.names()[5])
    page.page.click("#zin")
    page.page.wait_for_load_state("networkidle")
    assert page.requests == [page.path.as_uri()]


def test_addresses_in_the_page_are_links_to_repos_and_pull_requests(opened: Opener) -> None:
    given = page_documents(200, nights=366)
    status = given.status.repos if given.status is not None else []
    known = {row.pull.url for row in status if row.pull is not None}
    text = page_of(200)
    links = set(re.findall(r'href="(https?://[^"]*)"', text))
    assert links <= known | {link for link in links if link.startswith("https://github.com/acme/")}
    others = re.sub(r'href="https?://[^"]*"', "", text)
    details = {finding.detail for finding in given.drift.findings}
    for found in re.findall(r"https?://[^\s<&\"]+", others):
        assert found.startswith("http://www.w3.org/") or any(found in detail for detail in details), found


@pytest.mark.parametrize("javascript", [True, False])
def test_hostile_text_does_nothing(opened: Opener, javascript: bool) -> None:
    page = opened(render_page(hostile(page_documents(8, nights=30))), java_script_enabled=javascript)
    if javascript:
        for name in page.names():
            page.page.fill("#find", name)
            assert page.marked("me")
    page.page.wait_for_load_state("networkidle")
    assert (page.dialogs, page.errors, page.requests) == ([], [], [page.path.as_uri()])
    targets = page.page.eval_on_selector_all("a[href]", "all => all.map(it => it.getAttribute('href'))")
    assert [each for each in targets if not re.match(r"#|https?:", each)] == []
    assert page.page.locator("img, [onerror], [onload], [onclick], [style]").count() == 0
    assert page.page.locator("script").count() == 1


REFUSED = {
    "script-src-elem": "<script>alert(1)</script>",
    "script-src-attr": "<img src=x onerror=alert(2)>",
    "img-src": "<img src=https://evil.example/x.png>",
    "style-src-attr": "<p style='background:url(https://evil.example/y)'>x</p>",
    "style-src-elem": "<style>p{background:url(https://evil.example/z)}</style><p>x</p>",
    "frame-src": "<iframe src=https://evil.example></iframe>",
    "object-src": "<object data=https://evil.example></object>",
    "base-uri": "<base href=https://evil.example/>",
    "media-src": "<video src=https://evil.example/film></video>",
}


@pytest.mark.parametrize("directive", REFUSED)
def test_the_policy_of_the_page_refuses_what_got_in_unescaped(opened: Opener, directive: str) -> None:
    """As if the template had forgotten to escape a text."""
    page = opened(page_of(8).replace("<main>", f"<main>{REFUSED[directive]}", 1))
    page.page.wait_for_load_state("networkidle")
    assert directive in page.refused()
    assert page.dialogs == []
    # A refused request is told of too, as one that failed: no answer has come to any.
    assert page.answers == [page.path.as_uri()]


def test_a_form_that_got_in_goes_nowhere(opened: Opener) -> None:
    form = "<form action=https://evil.example/ id=evil></form>"
    page = opened(page_of(8).replace("<main>", f"<main>{form}", 1))
    page.page.evaluate("() => document.getElementById('evil').submit()")
    assert page.refused() == ["form-action"]
    assert page.page.url == page.path.as_uri()

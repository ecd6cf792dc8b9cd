"""Text that others wrote changes nothing on the page but text."""

import re
from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flakesync.report.html.given import PageDocuments
from flakesync.report.html.page import render_page
from flakesync.report.html.visible import visible
from tests.report.html.small import ReadPage, full_page

_FREE = frozenset(
    {
        "workspace", "run", "name", "repo", "upstream", "dependent", "input", "flake", "flakes", "base", "url", "rev",
        "locked_rev", "wanted_rev", "target_rev", "detail", "held", "message", "hint", "because", "code", "branch",
        "commit", "waits_for", "failed_upstreams", "reason", "output", "check", "since", "until", "stays", "source",
        "first_bad", "waves", "cycles", "repos", "unread", "groups", "pins", "locker", "history",
    }
)  # fmt: skip
"""Fields whose text others write; the rest are words of ours."""
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

hostile = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=()), max_size=12),
        st.sampled_from(
            [
                "</title><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"' onload=alert(1) x='", "-->",
                "</style>", "</svg>", "</script>", "]]>", "{{ 7 * 7 }}", "{% raw %}", "javascript:alert(1)", "&quot;",
                "&lt;b&gt;", "<!--", "\0", "\u202e", "\u2066", "\ud800", "`", "=", "\r\n", "https://evil.example/",
            ]
        ),
    ),
    max_size=4,
).map("".join)  # fmt: skip


def spoiled(value: Any, change: Callable[[str], str], field: str = "") -> Any:
    """Return documents with all text of others changed, the names of groups and pins too."""
    match value:
        case dict():
            keys = field == "groups" or (field == "pins" and "target" not in value and "name" not in value)
            return {
                (change(key) if keys else key): spoiled(
                    each, change, (field if field == "groups" else "") if keys else key
                )
                for key, each in value.items()
            }
        case list() | tuple():
            return [spoiled(each, change, field) for each in value]
        case str() if field == "url":
            return change(f"x:{value}")  # no link: whether there is one hangs on the text
        case str() if field in _FREE:
            return change(value)
        case _:
            return value


def spoiled_page(change: Callable[[str], str]) -> PageDocuments:
    return msgspec.convert(spoiled(msgspec.to_builtins(full_page()), change), PageDocuments)


@settings(max_examples=40, deadline=None)
@given(hostile)
@example("</title><script>alert(1)</script><img src=x onerror=alert(1)>\"'\u202e\ud800\0{{ 7 * 7 }}")
def test_any_text_in_any_field_leaves_the_elements_those_of_the_template(text: str) -> None:
    # What stands before the text keeps names different, and their order the same.
    plain = ReadPage(render_page(spoiled_page(lambda value: f"{value}+"))).shape
    page = render_page(spoiled_page(lambda value: f"{value}+{text}"))
    read = ReadPage(page)
    assert read.shape == plain
    assert not _HIDDEN.search(page)
    page.encode()
    assert all(
        re.match(r"#[rgh]-[A-Za-z0-9._-]+\Z|#[a-z]+\Z|data:,\Z|https?://[^\s\"'<>]+\Z", link) for link in read.links
    )
    assert not {name for _, name, _ in read.attributes if name.startswith("on") or name in ("style", "src")}
    # The text is there, and is text.
    shown = re.sub(r"\s+", " ", visible(f"not at the target of one-app+{text}")).strip()
    assert text.isspace() or shown in read.text


@settings(max_examples=60, deadline=None)
@given(st.one_of(hostile, st.sampled_from(["javascript:alert(1)", "data:text/html,<script>", "vbscript:x", "//evil"])))
def test_no_address_of_a_repo_or_a_pull_request_leads_anywhere_but_to_the_web(text: str) -> None:
    documents = msgspec.to_builtins(full_page())
    for each in documents["graph"]["repos"]:
        each["url"] = text
    documents["status"]["repos"][1]["pull"]["url"] = text
    links = ReadPage(render_page(msgspec.convert(documents, PageDocuments))).links
    assert all(re.match(r"#|data:,\Z|https?://", link) for link in links)


def test_a_login_in_an_error_of_a_forge_does_not_get_onto_the_page() -> None:
    page = render_page(
        spoiled_page(lambda value: f"{value} https://bot:hunter22@git.acme.org/x?private_token=sesame77")
    )
    assert "hunter22" not in page
    assert "sesame77" not in page

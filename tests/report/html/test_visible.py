"""Text as the page may show it, links, and the ids of sections."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakesync.report.html.visible import repo_link, section_id, visible, web_link

any_text = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    "code",
    [0x00, 0x07, 0x0D, 0x1B, 0x7F, 0x85, 0x9F, 0x061C, 0x200E, 0x200F, 0x202A, 0x202E, 0x2066, 0x2069, 0xD800, 0xDFFF],
)
def test_what_is_not_seen_or_turns_text_around_is_shown_as_a_sign(code: int) -> None:
    assert visible(f"a{chr(code)}b") == "a�b"


@pytest.mark.parametrize("text", ["lib", "größe", "库", "a\tb\nc", "👩‍💻", "<b>&\"'"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


def test_a_login_in_an_address_is_not_shown() -> None:
    assert "s3cret" not in visible("cannot read https://me:s3cret@git.example.org/x")
    assert web_link("https://me:s3cret@git.example.org/x") in (None, "https://git.example.org/x")


@given(any_text)
def test_text_can_be_written_as_utf8(text: str) -> None:
    visible(text).encode()


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "//example.org",
        "https:",
        "https://",
        "https://[",
        "https://a b",
        'https://a"b',
        "https://a/\u202e",
        "https://a\n.b",
        "",
        None,
    ],
)
def test_only_plain_web_addresses_are_links(address: str | None) -> None:
    assert web_link(address) is None


@given(any_text)
def test_a_link_leads_to_the_web_whatever_is_given(text: str) -> None:
    for address in (text, f"https://{text}", f"github:{text}", f"gitlab:{text}", f"git+{text}", f"git+https://{text}"):
        for link in (web_link(address), repo_link(address)):
            assert link is None or re.match(r"https?://[^\s\"'<>]+\Z", link)


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("github:acme/lib", "https://github.com/acme/lib"),
        ("github:acme/lib/stable?host=git.acme.org", "https://git.acme.org/acme/lib"),
        ("gitlab:acme%2Fteam/lib", "https://gitlab.com/acme/team/lib"),
        ("sourcehut:~acme/lib", "https://git.sr.ht/~acme/lib"),
        ("git+https://git.acme.org/lib.git?ref=main", "https://git.acme.org/lib.git"),
        ("git+ssh://git@git.acme.org/lib.git", None),
        ("git+file:///srv/lib", None),
        ("path:/srv/lib", None),
        ("github:acme/lib?host=evil\u202e.org", None),
        (None, None),
    ],
)
def test_a_repo_is_looked_at_where_its_reference_says(url: str | None, link: str | None) -> None:
    assert repo_link(url) == link


@pytest.mark.parametrize("name", ["lib", "acme.lib_2", "A-b"])
def test_the_id_of_a_section_is_its_name(name: str) -> None:
    assert section_id(name) == f"r-{name}"


def test_ids_of_odd_names_differ_and_stay_the_same() -> None:
    names = ["a b", "a-b", "a/b", "<b>", "", "库", "a-5891b5b5", "é"]
    ids = [section_id(name) for name in names]
    assert len({*ids}) == len(names)
    assert ids == [section_id(name) for name in names]
    assert all(re.fullmatch(r"r-[A-Za-z0-9._-]+", each) for each in ids)


def test_the_id_of_a_name_with_a_login_does_not_tell_it() -> None:
    assert "s3cret" not in section_id("https://me:s3cret@git.example.org/x")


def test_no_name_has_the_id_of_another_one_with_a_hash() -> None:
    odd = section_id("a b")
    assert section_id(odd.removeprefix("r-")) != odd

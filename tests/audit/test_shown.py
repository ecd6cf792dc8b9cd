"""What an audit shows of a lock: no character in it goes unseen."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakesync.audit.shown import clean, clean_message, shown_source


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("NixOS/nixpkgs", "NixOS/nixpkgs"),
        ("日本/é", "日本/é"),
        ("Nix\u200bOS", "Nix\\u200bOS"),
        ("\u202exinOS\u2066", "\\u202exinOS\\u2066"),
        ("a\u00adb\ufeffc\u061cd", "a\\u00adb\\ufeffc\\u061cd"),
        ("a\u2028b\u2029c\u00a0d\u3000e", "a\\u2028b\\u2029c\\u00a0d\\u3000e"),
        ("a\ue000b\U000f0000c\U000e0041d", "a\\ue000b\\U000f0000c\\U000e0041d"),
        ("a\u3164b\ufe0fc\u034fd\u115fe\u2800f", "a\\u3164b\\ufe0fc\\u034fd\\u115fe\\u2800f"),
        ("\x1b[31mred\x07\x00\x7f\x85", "\\x1b[31mred\\x07\\x00\\x7f\\u0085"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("a\udcffb\ud800c", "a\\xffb\\ud800c"),
        ("https://bot:s3\u200bcret@git.example.com/x\u200b", "https://git.example.com/x\\u200b"),
        ("https://bot:s3\ncret@git.example.com/x", "https://git.example.com/x"),
    ],
)
def test_what_nobody_sees_is_an_escape(text: str, told: str) -> None:
    assert clean(text) == told


def test_a_message_is_one_line() -> None:
    assert clean_message("fatal: a\n\n  b\tc\u2028d\r\n") == "fatal: a b c\\u2028d "


def test_a_source_that_differs_by_a_character_without_a_width_is_shown_as_another() -> None:
    attrs = {"type": "github", "owner": "nix\u2060os", "repo": "nixpkgs"}
    assert shown_source(attrs) != shown_source({**attrs, "owner": "nixos"})


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_seen_as_a_whole_and_stays_what_it_is_shown_as(text: str) -> None:
    told = clean(text)
    categories = {unicodedata.category(char) for char in told}
    assert not categories & {"Cf", "Cc", "Zl", "Zp", "Co", "Cs", "Cn"}
    assert clean(told) == told
    told.encode()

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakesync.report import colour
from flakesync.report.text import Span, days, flow, line, shown, to_text, width_of, wrap

LINES = [line(Span("[red]x", "good"), " — ", Span("[/red]", "bad")), line("plain")]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def write(stream: io.StringIO) -> str:
    colour.write(stream, LINES)
    return stream.getvalue()


def test_a_pipe_gets_plain_text() -> None:
    assert write(io.StringIO()) == "[red]x — [/red]\nplain\n"


def test_a_terminal_gets_colours_and_markup_stays_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert write(Terminal()) == "\x1b[32m[red]x\x1b[0m — \x1b[1;31m[/red]\x1b[0m\nplain\n"


def test_no_color_and_a_dumb_terminal_get_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b" not in write(Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in write(Terminal())


def test_force_color_colours_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[32m" in write(io.StringIO())


def test_a_long_line_is_not_broken_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    stream = Terminal()
    colour.write(stream, [line("word " * 30, Span("end", "good"))])
    assert stream.getvalue().count("\n") == 1


def test_no_line_of_a_terminal_ends_in_blanks() -> None:
    stream = Terminal()
    colour.write(stream, [line("a, ", Span("b,", "good"), Span("  ", "dim"), "  "), line("   ")])
    assert re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue()) == "a, b,\n\n"


@given(st.text())
def test_shown_text_stays_in_its_line(text: str) -> None:
    assert len(shown(text).splitlines()) <= 1
    assert "\x1b" not in shown(text)


@given(st.lists(st.text("abc-", min_size=1, max_size=12), max_size=30), st.integers(15, 80))
def test_flow_keeps_every_item_in_order_within_the_width(words: list[str], width: int) -> None:
    text = to_text(flow([Span(word) for word in words], width))
    assert " ".join(text.split()).split(", ") == (words or [""])
    assert all(len(each) <= width for each in text.splitlines())


def test_only_a_word_that_is_wider_than_a_line_is_broken_and_rather_after_a_slash() -> None:
    assert wrap("see inputs.crane here", 12) == ["see", "inputs.crane", "here"]
    assert wrap("see github:acme/a-long-name here", 16) == ["see", "github:acme/", "a-long-name here"]
    assert wrap("inputs.crane.inputs", 12) == ["inputs.crane", ".inputs"]


def test_wide_characters_take_two_columns_and_combining_ones_none() -> None:
    assert (width_of("日本"), width_of("é"), width_of("abc"), width_of("שלום\u200f")) == (4, 1, 3, 4)


def test_a_time_in_the_future_is_no_days_old() -> None:
    assert days(-5) == "0 d"

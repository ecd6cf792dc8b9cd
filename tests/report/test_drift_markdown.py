from typing import Any, Literal

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from flakesync.documents.drift import DriftReport, Finding, Locked, PinDrift
from flakesync.report.drift.markdown import render_drift_markdown
from flakesync.report.markdown import code, table, words

OLD, NEW = "1a2b3c4" + "0" * 33, "5d6e7f8" + "0" * 33
DAY = 86_400
NOW = 1_767_225_600  # 2026-01-01
PARSER = MarkdownIt("gfm-like", {"linkify": False})


def finding(repo: str, **fields: Any) -> Finding:
    given: dict[str, Any] = {"kind": "pin", "flake": ".", "input": "nixpkgs", "locked_rev": OLD, "wanted_rev": NEW}
    given["detail"] = "not at pin nixpkgs"
    return Finding(repo=repo, **(given | fields))


def pin(*repos: str, note: str | None = None) -> PinDrift:
    locked = [Locked(rev=OLD, last_modified=NOW - 33 * DAY, repos=list(repos))]
    return PinDrift(
        name="nixpkgs", source="github:NixOS/nixpkgs", target_rev=NEW, target_last_modified=NOW - 2 * DAY,
        target_note=note, locked=locked,
    )  # fmt: skip


def render(
    pins: list[PinDrift], findings: list[Finding], *, full: bool = False, at: Literal["base", "update"] = "base"
) -> str:
    report = DriftReport(pins=pins, findings=findings)
    return render_drift_markdown(report, workspace="acme", at=at, now=NOW, repos=3, full=full)


def tokens(text: str) -> list[Token]:
    """Return what a browser would show, flat."""
    found: list[Token] = []
    for token in PARSER.parse(text):
        found += [token, *(token.children or [])]
    return found


def cells(text: str) -> list[str]:
    """Return the cells of all tables as they are read: markup gone, character references resolved."""
    parsed = PARSER.parse(text)
    inside = [parsed[index + 1] for index, token in enumerate(parsed) if token.type in ("th_open", "td_open")]
    return ["".join(child.content for child in token.children or []) for token in inside]


def test_the_pins_and_the_findings_are_two_tables() -> None:
    text = render(
        [pin("lib", "tool", note="newest in any lock (offline)")],
        [finding("lib"), finding("lib", kind="upstream", flake="dev", input="core", detail="3 commits behind core"),
         finding("tool", kind="no-lock", input=None, locked_rev=None, wanted_rev=None, detail="has no flake.lock")],
    )  # fmt: skip
    assert text == (
        "## Drift of acme (base branches)\n"
        "\n"
        "3 findings in 2 of 3 repos: 1 pin, 1 upstream, 1 no-lock\n"
        "\n"
        "| pin | rev | date | age | behind | repos |\n"
        "|---|---|---|--:|--:|---|\n"
        "| `nixpkgs` | **`5d6e7f8`** | 2025-12-30 | 2 d | – | no repo |\n"
        "|  | `1a2b3c4` | 2025-11-29 | 33 d | 31 d | 2: `lib`, `tool` |\n"
        "\n"
        "**bold**: the pin's target; `nixpkgs`: newest in any lock (offline)\n"
        "\n"
        "| repo | finding | input | locked | wanted | what it is |\n"
        "|---|---|---|---|---|---|\n"
        "| `lib` | pin | `nixpkgs` | `1a2b3c4` | `5d6e7f8` | not at pin nixpkgs |\n"
        "| `lib` | upstream | `dev#core` | `1a2b3c4` | `5d6e7f8` | 3 commits behind core |\n"
        "| `tool` | no-lock | `flake.lock` |  |  | has no flake.lock |\n"
    )


def test_a_workspace_in_step_without_pins_is_a_heading_and_a_line() -> None:
    assert render([], [], at="update") == "## Drift of acme (update branches)\n\nin step: 3 repos, no drift\n"


def test_long_tables_are_cut_unless_all_is_asked_for() -> None:
    names = [f"r{number}" for number in range(600)]
    found = [finding(name) for name in names]
    short, full = render([pin(*names)], found), render([pin(*names)], found, full=True)
    assert "600: `r0`" in short
    assert "`r19` and 580 more |" in short
    assert "| and 100 more |  |  |  |  |  |\n" in short
    assert "more" not in full
    assert full.count("`r599`") == 2


HOSTILE = [
    "a | b", "`code`", "``x` y", "<img src=x onerror=alert(1)>", "[text](https://evil.example)", "https://evil.example",
    "www.evil.example", "*bold* _it_ ~~gone~~", "@everyone #1 !2 $3 %4 :tada:", "<!-- comment", "\x1b[31mred\nline",
    "&lt;b&gt;", "\\| \\`", "trailing \\",
]  # fmt: skip


def test_foreign_text_is_never_markup() -> None:
    for text in HOSTILE:
        shown = render([], [finding("lib", input=text, detail=text)])
        kinds = {token.type for token in tokens(shown)}
        assert not kinds & {"link_open", "image", "html_inline", "html_block", "em_open", "s_open", "strong_open"}, text
        found = cells(shown)
        assert len(found) == 12, text
        assert found[-1] == " ".join(text.replace("\x1b[31m", "").split())
        for raw in ("://", "www.", "@everyone", " #1", " !2", " $3", " %4", ":tada:"):
            assert raw not in words(text)


@given(st.text(min_size=1))
def test_any_text_stays_in_its_cell(text: str) -> None:
    lines = table([("one", "left"), ("two", "right")], [[code(text), words(text)]])
    assert len(cells("\n".join(lines))) == 4
    kinds = {token.type for token in tokens("\n".join(lines))}
    assert not kinds & {"link_open", "image", "html_inline", "html_block", "em_open", "s_open", "strong_open"}

"""The record of tips as text."""

from flakesync.documents.cooldown.seen import SeenBranchDocument, SeenDocument, SeenTipDocument
from flakesync.report.cooldown.seen import render_seen
from flakesync.report.text import to_text

NOW = 1_790_000_000


def document(number: int, *, imported: int = 0) -> SeenDocument:
    tips = [SeenTipDocument(rev=f"{each}" * 40, first_seen=NOW - each * 86_400) for each in range(number)]
    branch = SeenBranchDocument(source="github:NixOS/nixpkgs", ref="nixos-26.05", pins=["nixpkgs", "lts"], tips=tips)
    other = SeenBranchDocument(source="github:acme/x\x1b[31m", ref=None, pins=[], tips=tips[:1])
    return SeenDocument(file="/seen.json", imported=imported, branches=[branch, other])


def test_a_branch_is_a_table_of_its_tips() -> None:
    assert to_text(render_seen(document(2), now=NOW, width=80)) == (
        "github:NixOS/nixpkgs nixos-26.05 (pin nixpkgs, lts): 2 tips\n"
        "  rev      first seen  age\n"
        "  0000000  2026-09-21  0 d\n"
        "  1111111  2026-09-20  1 d\n"
        "\n"
        "github:acme/x: 1 tip\n"
        "  rev      first seen  age\n"
        "  0000000  2026-09-21  0 d\n"
    )


def test_of_many_the_latest_are_shown_unless_all_are_asked_for() -> None:
    few, full = (to_text(render_seen(document(9), now=NOW, width=80, full=full)) for full in (False, True))
    assert "  4444444  2026-09-17  4 d\n  and 4 more (-v)\n" in few
    assert "8888888" in full
    assert "more" not in full


def test_what_was_imported_comes_first() -> None:
    assert to_text(render_seen(document(1, imported=1), now=NOW, width=80)).startswith("1 tip imported\n\ngithub:")


def test_a_narrow_terminal_folds_the_name_of_a_branch() -> None:
    text = to_text(render_seen(document(1), now=NOW, width=40))
    assert text.startswith("github:NixOS/nixpkgs nixos-26.05 (pin\n  nixpkgs, lts): 1 tip\n")

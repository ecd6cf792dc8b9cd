"""Which texts read the flake.lock of their own flake."""

import pytest

from flakesync.nix.expression.own_lock import line_that_reads_lock


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("builtins.fromJSON (builtins.readFile ./flake.lock)", 1),
        ("let\n  lock = lib.importJSON ../../flake.lock;\nin lock", 2),
        ("{ self }:\nbuiltins.fromJSON\n  (builtins.readFile\n    (self + \"/flake.lock\"))", 4),
        ('builtins.readFile "${self}/flake.lock"', 1),
        ('{ path = root + "/flake.lock"; }', 1),
        ('{ path = root + "/dev/flake.lock"; }', 1),
        ("let file = ./flake.lock; in builtins.fromJSON (builtins.readFile file)", 1),
        ("builtins.fromJSON (readFile ./flake.lock) # of this flake", 1),
        ('{ a = "# no comment"; b = readFile ./flake.lock; }', 1),
        ("{ a = ''\n  # no comment\n''; b = readFile ./flake.lock; }", 3),
        ("# readFile ./flake.lock\n1", None),
        ("/* readFile\n ./flake.lock */ 1", None),
        ("{ src = lib.fileset.difference ./. ./flake.lock; }", None),
        ("{ a = readFile ./x; b = [ ./flake.lock ]; }", None),
        ("readFile ./flake.lock-old", None),
        ("{ exclude = [ \"flake.lock\" ]; }", None),
        ("{ }", None),
    ],
)  # fmt: skip
def test_a_text_reads_its_lock(text: str, line: int | None) -> None:
    assert line_that_reads_lock(text) == line

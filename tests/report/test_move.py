from flakesync.documents.move import LeftMove, Mention, MoveDocument, MovedPin, MoveEdit, RepoMove, Unread
from flakesync.report.move.text import render_move
from flakesync.report.text import to_text

PIN = MovedPin(name="nixpkgs", from_="nixos-25.11", to="nixos-26.05", rev="8b1c2d3" + "0" * 33, last_modified=None)
EDIT = MoveEdit(flake=".", input="nixpkgs", file="flake.nix", line=6, column=19, from_="nixos-25.11", to="nixos-26.05")
MENTION = Mention(file="flake.nix", line=31, says="25.11", text='stateVersion = "25.11";')
HELD = LeftMove(
    flake=".", input="nixpkgs", why="held", file="flake.nix", line=None, column=None, detail="held (repos.docs.hold)"
)
BY_HAND = LeftMove(
    flake="dev", input="np", why="cannot-edit", file="dev/flake.nix", line=3, column=5, detail="`inherit` has no text"
)
REPOS = [
    RepoMove(repo="fleet", edits=[EDIT], mentions=[MENTION], left=[]),
    RepoMove(repo="docs", edits=[], mentions=[], left=[HELD, BY_HAND]),
]


def render(document: MoveDocument, width: int = 100) -> str:
    return to_text(render_move(document, manifest="workspace.toml", width=width))


def test_a_move_is_told_pin_by_pin_and_place_by_place() -> None:
    text = render(
        MoveDocument(
            release="26.05",
            dry_run=False,
            written=["release", "replaces"],
            pins=[PIN],
            repos=REPOS,
            waves=1,
            unread=[Unread(repo="old", detail="no answer")],
        )
    )
    assert text == (
        "nixpkgs  nixos-25.11  → nixos-26.05  8b1c2d3\n"
        "workspace.toml changed: release, replaces\n"
        "\n"
        "1 repo, 1 input to move in 1 wave; run `flakesync sync`\n"
        "  fleet  flake.nix:6:19  nixpkgs: nixos-25.11 → nixos-26.05\n"
        '  fleet  flake.nix:31  also says 25.11: stateVersion = "25.11"; (not touched)\n'
        "  docs   · nixpkgs  held (repos.docs.hold)\n"
        "  docs   ! dev/flake.nix:3:5  dev#np: `inherit` has no text; change it yourself\n"
        "  old: not read: no answer\n"
    )


def test_what_is_left_says_whether_sync_can_do_it() -> None:
    def left(*repos: RepoMove) -> str:
        return render(
            MoveDocument(release=None, dry_run=False, written=[], pins=[], repos=list(repos), waves=0)
        ).partition("\n")[0]

    assert left() == "no input is left to move"
    assert left(REPOS[1]) == "no input is left to move that sync could edit"

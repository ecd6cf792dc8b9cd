from flakesync.documents.change.hold import HoldDocument, HoldKind, HoldsDocument
from flakesync.report.hold.text import render_holds
from flakesync.report.text import to_text


def hold(
    repo: str,
    input: str,
    days_left: int | None,
    reason: str | None = "why",
    *,
    flake: str | None = None,
    kind: HoldKind = "until",
) -> HoldDocument:
    until = "2027-03-01" if days_left is not None else None
    return HoldDocument(kind=kind, repo=repo, flake=flake, input=input, until=until, days_left=days_left, reason=reason)


def render(document: HoldsDocument, width: int = 100) -> str:
    return to_text(render_holds(document, manifest="workspace.toml", width=width))


def test_holds_are_listed_repo_by_repo_with_the_days_that_are_left_and_why() -> None:
    document = HoldsDocument(
        holds=[
            hold("app", "crane", 92, "needs crane#712"),
            hold("app", "fenix", 0, flake="dev"),
            hold("app", "lib", 1, flake="."),
            hold("lib", "nixpkgs-*", -3),
            hold("lib", "old", None, None, kind="for-ever"),
            hold("lib", "x", 6, "`true` fails with 1a2b3c4", kind="checks", flake="."),
        ]
    )
    assert render(document) == (
        "app\n"
        "  crane      until 2027-03-01, 92 days left  needs crane#712\n"
        "  dev#fenix  until 2027-03-01, last day      why\n"
        "  .#lib      until 2027-03-01, 1 day left    why\n"
        "lib\n"
        "  nixpkgs-*  ended 2027-03-01                why\n"
        "  old        for ever                        hold in the manifest\n"
        "  .#x        until 2027-03-01, 6 days left   `true` fails with 1a2b3c4 (held by sync)\n"
        "6 holds: 4 until a day, 1 over, 1 for ever\n"
    )
    assert render(HoldsDocument(holds=[])) == "no input is held\n"


def test_what_was_done_to_the_manifest_is_shown_and_not_the_rest() -> None:
    one, other = hold("app", "crane", 92), hold("app", "x", 3)
    for written, said in (
        ("added", "added to workspace.toml"),
        ("changed", "changed in workspace.toml"),
        ("released", "taken out of workspace.toml"),
        ("unchanged", "workspace.toml is as it was"),
    ):
        document = HoldsDocument(written=written, changed=[one], holds=[one, other])  # type: ignore[arg-type]
        assert render(document) == f"app\n  crane  until 2027-03-01, 92 days left  why\n{said}\n"
    assert render(HoldsDocument(written="unchanged", holds=[other])) == "workspace.toml is as it was\n"

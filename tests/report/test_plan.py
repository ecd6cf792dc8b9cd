import msgspec

from flakesync.documents.plan import (
    ChangeDocument,
    InertDocument,
    PlanDocument,
    ProblemDocument,
    RepoPlanDocument,
    StaysDocument,
)
from flakesync.report.plan import render_plan
from flakesync.report.text import to_text

OLD, NEW = "1a2b3c4" + "0" * 33, "5d6e7f8" + "0" * 33


def change(
    input: str, *, rev: str | None = None, update_of: str | None = None, reason: str = "", flake: str = "."
) -> ChangeDocument:
    return ChangeDocument(
        flake=flake, input=input, from_=OLD, reason=reason,
        to={"update_of": update_of} if update_of is not None else {"rev": rev or NEW},
    )  # fmt: skip


def document(
    waves: list[list[RepoPlanDocument]],
    *,
    unchanged: list[str] | None = None,
    held: list[StaysDocument] | None = None,
    deferred: list[StaysDocument] | None = None,
    problems: list[ProblemDocument] | None = None,
) -> PlanDocument:
    return PlanDocument(
        waves=waves, unchanged=unchanged or [], held=held or [], deferred=deferred or [], problems=problems or []
    )


def test_a_plan_says_wave_by_wave_what_moves_and_then_what_does_not() -> None:
    lib = RepoPlanDocument(repo="lib", changes=[change("nixpkgs", reason="pin nixpkgs")])
    app = RepoPlanDocument(
        repo="app",
        changes=[change("lib", update_of="lib", reason="lib is updated"), change("nixpkgs", reason="pin nixpkgs")],
    )
    text = to_text(render_plan(document(
        [[lib], [app]],
        unchanged=["docs"],
        held=[StaysDocument(repo="app", flake="dev", input="crane", locked_rev=OLD, reason="hold")],
        deferred=[StaysDocument(repo="lib", flake=".", input="app", locked_rev=OLD, reason="opens a cycle")],
        problems=[ProblemDocument(repo="gone", detail="no route")],
    ), width=80))  # fmt: skip
    assert text == (
        "2 of 4 repos move in 2 waves\n"
        "\n"
        "wave 1\n"
        "  lib\n"
        "    nixpkgs  1a2b3c4 → 5d6e7f8  pin nixpkgs\n"
        "\n"
        "wave 2\n"
        "  app\n"
        "    lib      1a2b3c4 → update of lib\n"
        "    nixpkgs  1a2b3c4 → 5d6e7f8  pin nixpkgs\n"
        "\n"
        "held (1)\n"
        "  app  dev#crane  1a2b3c4  hold\n"
        "\n"
        "deferred (1)\n"
        "  lib  app  1a2b3c4  opens a cycle\n"
        "\n"
        "cannot be planned\n"
        "  gone: no route\n"
        "\n"
        "unchanged (1)\n"
        "  docs\n"
    )


def test_a_plan_in_which_nothing_moves_says_so() -> None:
    assert to_text(render_plan(document([], unchanged=["a", "b"]), width=80)) == (
        "nothing moves in 2 repos\n\nunchanged (2)\n  a, b\n"
    )


def test_what_is_inert_is_named_with_what_moved() -> None:
    stays = InertDocument(
        repo="app", flake=".", input="lib", upstream="lib", locked_rev="1" * 40, tip_rev="2" * 40, behind=12,
        moved=["nixpkgs"], rule="content",
    )  # fmt: skip
    others = [
        msgspec.structs.replace(stays, behind=0, moved=["nixpkgs", "systems"]),
        msgspec.structs.replace(stays, behind=1, moved=[], rule="content"),
        msgspec.structs.replace(stays, behind=3, moved=[], rule="content"),
        msgspec.structs.replace(stays, behind=0, moved=[], rule="content"),
        msgspec.structs.replace(stays, behind=1, upstream="app", rule="self"),
        msgspec.structs.replace(stays, behind=2, upstream="effects", rule="cycle"),
    ]
    found = msgspec.structs.replace(document([], unchanged=["app"]), inert=[stays, *others])
    assert to_text(render_plan(found, width=100)).splitlines()[2:10] == [
        "inert (7)",
        "  app ← lib      12 commits behind, only flake.lock: nixpkgs, which does not reach app",
        "  app ← lib      its update: nixpkgs, systems, which do not reach app",
        "  app ← lib      1 commit behind, which does not reach app",
        "  app ← lib      3 commits behind, which do not reach app",
        "  app ← lib      its update, which does not reach app",
        "  app ← app      1 commit behind, only flake.lock: nixpkgs; it is the repo itself",
        "  app ← effects  2 commits behind, only flake.lock: nixpkgs; it runs backwards in a cycle",
    ]


def test_a_long_reason_goes_below_on_a_narrow_terminal() -> None:
    lib = RepoPlanDocument(
        repo="lib", changes=[change("a-rather-long-input", reason="12 commits behind the-other-repo")]
    )
    text = to_text(render_plan(document([[lib]]), width=50))
    assert text.endswith("    a-rather-long-input  1a2b3c4 → 5d6e7f8\n        12 commits behind the-other-repo\n")


def test_names_from_locks_lose_their_control_characters() -> None:
    lib = RepoPlanDocument(repo="lib", changes=[change("in\x1b[2Jput", reason="x\r\ny", flake="d\x07ev")])
    assert "    dev#input  1a2b3c4 → 5d6e7f8  x y\n" in to_text(render_plan(document([[lib]]), width=80))

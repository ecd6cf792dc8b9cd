"""Which copies in a lock should follow a pin's input: each condition, on locks as values."""

from collections.abc import Mapping, Sequence
from datetime import date

import msgspec
import pytest

from flakesync.nix.expression.edit import CannotEditError, RemoveFollows, SetFollows
from flakesync.nix.expression.nested import Overrides
from flakesync.nix.lock.file import LockFile
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.survey.follow.at_base import locks_at_base
from flakesync.survey.follow.model import FlakeFollows, FollowsEdit
from flakesync.survey.follow.suggest import Wishes, follows_of
from flakesync.survey.pins import pinned_in
from flakesync.terms import FlakeDir, NodeLabel, RepoName, show_path
from flakesync.workspace.manifest import Pin, Repo
from flakesync.workspace.settings.follow import FollowMatch, FollowRules
from flakesync.workspace.settings.holds import Hold
from flakesync.workspace.snapshot import FlakeState
from tests.support import locks
from tests.support.locks import Input, Inputs, github
from tests.support.workspaces import pin, scene, workspace

REF = "nixos-25.11"
NIX_2_8, NIX_2_26, NIX_2_30 = (2, 8), (2, 26), (2, 30)


def nixpkgs(ref: str | None = REF, **more: object) -> Input:
    return github("NixOS", "nixpkgs", ref=ref, **more)  # type: ignore[arg-type]


def lib(**inputs: Input | tuple[str, ...]) -> Input:
    return github("acme", "lib", inputs=inputs)


def pinned(
    match: FollowMatch = "same-ref",
    *,
    keep: Sequence[str] = (),
    stand_ins: Sequence[str] = (),
    inputs: tuple[str, ...] | None = None,
) -> Pin:
    rules = FollowRules(match=match, keep=tuple(keep), stand_ins=tuple(map(FlakeRef.parse, stand_ins)))
    return pin("nixpkgs", f"github:NixOS/nixpkgs/{REF}", follow=rules, inputs=inputs)


def ask(
    inputs: Inputs,
    *pins: Pin,
    nix: tuple[int, ...] = NIX_2_8,
    overrides: Overrides | None = None,
    cannot: Mapping[FollowsEdit, CannotEditError] | None = None,
    shallow: bool = False,
    flake: Mapping[str, object] | None = None,
    at_base: Inputs | None = None,
    **repo: object,
) -> FlakeFollows | None:
    """Return what is said of a flake with this lock.

    overrides: what its flake.nix leads elsewhere below its inputs. at_base: the inputs that acme/lib has at its base.
    """
    lock = LockFile.parse(locks.to_bytes(locks.lock(inputs)))
    state = FlakeState(FlakeDir("."), lock, overrides=overrides or {})
    state = msgspec.structs.replace(state, **(flake or {}))
    own = msgspec.structs.replace(Repo(name=RepoName("app")), **repo)
    governed = [*pinned_in(workspace([own], pins or [pinned()]), RepoName("app"), state)]
    lib_at_base = LockFile.parse(locks.to_bytes(locks.lock(at_base))) if at_base is not None else None
    wishes = Wishes(
        nix,
        removals=True,
        shallow=shallow,
        at_base=lambda node: lib_at_base if node.origin.original.get("repo") == "lib" else None,
    )
    return follows_of(own, state, governed, wishes, cannot or {})


def said(found: FlakeFollows | None) -> dict[str, str]:
    """Return what becomes of each input: `→ TARGET`, `gone`, or why it is left."""
    if found is None:
        return {}
    answers: dict[str, str] = {show_path(each.input): each.why for each in found.left}
    for each in found.wanted:
        follows = f"→ {show_path(each.edit.follows)}" if isinstance(each.edit, SetFollows) else "gone"
        answers[show_path(each.edit.input)] = follows
    return answers


def detail(found: FlakeFollows | None) -> str:
    assert found is not None
    (left,) = found.left
    return left.detail


def test_a_copy_of_the_same_repository_and_ref_should_follow_whatever_it_is_called() -> None:
    other = github("acme", "other", inputs={"nixpkgs": github("acme", "nixpkgs", ref=REF)})
    found = ask({"nixpkgs": nixpkgs(), "lib": lib(pkgs=nixpkgs()), "other": other})
    assert said(found) == {"lib/pkgs": "→ nixpkgs"}
    assert ask({"nixpkgs": nixpkgs(), "lib": lib(nixpkgs=("nixpkgs",))}) is None
    assert ask({"nixpkgs": nixpkgs("nixos-unstable"), "lib": lib(nixpkgs=nixpkgs())}) is None


def test_what_an_edit_saves_is_what_the_lock_gets_smaller_by_once_the_others_are_made() -> None:
    copy = nixpkgs(inputs={"systems": github("nix-systems", "default"), "x": github("a", "x")})
    found = ask({"nixpkgs": nixpkgs(), "lib": lib(nixpkgs=copy), "tool": github("a", "tool", inputs={"n": nixpkgs()})})
    assert found is not None
    assert [(show_path(each.edit.input), each.saved) for each in found.wanted] == [("lib/nixpkgs", 3), ("tool/n", 1)]
    assert (found.before, found.after) == (8, 4)
    assert found.lock.to_bytes() == locks.to_bytes(
        locks.lock(
            {
                "nixpkgs": nixpkgs(),
                "lib": lib(nixpkgs=("nixpkgs",)),
                "tool": github("a", "tool", inputs={"n": ("nixpkgs",)}),
            }
        )
    )


@pytest.mark.parametrize("ref", [None, "nixos-25.05", "refs/heads/main"])
def test_another_ref_follows_only_where_the_manifest_says_so(ref: str | None) -> None:
    inputs = {"nixpkgs": nixpkgs(), "lib": lib(nixpkgs=nixpkgs(ref))}
    assert said(ask(inputs)) == {"lib/nixpkgs": "other-ref"}
    assert said(ask(inputs, pinned("same-repository"))) == {"lib/nixpkgs": "→ nixpkgs"}


def test_a_name_of_the_registry_is_another_ref() -> None:
    copy = nixpkgs()
    registry = Input(copy.locked, {"type": "indirect", "id": "nixpkgs"})
    found = ask({"nixpkgs": nixpkgs(), "lib": lib(nixpkgs=registry)})
    assert said(found) == {"lib/nixpkgs": "other-ref"}
    assert detail(found) == "other ref: the registry's nixpkgs, nixpkgs has nixos-25.11 (follow-match)"


def test_what_is_kept_or_held_stays_and_says_by_what() -> None:
    inputs = {"nixpkgs": nixpkgs(), "lib": lib(nixpkgs=nixpkgs())}
    assert detail(ask(inputs, pinned(keep=["lib/*"]))) == "kept (pins.nixpkgs.keep)"
    assert detail(ask(inputs, keep=("*/nixpkgs",))) == "kept (repos.app.keep)"
    assert detail(ask(inputs, hold=("lib/nixpkgs",))) == "held (repos.app.hold)"
    until = Hold(repo=RepoName("app"), input="lib/*", reason="why", until=date(2099, 1, 1))
    assert detail(ask(inputs, holds=(until,))) == "held until 2099-01-01: why"
    elsewhere = msgspec.structs.replace(until, flake=FlakeDir("dev"))
    assert said(ask(inputs, holds=(elsewhere,))) == {"lib/nixpkgs": "→ nixpkgs"}
    assert said(ask(inputs, hold=("lib", "nixpkgs"), keep=("nixpkgs",))) == {"lib/nixpkgs": "→ nixpkgs"}


def test_a_deeper_copy_follows_where_every_nix_reads_that_and_sync_leaves_it() -> None:
    inputs = {"nixpkgs": nixpkgs(), "crane": github("a", "crane", inputs={"rust": lib(nixpkgs=nixpkgs())})}
    assert said(ask(inputs, nix=(2, 29))) == {"crane/rust/nixpkgs": "depth"}
    assert said(ask(inputs, nix=NIX_2_30)) == {"crane/rust/nixpkgs": "→ nixpkgs"}
    assert said(ask(inputs, nix=NIX_2_30, shallow=True)) == {"crane/rust/nixpkgs": "depth"}


def test_a_flake_does_not_follow_files_and_no_folder_another_one() -> None:
    files, folder = nixpkgs(flake=False), nixpkgs(dir="lib")
    assert said(ask({"nixpkgs": nixpkgs(), "lib": lib(nixpkgs=files)})) == {"lib/nixpkgs": "flake-flag"}
    assert said(ask({"nixpkgs": files, "lib": lib(nixpkgs=nixpkgs())})) == {"lib/nixpkgs": "flake-flag"}
    assert said(ask({"nixpkgs": files, "lib": lib(nixpkgs=files)})) == {"lib/nixpkgs": "→ nixpkgs"}
    found = ask({"nixpkgs": nixpkgs(), "lib": lib(nixpkgs=folder)})
    assert detail(found) == "is folder lib of the repository, nixpkgs is the top"
    assert said(ask({"nixpkgs": folder, "lib": lib(nixpkgs=folder)})) == {"lib/nixpkgs": "→ nixpkgs"}


def test_what_names_a_commit_neither_follows_nor_is_followed() -> None:
    free = nixpkgs()
    fixed = Input(free.locked, {**free.original, "rev": free.locked["rev"]})
    anywhere = pinned("same-repository", inputs=("nixpkgs",))
    found = ask({"nixpkgs": free, "lib": lib(nixpkgs=fixed)}, anywhere)
    assert (said(found), detail(found)) == (
        {"lib/nixpkgs": "rev"},
        "the reference of lib/nixpkgs names a commit",
    )
    assert detail(ask({"nixpkgs": fixed, "lib": lib(nixpkgs=free)}, anywhere)).startswith("the reference of nixpkgs")


def utils(*names: str) -> Input:
    return github("acme", "utils", ref=REF, inputs={name: github("nix-systems", name) for name in names})


UTILS = pin("utils", f"github:acme/utils/{REF}")


@pytest.mark.parametrize(
    ("nix", "own", "why"),
    [
        (NIX_2_8, ("systems",), "dangling"),
        ((2, 18), ("systems",), "dangling"),
        ((2, 19), ("systems",), "→ utils"),
        (NIX_2_26, ("systems",), "→ utils"),
        ((2, 91), ("systems",), "dangling"),
        (NIX_2_8, (), "dangling"),
        (NIX_2_26, (), "dangling"),
    ],
)
def test_a_follows_by_way_of_the_copy_has_to_lead_somewhere_for_the_oldest_nix(
    nix: tuple[int, ...], own: tuple[str, ...], why: str
) -> None:
    through = lib(fu=utils("systems"), systems=("lib", "fu", "systems"))
    assert said(ask({"utils": utils(*own), "lib": through}, UTILS, nix=nix)) == {"lib/fu": why}


def test_a_follows_that_leads_nowhere_for_old_nix_already_keeps_nothing_from_following() -> None:
    through = lib(fu=utils("systems"), systems=("a", "fu", "systems"))
    inputs = {"utils": utils("systems"), "a": through, "b": lib(fu=("utils",), systems=("b", "fu", "systems"))}
    assert said(ask(inputs, UTILS)) == {"a/fu": "dangling"}
    inputs = {"utils": utils("systems"), "a": lib(fu=utils()), "b": inputs["b"]}
    assert said(ask(inputs, UTILS)) == {"a/fu": "→ utils"}


def test_what_another_edit_takes_out_of_the_lock_is_in_nobodys_way() -> None:
    # `b` follows by way of `a/fu`, and is gone once `c` follows: the outer ones come first, then all again.
    inside = github("acme", "c", ref=REF, inputs={"b": ("a", "fu", "systems")})
    inputs = {
        "utils": utils(),
        "c": github("acme", "c", ref=REF),
        "a": lib(fu=utils("systems")),
        "z": lib(c=inside),
    }
    pins = [UTILS, pin("c", f"github:acme/c/{REF}")]
    assert said(ask(inputs, UTILS)) == {"a/fu": "dangling"}
    assert said(ask(inputs, *pins)) == {"a/fu": "→ utils", "z/c": "→ c"}


def test_what_lies_below_a_copy_that_goes_is_not_spoken_of() -> None:
    inputs = {
        "nixpkgs": nixpkgs(),
        "utils": utils(),
        "lib": lib(fu=github("acme", "utils", ref=REF, inputs={"n": nixpkgs()})),
    }
    assert said(ask(inputs, pinned())) == {"lib/fu/n": "depth"}
    assert said(ask(inputs, pinned(), UTILS)) == {"lib/fu": "→ utils"}
    same = {**inputs, "utils": github("acme", "utils", ref=REF, inputs={"n": ("nixpkgs",)})}
    assert said(ask(same, pinned(), UTILS)) == {"lib/fu": "→ utils"}


def test_a_root_input_that_follows_is_followed_like_any_other() -> None:
    pins = github("acme", "pins", inputs={"nixpkgs": nixpkgs()})
    inputs: Inputs = {"pins": pins, "nixpkgs": ("pins", "nixpkgs"), "lib": lib(nixpkgs=nixpkgs())}
    assert said(ask(inputs)) == {"lib/nixpkgs": "→ nixpkgs"}
    assert ask({"pins": pins, "nixpkgs": ("pins", "nixpkgs")}) is None


def test_nothing_follows_in_a_circle() -> None:
    pins = github("acme", "pins", inputs={"nixpkgs": nixpkgs()})
    both: Inputs = {"pins": pins, "nixpkgs": ("pins", "nixpkgs"), "pkgs": nixpkgs()}
    assert said(ask(both)) == {"pins/nixpkgs": "cycle"}
    utils_pin = pin("utils", f"github:acme/utils/{REF}")
    takes = github("acme", "utils", ref=REF, inputs={"lib": ("lib",)})
    found = ask({"utils": takes, "lib": lib(utils=utils())}, utils_pin)
    assert (said(found), detail(found)) == ({"lib/utils": "cycle"}, "utils takes lib itself")
    itself = github("acme", "utils", ref=REF, inputs={"self": utils()})
    assert said(ask({"utils": itself}, utils_pin)) == {"utils/self": "cycle"}


def test_of_two_pins_of_a_repository_the_one_of_the_copys_ref_is_followed() -> None:
    unstable = pin("unstable", "github:NixOS/nixpkgs/nixos-unstable")
    inputs = {"stable": nixpkgs(), "nixpkgs": nixpkgs("nixos-unstable"), "lib": lib(nixpkgs=nixpkgs())}
    assert said(ask(inputs, pinned(), unstable)) == {"lib/nixpkgs": "→ stable"}
    twice = {"a": nixpkgs(), "nixpkgs": nixpkgs(), "lib": lib(nixpkgs=nixpkgs())}
    assert said(ask(twice)) == {"lib/nixpkgs": "→ nixpkgs"}


def test_a_stand_in_may_follow_too() -> None:
    copy = github("nix-community", "nixpkgs.lib", ref="main")
    inputs = {"nixpkgs": nixpkgs(), "parts": github("h", "flake-parts", inputs={"nixpkgs-lib": copy})}
    assert ask(inputs) is None
    assert said(ask(inputs, pinned(stand_ins=["github:nix-community/nixpkgs.lib"]))) == {
        "parts/nixpkgs-lib": "→ nixpkgs"
    }
    assert said(ask(inputs, pinned(stand_ins=["github:nix-community/nixpkgs.lib/old"]))) == {
        "parts/nixpkgs-lib": "other-ref"
    }
    folder = {
        "nixpkgs": nixpkgs(),
        "parts": github("h", "flake-parts", inputs={"nixpkgs-lib": nixpkgs("x", dir="lib")}),
    }
    assert said(ask(folder)) == {"parts/nixpkgs-lib": "flake-flag"}
    assert said(ask(folder, pinned(stand_ins=["github:NixOS/nixpkgs?dir=lib"]))) == {"parts/nixpkgs-lib": "→ nixpkgs"}


def test_a_lock_that_is_behind_comes_first_and_a_flake_that_is_evaluated_is_edited_by_a_person() -> None:
    from flakesync.nix.expression.stale import Disagreement

    inputs = {"nixpkgs": nixpkgs(), "lib": lib(nixpkgs=nixpkgs())}
    stale = (Disagreement(("x",), "new", None, True, "new", "flake.nix has x, the lock does not"),)
    found = ask(inputs, overrides={("lib", "ghost"): None}, flake={"stale": stale})
    assert said(found) == {"lib/nixpkgs": "lock-behind", "lib/ghost": "lock-behind"}
    found = ask(inputs, flake={"uncompared": "only Nix can tell"})
    assert said(found) == {"lib/nixpkgs": "not-static"}
    assert found is not None
    assert found.left[0].edit == SetFollows(("lib", "nixpkgs"), ("nixpkgs",))
    assert ask(inputs, flake={"is_flake": False}) is None


def test_what_cannot_be_edited_is_left_with_the_place_and_counts_for_nothing() -> None:
    inputs = {"nixpkgs": nixpkgs(), "lib": lib(nixpkgs=nixpkgs())}
    edit = SetFollows(("lib", "nixpkgs"), ("nixpkgs",))
    found = ask(inputs, cannot={edit: CannotEditError(3, 7, "it is inherited")})
    assert found is not None
    (left,) = found.left
    assert (left.why, left.detail, left.line, left.column, left.edit) == ("not-static", "it is inherited", 3, 7, edit)
    assert (found.before, found.after) == (4, 4)


def test_an_override_of_an_input_that_is_not_there_goes() -> None:
    inputs: Inputs = {
        "nixpkgs": nixpkgs(),
        "lib": lib(tool=github("a", "tool"), up=("nixpkgs",)),
        "src": nixpkgs(flake=False),
    }
    over: Overrides = {
        ("lib", "ghost"): None,
        ("lib", "tool"): None,
        ("lib", "tool", "x"): None,
        ("lib", "up", "y"): None,
    }
    found = ask(inputs, overrides={**over, ("lib", "gone", "z"): None}, nix=NIX_2_30)
    assert said(found)["lib/ghost"] == "gone"
    assert {path for path, answer in said(found).items() if answer == "gone"} == {
        "lib/ghost",
        "lib/tool/x",
        "lib/gone/z",
    }
    assert found is not None
    reasons = {show_path(each.edit.input): each.reason for each in found.wanted if each.pin is None}
    assert reasons["lib/gone/z"] == "lib has no input gone"
    assert isinstance(found.wanted[-1].edit, RemoveFollows)
    assert found.before == found.after + sum(each.saved for each in found.wanted)


def test_an_override_that_old_nix_misreads_is_told_of() -> None:
    inputs = {"nixpkgs": nixpkgs(), "crane": github("a", "crane", inputs={"rust": lib(nixpkgs=("nixpkgs",))})}
    over: Overrides = {("crane", "rust", "nixpkgs"): None}
    found = ask(inputs, overrides=over, nix=NIX_2_26)
    assert said(found) == {"crane/rust/nixpkgs": "depth"}
    assert detail(found) == "Nix before 2.30 cannot read this (workspace.nix-min is 2.26)"
    assert ask(inputs, overrides=over, nix=NIX_2_30) is None


def test_nodes_that_nothing_leads_to_go_with_the_first_edit() -> None:
    document = locks.lock({"nixpkgs": nixpkgs(), "lib": lib(nixpkgs=nixpkgs())})
    document["nodes"]["lost"] = dict(document["nodes"]["nixpkgs"])
    lock = LockFile.parse(locks.to_bytes(document))
    state = FlakeState(FlakeDir("."), lock)
    own = Repo(name=RepoName("app"))
    governed = [*pinned_in(workspace([own], [pinned()]), RepoName("app"), state)]
    found = follows_of(own, state, governed, Wishes(NIX_2_8, removals=True), {})
    assert found is not None
    assert (found.before, found.after, found.wanted[0].saved) == (5, 3, 2)


def test_what_a_repo_of_the_workspace_has_at_its_base_counts_too_as_it_may_move_in_the_same_run() -> None:
    inputs = {"nixpkgs": nixpkgs(), "lib": lib(nixpkgs=nixpkgs())}
    assert said(ask(inputs, at_base={"nixpkgs": nixpkgs()})) == {"lib/nixpkgs": "→ nixpkgs"}
    assert said(ask(inputs, at_base={"nixpkgs": ("x",), "x": nixpkgs()})) == {"lib/nixpkgs": "→ nixpkgs"}
    gone = ask(inputs, at_base={"x": nixpkgs()})
    assert (said(gone), detail(gone)) == (
        {"lib/nixpkgs": "lock-behind"},
        "lib has no input nixpkgs any more, at its base",
    )
    other = ask(inputs, at_base={"nixpkgs": nixpkgs("nixos-26.05")})
    assert said(other) == {"lib/nixpkgs": "other-ref"}
    assert detail(other).endswith("nixpkgs has nixos-25.11 (follow-match), at the base of lib")
    over: Overrides = {("lib", "tool"): None}
    without: Inputs = {"nixpkgs": nixpkgs(), "lib": lib()}
    assert said(ask(without, overrides=over, at_base={"x": nixpkgs()})) == {"lib/tool": "gone"}
    came = ask(without, overrides=over, at_base={"tool": nixpkgs()})
    assert (said(came), detail(came)) == ({"lib/tool": "lock-behind"}, "lib has an input tool, at its base")


@pytest.mark.parametrize(("ref", "known"), [(None, True), ("main", True), ("other", False), ("refs/tags/v1", False)])
def test_an_input_of_another_branch_has_no_base_in_the_workspace(ref: str | None, known: bool) -> None:
    found = scene({"lib": {"nixpkgs": nixpkgs()}}).snapshot()
    node = github("acme", "lib", ref=ref)
    lock = LockFile.parse(locks.to_bytes(locks.lock({"lib": node, "other": github("acme", "other")})))
    at_base = locks_at_base(found)
    there = at_base(lock.nodes[NodeLabel("lib")])
    assert (there is not None) == known
    assert at_base(lock.nodes[NodeLabel("other")]) is None

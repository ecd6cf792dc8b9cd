"""Every kind of finding, on generated locks."""

from collections.abc import Mapping, Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flakesync.analysis.drift import find_drift
from flakesync.documents.drift import DriftReport, Finding
from flakesync.errors import FlakesyncError, GitError
from flakesync.survey.pins import Target
from flakesync.terms import RepoName, Rev
from flakesync.workspace.snapshot import Problem, UnreadableRepo
from tests.support import locks
from tests.support.locks import Input, Inputs
from tests.support.workspaces import (
    DAY_S,
    NOW,
    UPDATE_BRANCH,
    Scene,
    commit_id,
    everything,
    nixpkgs,
    pin,
    repo,
    scene,
    takes,
)

OLD, NEW, NEXT = commit_id("nixpkgs", 1), commit_id("nixpkgs", 2), commit_id("nixpkgs", 3)
A, B, C, X = (commit_id("lib", word) for word in "abcx")
NIXPKGS = "github:NixOS/nixpkgs/nixos-25.11"


def drift_of(found: Scene, answers: Mapping[str, Target] | None = None) -> DriftReport:
    survey = found.survey(answers)
    return find_drift(survey, everything(survey))


def pinned(flakes: Mapping[str, Inputs], target: Rev = NEW, **values: object) -> DriftReport:
    """Return the drift of repos with one pin, whose server says `target`."""
    found = scene(flakes, pins=[msgspec.structs.replace(pin("nixpkgs", NIXPKGS), **values)])
    return drift_of(found, {"nixpkgs": Target(target)})


def one(report: DriftReport) -> Finding:
    (finding,) = report.findings
    return finding


def kinds(report: DriftReport) -> list[tuple[str, str, str | None]]:
    return [(found.kind, found.repo, found.input) for found in report.findings]


def lib_at(rev: Rev, branches: Mapping[str, Sequence[Rev]], **values: object) -> DriftReport:
    return drift_of(scene({"app": {"lib": takes("lib", rev=rev, **values)}, "lib": {}}, branches={"lib": branches}))


# pin


def test_a_workspace_in_step_has_no_findings() -> None:
    report = pinned({"app": {"lib": takes("lib"), "nixpkgs": nixpkgs(NEW)}, "lib": {"nixpkgs": nixpkgs(NEW)}})
    assert report.findings == []
    assert [(found.rev, found.repos) for found in report.pins[0].locked] == [(NEW, ["app", "lib"])]


def test_an_input_that_is_not_at_its_pin_is_a_finding() -> None:
    finding = one(pinned({"app": {"nixpkgs": nixpkgs(OLD)}, "lib": {"nixpkgs": nixpkgs(NEW)}}))
    assert (finding.kind, finding.repo, finding.flake, finding.input) == ("pin", "app", ".", "nixpkgs")
    assert (finding.locked_rev, finding.wanted_rev) == (OLD, NEW)
    assert finding.detail == "not at pin nixpkgs"


def test_how_far_a_pin_is_behind_is_said_in_days() -> None:
    flakes = {
        "app": {"nixpkgs": nixpkgs(OLD, last_modified=NOW - 12 * DAY_S)},
        "lib": {"nixpkgs": nixpkgs(NEW, last_modified=NOW - 2 * DAY_S)},
    }
    assert one(pinned(flakes)).detail == "not at pin nixpkgs, 10 days behind"


def test_the_input_may_have_any_name_and_several_inputs_are_several_findings() -> None:
    flakes = {"app": {"pkgs": nixpkgs(OLD), "other": nixpkgs(NEXT)}}
    assert kinds(pinned(flakes)) == [("pin", "app", "other"), ("pin", "app", "pkgs")]


def test_a_pin_shows_who_locks_what_newest_first() -> None:
    report = pinned(
        {
            "a": {"nixpkgs": nixpkgs(OLD, last_modified=100)},
            "b": {"nixpkgs": nixpkgs(NEW, last_modified=200)},
            "c": {"nixpkgs": nixpkgs(OLD, last_modified=100)},
            "d": {},
        }
    )
    (shown,) = report.pins
    assert (shown.name, shown.source, shown.target_rev, shown.target_last_modified) == ("nixpkgs", NIXPKGS, NEW, 200)
    assert [(found.rev, found.last_modified, found.repos) for found in shown.locked] == [
        (NEW, 200, ["b"]),
        (OLD, 100, ["a", "c"]),
    ]


def test_a_commit_that_flake_nix_names_is_shown_as_fixed() -> None:
    fixed = Input(nixpkgs(OLD).locked, {**locks.github("NixOS", "nixpkgs").original, "rev": OLD})
    found = scene({"app": {"nixpkgs": fixed}}, pins=[pin("nixpkgs", "github:NixOS/nixpkgs")])
    assert one(drift_of(found, {"nixpkgs": Target(NEW)})).detail == "not at pin nixpkgs, fixed by its flake.nix"


@pytest.mark.parametrize(
    ("target", "wanted"), [("newest-locked", NEXT), ("repo:lib", OLD), (NEW, NEW), ("latest", NEXT)]
)
def test_every_kind_of_target_without_a_server(target: str, wanted: Rev) -> None:
    flakes: dict[str, Inputs] = {
        "app": {"x": locks.github("other", "x", inputs={"nixpkgs": nixpkgs(NEXT, last_modified=300)})},
        "lib": {"nixpkgs": nixpkgs(OLD, last_modified=200)},
        "tool": {"nixpkgs": nixpkgs(NEW, last_modified=100)},
    }
    report = drift_of(scene(flakes, pins=[pin("nixpkgs", NIXPKGS, target)]))
    assert report.pins[0].target_rev == wanted
    assert {found.wanted_rev for found in report.findings if found.kind == "pin"} <= {wanted}
    off = {found.repo for found in report.findings if found.kind == "pin"}
    assert off == {"lib": {OLD}, "tool": {NEW}}.keys() - {
        "lib" if wanted == OLD else "",
        "tool" if wanted == NEW else "",
    }


def test_an_offline_target_says_that_it_is_one() -> None:
    report = drift_of(scene({"app": {"nixpkgs": nixpkgs(OLD)}}, pins=[pin("nixpkgs", NIXPKGS)]))
    assert report.pins[0].target_note == "newest in any lock (offline)"
    assert report.findings == []


def test_a_pin_that_nobody_locks_has_no_target_offline() -> None:
    report = drift_of(scene({"app": {}}, pins=[pin("nixpkgs", NIXPKGS)]))
    assert (report.pins[0].target_rev, report.pins[0].locked, report.findings) == (None, [], [])


def test_a_target_in_a_repo_that_has_no_such_input_is_an_error() -> None:
    found = scene({"app": {"nixpkgs": nixpkgs(OLD)}, "lib": {}}, pins=[pin("nixpkgs", NIXPKGS, "repo:lib")])
    with pytest.raises(FlakesyncError) as caught:
        found.survey()
    assert caught.value.code == "pin-target"


def test_the_newest_lock_is_not_one_from_a_foreign_repository() -> None:
    evil = Input(locks.github("evil", "nixpkgs", rev=X, last_modified=NOW).locked, nixpkgs(NEW).original)
    found = scene({"a": {"nixpkgs": evil}, "b": {"nixpkgs": nixpkgs(OLD)}}, pins=[pin("n", NIXPKGS, "newest-locked")])
    assert drift_of(found).pins[0].target_rev == OLD


# pins: which input


def test_two_pins_of_one_source_govern_their_own_refs() -> None:
    pins = [pin("stable", NIXPKGS), pin("unstable", "github:NixOS/nixpkgs/nixos-unstable")]
    flakes: dict[str, Inputs] = {
        "app": {"a": nixpkgs(OLD), "b": nixpkgs(OLD, "nixos-unstable"), "c": nixpkgs(OLD, None)}
    }
    report = drift_of(scene(flakes, pins=pins), {"stable": Target(NEW), "unstable": Target(NEXT)})
    assert [(found.kind, found.input, found.wanted_rev) for found in report.findings] == [
        ("pin", "a", NEW),
        ("pin", "b", NEXT),
        ("ref", "c", None),
    ]
    assert report.findings[2].detail == "github.com/nixos/nixpkgs at the default branch, which no pin has"


def test_a_branch_may_be_spelled_in_full() -> None:
    assert kinds(pinned({"app": {"nixpkgs": nixpkgs(OLD, "refs/heads/nixos-25.11")}})) == [("pin", "app", "nixpkgs")]


def test_globs_choose_inputs_of_any_ref_and_depth() -> None:
    flakes: dict[str, Inputs] = {
        "app": {
            "fenix": locks.github("nix-community", "fenix", inputs={"nixpkgs": nixpkgs(OLD, "nixos-unstable")}),
            "nixpkgs": nixpkgs(OLD, "nixos-24.05"),
            "other": nixpkgs(OLD),
        }
    }
    report = pinned(flakes, inputs=("nixpkgs", "*/nixpkgs"))
    assert kinds(report) == [("pin", "app", "fenix/nixpkgs"), ("pin", "app", "nixpkgs")]


def test_a_glob_does_not_choose_inputs_of_other_repositories() -> None:
    assert pinned({"app": {"nixpkgs": locks.github("acme", "nixpkgs-fork")}}, inputs=("nixpkgs",)).findings == []


def test_among_globs_the_pin_of_the_own_ref_goes_first() -> None:
    pins = [pin("a", "github:NixOS/nixpkgs/nixos-24.05", inputs=("*",)), pin("b", NIXPKGS)]
    found = scene({"app": {"nixpkgs": nixpkgs(OLD)}}, pins=pins)
    assert one(drift_of(found, {"a": Target(NEW), "b": Target(NEXT)})).wanted_rev == NEXT


def test_an_input_that_follows_is_nobodys_to_move() -> None:
    flakes: dict[str, Inputs] = {"app": {"nixpkgs": nixpkgs(OLD), "pkgs": ("nixpkgs",)}}
    assert kinds(pinned(flakes)) == [("pin", "app", "nixpkgs")]


def test_a_pinned_repo_of_the_workspace_is_the_pins() -> None:
    found = scene(
        {"app": {"lib": takes("lib", rev=A)}, "lib": {}},
        pins=[pin("lib", "github:acme/lib")],
        branches={"lib": {"main": [A, B]}},
    )
    finding = one(drift_of(found, {"lib": Target(B)}))
    assert (finding.kind, finding.wanted_rev) == ("pin", B)


# archives


def archive(version: str, rev: Rev | None, **more: object) -> Input:
    url = f"https://flakehub.com/f/NixOS/nixpkgs/{version}"
    pinned_url = f"https://api.flakehub.com/f/pinned/NixOS/nixpkgs/{version}.1/id/source.tar.gz"
    known = {"rev": rev} if rev else {}
    nar_hash = locks.nar_hash_of(rev or version)
    return Input(
        {"type": "tarball", "url": pinned_url, "narHash": nar_hash, **known, **more}, {"type": "tarball", "url": url}
    )


def test_two_versions_of_an_archive_are_two_sources() -> None:
    pins = [
        pin("a", "https://flakehub.com/f/NixOS/nixpkgs/0.1"),
        pin("b", "https://flakehub.com/f/NixOS/nixpkgs/0.2505.tar.gz"),
    ]
    found = scene(
        {"app": {"x": archive("0.1", OLD), "y": archive("0.2505", OLD), "z": archive("0.2411", OLD)}}, pins=pins
    )
    report = drift_of(found, {"a": Target(NEW), "b": Target(NEXT)})
    assert [(found.kind, found.input, found.wanted_rev) for found in report.findings] == [
        ("pin", "x", NEW),
        ("pin", "y", NEXT),
        ("ref", "z", None),
    ]


@pytest.mark.parametrize("host", ["nixos.org/channels", "channels.nixos.org"])
def test_a_channel_has_two_addresses(host: str) -> None:
    url = f"https://{host}/nixos-25.11/nixexprs.tar.xz"
    channel = Input(locks.tarball(url).locked | {"rev": OLD}, {"type": "tarball", "url": url})
    found = scene(
        {"app": {"nixpkgs": channel}}, pins=[pin("n", "https://channels.nixos.org/nixos-25.11/nixexprs.tar.xz")]
    )
    assert one(drift_of(found, {"n": Target(NEW)})).wanted_rev == NEW


def test_an_archive_without_a_commit_is_compared_by_its_hash() -> None:
    pins = [pin("n", "https://flakehub.com/f/NixOS/nixpkgs/0.1")]
    here = Target(NEW, None, {"type": "tarball", "narHash": locks.nar_hash_of("0.1")})
    found = scene({"app": {"nixpkgs": archive("0.1", None)}}, pins=pins)
    assert drift_of(found, {"n": here}).findings == []
    finding = one(drift_of(found, {"n": Target(NEW)}))
    assert (finding.kind, finding.locked_rev, finding.wanted_rev) == ("pin", None, NEW)
    assert finding.detail == "not at pin n, its lock names no commit"


# age


def test_a_lock_older_than_the_pin_allows_is_a_finding_even_at_the_target() -> None:
    flakes: dict[str, Inputs] = {
        "app": {"nixpkgs": nixpkgs(NEW, last_modified=NOW - 40 * DAY_S)},
        "lib": {"nixpkgs": nixpkgs(NEW, last_modified=NOW - 30 * DAY_S)},
    }
    finding = one(pinned(flakes, max_age_s=30 * DAY_S))
    assert (finding.kind, finding.repo, finding.locked_rev) == ("age", "app", NEW)
    assert finding.detail == "40 days old, pin nixpkgs allows 30"


# upstream


def test_an_input_behind_its_upstream_is_counted_in_commits() -> None:
    finding = one(lib_at(A, {"main": [A, B, C]}))
    assert (finding.kind, finding.repo, finding.input) == ("upstream", "app", "lib")
    assert (finding.locked_rev, finding.wanted_rev) == (A, C)
    assert finding.detail == "2 commits behind lib (main)"
    assert one(lib_at(B, {"main": [A, B, C]})).detail == "1 commit behind lib (main)"


def test_an_input_is_compared_with_the_branch_that_it_tracks() -> None:
    branches = {"main": [A, B], "stable": [A, C]}
    assert lib_at(C, branches, ref="stable").findings == []
    finding = one(lib_at(A, branches, ref="refs/heads/stable"))
    assert (finding.wanted_rev, finding.detail) == (C, "1 commit behind lib (stable)")


def test_a_source_is_compared_too() -> None:
    assert one(lib_at(A, {"main": [A, B]}, flake=False)).kind == "upstream"


@pytest.mark.parametrize("original", [{"rev": A}, {"ref": "refs/tags/v1"}])
def test_what_flake_nix_fixes_is_not_behind(original: dict[str, str]) -> None:
    fixed = Input(takes("lib", rev=A).locked, {**takes("lib").original, **original})
    assert drift_of(scene({"app": {"lib": fixed}, "lib": {}}, branches={"lib": {"main": [A, B]}})).findings == []


def test_a_follows_is_reported_where_its_node_is() -> None:
    flakes: dict[str, Inputs] = {"app": {"a": takes("lib", rev=A), "b": ("a",)}, "lib": {}}
    assert kinds(drift_of(scene(flakes, branches={"lib": {"main": [A, B]}}))) == [("upstream", "app", "a")]


def test_a_plain_folder_has_no_history_to_be_behind() -> None:
    assert lib_at(A, {}).findings == []


def test_an_alias_is_neither_foreign_nor_unknown() -> None:
    moved = Input(locks.github("old-owner", "lib", rev=A).locked, takes("lib").original)
    repos = {"lib": repo("lib", aliases=["github:old-owner/lib"])}
    found = scene({"app": {"lib": moved}, "lib": {}}, repos=repos, branches={"lib": {"main": [A, B]}})
    assert one(drift_of(found)).kind == "upstream"


# unknown-rev, unlanded


def test_a_commit_that_the_upstream_does_not_have_is_unknown() -> None:
    finding = one(lib_at(X, {"main": [A, B]}))
    assert (finding.kind, finding.locked_rev, finding.wanted_rev) == ("unknown-rev", X, B)
    assert finding.detail == "lib does not have this commit"


def test_a_commit_of_another_branch_is_not_in_the_history() -> None:
    finding = one(lib_at(X, {"main": [A, B], "feature": [A, X]}))
    assert (finding.kind, finding.wanted_rev) == ("unknown-rev", B)
    assert finding.detail == "not in the history of lib (main), but on another branch"


def test_a_branch_that_is_gone_is_said() -> None:
    finding = one(lib_at(A, {"main": [A]}, ref="gone"))
    assert (finding.kind, finding.wanted_rev, finding.detail) == ("unknown-rev", None, "lib has no branch gone")


def test_a_commit_of_the_update_branch_alone_is_unlanded() -> None:
    finding = one(lib_at(X, {"main": [A, B], UPDATE_BRANCH: [A, X]}))
    assert (finding.kind, finding.locked_rev, finding.wanted_rev) == ("unlanded", X, B)
    assert finding.detail == "only on lib's update branch, not yet on main"


# --at update


def at_update(rev: Rev) -> DriftReport:
    branches = {"lib": {"main": [A], UPDATE_BRANCH: [A, B]}}
    return drift_of(scene({"app": {"lib": takes("lib", rev=rev)}, "lib": {}}, branches=branches, at="update"))


def test_at_update_the_update_branch_is_what_is_wanted() -> None:
    assert at_update(B).findings == []
    finding = one(at_update(A))
    assert (finding.kind, finding.wanted_rev, finding.detail) == (
        "upstream",
        B,
        "1 commit behind lib (its update branch)",
    )


def test_at_update_an_edge_that_opens_a_cycle_may_take_the_base_commit() -> None:
    flakes: dict[str, Inputs] = {"a": {"b": takes("b")}, "b": {"a": takes("a", rev=A)}}
    branches = {"a": {"main": [commit_id("a"), A]}, "b": {"main": [commit_id("b")]}}
    assert drift_of(scene(flakes, branches=branches)).findings == []
    updated = {**branches, "b": {"main": [commit_id("b")], UPDATE_BRANCH: [commit_id("b"), B]}}
    found = scene(flakes, branches=updated, at="update")
    survey = found.survey()
    assert [edge.input for edge in survey.graph.edges if survey.graph.is_back_edge(edge)] == [("b",)]
    # read_snapshot knows the base commit of an updated repo; here it is the tip of main.
    assert drift_of(found).findings == []


# ref, duplicate


def test_another_ref_of_a_pinned_source_is_a_finding() -> None:
    finding = one(pinned({"app": {"nixpkgs": nixpkgs(OLD, "nixos-24.05")}}))
    assert (finding.kind, finding.locked_rev, finding.wanted_rev) == ("ref", OLD, None)
    assert finding.detail == "github.com/nixos/nixpkgs at nixos-24.05, which no pin has"


def test_a_second_copy_deeper_in_the_lock_names_the_follows_that_removes_it() -> None:
    flakes: dict[str, Inputs] = {
        "app": {"pkgs": nixpkgs(NEW), "x": locks.github("other", "x", inputs={"nixpkgs": nixpkgs(OLD)})}
    }
    finding = one(pinned(flakes))
    assert (finding.kind, finding.input, finding.locked_rev, finding.wanted_rev) == ("duplicate", "x/nixpkgs", OLD, NEW)
    assert finding.detail == 'a second copy of nixpkgs; to remove it: inputs.x.inputs.nixpkgs.follows = "pkgs"'


def test_a_follows_that_old_nix_ignores_says_so() -> None:
    deep = locks.github("other", "y", inputs={"nixpkgs": nixpkgs(OLD)})
    flakes: dict[str, Inputs] = {"app": {"nixpkgs": nixpkgs(NEW), "x": locks.github("other", "x", inputs={"y": deep})}}
    finding = one(pinned(flakes))
    assert finding.input == "x/y/nixpkgs"
    assert finding.detail.endswith('inputs.x.inputs.y.inputs.nixpkgs.follows = "nixpkgs" (needs Nix 2.30)')


def test_without_an_input_to_follow_the_advice_is_to_make_one() -> None:
    flakes: dict[str, Inputs] = {"app": {"x": locks.github("other", "x", inputs={"nixpkgs": nixpkgs(OLD)})}}
    assert one(pinned(flakes)).detail.endswith("an input for pin nixpkgs that it can follow")


def test_a_copy_at_the_target_and_a_follows_are_no_duplicates() -> None:
    same = locks.github("other", "x", inputs={"nixpkgs": nixpkgs(NEW)})
    follows = locks.github("other", "y", inputs={"nixpkgs": ("nixpkgs",)})
    assert pinned({"app": {"nixpkgs": nixpkgs(NEW), "x": same, "y": follows}}).findings == []


# unlocked, foreign


def node(locked: dict[str, object], original: dict[str, object] | None = None) -> DriftReport:
    taken = Input(locked, original or {"type": "git", "url": "https://example.com/x"})
    return drift_of(scene({"app": {"x": taken}}))


@pytest.mark.parametrize(
    ("locked", "detail"),
    [
        ({"type": "path", "path": "/home/me/x", "narHash": locks.nar_hash_of("x")}, "a path of one machine"),
        ({"type": "git", "url": "file:///x", "narHash": locks.nar_hash_of("x")}, "a dirty tree: no commit"),
        ({"type": "git", "url": "https://example.com/x"}, "no commit"),
    ],
)
def test_an_input_without_a_commit_is_unlocked(locked: dict[str, object], detail: str) -> None:
    finding = one(node(locked))
    assert (finding.kind, finding.input, finding.locked_rev, finding.detail) == ("unlocked", "x", None, detail)


def test_an_archive_is_locked_by_its_hash() -> None:
    assert drift_of(scene({"app": {"x": locks.tarball("https://example.com/x.tar.gz")}})).findings == []


def test_a_lock_of_another_repository_than_flake_nix_names_is_foreign() -> None:
    finding = one(node(locks.github("evil", "x", rev=X).locked, locks.github("good", "x").original))
    assert (finding.kind, finding.locked_rev) == ("foreign", X)
    assert finding.detail == "flake.nix names github.com/good/x, the lock github.com/evil/x"


@pytest.mark.parametrize(
    ("locked", "original"),
    [
        (locks.git("https://github.com/good/x").locked, locks.github("Good", "x").original),
        (locks.github("any", "x").locked, {"type": "indirect", "id": "x"}),
        (
            {"type": "tarball", "url": "https://cdn.example/x", "rev": X},
            {"type": "tarball", "url": "https://example.com/x"},
        ),
    ],
)
def test_another_spelling_a_registry_and_a_link_are_not_foreign(
    locked: dict[str, object], original: dict[str, object]
) -> None:
    assert node(locked, original).findings == []


def test_a_foreign_upstream_is_foreign_and_unknown() -> None:
    evil = Input(locks.github("evil", "lib", rev=X).locked, takes("lib").original)
    report = drift_of(scene({"app": {"lib": evil}, "lib": {}}))
    assert kinds(report) == [("foreign", "app", "lib"), ("unknown-rev", "app", "lib")]


# whole repos


def test_locks_that_are_missing_or_broken_are_findings_of_their_flake() -> None:
    flakes = {".": Problem("no-lock", "no lock"), "dev": Problem("bad-lock", "broken")}
    report = drift_of(scene({"app": flakes}))
    assert [(found.kind, found.flake, found.input, found.detail) for found in report.findings] == [
        ("no-lock", ".", None, "no lock"),
        ("bad-lock", "dev", None, "broken"),
    ]


def test_a_repo_that_could_not_be_read_is_one_finding_and_its_dependents_none() -> None:
    found = scene({"app": {"lib": takes("lib", rev=A)}, "lib": {}}, branches={"lib": {}})
    survey = found.survey()
    states = dict(survey.snapshot.states)
    lib = states[RepoName("lib")]
    states[RepoName("lib")] = UnreadableRepo(lib.repo, None, GitError("unreachable", "gone"))
    broken = msgspec.structs.replace(survey, snapshot=msgspec.structs.replace(survey.snapshot, states=states))
    finding = one(find_drift(broken, everything(broken)))
    assert (finding.kind, finding.repo, finding.flake, finding.detail) == ("unreachable", "lib", None, "gone")


def test_findings_are_of_the_selected_repos_and_pins_of_all() -> None:
    found = scene({"app": {"nixpkgs": nixpkgs(OLD)}, "lib": {"nixpkgs": nixpkgs(OLD)}}, pins=[pin("nixpkgs", NIXPKGS)])
    report = find_drift(found.survey({"nixpkgs": Target(NEW)}), frozenset({RepoName("lib")}))
    assert kinds(report) == [("pin", "lib", "nixpkgs")]
    assert report.pins[0].locked[0].repos == ["app", "lib"]


@given(st.integers(0, 10_000), st.permutations(["r0", "r1", "r2", "r3"]))
@settings(max_examples=40)
def test_the_order_of_repos_in_the_manifest_changes_nothing(seed: int, order: list[str]) -> None:
    pins = [pin("n", "github:NixOS/nixpkgs", "newest-locked", inputs=("*",))]
    flakes = {name: {".": locks.random_lock(seed + int(name[1]), nodes=12)} for name in sorted(order)}
    shuffled = {name: flakes[name] for name in order}
    assert drift_of(scene(flakes, pins=pins)) == drift_of(scene(shuffled, pins=pins))

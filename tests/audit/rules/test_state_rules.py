"""Rules on flakes and repos as a whole: too old, no lock, a broken one, unreachable, not what flake.nix says."""

import shutil
from pathlib import Path

import msgspec
import pytest

from flakesync.audit.audit import Options, audit
from flakesync.audit.newness import new_findings
from flakesync.audit.rules import ALL
from flakesync.audit.rules.state import bad_lock, flake_nix_differs, no_lock, old, unreachable
from flakesync.audit.severity import reaches
from flakesync.errors import GitError, HostDownError
from flakesync.terms import FlakeDir, RepoName
from flakesync.workspace.audit import AuditSettings
from flakesync.workspace.clones.flakes import FlakeState, read_flake
from flakesync.workspace.manifest import Pin, load_workspace
from flakesync.workspace.snapshot import PlainFolder, UnreadableRepo, read_snapshot
from tests.audit.rules.ask import ask, said
from tests.support import locks, repos
from tests.support.locks import Input, Inputs, github
from tests.support.workspaces import DAY_S, NOW, make_ground, pin, repo, takes

REV = "a" * 40


def monthly(**values: object) -> Pin:
    usual = pin("nixpkgs", "github:NixOS/nixpkgs/nixos-25.11", max_age_s=30 * DAY_S)
    return msgspec.structs.replace(usual, **values)


def aged(days: float) -> Input:
    return github("NixOS", "nixpkgs", ref="nixos-25.11", last_modified=NOW - int(days * DAY_S))


def test_a_pinned_input_is_old_from_the_second_after_its_last_day() -> None:
    assert not ask(old.RULE, {"n": aged(30)}, pins=[monthly()]).findings
    found = said(ask(old.RULE, {"n": aged(30 + 1 / DAY_S)}, pins=[monthly()]))
    assert found == [("n", "low", "30 days old, pin nixpkgs allows 30")]
    assert said(ask(old.RULE, {"n": aged(63)}, pins=[monthly()])) == [
        ("n", "low", "63 days old, pin nixpkgs allows 30")
    ]


def test_without_a_limit_nothing_is_old() -> None:
    for pins in ([], [monthly(max_age_s=None)], [monthly(inputs=("other",))]):
        assert not ask(old.RULE, {"n": aged(4000)}, pins=pins).findings


def test_an_input_that_follows_an_old_one_is_said_once() -> None:
    inputs: Inputs = {"lib": github("o", "lib", inputs={"n": aged(63)}), "a": ("lib", "n"), "b": ("lib", "n")}
    assert [each[0] for each in said(ask(old.RULE, inputs, pins=[monthly()]))] == ["a"]
    nested = monthly(inputs=("*", "lib/n"))
    assert [each[0] for each in said(ask(old.RULE, inputs, pins=[nested]))] == ["lib/n"]


def test_an_input_that_follows_is_held_to_its_own_pin_too() -> None:
    inputs: Inputs = {"a": aged(63), "b": ("a",)}
    pins = [
        pin("strict", "github:NixOS/nixpkgs/nixos-25.11", inputs=("b",), max_age_s=7 * DAY_S),
        pin("lax", "github:NixOS/nixpkgs/nixos-25.11", inputs=("a",), max_age_s=400 * DAY_S),
    ]
    assert said(ask(old.RULE, inputs, pins=pins)) == [("b", "low", "63 days old, pin strict allows 7")]


@pytest.mark.parametrize("date", [None, 0])
def test_a_lock_without_a_date_is_unchecked(date: int | None) -> None:
    attrs = {key: value for key, value in aged(0).locked.items() if key != "lastModified"}
    node = Input(attrs | ({} if date is None else {"lastModified": date}), aged(0).original)
    inputs: Inputs = {"n": node, "m": ("n",)}
    found = ask(old.RULE, inputs, pins=[monthly()])
    assert not found.findings
    assert [(each.input, each.reason) for each in found.unchecked] == [("n", "the lock has no date")]


def flake_of(flake_nix: str | None, inputs: Inputs) -> PlainFolder:
    files = {
        "flake.lock": locks.to_bytes(locks.lock(inputs)),
        "flake.nix": flake_nix.encode() if flake_nix is not None else None,
    }
    flake = read_flake(RepoName("app"), FlakeDir("."), files, {})
    return PlainFolder(repo("app"), None, (flake,))


LIB: Inputs = {"lib": github("acme", "lib", inputs={"n": github("NixOS", "nixpkgs")}), "n": github("NixOS", "nixpkgs")}


@pytest.mark.parametrize(
    ("inputs", "differs"),
    [
        ('lib.url = "github:acme/lib"; n.url = "github:NixOS/nixpkgs";', []),
        ('lib.url = "github:evil/lib"; n.url = "github:NixOS/nixpkgs";', ["lib"]),
        ('lib.url = "github:acme/lib/dev"; n.url = "github:NixOS/nixpkgs";', ["lib"]),
        (f'lib.url = "github:acme/lib/{REV}"; n.url = "github:NixOS/nixpkgs";', ["lib"]),
        ('lib.url = "github:acme/lib"; n.follows = "lib/n";', ["n"]),
        ('lib.url = "github:acme/lib"; lib.inputs.n.follows = "n"; n.url = "github:NixOS/nixpkgs";', ["lib/n"]),
        ('lib.url = "github:acme/lib"; lib.inputs.n.url = "github:acme/n"; n.url = "github:NixOS/nixpkgs";', ["lib/n"]),
        ('lib.url = "github:acme/lib"; n.url = "github:NixOS/nixpkgs"; new.url = "github:acme/new";', ["new"]),
        # Nix takes `n` out of the lock, and builds what is locked all the same.
        ('lib.url = "github:acme/lib";', []),
    ],
)
def test_what_flake_nix_asks_for_and_the_lock_does_not_have_is_found(inputs: str, differs: list[str]) -> None:
    found = ask(flake_nix_differs.RULE, flake_of(f"{{ inputs = {{ {inputs} }}; outputs = _: {{ }}; }}", LIB))
    assert [(where, severity) for where, severity, _ in said(found)] == [(each, "high") for each in differs]
    assert not found.unchecked


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('n.url = "github:NixOS/nixpkgs"; lib.url = "github:acme/lib/dev";', "evil/lib"),
        ('n.url = "github:NixOS/nixpkgs"; lib.url = "github:acme/lib"; new.url = "github:acme/lib/dev";', "evil/new"),
    ],
)
def test_another_difference_of_the_same_input_is_another_finding(before: str, after: str) -> None:
    texts = [
        f"{{ inputs = {{ {each} }}; outputs = _: {{ }}; }}" for each in (before, before.replace("acme/lib/dev", after))
    ]
    one, two = (ask(flake_nix_differs.RULE, flake_of(each, LIB)) for each in texts)
    assert len(one.findings) == len(two.findings) == 1
    rules = {flake_nix_differs.RULE.id: flake_nix_differs.RULE}
    assert new_findings(one, two, rules) == two.findings
    assert new_findings(one, one, rules) == []


def test_a_follows_that_only_the_lock_has_is_found() -> None:
    lock: Inputs = {"lib": github("acme", "lib", inputs={"n": ("n",)}), "n": github("NixOS", "nixpkgs")}
    text = '{ inputs.lib.url = "github:acme/lib"; inputs.n.url = "github:NixOS/nixpkgs"; outputs = _: { }; }'
    assert [each[0] for each in said(ask(flake_nix_differs.RULE, flake_of(text, lock)))] == ["lib/n"]


@pytest.mark.parametrize(
    ("flake_nix", "reason"),
    [
        ('{ inputs = import ./inputs.nix; outputs = _: { }; }', "only Nix can tell the inputs: flake.nix:1:"),
        ("{", "only Nix can tell the inputs: flake.nix:1:"),
    ],
)  # fmt: skip
def test_a_flake_nix_that_cannot_be_compared_is_unchecked(flake_nix: str, reason: str) -> None:
    found = ask(flake_nix_differs.RULE, flake_of(flake_nix, LIB))
    assert not found.findings
    (unchecked,) = found.unchecked
    assert unchecked.flake == "."
    assert unchecked.reason.startswith(reason)


def test_a_lock_without_a_flake_nix_is_none_of_a_flake_and_nothing_is_unchecked() -> None:
    state = flake_of(None, LIB)
    assert not state.flakes[0].is_flake
    found = ask(flake_nix_differs.RULE, state)
    assert not found.findings
    assert not found.unchecked


@pytest.mark.parametrize("git", [True, False])
@pytest.mark.parametrize("there", [None, "link:nowhere.nix", "link:/etc/flake.nix"])
def test_a_flake_nix_that_leads_nowhere_is_unchecked_and_one_that_is_not_there_is_not(
    tmp_path: Path, git: bool, there: str | None
) -> None:
    files = {"flake.lock": locks.to_bytes(locks.lock(LIB)).decode(), **({"flake.nix": there} if there else {})}
    repos.make_repo(tmp_path / "app", files)
    if not git:
        shutil.rmtree(tmp_path / "app/.git")
    (tmp_path / "workspace.toml").write_text('[workspace]\nname = "x"\n[repos.app]\npath = "app"\n')
    workspace = load_workspace(tmp_path / "workspace.toml")
    for _ in range(2):  # from the repo, then from what was kept
        state = read_snapshot(workspace, cache=tmp_path / "cache").states[RepoName("app")]
        found = ask(flake_nix_differs.RULE, state)
        assert not found.findings
        expected = ["flake.nix is a symlink that leads to no file of the repo"] if there else []
        assert [each.reason for each in found.unchecked] == expected


def test_what_could_not_be_compared_is_kept_with_the_commit(tmp_path: Path) -> None:
    ground = make_ground(tmp_path, {"lib": {}, "app": {"lib": takes("lib")}})
    repos.commit(ground.repos["app"], {"flake.nix": "{ inputs = import ./x.nix; outputs = _: { }; }"})
    workspace = load_workspace(ground.manifest)
    for _ in range(2):
        state = read_snapshot(workspace, cache=tmp_path / "cache").states[RepoName("app")]
        (unchecked,) = ask(flake_nix_differs.RULE, state).unchecked
        assert "flake.nix:1:" in unchecked.reason


def test_a_broken_lock_is_grave_and_no_other_rule_of_flakes_speaks_of_it(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/flake.lock").write_text("{")
    (tmp_path / "app/flake.nix").write_text("{ outputs = _: { }; }")
    (tmp_path / "workspace.toml").write_text('[workspace]\nname = "x"\n[repos.app]\npath = "app"\n')
    state = read_snapshot(load_workspace(tmp_path / "workspace.toml"), cache=tmp_path / "c").states[RepoName("app")]
    ((where, severity, message),) = said(ask(bad_lock.RULE, state))
    assert (where, severity) == (None, "high")
    assert message.startswith("app/flake.lock: line 1, column 2: ")
    for rule in (no_lock.RULE, flake_nix_differs.RULE, unreachable.RULE, old.RULE):
        assert ask(rule, state, pins=[monthly()]).findings == []


def test_a_flake_without_a_lock_is_grave_if_it_has_inputs() -> None:
    def state(flake_nix: str) -> PlainFolder:
        files = {"flake.lock": None, "flake.nix": flake_nix.encode()}
        return PlainFolder(repo("app"), None, (read_flake(RepoName("app"), FlakeDir("."), files, {}),))

    with_inputs = state('{ inputs.lib.url = "github:acme/lib"; outputs = _: { }; }')
    assert said(ask(no_lock.RULE, with_inputs)) == [(None, "high", "flake.nix has inputs but no flake.lock")]
    assert not ask(bad_lock.RULE, with_inputs).findings
    assert not ask(no_lock.RULE, state("{ outputs = _: { }; }")).findings


def test_a_repo_that_could_not_be_read_is_grave_with_the_reason() -> None:
    state = UnreadableRepo(repo("app"), "main", GitError("corrupt", "app: an object is missing"))
    found = ask(unreachable.RULE, state)
    assert said(found) == [(None, "high", "app: an object is missing")]
    assert found.findings[0].flake is None
    assert not ask(unreachable.RULE, flake_of(None, LIB)).findings


def test_a_repo_whose_server_is_down_is_unchecked_and_one_that_its_server_refuses_is_grave() -> None:
    down = UnreadableRepo(repo("app"), None, HostDownError("h.example", "h.example cannot be reached: no route"))
    found = ask(unreachable.RULE, down)
    assert not found.findings
    assert [(each.flake, each.input, each.reason) for each in found.unchecked] == [
        (None, None, "h.example cannot be reached: no route")
    ]
    for code in ("access-denied", "unreachable"):
        refused = UnreadableRepo(repo("app"), None, GitError(code, "h.example/app: no"))
        assert said(ask(unreachable.RULE, refused)) == [(None, "high", "h.example/app: no")]


def test_a_repo_that_cannot_be_read_is_said_whatever_it_was_before(tmp_path: Path) -> None:
    ground = make_ground(tmp_path, {"lib": {}, "far": {}}, mirrored=["far"])
    workspace = load_workspace(ground.manifest)
    everything = frozenset(each.name for each in workspace.repos)
    for since in (None, "HEAD"):
        report = audit(workspace, everything, Options(new_since=since), tmp_path / "cache").report
        assert [(each.rule, each.repo, each.severity) for each in report.findings] == [("unreachable", "far", "high")]


def test_what_could_not_be_looked_at_fails_by_default() -> None:
    usual = AuditSettings().fail_on
    assert all(reaches(rule.severity, usual) for rule in (bad_lock.RULE, no_lock.RULE, unreachable.RULE))


def test_a_rule_without_a_find_has_its_title_and_help_among_all() -> None:
    found = {rule.id: rule for rule in ALL}
    assert {"ignore-expired", "ignore-unused"} <= found.keys()
    assert len(found) == len(ALL)
    assert all(rule.title and rule.help.endswith(".") for rule in ALL)


def test_a_flake_without_inputs_is_compared_with_nothing() -> None:
    state = PlainFolder(repo("app"), None, (FlakeState(FlakeDir("."), None),))
    for rule in (bad_lock.RULE, no_lock.RULE, flake_nix_differs.RULE, old.RULE):
        found = ask(rule, msgspec.structs.replace(state), pins=[monthly()])
        assert not found.findings
        assert not found.unchecked

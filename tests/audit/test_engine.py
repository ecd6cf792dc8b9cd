"""Rules, subjects, fingerprints: each node is looked at once, by its shortest path, and a finding outlives a bump."""

from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakesync.audit.audit import make_context
from flakesync.audit.engine import Found, KnownNodes, find_findings, find_in, rules_at
from flakesync.audit.newness import new_findings
from flakesync.audit.rule import (
    Answer,
    Context,
    FlakeRule,
    InputRule,
    NodeRule,
    NotChecked,
    RepoRule,
    Said,
    SourcesRule,
)
from flakesync.audit.rules import ALL, RULES
from flakesync.audit.severity import SEVERITIES, reaches
from flakesync.audit.subject import Subject, subjects
from flakesync.documents.audit import Level
from flakesync.nix.lock.file import LockFile
from flakesync.nix.lock.node import LockNode
from flakesync.terms import FlakeDir, RepoName
from flakesync.workspace.audit import AuditSettings, RuleId
from tests.support import locks
from tests.support.locks import Inputs, folder, git, github
from tests.support.workspaces import NOW, Scene, commit_id, repo, workspace

LEVELS: tuple[Level, ...] = ("offline", "mirror", "forge")
DEEP: Inputs = {
    "app": github(
        "o", "app", inputs={"lib": github("o", "lib", inputs={"x": github("o", "x")}), "nixpkgs": ("nixpkgs",)}
    ),
    "nixpkgs": github("NixOS", "nixpkgs"),
    "sub": folder("./sub", {"y": github("o", "y")}),
}


def context(settings: AuditSettings | None = None, inputs: Inputs = DEEP) -> Context:
    scene = Scene(workspace([repo("lib")]), {"lib": inputs}, {})
    found = make_context(scene.snapshot(), now=NOW)
    changed = msgspec.structs.replace(found.workspace, audit=settings or AuditSettings())
    return msgspec.structs.replace(found, workspace=changed)


def nodes_of(inputs: Inputs) -> list[Subject]:
    lock = LockFile.parse(locks.to_bytes(locks.lock(inputs)))
    return list(subjects(RepoName("lib"), FlakeDir("."), lock))


def rule(find: object, *, kind: type = NodeRule, id: RuleId = "foreign", of_commit: bool = False) -> NodeRule:
    made: NodeRule = kind(id=id, severity="medium", title="t", help="h", of_commit=of_commit, find=find)
    return made


def test_each_node_is_looked_at_once_by_its_shortest_path() -> None:
    found = nodes_of(DEEP)
    assert [("/".join(each.path), each.own) for each in found] == [
        ("app", True), ("nixpkgs", True), ("sub", True), ("app/lib", False), ("sub/y", True), ("app/lib/x", False),
    ]  # fmt: skip


def test_a_node_that_several_inputs_share_is_one() -> None:
    shared = locks.lock({"a": github("o", "a", inputs={"b": github("o", "b")}), "b": github("o", "b")})
    shared["nodes"]["a"]["inputs"]["b"] = "b_2" if "b_2" in shared["nodes"] else "b"
    label = next(name for name in shared["nodes"]["root"]["inputs"].values() if name.startswith("b"))
    shared["nodes"]["a"]["inputs"]["b"] = label
    lock = LockFile.parse(locks.to_bytes(shared))
    assert [each.path for each in subjects(RepoName("r"), FlakeDir("."), lock)] == [("a",), ("b",)]


@given(st.integers(0, 10_000))
def test_no_node_that_an_input_leads_to_is_left_out(seed: int) -> None:
    lock = LockFile.parse(locks.to_bytes(locks.random_lock(seed, nodes=12)))
    found = {each.label: each.path for each in subjects(RepoName("r"), FlakeDir("."), lock)}
    paths: dict[str, list[tuple[str, ...]]] = {}
    for path, label in lock.walk():
        paths.setdefault(label, []).append(path)
    assert found == {label: min(each, key=lambda path: (len(path), path)) for label, each in paths.items()}


def test_a_rule_is_asked_once_about_a_node_that_many_locks_share() -> None:
    asked: list[LockNode] = []

    def find(_: Context, node: LockNode) -> Iterator[Answer]:
        asked.append(node)
        yield Said("here")

    nodes = nodes_of({"nixpkgs": github("NixOS", "nixpkgs")})
    many = [msgspec.structs.replace(nodes[0], repo=RepoName(name)) for name in "abc"]
    found = find_in(context(), many, [rule(find)])
    assert len(asked) == 1
    assert [each.repo for each in found.findings] == ["a", "b", "c"]


def test_a_node_of_which_no_rule_says_anything_is_asked_about_once() -> None:
    asked: list[LockNode] = []

    def find(_: Context, node: LockNode) -> Iterator[Answer]:
        asked.append(node)
        yield from [Said("here")] if node.origin.original.get("repo") == "x" else []

    silent = KnownNodes(context(), [rule(find)], most=100)
    nodes = nodes_of(DEEP)
    assert [each.path for each in silent.without(nodes)] == [("app", "lib", "x")]
    asked.clear()
    assert [each.path for each in silent.without(nodes)] == [("app", "lib", "x")]
    assert [node.origin.original["repo"] for node in asked] == ["x"]
    full = KnownNodes(context(), [rule(find)], most=0)
    assert [full.without(nodes) for _ in range(2)] == [silent.without(nodes)] * 2


def test_what_a_rule_says_of_a_place_is_not_taken_from_another_place_of_the_same_node() -> None:
    def find(_: Context, subject: Subject) -> Iterator[Answer]:
        yield from [Said("here")] if subject.own else []

    silent = KnownNodes(context(), [rule(find, kind=InputRule)], most=100)
    (node,) = nodes_of({"nixpkgs": github("NixOS", "nixpkgs")})
    inner = msgspec.structs.replace(node, own=False)
    assert [silent.without([each]) for each in (inner, node, inner)] == [[], [node], []]


@given(st.integers(0, 10_000), st.sampled_from([0, 3, 1000]))
def test_without_the_nodes_of_which_nothing_is_said_the_rules_say_the_same(seed: int, most: int) -> None:
    known = context()
    rules = [each for each in rules_at(RULES, "offline", known) if isinstance(each, NodeRule | InputRule)]
    silent = KnownNodes(known, rules, most)
    first = [*subjects(RepoName("r"), FlakeDir("."), LockFile.parse(locks.to_bytes(locks.random_lock(seed, nodes=12))))]
    for nodes in (first, nodes_of(DEEP), first):
        assert find_in(known, silent.without(nodes), rules) == find_in(known, nodes, rules)


def test_what_a_rule_cannot_decide_is_unchecked_and_no_finding() -> None:
    found = find_in(context(), nodes_of(DEEP)[:1], [rule(lambda *_: [NotChecked("down")])])
    assert not found.findings
    (unchecked,) = found.unchecked
    assert (unchecked.rule, unchecked.input, unchecked.reason) == ("foreign", "app", "down")


def test_every_kind_of_rule_is_asked_about_what_it_looks_at() -> None:
    scene = Scene(workspace([repo("lib"), repo("none")]), {"lib": DEEP}, {})
    snapshot = scene.snapshot()
    said = Said("x")
    kinds = [
        rule(lambda _, __: [said], kind=NodeRule),
        rule(lambda _, subject: [said] if subject.own else [], kind=InputRule),
        rule(lambda _, __, ___: [(("app", "lib"), said), (None, said)], kind=FlakeRule),
        rule(lambda _, __: [said], kind=RepoRule),
        rule(lambda _, every: [(every[0], said)], kind=SourcesRule),
    ]
    counts = [len(find_findings(context(), list(snapshot.states.values()), [each]).findings) for each in kinds]
    assert counts == [6, 4, 4, 2, 1]
    of_flake = find_findings(context(), [snapshot.states[RepoName("lib")]], [kinds[2]]).findings
    assert [(each.input, each.source) for each in of_flake] == [("app/lib", "github:o/lib"), (None, None)]


def test_the_manifest_gives_a_rule_another_severity_or_turns_it_off() -> None:
    find = rule(lambda *_: [Said("x")])
    nodes = nodes_of(DEEP)[:1]
    assert find_in(context(), nodes, [find]).findings[0].severity == "medium"
    high = context(AuditSettings(severity={"foreign": "high"}))
    assert find_in(high, nodes, [find]).findings[0].severity == "high"
    off = context(AuditSettings(severity={"foreign": "off"}))
    assert rules_at([find], "offline", off) == ()


def test_a_level_has_what_those_below_it_have() -> None:
    known = context()
    sizes = [len(rules_at(RULES, level, known)) for level in LEVELS]
    assert sizes == sorted(sizes)
    assert rules_at(RULES, "forge", known, frozenset({"foreign"}))[0].id == "foreign"


@pytest.mark.parametrize("threshold", ["high", "medium", "low", "never"])
def test_a_severity_counts_from_the_threshold_on(threshold: str) -> None:
    counting = [each for each in SEVERITIES if reaches(each, threshold)]  # type: ignore[arg-type]
    assert (
        counting
        == {"high": ["high"], "medium": ["high", "medium"], "low": ["high", "medium", "low"], "never": []}[threshold]
    )


def marked(inputs: Inputs, *, message: str = "x") -> Found:
    return find_in(context(), nodes_of(inputs), [rule(lambda *_: [Said(message)])])


@given(st.integers(0, 10_000))
def test_a_bump_of_all_inputs_changes_no_fingerprint(seed: int) -> None:
    document = locks.random_lock(seed, nodes=10)
    bumped = msgspec.json.decode(locks.to_bytes(document))
    for name, node in bumped["nodes"].items():
        for key in ("rev", "narHash", "lastModified", "revCount"):
            if key in node.get("locked", {}):
                fresh = {"rev": locks.rev_of(f"{name} new"), "narHash": locks.nar_hash_of(name)}
                node["locked"][key] = fresh.get(key, 7)
    fingerprints = []
    for each in (document, bumped):
        lock = LockFile.parse(locks.to_bytes(each))
        nodes = list(subjects(RepoName("r"), FlakeDir("."), lock))
        found = find_in(context(), nodes, [rule(lambda *_: [Said("x")])])
        fingerprints.append([finding.fingerprint for finding in found.findings])
    assert fingerprints[0] == fingerprints[1]
    assert len({*fingerprints[0]}) == len(fingerprints[0])


def test_a_finding_is_new_if_it_was_not_there_and_one_about_a_commit_if_the_commit_or_what_is_said_is_another() -> None:
    old = {"lib": git("https://h/lib", rev=commit_id(1))}
    new = {"lib": git("https://h/lib", rev=commit_id(2))}
    about_repo, about_commit = rule(None), rule(None, of_commit=True)
    assert not new_findings(marked(old), marked(new), {"foreign": about_repo})
    assert len(new_findings(marked(old), marked(new), {"foreign": about_commit})) == 1
    assert not new_findings(marked(new), marked(new), {"foreign": about_commit})
    assert len(new_findings(marked(new), marked(new, message="another hash"), {"foreign": about_commit})) == 1
    other = {"lib": git("https://evil/lib", rev=commit_id(1))}
    assert len(new_findings(marked(old), marked(other), {"foreign": about_repo})) == 1


LIB, LATER, EVIL = (git(f"https://{host}/lib", rev=commit_id(at)) for host, at in (("h", 1), ("h", 2), ("evil", 1)))


@pytest.mark.parametrize(
    ("before", "after", "of_repo", "of_commit"),
    [
        ({"a": LIB}, {"b": LIB}, [], []),
        ({"a": LIB}, {"b": LATER}, [], ["b"]),
        ({"a": LIB}, {"b": EVIL}, ["b"], ["b"]),
        ({"a": LIB}, {"a": LIB, "b": LIB}, ["b"], ["b"]),
        ({"a": LIB}, {"b": LIB, "c": LIB}, ["c"], ["c"]),
        ({"a": LIB, "b": LIB}, {"c": LIB, "d": LIB}, [], []),
        ({"a": LIB, "b": EVIL}, {"a": EVIL, "b": LIB}, [], []),
        ({"a": folder("./x", {}, old=True)}, {"b": folder("./y", {}, old=True)}, ["b"], ["b"]),
    ],
)
def test_a_finding_that_has_moved_to_another_input_is_not_new_and_one_at_one_more_input_is(
    before: Inputs, after: Inputs, of_repo: list[str], of_commit: list[str]
) -> None:
    for expected, rules in ((of_repo, rule(None)), (of_commit, rule(None, of_commit=True))):
        new = new_findings(marked(before), marked(after), {"foreign": rules})
        assert [each.input for each in new] == expected


def test_a_finding_that_has_moved_and_is_graver_now_is_new() -> None:
    low = context(AuditSettings(severity={"foreign": "low"}))
    before = find_in(low, nodes_of({"a": LIB}), [rule(lambda *_: [Said("x")])])
    assert len(new_findings(before, marked({"b": LIB}), {"foreign": rule(None)})) == 1


def test_a_rule_that_says_two_things_of_an_input_moves_with_both() -> None:
    two = rule(lambda *_: [Said("x"), Said("y")])
    before, after = (find_in(context(), nodes_of({name: LIB}), [two]) for name in "ab")
    assert not new_findings(before, after, {"foreign": two})
    assert len(new_findings(find_in(context(), (), [two]), after, {"foreign": two})) == 2


def test_every_rule_has_a_name_of_its_own_and_words_for_people() -> None:
    ids = [each.id for each in ALL]
    assert len(ids) == len({*ids})
    for each in ALL:
        assert each.title, each.id
        assert each.help.endswith("."), each.id
        assert "  " not in each.help, each.id

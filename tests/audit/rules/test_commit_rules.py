"""`unlocked`, `no-nar-hash`, `submodules`: what locks a source, at any depth."""

import pytest

from flakesync.audit.rules.commit import no_nar_hash, submodules, unlocked
from flakesync.workspace.snapshot import Problem
from tests.audit.rules.ask import ask, locked, said
from tests.support import locks
from tests.support.locks import Input, folder, github
from tests.support.workspaces import Flakes

REV = "a" * 40
ARCHIVE = "https://example.com/x.tar.gz"


@pytest.mark.parametrize(
    ("input", "message"),
    [
        (locked(), "a dirty tree: no commit"),
        (locked(narHash=None), "no commit"),
        (locked(dirtyRev=f"{REV}-dirty"), "a dirty tree: no commit"),
        (locked(dirtyShortRev="aaaaaaa-dirty"), "a dirty tree: no commit"),
        (locked(rev=REV, dirtyRev=f"{REV}-dirty"), "a dirty tree: no commit"),
        (locked(rev="0" * 40), "a commit id of zeros, which stands for a dirty tree"),
        (locked(rev="0" * 64), "a commit id of zeros, which stands for a dirty tree"),
        (locked(type="github", url=None, owner="acme", repo="x"), "a dirty tree: no commit"),
        (locked(type="hg"), "a dirty tree: no commit"),
        (
            locked(type="indirect", url=None, id="nixpkgs"),
            "a name of the registry, which may lead elsewhere on each machine",
        ),
        (
            locked(type="indirect", url=None, id="nixpkgs", rev=REV),
            "a name of the registry, which may lead elsewhere on each machine",
        ),
    ],
)
def test_a_source_without_a_commit_that_others_have_is_unlocked_at_any_depth(input: Input, message: str) -> None:
    inputs = {"lib": github("o", "lib", inputs={"x": input}), "y": input}
    assert sorted(said(ask(unlocked.RULE, inputs))) == [("lib/x", "high", message), ("y", "high", message)]


@pytest.mark.parametrize(
    "input",
    [
        locked(rev=REV),
        locked(rev="A" * 40),
        locked(rev="0" * 39 + "F"),
        locked(rev="a" * 64),
        locked(type="tarball", url=ARCHIVE),
        locked(type="file", url=ARCHIVE),
        locked(type="tarball", url=ARCHIVE, rev="0" * 40),
        locked(type="path", url=None, path="/home/me/x"),
        locked(type="path", url=None, path="/home/me/x", narHash=None),
        folder("./sub", {}),
        folder("./sub", {}, old=True),
    ],
)
def test_a_commit_an_archive_and_a_path_are_not_unlocked(input: Input) -> None:
    found = ask(unlocked.RULE, {"x": input})
    assert not found.findings
    assert not found.unchecked


@pytest.mark.parametrize("none", [None, ""])
@pytest.mark.parametrize(
    ("input", "severity"),
    [
        ({"rev": REV}, "medium"),
        ({"rev": "A" * 64}, "medium"),
        ({"type": "github", "url": None, "owner": "o", "repo": "r", "rev": REV}, "medium"),
        ({"type": "hg", "rev": REV}, "medium"),
        ({"type": "tarball", "url": ARCHIVE}, "high"),
        ({"type": "file", "url": ARCHIVE}, "high"),
        ({"type": "tarball", "url": ARCHIVE, "rev": REV}, "high"),
    ],
)
def test_a_fetched_source_without_a_hash_is_found_and_an_archive_is_grave(
    input: dict[str, object], severity: str, none: str | None
) -> None:
    inputs = {"lib": github("o", "lib", inputs={"x": locked(**input, narHash=none)})}
    assert [(where, grave) for where, grave, _ in said(ask(no_nar_hash.RULE, inputs))] == [("lib/x", severity)]
    assert not ask(unlocked.RULE, inputs).findings


@pytest.mark.parametrize(
    "input",
    [
        github("o", "r"),
        locks.tarball(ARCHIVE),
        folder("./sub", {}),
        folder("./sub", {}, old=True),
        # Other rules say it: `local-path`, `unlocked`.
        locked(type="path", url=None, path="/home/me/x", narHash=None),
        locked(type="path", url=None, path="/home/me/x", narHash=None, rev=REV),
        locked(narHash=None),
        locked(narHash=None, rev="0" * 40),
    ],
)
def test_a_missing_hash_is_nothing_of_folders_and_said_once_of_what_is_not_locked_at_all(input: Input) -> None:
    assert not ask(no_nar_hash.RULE, {"x": input}).findings


def test_a_node_does_not_get_rid_of_its_hash_by_saying_that_it_is_a_folder() -> None:
    attrs = {"type": "github", "owner": "evil", "repo": "x", "rev": REV}
    hidden = Input(attrs, {"type": "path", "path": "./sub"}, parent=())
    assert [each[0] for each in said(ask(no_nar_hash.RULE, {"x": hidden}))] == ["x"]


def test_the_next_commit_without_a_hash_is_another_finding() -> None:
    assert no_nar_hash.RULE.of_commit


@pytest.mark.parametrize(("flag", "found"), [(True, ["lib/x"]), (False, []), (None, [])])
def test_a_source_with_submodules_is_found(flag: bool | None, found: list[str]) -> None:
    inputs = {"lib": github("o", "lib", inputs={"x": locked(rev=REV, submodules=flag)})}
    assert [(where, severity) for where, severity, _ in said(ask(submodules.RULE, inputs))] == [
        (each, "info") for each in found
    ]


def test_random_locks_as_nix_writes_them_have_no_finding() -> None:
    for seed in range(40):
        content: Flakes = {".": locks.random_lock(seed, nodes=15), "none": Problem("no-lock", "none")}
        for rule in (unlocked.RULE, no_nar_hash.RULE, submodules.RULE):
            assert not said(ask(rule, content))

"""What audit says of locks that organisations have published: hardly anything, and all of it is true."""

from pathlib import Path

import pytest

from flakesync.audit.audit import make_context
from flakesync.audit.engine import Found, find_findings, rules_at
from flakesync.audit.rules import RULES
from flakesync.workspace.audit import RuleId
from flakesync.workspace.snapshot import Snapshot, read_snapshot
from tests.corpus.real_locks import CORPUS, needs_real_locks
from tests.support.workspaces import NOW, repo, workspace

pytestmark = needs_real_locks

FORKED_ON_PURPOSE = "github.com/nix-community/nixago-extensions is locked to github.com/divnix/blank"


def snapshot_of(folders: list[Path], cache: Path) -> Snapshot:
    repos = [repo(f"r{number}", url=f"github:acme/r{number}", path=path) for number, path in enumerate(folders)]
    return read_snapshot(workspace(repos), cache=cache, offline=True)


def audited(snapshot: Snapshot) -> Found:
    context = make_context(snapshot, now=NOW)
    return find_findings(context, list(snapshot.states.values()), rules_at(RULES, "offline", context))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    folders = sorted(path.parent for path in CORPUS.rglob("flake.lock"))
    assert len(folders) == 93
    return audited(snapshot_of(folders, tmp_path_factory.mktemp("cache")))


@pytest.mark.parametrize(
    ("rule", "locks"),
    [
        ("foreign", 1), ("cleartext", 0), ("look-alike", 0), ("unlocked", 0), ("no-nar-hash", 0), ("dates", 0),
        ("mutable-archive", 1), ("local-path", 2), ("nixpkgs-fork", 0), ("bad-lock", 0), ("unreachable", 0),
    ],
)  # fmt: skip
def test_a_rule_fires_in_hardly_a_lock(found: Found, rule: RuleId, locks: int) -> None:
    assert len({each.repo for each in found.findings if each.rule == rule}) == locks


def test_what_is_foreign_was_meant_to_be(found: Found) -> None:
    messages = [each.message for each in found.findings if each.rule == "foreign"]
    assert len(messages) == 2
    assert all(FORKED_ON_PURPOSE in each for each in messages)


def test_no_strange_lock_ends_it(tmp_path: Path) -> None:
    folders = []
    for path in sorted((CORPUS / "odd").glob("*.lock")):
        folder = tmp_path / path.stem
        folder.mkdir()
        (folder / "flake.lock").write_bytes(path.read_bytes())
        folders.append(folder)
    assert len(folders) > 50
    audited(snapshot_of(folders, tmp_path / "cache"))

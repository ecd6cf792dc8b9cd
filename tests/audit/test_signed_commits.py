"""`require-signed` from the locks of a workspace to the commits in its clones."""

import json
import shutil
from pathlib import Path

import msgspec
import pytest

from flakesync.audit.audit import Options, audit
from flakesync.cache.layout import branches_folder
from flakesync.documents.audit import AuditReport
from flakesync.git.remotes.remote import parse_remote
from flakesync.terms import RepoName
from flakesync.workspace.audit import AuditSettings
from flakesync.workspace.manifest import load_workspace
from tests.support import locks
from tests.support.repos import run_git
from tests.support.signing import Signed, make_signed

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    """Commits that no test changes."""
    made = make_signed(tmp_path_factory.mktemp("signed"))
    run_git("update-ref", "refs/heads/main", made.revs["alice"], cwd=made.repository)
    return made


def report(
    root: Path, signed: Signed, *, require: str, signers: Path | None = None, url: str | None = None
) -> AuditReport:
    """Return the audit of a workspace whose `app` locks a commit of `lib` of each kind. url: None: the repo's own."""
    revs = {name: rev for name, rev in signed.revs.items() if name in ("alice", "mallory", "plain")}
    address = url or f"file://{signed.repository}"
    inputs = {name: locks.git(address, ref="main", rev=rev) for name, rev in revs.items()}
    (root / "app").mkdir()
    (root / "app/flake.nix").write_text("{ outputs = _: { }; }")
    (root / "app/flake.lock").write_text(json.dumps(locks.lock(inputs)))
    (root / "workspace.toml").write_text(
        f'[workspace]\nname = "acme"\n[repos.app]\npath = "app"\n[repos.lib]\npath = "{signed.repository}"\n'
    )
    workspace = load_workspace(root / "workspace.toml")
    settings = AuditSettings(require_signed=(require,), allowed_signers=signers or signed.signers)
    options = Options(level="mirror", only=frozenset({"unsigned"}), offline=True)
    chosen = msgspec.structs.replace(workspace, audit=settings)
    return audit(chosen, frozenset({RepoName("app")}), options, root / "cache").report


def test_commits_of_a_covered_source_that_no_allowed_signer_has_signed_are_found(
    signed: Signed, tmp_path: Path
) -> None:
    found = report(tmp_path, signed, require=f"git+file://{signed.root}/*")
    assert [(each.rule, each.severity, each.input) for each in found.findings] == [
        ("unsigned", "medium", "mallory"),
        ("unsigned", "medium", "plain"),
    ]
    assert found.unchecked == []
    assert found.findings[1].message.endswith(f"{signed.revs['plain'][:7]} is not signed")


def test_commits_that_were_fetched_to_look_at_histories_are_enough(signed: Signed, tmp_path: Path) -> None:
    url = "https://git.example.com/acme/lib"
    shutil.copytree(signed.repository, branches_folder(tmp_path / "cache", parse_remote(url).url))
    found = report(tmp_path, signed, require="git+https://git.example.com/*", url=url)
    assert [each.input for each in found.findings] == ["mallory", "plain"]
    assert found.unchecked == []


def test_commits_that_are_nowhere_here_are_unchecked_and_not_unsigned(signed: Signed, tmp_path: Path) -> None:
    found = report(tmp_path, signed, require="*", url="https://git.example.com/acme/lib")
    assert found.findings == []
    assert {each.reason for each in found.unchecked} == {"its repository was not fetched"}


def test_a_source_that_is_not_covered_is_not_looked_at(signed: Signed, tmp_path: Path) -> None:
    found = report(tmp_path, signed, require="github:acme/*")
    assert (found.findings, found.unchecked) == ([], [])


def test_a_file_of_signers_that_is_not_there_makes_nothing_unsigned(signed: Signed, tmp_path: Path) -> None:
    found = report(tmp_path, signed, require="*", signers=tmp_path / "none")
    assert found.findings == []
    assert {each.input for each in found.unchecked} == {"alice", "mallory", "plain"}

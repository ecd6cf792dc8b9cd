"""What the tests' forge claims of its repositories, shown with nothing but git and urllib."""

import io
import random
import subprocess
import tarfile
from pathlib import Path

import pytest

from flakesync.demo.forge.model import Kind
from tests.support import repos
from tests.support.forge import Forge, make_ssh_command
from tests.support.forge.client import HOSTS, READER, branch, client_of, pushed

Kinds = pytest.mark.parametrize("kind", list(HOSTS))


def git(*argv: str, cwd: Path, forge: Forge) -> str:
    return repos.run_git("-c", f"http.sslCAInfo={forge.certificates.ca}", *argv, cwd=cwd)


@Kinds
def test_an_archived_repository_takes_nothing(forge: Forge, kind: Kind, tmp_path: Path) -> None:
    client = client_of(forge, kind)
    client.project.archived = True
    assert client.open().status == (423 if kind == "forgejo" else 403)
    repos.make_repo(tmp_path / "clone", {"f": "1"})
    with pytest.raises(subprocess.CalledProcessError):
        git("push", client.git_url(), "main:new", cwd=tmp_path / "clone", forge=forge)
    assert client.project.storage.branch("new") is None


@Kinds
def test_git_clones_and_pushes_with_a_token(forge: Forge, kind: Kind, tmp_path: Path) -> None:
    client = client_of(forge, kind)
    client.open()
    git("clone", "-q", client.git_url().removesuffix(".git"), "clone", cwd=tmp_path, forge=forge)
    clone = tmp_path / "clone"
    git("switch", "-q", "update", cwd=clone, forge=forge)
    new = repos.commit(clone, {"flake.lock": "pushed"})
    for token in (None, "wrong", READER):
        with pytest.raises(subprocess.CalledProcessError):
            git("push", "-q", client.as_(token).git_url(), "update", cwd=clone, forge=forge)
    git("push", "-q", client.git_url(), "update", cwd=clone, forge=forge)
    assert client.project.pulls[0].head_rev == new
    if kind == "gitlab":  # it shows the way to the address with .git
        assert any(exchange.status == 301 for exchange in forge.log)


@Kinds
def test_a_large_push_comes_in_chunks(forge: Forge, kind: Kind, tmp_path: Path) -> None:
    client = client_of(forge, kind)
    repos.make_repo(tmp_path / "clone", {"big": random.Random(1).randbytes(1_500_000)})
    git("push", "-q", client.git_url(), "main:big", cwd=tmp_path / "clone", forge=forge)
    assert client.project.storage.branch("big") is not None
    assert any("chunked" in exchange.request.headers.get("transfer-encoding", "") for exchange in forge.log)


@Kinds
def test_a_push_to_a_protected_branch_is_refused(forge: Forge, kind: Kind, tmp_path: Path) -> None:
    client = client_of(forge, kind)
    client.project.protect("main")
    git("clone", "-q", client.git_url(), "clone", cwd=tmp_path, forge=forge)
    repos.commit(tmp_path / "clone", {"f": "1"})
    with pytest.raises(subprocess.CalledProcessError) as caught:
        git("push", client.git_url(), "main", cwd=tmp_path / "clone", forge=forge)
    assert "Protected branch" in caught.value.stderr


@Kinds
def test_deleting_the_branch_closes_the_pull_request_except_on_gitlab(forge: Forge, kind: Kind) -> None:
    client = client_of(forge, kind)
    client.open()
    target = {
        "github": "/git/refs/heads/update",
        "gitlab": "/repository/branches/update",
        "forgejo": "/branches/update",
    }[kind]
    assert client.call("DELETE", target).status == 204
    assert client.project.storage.branch("update") is None
    assert client.project.pulls[0].state == ("open" if kind == "gitlab" else "closed")


def test_a_branch_that_is_set_back_to_its_base_closes_the_pull_request_on_github(forge: Forge) -> None:
    client = client_of(forge, "github")
    storage = client.project.storage
    client.open()
    storage.set_branch("update", storage.branch("main"), storage.branch("update"))
    pushed(client)
    assert client.project.pulls[0].state == "closed"


def test_what_no_branch_has_is_forgotten_when_the_test_says_so(forge: Forge) -> None:
    client = client_of(forge, "github")
    storage = client.project.storage
    client.open()
    update = client.project.pulls[0].head_rev
    client.merge("squash")
    client.call("DELETE", "/git/refs/heads/update")
    assert storage.rev(update) == update  # the forge keeps it for the pull request
    storage.forget_unreachable()
    assert storage.rev(update) is None
    assert client.call("GET", f"/tarball/{update}").status == 404
    assert client.project.pulls[0].merged_rev == storage.branch("main")


@Kinds
def test_what_a_person_merges_and_pushes_counts_as_merged(forge: Forge, kind: Kind, tmp_path: Path) -> None:
    client = client_of(forge, kind)
    client.open()
    git("clone", "-q", client.git_url(), "clone", cwd=tmp_path, forge=forge)
    git("merge", "-q", "--no-ff", "origin/update", cwd=tmp_path / "clone", forge=forge)
    git("push", "-q", client.git_url(), "main", cwd=tmp_path / "clone", forge=forge)
    assert client.project.pulls[0].state == "merged"


@Kinds
def test_an_archive_is_what_git_archive_makes(forge: Forge, kind: Kind) -> None:
    client = client_of(forge, kind)
    rev = branch(client.project, "attributes", {".gitattributes": "other export-ignore\n", "x": "exec:#!sh"})
    targets = {
        "github": [f"/acme/lib/archive/{rev}.tar.gz", f"/repos/acme/lib/tarball/{rev}"],
        "gitlab": [f"/api/v4/projects/acme%2Flib/repository/archive.tar.gz?sha={rev}"],
        "forgejo": [f"/acme/lib/archive/{rev}.tar.gz", f"/api/v1/repos/acme/lib/archive/{rev}.tar.gz"],
    }
    for target in targets[kind]:
        data = client.as_(None).raw("GET", target).data
        assert isinstance(data, bytes)
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            tops = {name.split("/")[0] for name in archive.getnames()}
            files = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
        assert len(tops) == 1
        assert files == {".gitattributes", "flake.nix", "x"}


def test_git_goes_over_ssh_without_a_server(forge: Forge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client_of(forge, "github")
    script = make_ssh_command(tmp_path / "ssh", forge.root)
    monkeypatch.setenv("GIT_SSH_COMMAND", f"{script} -oBatchMode=yes")
    monkeypatch.setenv("GIT_SSH_VARIANT", "ssh")
    repos.run_git("clone", "-q", "ssh://git@github.com:22/acme/lib", "a", cwd=tmp_path)
    repos.run_git("clone", "-q", "git@github.com:acme/lib.git", "b", cwd=tmp_path)
    repos.run_git("push", "-q", "origin", "main:new", cwd=tmp_path / "b")
    log = (tmp_path / "ssh/ssh.log").read_text().splitlines()
    assert log == [
        "github.com git-upload-pack '/acme/lib'",
        "github.com git-upload-pack 'acme/lib.git'",
        "github.com git-receive-pack 'acme/lib.git'",
    ]

"""Who commits, whether commits can be signed without a person, and what git may do at the servers of repos."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from flakesync.doctor.doctor import LOOKS, examine, find_place
from flakesync.documents.doctor import DoctorDocument, DoctorGroup
from tests.doctor.asking import one, rows
from tests.support.repos import make_bare, make_repo, run_git

needs_ssh_keygen = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="there is no ssh-keygen")


pytestmark = pytest.mark.usefixtures("away")


def look(manifest: Path | None, *groups: DoctorGroup) -> DoctorDocument:
    return examine(find_place(manifest, os.environ), [each for each in LOOKS if each[0] in groups])


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """A workspace of two clones."""
    for name in ("lib", "app"):
        make_repo(tmp_path / name, {"flake.nix": "{ outputs = _: { }; }"})
    file = tmp_path / "workspace.toml"
    file.write_text('[workspace]\nname = "acme"\n[repos.lib]\npath = "lib"\n[repos.app]\npath = "app"\n')
    return file


def test_the_author_is_named_and_so_is_a_clone_that_has_another(manifest: Path) -> None:
    run_git("config", "user.name", "Other", cwd=manifest.parent / "app")
    usual, own = rows(look(manifest, "git"), "author")
    assert usual.detail == "Test Author <author@test.example>"
    assert (own.detail, own.repos) == ("Other <author@test.example>, of the clone's own settings", ["app"])


def test_the_manifest_s_author_is_all_that_counts(manifest: Path) -> None:
    manifest.write_text(manifest.read_text().replace('"acme"', '"acme"\nauthor = "Bot <bot@acme.example>"'))
    assert one(look(manifest, "git"), "author").detail == "Bot <bot@acme.example>, as the manifest says"


def test_nobody_is_an_author(manifest: Path, hermetic: Path) -> None:
    (hermetic / ".gitconfig").write_text("")
    for name in ("lib", "app"):
        for key in ("user.name", "user.email"):
            subprocess.run(["git", "config", "--unset", key], cwd=manifest.parent / name, check=False)
    row = one(look(manifest, "git"), "author")
    assert (row.how, row.repos) == ("fails", ["lib", "app"])
    assert one(look(None, "git"), "author").how == "fails"


def test_settings_that_git_cannot_read_are_a_row(manifest: Path, hermetic: Path) -> None:
    (hermetic / ".gitconfig").write_text("[user\n")
    assert one(look(manifest, "git"), "settings of git").how == "fails"


def make_key(folder: Path, passphrase: str) -> Path:
    key = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(key)], check=True)
    return key


@needs_ssh_keygen
@pytest.mark.parametrize(("passphrase", "how"), [("", "ok"), ("a passphrase", "fails")])
def test_a_key_with_a_passphrase_fails_at_night(tmp_path: Path, manifest: Path, passphrase: str, how: str) -> None:
    lib = manifest.parent / "lib"
    for key, value in (
        ("commit.gpgSign", "true"),
        ("gpg.format", "ssh"),
        ("user.signingKey", str(make_key(tmp_path, passphrase))),
    ):
        run_git("config", key, value, cwd=lib)
    before = sorted(path for path in lib.rglob("*"))
    row = one(look(manifest, "git"), "signing (ssh)")
    assert (row.how, row.repos) == (how, ["lib"])
    assert sorted(path for path in lib.rglob("*")) == before


def test_a_key_that_is_not_there_fails(manifest: Path) -> None:
    run_git("config", "commit.gpgSign", "true", cwd=manifest.parent / "lib")
    run_git("config", "gpg.program", "/nonexistent/gpg", cwd=manifest.parent / "lib")
    row = one(look(manifest, "git"), "signing (openpgp)")
    assert (row.how, row.repos) == ("fails", ["lib"])


def on_servers(manifest: Path) -> None:
    """Let each repo have a server, a folder."""
    for name in ("lib", "app"):
        make_bare(manifest.parent / f"{name}.git", {"flake.nix": "{ outputs = _: { }; }"})
    tables = (f'[repos.{name}]\nurl = "git+file://{manifest.parent}/{name}.git"\n' for name in ("lib", "app"))
    manifest.write_text(f'[workspace]\nname = "acme"\n{"".join(tables)}')


def test_a_server_that_lets_git_push_is_ok_and_gets_nothing(manifest: Path) -> None:
    on_servers(manifest)
    before = run_git("for-each-ref", cwd=manifest.parent / "lib.git")
    row = one(look(manifest, "repos"), "git")
    assert (row.how, row.detail, row.repos) == ("ok", "can be read and pushed to", ["lib", "app"])
    assert run_git("for-each-ref", cwd=manifest.parent / "lib.git") == before


def test_a_server_that_is_gone_fails_alone(manifest: Path) -> None:
    on_servers(manifest)
    shutil.rmtree(manifest.parent / "lib.git")
    gone, fine = rows(look(manifest, "repos"), "git")
    assert (gone.how, gone.repos, fine.how, fine.repos) == ("fails", ["lib"], "ok", ["app"])


def test_a_base_that_the_server_has_not_fails(manifest: Path) -> None:
    on_servers(manifest)
    manifest.write_text(manifest.read_text().replace('"acme"', '"acme"\nbase = "trunk"'))
    row = one(look(manifest, "repos"), "git")
    assert (row.how, "the server has no branch trunk" in row.detail) == ("fails", True)


def test_a_manifest_with_problems_has_a_row_for_each_and_the_machine_is_looked_at(manifest: Path) -> None:
    manifest.write_text('[workspace]\nname = "acme"\nbaes = "main"\n[repos.lib]\npath = "nowhere"\n')
    document = examine(find_place(manifest, os.environ, offline=True))
    assert [row.how for row in rows(document, "workspace.toml")] == ["fails", "fails"]
    assert one(document, "open files").group == "machine"
    assert one(document, "author").how == "ok"
    assert {row.group for row in document.rows} == {"manifest", "programs", "nix", "git", "machine"}


def pinned(manifest: Path, ref: str) -> None:
    make_bare(manifest.parent / "pkgs.git", {"flake.nix": "{ }"})
    source = f"git+file://{manifest.parent}/pkgs.git?ref={ref}"
    manifest.write_text(f'{manifest.read_text()}\n[pins.nixpkgs]\nsource = "{source}"\n')


@pytest.mark.parametrize(("ref", "what", "how"), [("main", "sources", "ok"), ("gone", "source of nixpkgs", "fails")])
def test_the_branch_of_a_pin_has_to_be_there(manifest: Path, ref: str, what: str, how: str) -> None:
    pinned(manifest, ref)
    row = one(look(manifest, "pins"), what)
    assert row.how == how
    assert ref == "main" or "has no branch or tag 'gone'" in row.detail


def test_a_program_of_checks_that_is_not_there_fails_for_its_repos(manifest: Path) -> None:
    checks = 'checks = ["no-such-program --all", "./own-script", "git --version"]'
    manifest.write_text(manifest.read_text().replace('path = "lib"', f'path = "lib"\n{checks}'))
    row = one(look(manifest, "programs"), "checks")
    assert (row.how, row.detail, row.repos) == ("fails", "there is no program no-such-program on PATH", ["lib"])


needs_gpg = pytest.mark.skipif(shutil.which("gpg") is None, reason="there is no gpg")


@pytest.fixture
def gnupg(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for keys of gpg, whose agent ends with the test."""
    # A socket lies in it, whose name must not be long.
    with tempfile.TemporaryDirectory(prefix="gpg-", dir="/tmp") as name:
        monkeypatch.setenv("GNUPGHOME", name)
        yield Path(name)
        subprocess.run(["gpgconf", "--kill", "all"], check=False, capture_output=True)


@needs_gpg
@pytest.mark.parametrize(
    ("passphrase", "how"), [("", "ok"), pytest.param("a passphrase", "fails", marks=pytest.mark.slow)]
)
def test_a_key_of_gpg_with_a_passphrase_fails_at_night(manifest: Path, gnupg: Path, passphrase: str, how: str) -> None:
    subprocess.run(
        ["gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", passphrase,
         "--quick-generate-key", "Test Author <author@test.example>", "ed25519", "sign"],
        check=True, capture_output=True,
    )  # fmt: skip
    subprocess.run(["gpgconf", "--kill", "all"], check=True)  # it knows the passphrase for a while
    run_git("config", "commit.gpgSign", "true", cwd=manifest.parent / "lib")
    run_git("config", "user.signingKey", "author@test.example", cwd=manifest.parent / "lib")
    row = one(look(manifest, "git"), "signing (openpgp)")
    assert (row.how, row.repos) == (how, ["lib"])


def test_without_keys_gpg_is_not_started(manifest: Path, hermetic: Path) -> None:
    run_git("config", "commit.gpgSign", "true", cwd=manifest.parent / "lib")
    row = one(look(manifest, "git"), "signing (openpgp)")
    assert (row.how, row.detail) == ("fails", f"there are no keys: {hermetic}/.gnupg is not there")
    assert not (hermetic / ".gnupg").exists()

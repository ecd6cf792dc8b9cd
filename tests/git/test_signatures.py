"""Signatures of commits: real ones, other keys, other kinds, and what must not look like any of them."""

import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from flakesync.errors import GitError
from flakesync.git.signatures import Verdict, require_signers, verify_commit
from flakesync.terms import Rev
from tests.support.repos import run_git
from tests.support.signing import TIME, Signed, make_signed, with_signature

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")

DAY = "%Y%m%d"


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    """Commits that no test changes."""
    return make_signed(tmp_path_factory.mktemp("signed"))


def verdict(signed: Signed, name: str, signers: Path | None = None) -> Verdict:
    return verify_commit(signed.repository, signed.revs[name], signers or signed.signers)


def error(signed: Signed, name: str, signers: Path | None = None) -> GitError:
    with pytest.raises(GitError) as caught:
        verdict(signed, name, signers)
    return caught.value


def content(signed: Signed, name: str) -> bytes:
    argv = ["git", "cat-file", "commit", signed.revs[name]]
    return subprocess.run(argv, cwd=signed.repository, check=True, capture_output=True).stdout


def fingerprint(signed: Signed, name: str) -> str:
    argv = ["ssh-keygen", "-l", "-f", str(signed.root / f"{name}.pub")]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split()[1]


# ---- what a signature is worth ---------------------------------------------------------------------------------------


def test_a_signature_of_an_allowed_signer_is_good_and_says_whose_it_is(signed: Signed) -> None:
    words = f"is signed by alice@acme.example (ED25519 {fingerprint(signed, 'alice')})"
    assert verdict(signed, "alice") == Verdict(good=True, detail=words)


def test_a_signature_of_somebody_else_names_the_key(signed: Signed) -> None:
    words = f"is signed with a key that is not allowed (ED25519 {fingerprint(signed, 'mallory')})"
    assert verdict(signed, "mallory") == Verdict(good=False, detail=words)


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("plain", "is not signed"),
        ("altered", "has a signature that does not hold"),
        ("garbled", "has a signature that does not hold"),
        ("file", "has a signature that does not hold"),
        ("pgp", "is signed with OpenPGP, and allowed signers have ssh keys"),
        ("x509", "is signed with X.509, and allowed signers have ssh keys"),
        ("odd", "is signed with something unknown, and allowed signers have ssh keys"),
    ],
)
def test_whatever_is_no_such_signature_is_not_good(signed: Signed, name: str, detail: str) -> None:
    assert verdict(signed, name) == Verdict(good=False, detail=detail)


def test_a_signature_in_the_message_is_none(signed: Signed) -> None:
    text = content(signed, "alice")
    head, _, message = text.partition(b"\ngpgsig ")
    fold, _, work = message.partition(b"\n\n")
    rev = signed.commit(head + b"\n\n" + work + b"\ngpgsig " + fold + b"\n")
    assert verify_commit(signed.repository, rev, signed.signers).detail == "is not signed"


def test_a_signature_of_another_commit_is_none(signed: Signed) -> None:
    text = content(signed, "alice")
    rev = signed.commit(text.replace(b"author A ", b"author M "))
    assert verify_commit(signed.repository, rev, signed.signers) == Verdict(
        good=False, detail="has a signature that does not hold"
    )


def test_a_key_is_allowed_for_a_time_by_the_time_of_the_commit(signed: Signed) -> None:
    key = signed.public("alice")
    before = signed.signers_with(f'alice valid-before="20200101" {key}')
    during = signed.signers_with(f'alice valid-after="20230101",valid-before="20240101" {key}')
    after = signed.signers_with(f'alice valid-after="20250101" {key}')
    assert verdict(signed, "alice", during).good
    for place, words in ((before, "key has expired"), (after, "key is not yet valid")):
        found = verdict(signed, "alice", place)
        assert not found.good
        assert words in found.detail
        assert found.detail.startswith("is signed with a key that is not allowed (ED25519 ")
    assert TIME // 86_400 == 19_675


def test_a_key_that_is_allowed_for_other_things_alone_is_not_allowed(signed: Signed) -> None:
    place = signed.signers_with(f'alice namespaces="file" {signed.public("alice")}')
    found = verdict(signed, "alice", place)
    assert not found.good
    assert 'not permitted for use in signature namespace "git"' in found.detail


@pytest.mark.parametrize("lines", [(), ("# nobody yet",), ("",)])
def test_where_nobody_is_allowed_no_signature_is_good(signed: Signed, lines: tuple[str, ...]) -> None:
    assert not verdict(signed, "alice", signed.signers_with(*lines)).good


def test_one_of_several_allowed_signers_is_enough(signed: Signed) -> None:
    place = signed.signers_with(
        f"m@acme.example {signed.public('mallory')}", f"*@acme.example {signed.public('alice')}"
    )
    assert verdict(signed, "alice", place).good
    assert verdict(signed, "mallory", place).good


def test_a_certificate_of_an_allowed_authority_counts_for_whom_it_names(signed: Signed, tmp_path: Path) -> None:
    for name in ("alice", "alice.pub"):
        shutil.copy2(signed.root / name, tmp_path)
    make = ["ssh-keygen", "-q", "-s", str(signed.root / "mallory"), "-I", "id", "-n", "carol@acme.example"]
    subprocess.run([*make, str(tmp_path / "alice.pub")], check=True)
    text = content(signed, "plain")
    sign = ["ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f", str(tmp_path / "alice-cert.pub")]
    signature = subprocess.run(sign, input=text, check=True, capture_output=True).stdout
    rev = signed.commit(with_signature(text, signature))
    for place, good in (("*@acme.example", True), ("*@other.example", False)):
        signers = signed.signers_with(f"{place} cert-authority {signed.public('mallory')}")
        assert verify_commit(signed.repository, rev, signers).good is good
    assert not verify_commit(signed.repository, rev, signed.signers).good


@pytest.mark.parametrize("line", ["a@x,b@x {key}", 'a@x namespaces="git,file" {key}', "a@x {key} a comment", "* {key}"])
def test_an_allowed_signer_is_written_as_ssh_keygen_has_it(signed: Signed, line: str) -> None:
    assert verdict(signed, "alice", signed.signers_with(line.format(key=signed.public("alice")))).good


def test_the_names_of_files_may_hold_anything(signed: Signed, tmp_path: Path) -> None:
    folder = tmp_path / "$HOME ~ %(prefix) 'x' \udcff=é"
    folder.mkdir()
    place = folder / "all owed"
    shutil.copy(signed.signers, place)
    shutil.copytree(signed.repository, folder / "r.git")
    assert verify_commit(folder / "r.git", signed.revs["alice"], place).good
    assert not verify_commit(folder / "r.git", signed.revs["mallory"], place).good


def test_commits_of_sha256_are_verified_too(tmp_path: Path) -> None:
    made = make_signed(tmp_path, sha256=True)
    assert len(made.revs["alice"]) == 64
    assert [verdict(made, name).good for name in ("alice", "mallory", "plain", "altered")] == [
        True,
        False,
        False,
        False,
    ]


def test_a_signature_for_the_other_kind_of_id_is_none(signed: Signed) -> None:
    text = content(signed, "plain")
    rev = signed.commit(with_signature(text, signed.sign(text, "alice"), key=b"gpgsig-sha256"))
    assert verify_commit(signed.repository, rev, signed.signers).detail == "is not signed"


# ---- nobody else decides ---------------------------------------------------------------------------------------------


def script(place: Path, text: str) -> Path:
    place.write_text(f"#!/bin/sh\n{text}\n")
    place.chmod(0o755)
    return place


def test_no_setting_of_the_user_or_of_the_repository_decides(signed: Signed, tmp_path: Path) -> None:
    """A program that says yes to everything, other signers, a list of revoked keys: in all files that git reads."""
    yes = script(tmp_path / "yes", 'echo "Good \\"git\\" signature for root with ED25519 key SHA256:x"; touch ran')
    revoked = tmp_path / "revoked"
    revoked.write_text(signed.public("alice") + "\n")
    other = tmp_path / "other"
    other.write_text(f"m {signed.public('mallory')}\n")
    copy = tmp_path / "r.git"
    shutil.copytree(signed.repository, copy)
    for scope in ("--global", "--local"):
        for key, value in (
            ("gpg.program", yes), ("gpg.openpgp.program", yes), ("gpg.x509.program", yes), ("gpg.ssh.program", yes),
            ("gpg.ssh.allowedSignersFile", other), ("gpg.ssh.revocationFile", revoked), ("gpg.format", "openpgp"),
            ("gpg.minTrustLevel", "ultimate"),
        ):  # fmt: skip
            run_git("config", scope, key, str(value), cwd=copy)
    found = {name: verify_commit(copy, signed.revs[name], signed.signers).good for name in signed.revs if name != "tag"}
    assert {name for name, good in found.items() if good} == {"alice"}
    assert not list(tmp_path.rglob("ran"))


def test_no_commit_is_put_in_the_place_of_the_locked_one(signed: Signed, tmp_path: Path) -> None:
    copy = tmp_path / "r.git"
    shutil.copytree(signed.repository, copy)
    run_git("replace", signed.revs["plain"], signed.revs["alice"], cwd=copy)
    run_git("replace", signed.revs["mallory"], signed.revs["alice"], cwd=copy)
    assert not verify_commit(copy, signed.revs["plain"], signed.signers).good
    assert not verify_commit(copy, signed.revs["mallory"], signed.signers).good


def test_a_language_changes_nothing(signed: Signed, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LANG", "LC_ALL", "LANGUAGE"):
        monkeypatch.setenv(name, "de_DE.UTF-8")
    assert verdict(signed, "alice").good
    assert "not allowed" in verdict(signed, "mallory").detail


# ---- what could not be looked at -------------------------------------------------------------------------------------


def test_a_commit_that_is_not_there_is_not_fetched_from_where_a_partial_clone_is_from(
    signed: Signed, tmp_path: Path
) -> None:
    """The commit is on the server; looking at a signature must not change the repository."""
    clone = tmp_path / "clone.git"
    run_git("init", "-q", "--bare", str(clone), cwd=tmp_path)
    for key, value in (
        ("remote.origin.url", f"file://{signed.repository}"), ("remote.origin.promisor", "true"),
        ("remote.origin.partialclonefilter", "tree:0"), ("extensions.partialClone", "origin"),
        ("core.repositoryFormatVersion", "1"),
    ):  # fmt: skip
        run_git("config", key, value, cwd=clone)
    run_git("config", "uploadpack.allowFilter", "true", cwd=signed.repository)
    run_git("config", "uploadpack.allowAnySHA1InWant", "true", cwd=signed.repository)
    with pytest.raises(GitError) as caught:
        verify_commit(clone, signed.revs["alice"], signed.signers)
    assert caught.value.code == "missing-object"
    assert not [each for each in (clone / "objects").rglob("*") if each.is_file()]


def test_a_commit_without_its_tree_is_verified(signed: Signed, tmp_path: Path) -> None:
    """As repositories for histories alone have it."""
    bare = tmp_path / "bare.git"
    run_git("init", "-q", "--bare", str(bare), cwd=tmp_path)
    rev = signed.revs["alice"]
    (bare / "objects" / rev[:2]).mkdir()
    shutil.copy(signed.repository / "objects" / rev[:2] / rev[2:], bare / "objects" / rev[:2] / rev[2:])
    assert verify_commit(bare, rev, signed.signers).good


def test_what_is_no_commit_is_not_verified(signed: Signed) -> None:
    assert error(signed, "tag").message == f"{signed.revs['tag']} is a tag, not a commit"


@pytest.mark.parametrize("rev", ["", "HEAD", "--help", "../x", "alice"])
def test_what_is_no_id_is_no_commit(signed: Signed, rev: str) -> None:
    with pytest.raises(GitError) as caught:
        verify_commit(signed.repository, Rev(rev), signed.signers)
    assert caught.value.code == "missing-object"


def test_a_line_that_ssh_keygen_does_not_understand_is_named_and_not_the_commit_s_fault(signed: Signed) -> None:
    key = signed.public("alice")
    for line, words in (
        ("alice@acme.example", "missing key"),
        (f"alice no-such-option {key}", "bad options: unknown key option"),
        (f"alice {key[:-4]}", "invalid key"),
    ):
        place = signed.signers_with("# people", line)
        found = error(signed, "alice", place)
        assert (found.code, found.message) == ("signers", f"{place}: line 2: {words}")
    good = signed.signers_with("alice@acme.example", f"alice {signed.public('alice')}", "")
    assert verdict(signed, "alice", good).good


def test_empty_lines_between_the_signers_are_none_of_them(signed: Signed) -> None:
    place = signed.signers_with("", f"alice {signed.public('alice')}", " \t", "", "# the end", "")
    assert verdict(signed, "alice", place).good
    assert "is signed with a key that is not allowed" in verdict(signed, "mallory", place).detail


def test_a_file_that_is_gone_is_no_verdict(signed: Signed, tmp_path: Path) -> None:
    assert "No such file" in error(signed, "alice", tmp_path / "none").message


@pytest.mark.parametrize("make", [lambda place: None, lambda place: place.mkdir()], ids=["gone", "a-folder"])
def test_a_file_that_cannot_be_read_is_said_beforehand(tmp_path: Path, make: Callable[[Path], None]) -> None:
    place = tmp_path / "signers"
    make(place)
    with pytest.raises(GitError) as caught:
        require_signers(place)
    assert caught.value.code == "signers"
    assert str(place) in caught.value.message


def path_with(folder: Path, **programs: str) -> str:
    """Return a PATH with what git needs, and these scripts; ssh-keygen only where it is one of them."""
    folder.mkdir()
    for name in ("git", "env", "false", "sh", "cat"):
        real = shutil.which(name)
        assert real is not None
        (folder / name).symlink_to(real)
    for name, text in programs.items():
        (folder / name.replace("_", "-")).unlink(missing_ok=True)
        script(folder / name.replace("_", "-"), text)
    return str(folder)


def test_without_ssh_keygen_nothing_can_be_verified(
    signed: Signed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin"))
    with pytest.raises(GitError) as caught:
        require_signers(signed.signers)
    assert caught.value.code == "no-ssh-keygen"
    assert "git verify-commit" in error(signed, "alice").message


def test_an_ssh_keygen_that_knows_no_signatures_is_no_verdict(
    signed: Signed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = "echo 'unknown option -- Y' >&2; echo 'usage: ssh-keygen [-q]' >&2; exit 1"
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin", ssh_keygen=usage))
    assert "openssh version 8.2p1" in error(signed, "alice").message


def test_words_alone_are_no_verdict(signed: Signed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    liar = (
        'case "$2" in find-principals) echo alice;; '
        "*) echo 'Good \"git\" signature for alice with ED25519 key SHA256:x'; exit 1;; esac"
    )
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin", ssh_keygen=liar))
    assert not verdict(signed, "alice").good


def test_a_git_that_knows_no_ssh_signatures_is_no_verdict(
    signed: Signed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = shutil.which("git")
    refuse = "fatal: bad/incompatible signature '-----BEGIN SSH SIGNATURE-----'"
    old = f'case "$*" in *verify-commit*) echo "{refuse}" >&2; exit 128;; esac; exec {git} "$@"'
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin", git=old, ssh_keygen="exit 1"))
    assert error(signed, "alice").message.endswith("; git verifies ssh signatures since 2.34")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_no_verdict(signed: Signed, tmp_path: Path) -> None:
    place = tmp_path / "signers"
    shutil.copy(signed.signers, place)
    place.chmod(0)
    try:
        assert "Permission denied" in error(signed, "alice", place).message
    finally:
        place.chmod(stat.S_IRUSR)

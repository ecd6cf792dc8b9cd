"""Who signed the commits that are locked: what is known of each, and what could not be looked at."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from flakesync.audit.evidence.model import CommitKey, Signature, Unknown, commit_key
from flakesync.audit.evidence.signatures import find_signatures
from flakesync.errors import FlakesyncError
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.processes.stop import stopping
from flakesync.terms import Rev
from tests.audit.nodes import node_of
from tests.support import locks
from tests.support.signing import Signed, make_signed

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    """Commits that no test changes."""
    return make_signed(tmp_path_factory.mktemp("signed"))


def key(rev: Rev, **changes: object) -> CommitKey:
    found = commit_key(node_of(locks.github("acme", "lib", rev=rev)))
    assert found is not None
    return msgspec.structs.replace(found, **changes)


def find(
    signed: Signed, *names: str, signers: Path | None = None, missing: Mapping[str, Unknown] | None = None
) -> dict[str, Signature | Unknown]:
    """Return what is found of commits by their names. missing: why a repository of some is not there."""
    keys = {name: key(signed.revs[name]) for name in names}
    places = {each: (missing or {}).get(name, signed.repository) for name, each in keys.items()}
    found = find_signatures(keys.values(), places, signers or signed.signers, jobs=2)
    return {name: found[each] for name, each in keys.items()}


def test_each_commit_has_its_own_answer(signed: Signed) -> None:
    found = find(signed, "alice", "mallory", "plain", "pgp", "altered", "tag")
    good = {name: each.good for name, each in found.items() if isinstance(each, Signature)}
    assert good == {"alice": True, "mallory": False, "plain": False, "pgp": False, "altered": False}
    assert found["tag"] == Unknown(f"{signed.revs['tag']} is a tag, not a commit")


def test_no_keys_no_answers(tmp_path: Path) -> None:
    assert find_signatures([], {}, tmp_path / "none", jobs=2) == {}


def test_a_repository_that_could_not_be_had_is_not_known_for_its_own_reason(signed: Signed) -> None:
    found = find(signed, "alice", "plain", missing={"plain": Unknown("acme is unreachable")})
    assert found["plain"] == Unknown("acme is unreachable")
    assert isinstance(found["alice"], Signature)


def test_a_repository_that_nobody_has_fetched_is_no_pass(signed: Signed) -> None:
    alice = key(signed.revs["alice"])
    assert find_signatures([alice], {}, signed.signers, jobs=1) == {alice: Unknown("its repository was not fetched")}


def test_a_repository_without_the_commit_or_without_anything_is_not_known(signed: Signed, tmp_path: Path) -> None:
    absent, nowhere = key(Rev("1" * 40)), key(Rev("2" * 40))
    places = {absent: signed.repository, nowhere: tmp_path / "none"}
    found = find_signatures([absent, nowhere], places, signed.signers, jobs=2)
    assert "does not have the commit" in str(found[absent])
    assert isinstance(found[nowhere], Unknown)


def test_a_commit_that_is_locked_in_several_ways_has_one_answer_for_all(signed: Signed) -> None:
    one = key(signed.revs["alice"])
    other = key(signed.revs["alice"], ref="main")
    found = find_signatures([one, other], {one: signed.repository, other: signed.repository}, signed.signers, jobs=2)
    assert found[one] == found[other]
    assert isinstance(found[one], Signature)


def test_without_the_file_nothing_is_known_and_nothing_is_taken_for_unsigned(signed: Signed, tmp_path: Path) -> None:
    found = find(signed, "alice", "plain", signers=tmp_path / "none")
    assert set(found.values()) == {Unknown(f"{tmp_path}/none: No such file or directory")}


def test_without_ssh_keygen_nothing_is_known(signed: Signed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    words = "there is no ssh-keygen on PATH to verify signatures with"
    assert find(signed, "alice", "plain") == dict.fromkeys(("alice", "plain"), Unknown(words))


def test_a_run_that_is_stopped_makes_no_answer_of_it(signed: Signed) -> None:
    with stopping(), pytest.raises(FlakesyncError) as caught:
        find(signed, "alice")
    assert caught.value.code in ("interrupted", "git-interrupted")


def test_a_key_of_a_node_is_what_is_asked_about(signed: Signed) -> None:
    assert key(signed.revs["alice"]).identity == FlakeRef.parse("github:acme/lib").identity

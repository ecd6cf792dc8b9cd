"""`nar-hash`: when a lock's hash is that of the commit, when not, and when nobody can tell."""

import base64
import hashlib
import subprocess

import msgspec
import pytest

from flakesync.audit.audit import make_context
from flakesync.audit.evidence.model import ContentEvidence, Evidence, Unknown, commit_key
from flakesync.audit.rule import Answer, NotChecked, Said
from flakesync.audit.rules.commit import nar_hash
from flakesync.nix.store.narhash import sha256_of
from flakesync.workspace.snapshot import Snapshot
from tests.audit.nodes import node_of
from tests.audit.rules.ask import locked
from tests.support import locks
from tests.support.nix import RealNix
from tests.support.workspaces import NOW, workspace

REV = "77d1c0f" + "0" * 33
DIGEST = hashlib.sha256(b"x").digest()
SRI = "sha256-" + base64.b64encode(DIGEST).decode()
OTHER = locks.nar_hash_of("other")


def ask(evidence: ContentEvidence | Unknown | None, **attrs: object) -> list[Answer]:
    """Return what the rule says of a commit of acme/lib with these attributes, of which this is known."""
    usual = {"type": "github", "url": None, "owner": "acme", "repo": "lib", "rev": REV, "narHash": SRI}
    node = node_of(locked(**{**usual, **attrs}))
    key = commit_key(node)
    contents = {key: evidence} if key is not None and evidence is not None else {}
    context = make_context(Snapshot(workspace([]), "base", {}), now=NOW)
    return list(nar_hash.find(msgspec.structs.replace(context, evidence=Evidence(contents=contents)), node))


SPELLINGS = [
    SRI,
    SRI.rstrip("="),
    "sha256:" + DIGEST.hex(),
    "sha256:" + DIGEST.hex().upper(),
    "sha256:" + base64.b64encode(DIGEST).decode(),
    DIGEST.hex(),
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_same_hash_in_any_spelling_is_right(spelling: str) -> None:
    assert ask(ContentEvidence((SRI,)), narHash=spelling) == []
    (said,) = ask(ContentEvidence((OTHER,)), narHash=spelling)
    assert isinstance(said, Said)


@pytest.mark.nix
def test_the_spelling_of_nix_is_read_as_nix_writes_it(any_nix: RealNix) -> None:
    for number in range(20):
        digest = hashlib.sha256(bytes([number])).digest()
        argv = [str(any_nix.path), "hash", "to-base32", "--type", "sha256", digest.hex()]
        done = subprocess.run(argv, env=any_nix.env(), capture_output=True, text=True, check=True)
        assert sha256_of("sha256:" + done.stdout.strip()) == digest


def test_another_hash_is_a_finding_that_shows_both_as_far_as_they_differ() -> None:
    right, wrong = "sha256-" + "A" * 43 + "=", "sha256-" + "A" * 20 + "B" * 22 + "A="
    assert ask(ContentEvidence((SRI,)), narHash=OTHER) == [
        Said(f"github.com/acme/lib 77d1c0f is {SRI[:11]}…, the lock says {OTHER[:11]}…")
    ]
    (said,) = ask(ContentEvidence((right,)), narHash=wrong)
    assert isinstance(said, Said)
    assert f"{'A' * 21}…" in said.message
    assert f"{'A' * 20}B…" in said.message


def test_each_of_several_right_hashes_is_right() -> None:
    assert ask(ContentEvidence((OTHER, SRI))) == []
    (said,) = ask(ContentEvidence((OTHER, SRI)), narHash=locks.nar_hash_of("third"))
    assert isinstance(said, Said)


def test_where_the_hash_may_rightly_be_another_one_it_is_not_checked() -> None:
    assert ask(ContentEvidence((OTHER,), "uses git-lfs")) == [NotChecked("uses git-lfs")]
    assert ask(ContentEvidence((SRI,), "uses git-lfs")) == []
    (answer,) = ask(ContentEvidence((OTHER, locks.nar_hash_of("third"))), exportIgnore=True)
    assert isinstance(answer, NotChecked)


def test_what_could_not_be_had_is_not_checked_for_its_reason() -> None:
    assert ask(Unknown("example.com cannot be reached")) == [NotChecked("example.com cannot be reached")]
    assert ask(None) == [NotChecked("its files were not looked at")]


@pytest.mark.parametrize(
    "given",
    [
        "sha512-" + base64.b64encode(bytes(64)).decode(),
        "sha1:" + "0" * 40,
        "md5-AAAAAAAAAAAAAAAAAAAAAA==",
        "sha256-",
        "sha256-" + "A" * 42,
        "sha256-" + "A" * 44,
        "sha256:" + "e" * 52,
        "sha256:" + "z" * 52,
        "sha256-é" + "A" * 42,
        "nonsense",
    ],
)
def test_a_hash_of_another_kind_is_not_checked(given: str) -> None:
    assert ask(ContentEvidence((SRI,)), narHash=given) == [NotChecked("its narHash is none of SHA-256")]


@pytest.mark.parametrize(
    "attrs",
    [
        {"narHash": None},
        {"narHash": ""},
        {"type": "path", "path": "/x", "owner": None, "repo": None},
        {"type": "tarball", "url": "https://example.com/x.tar.gz", "owner": None, "repo": None, "rev": None},
        {"type": "file", "url": "https://example.com/x", "owner": None, "repo": None, "rev": None},
        {"rev": None},
    ],
)
def test_what_has_no_hash_or_no_commit_is_the_affair_of_other_rules(attrs: dict[str, object]) -> None:
    assert ask(None, **attrs) == []


def test_an_archive_that_names_a_commit_is_not_checked() -> None:
    archive = {"type": "tarball", "url": "https://example.com/x.tar.gz", "owner": None, "repo": None}
    (answer,) = ask(None, **archive)
    assert answer == NotChecked("locked as `tarball`: git cannot fetch the commit that it names")

"""`unsigned`: which inputs have to be signed, and what is made of what git says."""

from pathlib import Path

import msgspec
import pytest

from flakesync.audit.evidence.model import Evidence, Signature, Unknown, commit_key
from flakesync.audit.rule import Answer, Context, NotChecked, Said
from flakesync.audit.rules import RULES
from flakesync.audit.rules.commit import unsigned
from flakesync.workspace.audit import AuditSettings
from tests.audit.nodes import node_of
from tests.support import locks
from tests.support.workspaces import workspace

REV = "1" * 40
LIB = locks.github("acme", "lib", rev=REV)
BAD = Signature(good=False, detail="is not signed")


def answers(
    made: locks.Input = LIB,
    evidence: Signature | Unknown | None = BAD,
    *,
    globs: tuple[str, ...] = ("github:acme/*",),
    signers: Path | None = Path("/signers"),
) -> list[Answer]:
    """Return what the rule says of an input, with this evidence of its commit."""
    settings = AuditSettings(require_signed=globs, allowed_signers=signers)
    key = commit_key(node_of(made))
    context = Context(
        workspace=msgspec.structs.replace(workspace([]), audit=settings),
        owners={},
        now=0,
        evidence=Evidence(signatures={key: evidence} if key is not None and evidence is not None else {}),
    )
    return [*unsigned.RULE.find(context, node_of(made))]


def test_it_is_of_one_commit_and_asked_where_mirrors_are() -> None:
    rule = unsigned.RULE
    assert (rule.id, rule.severity, rule.level, rule.of_commit) == ("unsigned", "medium", "mirror", True)
    assert rule in RULES


def test_a_commit_that_is_not_signed_is_a_finding_that_names_it() -> None:
    assert answers() == [Said("github.com/acme/lib 1111111 is not signed")]


def test_a_commit_that_is_signed_is_none() -> None:
    assert answers(evidence=Signature(good=True, detail="is signed by alice")) == []


def test_what_could_not_be_looked_at_is_no_finding_and_no_pass() -> None:
    assert answers(evidence=Unknown("no ssh-keygen")) == [NotChecked("no ssh-keygen")]
    assert answers(evidence=None) == [NotChecked("its signature was not looked at")]
    assert answers(evidence=None, signers=None) == [NotChecked("`[audit] allowed-signers` names no file")]


@pytest.mark.parametrize("globs", [(), ("github:other/*",), ("github:acme/other",), ("gitlab:acme/*",)])
def test_what_no_glob_covers_need_not_be_signed(globs: tuple[str, ...]) -> None:
    assert answers(globs=globs) == []


@pytest.mark.parametrize(
    "url", ["ssh://git@github.com/acme/lib.git", "https://github.com/ACME/lib", "git://github.com/acme/lib"]
)
def test_another_spelling_does_not_get_past(url: str) -> None:
    assert len(answers(locks.git(url, rev=REV))) == 1


def test_what_is_locked_to_another_repository_than_the_covered_one_does_not_get_past() -> None:
    swapped = locks.Input(locks.github("evil", "lib", rev=REV).locked, LIB.original)
    assert answers(swapped) == [Said("github.com/evil/lib 1111111 is not signed")]


def test_an_archive_of_a_covered_repository_is_signed_by_nobody() -> None:
    made = locks.tarball("https://github.com/acme/lib/archive/main.tar.gz")
    assert answers(made) == [Said("it has to be signed, and is locked without a commit: only commits of git are")]
    with_rev = locks.Input({**made.locked, "rev": REV}, made.original)
    assert answers(with_rev) == [Said("it has to be signed, and is locked as `tarball`: only commits of git are")]


def test_a_covered_source_without_a_commit_is_signed_by_nobody() -> None:
    locked = {key: value for key, value in LIB.locked.items() if key != "rev"}
    assert len(answers(locks.Input(locked, LIB.original))) == 1


def test_what_only_says_that_it_is_a_folder_of_the_flake_does_not_get_past() -> None:
    asked = locks.folder("./sub", {})
    assert len(answers(locks.Input(LIB.locked, asked.original))) == 1
    assert len(answers(locks.Input(LIB.locked, asked.original, parent=()))) == 1


def test_a_folder_of_the_flake_itself_is_signed_with_it() -> None:
    assert answers(locks.folder("./sub", {}), globs=("*",)) == []
    assert answers(locks.folder("./sub", {}, old=True), globs=("*",)) == []

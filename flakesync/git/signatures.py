"""Signatures of commits, by `git verify-commit` and a file of allowed ssh signers.

What the user and the repository have set for signatures decides nothing here: which program looks, whom it trusts and
what was revoked is told to git anew. Of the commit, which is somebody else's, nothing is believed but what git and
ssh-keygen have verified.
"""

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from flakesync.errors import GitError, plain
from flakesync.git import process
from flakesync.git.store.objects import ObjectReader
from flakesync.terms import Rev

_SSH = b"-----BEGIN SSH SIGNATURE-----"
_OTHERS = {
    b"-----BEGIN PGP SIGNATURE-----": "OpenPGP",
    b"-----BEGIN PGP MESSAGE-----": "OpenPGP",
    b"-----BEGIN SIGNED MESSAGE-----": "X.509",
}
_ALLOWED = re.compile(r'Good "git" signature for (.+) with (\S+) key (\S+)')
_BY_ANOTHER = re.compile(r'Good "git" signature with (\S+) key (\S+)')
_NOT_LOOKED = re.compile(r"(?:error|fatal): |(?=Unable to (?:open|read) allowed keys file )")
_BROKEN = re.compile(r"(?:missing|bad|invalid) ")
"""How ssh-keygen's words begin on a line that it does not understand; all others are on a key that is no good here."""
_TOO_OLD = "incompatible signature"
_ENVIRONMENT = {
    # refs/replace of a clone would put another commit in the place of the one that is locked.
    "GIT_NO_REPLACE_OBJECTS": "1",
    # A commit is all that is looked at: nothing may be fetched for it from wherever a partial clone is from.
    "GIT_ALLOW_PROTOCOL": "",
    "LC_ALL": "C",
    "LANGUAGE": "",
}


class Verdict(msgspec.Struct, frozen=True):
    """What a commit's signature is worth. good: it is an allowed signer's. detail: whose it is, or why it is not good.

    detail: goes on after the name of the commit, "is signed by …".
    """

    good: bool
    detail: str


def require_signers(signers: Path) -> None:
    """Look whether signatures can be verified here. Raises: GitError(`signers` | `no-ssh-keygen`)."""
    if shutil.which("ssh-keygen") is None:
        raise GitError("no-ssh-keygen", "there is no ssh-keygen on PATH to verify signatures with")
    _read(signers)


def verify_commit(repository: Path, rev: Rev, signers: Path) -> Verdict:
    """Return what the signature of a commit is worth, by the file of allowed signers (absolute, see ssh-keygen(1)).

    A key that the file allows for a time counts by the time that the commit says it is of. Nothing is fetched.

    Raises: GitError: it could not be verified: the repository does not have the commit, git or ssh-keygen is too old,
    or the file cannot be used.
    """
    signature = _signature_in(repository, rev)
    if signature is None:
        return Verdict(good=False, detail="is not signed")
    if not signature.startswith(_SSH):
        kind = next((name for begin, name in _OTHERS.items() if signature.startswith(begin)), "something unknown")
        return Verdict(good=False, detail=f"is signed with {kind}, and allowed signers have ssh keys")
    answer = process.git(
        ["verify-commit", "--raw", rev],
        cwd=repository,
        env=_ENVIRONMENT,
        config=_settings(signers),
        check=False,
    )
    return _verdict(answer, signers)


def _signature_in(repository: Path, rev: Rev) -> bytes | None:
    """Return how the signature in a commit begins; None: there is none. Raises: GitError."""
    reader = ObjectReader.open(repository)
    # First, as a partial clone would ask its server for what it does not have.
    if not reader.has(rev):
        raise GitError("missing-object", f"{repository} does not have the commit {rev}")
    kind, content = reader.raw(rev)
    if kind != b"commit":
        raise GitError("no-commit", f"{rev} is a {kind.decode(errors='replace')}, not a commit")
    key = b"gpgsig " if len(rev) == 40 else b"gpgsig-sha256 "
    lines = content.partition(b"\n\n")[0].split(b"\n")
    return next((line.removeprefix(key) for line in lines if line.startswith(key)), None)


def _settings(signers: Path) -> list[tuple[str, str]]:
    return [
        ("gpg.ssh.allowedSignersFile", str(signers)),
        ("gpg.ssh.program", shutil.which("ssh-keygen") or "ssh-keygen"),
        ("gpg.ssh.revocationFile", os.devnull),
        ("gpg.minTrustLevel", "fully"),  # what git calls the key of a signer in the file
    ]


def _verdict(answer: process.Answer, signers: Path) -> Verdict:
    """Raises: GitError."""
    lines = answer.err.splitlines()
    allowed = next(filter(None, map(_ALLOWED.fullmatch, lines)), None)
    if answer.status == 0 and allowed is not None:
        return Verdict(good=True, detail=f"is signed by {allowed[1]} ({allowed[2]} {allowed[3]})")
    for line in lines:
        if _NOT_LOOKED.match(line) is not None:
            old = "; git verifies ssh signatures since 2.34" if _TOO_OLD in line else ""
            raise GitError("git", f"git verify-commit: {_NOT_LOOKED.sub('', line)}{old}")
    about = [*_about_lines(lines, signers)]
    broken = next((each for each in about if _BROKEN.match(each[1]) is not None), None)
    if broken is not None:
        raise GitError("signers", f"{signers}: line {broken[0]}: {broken[1]}")
    other = next(filter(None, map(_BY_ANOTHER.fullmatch, lines)), None)
    why = f": {about[0][1]}" if about else ""
    if other is not None:
        return Verdict(good=False, detail=f"is signed with a key that is not allowed ({other[1]} {other[2]}){why}")
    return Verdict(good=False, detail=f"has a signature that does not hold{why}")


def _about_lines(lines: Sequence[str], signers: Path) -> Iterator[tuple[int, str]]:
    """Give what ssh-keygen says of lines of the file, by their number; of an empty one it says that a key is missing.

    Raises: GitError(`signers`).
    """
    place = re.compile(re.escape(plain(str(signers))) + r":(\d{1,9}): (.*)")
    found = [(int(each[1]), each[2]) for each in map(place.fullmatch, lines) if each is not None]
    own = _read(signers).split(b"\n") if found else []
    yield from (each for each in found if each[0] > len(own) or own[each[0] - 1].strip())


def _read(signers: Path) -> bytes:
    """Raises: GitError(`signers`)."""
    try:
        return signers.read_bytes()
    except OSError as error:
        raise GitError("signers", f"{signers}: {error.strerror}") from None

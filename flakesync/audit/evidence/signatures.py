"""Who signed the commits that are locked, of sources that `require-signed` covers."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from flakesync.audit.evidence.model import CommitKey, Signature, Unknown
from flakesync.errors import FlakesyncError, as_error
from flakesync.git.signatures import require_signers, verify_commit
from flakesync.terms import Rev

Answer = Signature | Unknown


def find_signatures(
    keys: Iterable[CommitKey], repositories: Mapping[CommitKey, Path | Unknown], signers: Path, *, jobs: int
) -> Mapping[CommitKey, Answer]:
    """Return whether these commits are signed by an allowed signer.

    repositories: a repository of each key that has the commit, or why there is none. signers: the file of allowed
    signers, absolute. jobs: how many are verified at once; one takes 10 ms of processor time, most of it ssh-keygen's.
    Nothing is fetched.

    Raises: FlakesyncError(`interrupted`).
    """
    from concurrent.futures import ThreadPoolExecutor

    wanted = list(dict.fromkeys(keys))
    if not wanted:
        return {}
    try:
        require_signers(signers)
    except FlakesyncError as error:
        return dict.fromkeys(wanted, Unknown(error.message))
    places = {key: repositories.get(key, Unknown("its repository was not fetched")) for key in wanted}
    # A commit that is locked by way of several branches is one commit.
    first = dict.fromkeys((place, key.rev) for key, place in places.items() if isinstance(place, Path))
    with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        found = dict(zip(first, pool.map(lambda each: _verify(each[0], each[1], signers), first), strict=True))
    return {key: place if isinstance(place, Unknown) else found[place, key.rev] for key, place in places.items()}


def _verify(repository: Path, rev: Rev, signers: Path) -> Answer:
    """Raises: FlakesyncError(`interrupted`)."""
    try:
        verdict = verify_commit(repository, rev, signers)
    except Exception as exception:  # noqa: BLE001 - whatever it is, the other commits' signatures stand
        error = as_error(exception)
        if error.code in ("interrupted", "git-interrupted"):
            raise error from None
        return Unknown(error.message)
    return Signature(good=verdict.good, detail=verdict.detail)

"""Whether the branches that pins are to move to are there: each repository's server is asked once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flakesync.errors import FlakesyncError, first_of
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.survey.pins import Target
from flakesync.terms import PinName
from flakesync.workspace.settings.moving import PinMove

if TYPE_CHECKING:
    from flakesync.workspace.hosts import Hosts


def find_branches(
    moves: Sequence[PinMove], jobs: int, hosts: "Hosts | None", *, release: bool
) -> dict[PinName, Target]:
    """Return the newest commit of the branch that each pin is to move to.

    hosts: what git logs in with. release: whether the pins move to a release, so that some can be left where they are.

    Raises: FlakesyncError: `no-branch`: servers have no such branch, and all are named; or a server could not be asked.
    """
    if not moves:
        return {}
    from concurrent.futures import ThreadPoolExecutor

    groups: dict[str, list[PinMove]] = {}
    for move in moves:
        groups.setdefault(move.source.git_url() or move.source.to_url(), []).append(move)
    found: dict[PinName, Target] = {}
    errors: list[FlakesyncError] = []
    with ThreadPoolExecutor(max_workers=min(jobs, len(groups))) as pool:
        futures = [pool.submit(_ask, url, group, hosts) for url, group in groups.items()]
    for future in futures:
        try:
            found |= future.result()
        except FlakesyncError as error:
            errors.append(error)
    if errors:
        raise first_of(errors, hint="nothing was written")
    missing = [move for move in moves if move.pin not in found]
    if missing:
        raise _missing(missing, release=release)
    return found


def _ask(url: str, moves: Sequence[PinMove], hosts: "Hosts | None") -> dict[PinName, Target]:
    """Return the newest commits of branches of one repository, those that are there; of an archive, all."""
    if moves[0].source.git_url() is None:
        return {move.pin: _archive(move.source, hosts) for move in moves}
    from flakesync.git.remotes.remote import list_refs, parse_remote

    remote = hosts.remote(url) if hosts is not None else parse_remote(url)
    names = {move.pin: _names(move.source.ref or "HEAD") for move in moves}
    patterns = [pattern for each in names.values() for name in each for pattern in (name, f"{name}^{{}}")]
    refs = list_refs(parse_remote(remote), list(dict.fromkeys(patterns)))
    found: dict[PinName, Target] = {}
    for pin, candidates in names.items():
        revs = (refs.get(f"{name}^{{}}") or refs.get(name) for name in candidates)
        rev = next((rev for rev in revs if rev is not None), None)
        if rev is not None:
            found[pin] = Target(rev)
    return found


def _names(ref: str) -> list[str]:
    """Return the full names that a branch's, else a tag's, can have on a server; one that is full stays what it is."""
    return [ref] if ref == "HEAD" or ref.startswith("refs/") else [f"refs/heads/{ref}", f"refs/tags/{ref}"]


def _archive(source: FlakeRef, hosts: "Hosts | None") -> Target:
    from flakesync.workspace.archive import newest_archive

    archive = newest_archive(source, hosts)
    return Target(archive.rev, archive.last_modified, archive.locked)


def _missing(moves: Sequence[PinMove], *, release: bool) -> FlakesyncError:
    """Return the error that names all branches that are not there."""
    said = "; ".join(f"{_repository(move.source)} has no branch {move.after}" for move in moves)
    if not release:
        return FlakesyncError("no-branch", said)
    excepted = " ".join(f"--except {move.pin}" for move in moves)
    stay = " and ".join(dict.fromkeys(move.before for move in moves))
    hint = f"leave {'it' if len(moves) == 1 else 'them'} at {stay} for now: {excepted}"
    return FlakesyncError("no-branch", said, hint=hint)


def _repository(source: FlakeRef) -> str:
    return str(FlakeRef.from_attrs({key: value for key, value in source.to_attrs().items() if key != "ref"}))

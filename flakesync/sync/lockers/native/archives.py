"""Commits of github, gitlab and sourcehut inputs from the forge's archive, as Nix fetches them (`github.cc`).

What has been downloaded once is known for good: a small file below the cache holds the hash, the date, and the two
files that a lock is made from.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from flakesync.cache.expiry import read_used
from flakesync.cache.keep import keep
from flakesync.cache.layout import archive_file
from flakesync.cache.lock import exclusive
from flakesync.errors import FlakesyncError, NixError
from flakesync.net.forge_kinds import usual_api
from flakesync.net.http import NoAnswerError, Web, netrc_login
from flakesync.net.urls import origin
from flakesync.nix.reference.flakeref import FORGE_HOSTS, FlakeRef
from flakesync.sync.lockers.native.mirrored import archive_of_mirror
from flakesync.sync.lockers.native.values import Archive, NotNativeError
from flakesync.workspace.hosts import find_token, without_port

if TYPE_CHECKING:
    from flakesync.git.remotes.remote import Remote
    from flakesync.workspace.hosts import Account, Hosts

CONNECT_TIMEOUT_S = 15.0
READ_TIMEOUT_S = 60.0

_LARGEST_BYTES = 16 << 30
_REFUSED = frozenset({401, 403, 404})


def read_archive(ref: FlakeRef, cache: Path, hosts: "Hosts | None", *, offline: bool) -> Archive:
    """Return what the forge's archive of a reference with a rev holds: downloaded now, or known from earlier.

    Where the repository has a mirror, no forge is asked: the mirror's commit tells it. hosts: what forges are asked
    with, beside what the user has set up for Nix; None: that alone.

    Raises:
        NotNativeError: it cannot be had, or versions of Nix would unpack it differently.
        NotMirroredError: there is a mirror, and it cannot be had from that.
    """
    assert ref.rev is not None
    folder = f"{ref.dir.strip('/')}/" if ref.dir is not None else ""
    files = [folder + name for name in ("flake.nix", "flake.lock")]
    host = _host(ref)
    owner, repo = str(ref.attrs["owner"]), str(ref.attrs["repo"])
    place = archive_file(cache, ref.type, host, owner, repo, ref.rev, ref.dir or "")
    with exclusive(place.with_suffix(".lock"), wait=True):
        try:
            return msgspec.json.decode(read_used(place), type=Archive)
        except (OSError, msgspec.DecodeError):
            pass
        mirror = _mirror(ref, hosts)
        if mirror is None and offline:
            cure = "run without --offline; Nix (--locker auto) has it offline only where it has fetched it before"
            raise NotNativeError(f"offline: {ref} has not been downloaded before", cure=cure)
        archive = (
            archive_of_mirror(ref, files, mirror, cache, offline=offline)
            if mirror is not None
            else _download(ref, host, files, hosts)
        )
        keep(place, msgspec.json.encode(archive))
        return archive


def _download(ref: FlakeRef, host: str, files: list[str], hosts: "Hosts | None") -> Archive:
    from flakesync.nix.store.tarball import read_tar

    try:
        with served(ref, hosts) as pieces:
            tree = read_tar(pieces, files=files)
    except NotNativeError as error:
        if isinstance(error.__cause__, NoAnswerError) and hosts is not None and hosts.mirrors:
            # Nix may have it in its store, or take it from the cache of sources, if a lock has it already.
            cure = f'name its mirror in [mirrors]: `"{ref.type}:{_owner_and_name(ref)}" = "git+https://…"`'
            raise NotNativeError(error.reason, cure=cure) from error
        raise
    except NixError as error:
        raise NotNativeError(f"{ref}: {error.message}") from error
    if tree.rev not in (None, ref.rev):
        raise NotNativeError(f"{ref}: {host} has sent the commit {tree.rev}")
    if tree.last_modified is None:
        raise NotNativeError(f"{ref}: the files of its archive have different dates")
    return Archive(nar_hash=tree.nar_hash, last_modified=tree.last_modified, files=dict(tree.files))


@contextmanager
def served(ref: FlakeRef, hosts: "Hosts | None") -> Iterator[Iterator[bytes]]:
    """Give the archive of a reference with a rev as its forge serves it, while it is downloaded; hosts: as above.

    Raises:
        NotNativeError: the forge does not give it.
    """
    host = _host(ref)
    account = _account(host, hosts)
    token = find_token(host, os.environ, account)
    login = f"Bearer {token}" if token is not None else netrc_login(without_port(host))
    ca_file = account.ca_file if account is not None else None
    try:
        with (
            Web(ca_file, connect_s=CONNECT_TIMEOUT_S, read_s=READ_TIMEOUT_S, as_nix=True) as web,
            # A redirect to another host (GitHub's to codeload.github.com) does not get the login.
            web.follow(
                "GET", archive_url(ref, token=token is not None), login=login, limit_bytes=_LARGEST_BYTES
            ) as answer,
        ):
            scheme, place, _ = origin(answer.url)
            if answer.status != 200 or scheme != "https":
                cure = hosts.hint(host) if hosts is not None and answer.status in _REFUSED else None
                raise NotNativeError(f"{ref}: {place} answers with HTTP {answer.status}", cure=cure)
            yield answer.pieces
    except NoAnswerError as error:
        where = "" if error.trouble == "trust" else f"{host} cannot be reached: "
        raise NotNativeError(f"{ref}: {where}{error.reason}") from error


def _mirror(ref: FlakeRef, hosts: "Hosts | None") -> "Remote | None":
    """Return the remote that is asked in place of the forge; None: the forge is.

    Raises: NotNativeError.
    """
    if hosts is None or not hosts.mirrors:
        return None
    try:
        remote = hosts.remote(ref.git_url() or "")
    except FlakesyncError as error:
        raise NotNativeError(error.message, cure=error.hint) from error
    return remote if remote.mirror_of is not None else None


def _owner_and_name(ref: FlakeRef) -> str:
    return f"{ref.attrs['owner']}/{ref.attrs['repo']}"


def archive_url(ref: FlakeRef, *, token: bool) -> str:
    """Return where the archive of a reference with a rev is. token: whether there is one to show."""
    host = _host(ref)
    owner, repo = (quote(str(ref.attrs[key]), safe="~%") for key in ("owner", "repo"))
    match ref.type:
        case "github" if host != "github.com" or token:
            return f"{usual_api(host, 'github')}/repos/{owner}/{repo}/tarball/{ref.rev}"
        case "gitlab":
            project = f"{owner.replace('/', '%2F')}%2F{repo}"
            return f"{usual_api(host, 'gitlab')}/projects/{project}/repository/archive.tar.gz?sha={ref.rev}"
        case _:
            return f"https://{host}/{owner}/{repo}/archive/{ref.rev}.tar.gz"


def _account(host: str, hosts: "Hosts | None") -> "Account | None":
    try:
        return hosts.account(host) if hosts is not None else None
    except FlakesyncError as error:
        raise NotNativeError(error.message, cure=error.hint) from error


def _host(ref: FlakeRef) -> str:
    return str(ref.attrs.get("host") or FORGE_HOSTS[ref.type])

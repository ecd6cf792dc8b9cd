"""Commits of github, gitlab and sourcehut inputs from the forge's archive, as Nix fetches them (`github.cc`).

What has been downloaded once is known for good: a small file below the cache holds the hash, the date, and the two
files that a lock is made from.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

import flakesync
from flakesync.cache.lock import exclusive
from flakesync.errors import FlakesyncError, NixError
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.sync.lockers.native.values import NotNativeError

if TYPE_CHECKING:
    import httpx2

    from flakesync.workspace.hosts import Account, Hosts

CONNECT_TIMEOUT_S = 15.0
READ_TIMEOUT_S = 60.0

_HOSTS = {"github": "github.com", "gitlab": "gitlab.com", "sourcehut": "git.sr.ht"}
_REFUSED = frozenset({401, 403, 404})
_ACCESS_TOKENS = re.compile(r"^\s*(?:extra-)?access-tokens\s*=\s*(.*)$", re.MULTILINE)


class Archive(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive says of a commit. files: contents by path; None for what is no regular file there."""

    nar_hash: str
    last_modified: int
    files: dict[str, bytes | None]


def read_archive(ref: FlakeRef, cache: Path, hosts: "Hosts | None", *, offline: bool) -> Archive:
    """Return what the forge's archive of a reference with a rev holds: downloaded now, or known from earlier.

    hosts: what forges are asked with, beside what the user has set up for Nix; None: that alone.

    Raises:
        NotNativeError: it cannot be had, or versions of Nix would unpack it differently.
    """
    assert ref.rev is not None
    folder = f"{ref.dir.strip('/')}/" if ref.dir is not None else ""
    files = [folder + name for name in ("flake.nix", "flake.lock")]
    host = _host(ref)
    key = "\0".join([ref.type, host, str(ref.attrs["owner"]), str(ref.attrs["repo"]), ref.rev, ref.dir or ""])
    place = cache / "archives" / f"{hashlib.sha256(key.encode()).hexdigest()}.json"
    with exclusive(place.with_suffix(".lock"), wait=True):
        try:
            return msgspec.json.decode(place.read_bytes(), type=Archive)
        except (OSError, msgspec.DecodeError):
            pass
        if offline:
            raise NotNativeError(f"offline: {ref} has not been downloaded before")
        archive = _download(ref, host, files, hosts)
        part = place.with_suffix(".part")
        part.write_bytes(msgspec.json.encode(archive))
        part.replace(place)
        return archive


def _download(ref: FlakeRef, host: str, files: list[str], hosts: "Hosts | None") -> Archive:
    import httpx2

    from flakesync.nix.store.tarball import read_tar

    account = _account(host, hosts)
    token = find_token(host, os.environ, account)
    ca_file = account.ca_file if account is not None else None
    try:
        with _answer(archive_url(ref, token=token is not None), token, ca_file) as answer:
            if answer.status_code != 200 or answer.url.scheme != "https":
                cure = hosts.hint(host) if hosts is not None and answer.status_code in _REFUSED else None
                raise NotNativeError(f"{ref}: {answer.url.host} answers with HTTP {answer.status_code}", cure=cure)
            tree = read_tar(answer.iter_bytes(), files=files)
    except httpx2.HTTPError as error:
        raise NotNativeError(f"{ref}: {host} cannot be reached: {error}") from error
    except NixError as error:
        raise NotNativeError(f"{ref}: {error.message}") from error
    except OSError as error:
        raise NotNativeError(f"{ref}: ca-file {ca_file}: {error.strerror or error}") from error
    if tree.rev not in (None, ref.rev):
        raise NotNativeError(f"{ref}: {host} has sent the commit {tree.rev}")
    if tree.last_modified is None:
        raise NotNativeError(f"{ref}: the files of its archive have different dates")
    return Archive(nar_hash=tree.nar_hash, last_modified=tree.last_modified, files=dict(tree.files))


def archive_url(ref: FlakeRef, *, token: bool) -> str:
    """Return where the archive of a reference with a rev is. token: whether there is one to show."""
    host = _host(ref)
    owner, repo = (quote(str(ref.attrs[key]), safe="~%") for key in ("owner", "repo"))
    match ref.type:
        case "github" if host == "github.com":
            if token:
                return f"https://api.github.com/repos/{owner}/{repo}/tarball/{ref.rev}"
            return f"https://github.com/{owner}/{repo}/archive/{ref.rev}.tar.gz"
        case "github":
            return f"https://{host}/api/v3/repos/{owner}/{repo}/tarball/{ref.rev}"
        case "gitlab":
            project = f"{owner.replace('/', '%2F')}%2F{repo}"
            return f"https://{host}/api/v4/projects/{project}/repository/archive.tar.gz?sha={ref.rev}"
        case _:
            return f"https://{host}/{owner}/{repo}/archive/{ref.rev}.tar.gz"


def find_token(host: str, environ: Mapping[str, str], account: "Account | None") -> str | None:
    """Return the token for a host: from `access-tokens` in NIX_CONFIG, else the one that flakesync has for it."""
    for line in _ACCESS_TOKENS.findall(environ.get("NIX_CONFIG", "")):
        for pair in line.split():
            name, _, token = pair.partition("=")
            if name == host and token:
                return str(token).removeprefix("PAT:").removeprefix("OAuth2:")
    return account.token if account is not None else None


def _account(host: str, hosts: "Hosts | None") -> "Account | None":
    try:
        return hosts.account(host) if hosts is not None else None
    except FlakesyncError as error:
        raise NotNativeError(error.message, cure=error.hint) from error


@contextmanager
def _answer(url: str, token: str | None, ca_file: Path | None) -> "Iterator[httpx2.Response]":
    import ssl

    import httpx2

    context = ssl.create_default_context(cafile=ca_file or os.environ.get("NIX_SSL_CERT_FILE") or None)
    headers = {"User-Agent": f"flakesync/{flakesync.__version__}", "Accept-Encoding": "identity"}
    # A redirect to another host (GitHub's to codeload.github.com) does not get it.
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    timeout = httpx2.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    with (
        httpx2.Client(verify=context, follow_redirects=True, timeout=timeout, auth=_netrc(token)) as client,
        client.stream("GET", url, headers=headers) as answer,
    ):
        yield answer


def _netrc(token: str | None) -> "httpx2.Auth | None":
    """Return what looks hosts up in the user's netrc, where there is one and no token."""
    import netrc

    import httpx2

    place = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    try:
        return httpx2.NetRCAuth(str(place)) if token is None and place.is_file() else None
    except (OSError, netrc.NetrcParseError):
        return None


def _host(ref: FlakeRef) -> str:
    return str(ref.attrs.get("host") or _HOSTS[ref.type])

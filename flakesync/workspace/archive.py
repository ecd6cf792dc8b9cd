"""The newest commit of a source that comes as an archive (a channel, FlakeHub): its server is asked once.

The protocol is Nix's "Lockable HTTP Tarball Protocol": some answer on the way, often a redirect, carries
`Link: <FLAKEREF>; rel="immutable"`, whose query has rev, revCount, lastModified and narHash.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from flakesync.errors import FlakeRefError, FlakesyncError
from flakesync.net.http import NoAnswerError, Web
from flakesync.net.urls import WEB
from flakesync.nix.reference.flakeref import Attr, FlakeRef, is_full_rev
from flakesync.terms import Rev

if TYPE_CHECKING:
    from flakesync.workspace.hosts import Hosts

TIMEOUT_S = 30.0
_REFUSES_HEAD = (403, 405, 501)
# As in Nix (filetransfer.cc), and with the spaces and other parameters that RFC 8288 allows.
_IMMUTABLE = re.compile(
    r'<([^<>]*)>\s*(?:;[^;,<]*)*?;\s*rel\s*=\s*(?:"immutable"|immutable)\s*(?=[;,]|$)', re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive whose content never changes.

    last_modified: seconds since the epoch, None where the server does not say it. locked: the attributes of a lock
    node, as far as the server tells them: type and url, rev, revCount, lastModified, narHash.
    """

    rev: Rev
    last_modified: int | None
    locked: Mapping[str, Attr]


def newest_archive(reference: FlakeRef, hosts: "Hosts | None" = None) -> Archive:
    """Ask the server of a tarball reference which commit it has now.

    hosts: what the manifest says of servers, their tokens among it; None: nothing.

    Raises:
        FlakesyncError: `no-immutable-link` if the server names no revision, `unreachable` if it does not answer well.
    """
    url = reference.attrs.get("url")
    if reference.type != "tarball" or not isinstance(url, str):
        raise _no_link(str(reference), "only tarballs can be asked for their newest commit")
    if urlsplit(url).scheme not in WEB:
        raise _no_link(_shown(url), "does not come from a web server, so nothing tells its newest commit")
    mirrors = hosts.mirrors if hosts is not None else None
    asked = mirrors.of_archive(url) if mirrors is not None else None
    link = _ask(asked or url, hosts)
    if link is None:
        raise _no_link(_shown(asked or url), "its server names no revision")
    return _read_link(mirrors.canonical(link) if mirrors is not None else link, asked or url)


def _read_link(link: str, url: str) -> Archive:
    """Return what an immutable URL says; as in Nix it has to be a tarball again."""
    try:
        attrs = FlakeRef.parse(link).to_attrs()
    except FlakeRefError as error:
        raise _no_link(_shown(url), f"its server names a link that is no flake reference: {error.message}") from None
    place = attrs.get("url")
    if attrs.get("type") != "tarball" or not isinstance(place, str) or urlsplit(place).scheme not in WEB:
        raise _no_link(_shown(url), f"its server names {_shown(link)}, which is no archive of a web server")
    rev, date = attrs.get("rev"), attrs.get("lastModified")
    if not isinstance(rev, str) or not is_full_rev(rev):
        raise _no_link(_shown(url), "the immutable link of its server names no revision")
    return Archive(Rev(rev), date if isinstance(date, int) and date > 0 else None, attrs)


def _no_link(shown: str, why: str) -> FlakesyncError:
    return FlakesyncError(
        "no-immutable-link",
        f"{shown}: {why}",
        hint="name a git source, a commit or `newest-locked` as the target, or take a server with immutable links",
    )


def _shown(url: str) -> str:
    """Return a URL for people: without login and query, where secrets are."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _ask(url: str, hosts: "Hosts | None") -> str | None:
    """Return the last immutable link on the way to the archive, which is itself not read; None: there is none."""
    links: list[str] = []
    try:
        account = hosts.declared(url) if hosts is not None else None
        login = f"Bearer {account.token}" if account is not None and account.token is not None else None
        ca_file = account.ca_file if account is not None else None
        with Web(ca_file, connect_s=TIMEOUT_S, read_s=TIMEOUT_S, as_nix=True) as web:
            for method in ("HEAD", "GET"):
                with web.follow(
                    method, url, login=login, limit_bytes=0, visit=lambda answer: _note_links(answer.headers, links)
                ) as answer:
                    if 200 <= answer.status < 300:
                        break
                    if method == "GET" or answer.status not in _REFUSES_HEAD:
                        raise _unreachable(url, f"HTTP {answer.status} {answer.reason}")
    except (NoAnswerError, ValueError) as error:
        raise _unreachable(url, str(error)) from None
    return links[-1] if links else None


def _unreachable(url: str, reason: str) -> FlakesyncError:
    return FlakesyncError("unreachable", f"{_shown(url)}: {reason}")


def _note_links(headers: Mapping[str, str], links: list[str]) -> None:
    # Object stores can only give headers of their own, so Nix takes this one too.
    for name in ("link", "x-amz-meta-link"):
        links += (found[1] for found in _IMMUTABLE.finditer(headers.get(name, "")))

"""The newest commit of a source that comes as an archive (a channel, FlakeHub): its server is asked once.

The protocol is Nix's "Lockable HTTP Tarball Protocol": some answer on the way, often a redirect, carries
`Link: <FLAKEREF>; rel="immutable"`, whose query has rev, revCount, lastModified and narHash.
"""

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes, urlsplit, urlunsplit

import flakesync
from flakesync.errors import FlakeRefError, FlakesyncError
from flakesync.git.remotes.credentials import server_of
from flakesync.nix.reference.flakeref import Attr, FlakeRef, is_full_rev
from flakesync.terms import Rev

if TYPE_CHECKING:
    import ssl
    from http.client import HTTPMessage
    from urllib.request import OpenerDirector, Request

TIMEOUT_S = 30
_WEB = ("http", "https")
_LOGIN = "Authorization"
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


def newest_archive(reference: FlakeRef) -> Archive:
    """Ask the server of a tarball reference which commit it has now.

    Raises:
        FlakesyncError: `no-immutable-link` if the server names no revision, `unreachable` if it does not answer well.
    """
    url = reference.attrs.get("url")
    if reference.type != "tarball" or not isinstance(url, str):
        raise _no_link(str(reference), "only tarballs can be asked for their newest commit")
    if urlsplit(url).scheme not in _WEB:
        raise _no_link(_shown(url), "does not come from a web server, so nothing tells its newest commit")
    link = _ask(url)
    if link is None:
        raise _no_link(_shown(url), "its server names no revision")
    return _read_link(link, url)


def _read_link(link: str, url: str) -> Archive:
    """Return what an immutable URL says; as in Nix it has to be a tarball again."""
    try:
        attrs = FlakeRef.parse(link).to_attrs()
    except FlakeRefError as error:
        raise _no_link(_shown(url), f"its server names a link that is no flake reference: {error.message}") from None
    place = attrs.get("url")
    if attrs.get("type") != "tarball" or not isinstance(place, str) or urlsplit(place).scheme not in _WEB:
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


def _ask(url: str) -> str | None:
    """Return the last immutable link on the way to the archive, which is itself not read; None: there is none."""
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import Request

    # Some servers turn away what Python calls itself by default.
    headers = {"User-Agent": f"flakesync/{flakesync.__version__}", "Accept-Encoding": "identity"}
    links: list[str] = []
    try:
        opener = _opener(links)
        place, login = _split_login(url)
        for method in ("HEAD", "GET"):
            try:
                question = Request(place, headers=headers, method=method)  # noqa: S310  (it opens no other schemes)
                _log_in(question, login)
                with opener.open(question, timeout=TIMEOUT_S) as answer:
                    _note_links(answer.headers, links)
                break
            except HTTPError as error:
                error.close()
                if method == "GET" or error.code not in _REFUSES_HEAD:
                    raise FlakesyncError("unreachable", f"{_shown(url)}: HTTP {error.code} {error.reason}") from None
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise FlakesyncError("unreachable", f"{_shown(url)}: {reason}") from None
    return links[-1] if links else None


def _split_login(url: str) -> tuple[str, str | None]:
    """Return a URL without the login in it, and that as the header that curl would make of it; None: it has none."""
    parts = urlsplit(url)
    who, at, place = parts.netloc.rpartition("@")
    if not at:
        return url, None
    name, _, password = who.partition(":")
    pair = b"%s:%s" % (unquote_to_bytes(name), unquote_to_bytes(password))
    return urlunsplit(parts._replace(netloc=place)), f"Basic {base64.b64encode(pair).decode()}"


def _log_in(question: "Request", login: str | None) -> None:
    """Send a login along. It is not copied to what a redirect leads to: another server must not see it."""
    if login is not None:
        question.add_unredirected_header(_LOGIN, login)


def _note_links(headers: "HTTPMessage", links: list[str]) -> None:
    # Object stores can only give headers of their own, so Nix takes this one too.
    for name in ("Link", "x-amz-meta-link"):
        for value in headers.get_all(name, ()):
            links += (found[1] for found in _IMMUTABLE.finditer(value))


def _opener(links: list[str]) -> "OpenerDirector":
    """Return what speaks only http and https, keeps HEAD on redirects, and notes the links of every answer."""
    from typing import IO
    from urllib import request
    from urllib.error import HTTPError

    class Redirects(request.HTTPRedirectHandler):
        def redirect_request(
            self, req: request.Request, fp: IO[bytes], code: int, msg: str, headers: "HTTPMessage", newurl: str
        ) -> request.Request | None:
            _note_links(headers, links)
            if urlsplit(newurl).scheme not in _WEB:
                raise HTTPError(req.full_url, code, f"a redirect to {urlsplit(newurl).scheme}:", headers, fp)
            place, login = _split_login(newurl)
            following = super().redirect_request(req, fp, code, msg, headers, place)
            if following is not None:
                following.method = req.get_method()
                same = server_of(urlsplit(req.full_url)) == server_of(urlsplit(place))
                _log_in(following, login or (req.unredirected_hdrs.get(_LOGIN) if same else None))
            return following

    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(),
        request.UnknownHandler(),
        request.HTTPDefaultErrorHandler(),
        request.HTTPHandler(),
        request.HTTPSHandler(context=_tls()),
        request.HTTPErrorProcessor(),
        Redirects(),
    ):
        opener.add_handler(handler)
    return opener


def _tls() -> "ssl.SSLContext":
    """Return a context that trusts the authorities of the system, or of NIX_SSL_CERT_FILE, as Nix does."""
    import ssl

    # SSL_CERT_FILE is read by OpenSSL itself.
    return ssl.create_default_context(cafile=os.environ.get("NIX_SSL_CERT_FILE") or None)

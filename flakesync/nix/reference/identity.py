"""Which repository a reference means: the same for all of its spellings.

Nix has no such notion (it compares attributes), so this is flakesync's own. A repository is a host and a path on it, or
a path of this machine. `ref`, `rev`, `dir` and credentials are no part of it; a moved or forked repository is another
one until the manifest gives it an alias.
"""

import os.path
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from flakesync.patterns import pattern

_FORGES = {"github": "github.com", "gitlab": "gitlab.com", "sourcehut": "git.sr.ht"}
_SAME_HOST = {"www.github.com": "github.com", "ssh.github.com": "github.com", "altssh.gitlab.com": "gitlab.com"}
_FOLDS_CASE = {"github.com"}
_FORGE_ARCHIVES = {
    "github.com": pattern(r"([^/]+/[^/]+)/(?:tarball|zipball)/"),
    "codeload.github.com": pattern(r"([^/]+/[^/]+)/(?:legacy\.)?(?:tar|zip)"),
    "bitbucket.org": pattern(r"([^/]+/[^/]+)/get/"),
}
_MADE_FROM = {"api.github.com": "github.com", "codeload.github.com": "github.com"}
_CHANNELS, _FLAKEHUB = "channels.nixos.org", "flakehub.com"
PUBLISHERS = frozenset({_CHANNELS, _FLAKEHUB})
"""Hosts of identities that are published archives: what repository they were made from, no address says."""
_DEFAULT_PORTS = {"", "22", "80", "443", "9418"}
_URL = pattern(r"(?:[a-z]+\+)?([a-z][a-z0-9.-]*):(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?.*", re.IGNORECASE | re.DOTALL)
_HOST = pattern(r"(\[[^\]]*\]|[^:\[]*)(?::(.*))?", re.DOTALL)
_SCP = pattern(r"(?:[^/@]*@)?(\[[^\]]*\]|[^/:@]+):(?!//)(.*)", re.DOTALL)
# What a server or Nix adds to a tarball's URL without making it another source.
_NOT_IDENTITY = {"rev", "revCount", "lastModified", "narHash", "dir", "ref", "name", "unpack", "sha"}


class Identity(NamedTuple):
    """A repository: lower-case host (with its port where that is unusual) and path; host "" is this machine."""

    host: str
    path: str

    def __str__(self) -> str:
        """Return `host/path`, or the local path alone."""
        return f"{self.host}/{self.path}" if self.host else self.path


def identity_of(attrs: Mapping[str, object]) -> Identity | None:
    """Return the repository that a lock's `locked` or `original` means; never raises.

    None: an indirect reference, a relative path, or attributes that name nothing.
    """
    try:
        get = attrs.get
        return _identity(get("type"), get("owner"), get("repo"), get("host"), get("url"), get("path"))
    except (AttributeError, TypeError):  # no mapping, or a list where a string belongs
        return None


@lru_cache(maxsize=1 << 16)
def _identity(type_: object, owner: object, repo: object, host: object, url: object, path: object) -> Identity | None:
    try:
        if isinstance(type_, str) and type_ in _FORGES:
            return _of_forge(type_, owner, repo, host)
        if type_ == "path":
            return local_identity(path) if isinstance(path, str) else None
        if isinstance(url, str):
            match type_:
                case "git" | "hg":
                    return _of_git(url)
                case "tarball":
                    return of_tarball(url)
                case "file":
                    return _of_url(url, whole=True)
    except (ValueError, OSError, RecursionError):
        pass
    return None


def local_identity(path: str) -> Identity | None:
    """Return the identity of a repository on this machine (its real path); None for a relative path.

    `.git` as the last part is dropped: it is the same repository as the folder around it.
    """
    if not path.startswith("/"):
        return None
    real = os.path.realpath("/" + path.lstrip("/"))
    return Identity("", real.removesuffix("/.git") or "/")


def of_tarball(url: str) -> Identity | None:
    """Return the repository that an archive URL is made from; the place of the tarball itself where there is none.

    Knows the archives of GitHub, GitLab, Gitea/Forgejo and sourcehut, FlakeHub (its own host), and NixOS channels,
    where each channel is a source of its own. Raises ValueError or OSError.
    """
    return repository_of_tarball(url) or _of_url(url, whole=True)


def repository_of_tarball(url: str) -> Identity | None:
    """Return the repository that an archive URL is made from; None: it is a link to a file, whoever it is of.

    Raises ValueError or OSError.
    """
    place = split_url(url)
    if place is None:
        return None
    host, path, _ = place
    # api.github.com/repos/o/r/tarball/x, ghe/api/v3/repos/o/r/zipball/x, gitea/api/v1/repos/o/r/archive/x.tar.gz
    if found := re.match(r"(?:api/v\d+/)?repos/([^/]+/[^/]+)/(?:tarball|zipball|archive)(?:/|$)", path):
        return _repository(_MADE_FROM.get(host, host), found[1])
    if found := re.match(r"api/v\d+/projects/(.+)/repository/archive", path):
        return _repository(host, found[1])
    if found := re.match(r"(.+?)/-/archive/", path) or re.match(r"([^/]+/.+?)/archive/", path):
        return _repository(host, found[1])
    if (archive := _FORGE_ARCHIVES.get(host)) and (found := archive.match(path)):
        return _repository(_MADE_FROM.get(host, host), found[1])
    if host in {_FLAKEHUB, f"api.{_FLAKEHUB}"} and (found := re.match(r"f/(?:pinned/)?([^/]+/[^/]+)", path)):
        return Identity(_FLAKEHUB, found[1])
    if channel := _channel(host, path):
        return Identity(_CHANNELS, channel)
    return None


def _of_forge(type_: str, owner: object, repo: object, host: object) -> Identity | None:
    if not (isinstance(owner, str) and isinstance(repo, str) and owner and repo):
        return None
    place = host if isinstance(host, str) and host else _FORGES[type_]
    # A subgroup's slash is written `%2F` in attributes, and `%252F` where a URL parser decodes it once on the way.
    return _repository(_host(place) or place.lower(), _decode(_decode(f"{owner}/{repo}")))


def _of_git(url: str) -> Identity | None:
    if url.startswith("/"):
        return local_identity(url)
    if "://" not in url and not re.match(r"(?:[a-z]+\+)?file:", url):
        if not (found := _SCP.fullmatch(url)):
            return None
        return _repository(_host(found[1]), _decode(found[2]))
    return _of_url(url)


def _of_url(url: str, *, whole: bool = False) -> Identity | None:
    """Return the identity of any URL; `whole`: what its query names is part of it."""
    found = _URL.fullmatch(url)
    if found and found[1].lower() == "file" and (found[2] or "").lower() in {"", "localhost"}:
        return local_identity(_decode(found[3]))
    place = split_url(url)
    if place is None:
        return None
    host, path, query = place
    kept = sorted(pair for pair in query.split("&") if pair and pair.partition("=")[0] not in _NOT_IDENTITY)
    if whole and kept:
        return Identity(host, f"{path}?{'&'.join(kept)}")
    return _repository(host, path)


def split_url(url: str) -> tuple[str, str, str] | None:
    """Return host, decoded path without slashes around it, and raw query; None for a URL without a host."""
    found = _URL.fullmatch(url)
    parts = _HOST.fullmatch((found[2] or "").rpartition("@")[2]) if found else None
    if found is None or parts is None:
        return None
    place, path, port = parts[0], found[3], parts[2] or ""
    if port and not (port.isascii() and port.isdigit()):
        # `ssh://git@host:owner/repo`: no port, but what people mean by it is plain, and old Nix takes it.
        place, path = parts[1], f"{port}{path}"
    host = _host(place)
    return (host, _without_dots(_decode(path)).strip("/"), found[4] or "") if host else None


def _without_dots(path: str) -> str:
    """Return a path with `.` and `..` resolved, as whoever fetches it does before a server sees it (RFC 3986, 5.2.4).

    Escaped dots count: servers decode them. So `acme/x/archive/../../../evil/x` is evil's, not acme's.
    """
    if "/." not in f"/{path}":
        return path
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _host(text: str) -> str:
    """Return the host in lower case, without a usual port; empty if there is none."""
    found = _HOST.fullmatch(_decode(text).lower())
    if found is None:
        return ""
    name = _SAME_HOST.get(found[1], found[1])
    port = found[2] or ""
    return name if port in _DEFAULT_PORTS or not name else f"{name}:{port}"


def _decode(text: str) -> str:
    """Return `text` without percent escapes. Bytes that are no UTF-8 become lone surrogates: different ones stay so."""
    return unquote(text, errors="surrogateescape")


def _repository(host: str, path: str) -> Identity | None:
    path = path.strip("/").removesuffix(".git").strip("/")
    if not host or not path:
        return None
    return Identity(host, path.lower() if host in _FOLDS_CASE else path)


def _channel(host: str, path: str) -> str | None:
    """Return the name of the NixOS channel that a channel URL, or the release it is locked to, belongs to."""
    if host in {_CHANNELS, "nixos.org"}:
        found = re.match(r"(?:channels/)?([^/]+)/nixexprs\.tar\.", path)
        return found[1] if found else None
    if host != "releases.nixos.org":
        return None
    if found := re.match(r"nixos/([^/]+)/nixos-[^/]+/nixexprs\.tar\.", path):
        return f"nixos-{found[1]}"
    if found := re.match(r"nixpkgs/([^/]+)/nixpkgs-[^/]+/nixexprs\.tar\.", path):
        return f"nixpkgs-{found[1]}"
    return "nixpkgs-unstable" if re.match(r"nixpkgs/nixpkgs-[^/]+/nixexprs\.tar\.", path) else None

"""The input schemes of Nix: from text to attributes, which attributes there are, and back to text.

Mirrors `inputFromURL`, `inputFromAttrs` and `toURL` of each scheme in `src/libfetchers` of Nix 2.34. Everything here
raises ValueError with a reason; flakeref.py makes an error for people from it.
"""

import re
from collections.abc import Mapping

from flakesync.nix.reference.url import Url, decode_query, encode_query, encode_segment, parse_git_url, parse_url
from flakesync.patterns import pattern

Attr = str | int | bool

_REV = pattern(r"[0-9a-fA-F]{40}", re.ASCII)
_ANY_REV = pattern(r"[0-9a-fA-F]{40}(?:[0-9a-fA-F]{24})?", re.ASCII)
_REF = r"[a-zA-Z0-9@][a-zA-Z0-9_./@+-]*"
_ID = pattern(r"[a-zA-Z][a-zA-Z0-9_-]*", re.ASCII)
_ID_REF = pattern(rf"([a-zA-Z][a-zA-Z0-9_-]*(?:/(?:[0-9a-fA-F]{{40}}|{_REF}(?:/[0-9a-fA-F]{{40}})?))?)#?", re.ASCII)
_PATH = pattern(r"((?:/|\.\.?(?=[/?#]|\Z))[^?#]*)(?:\?([^#]*))?(#.+)?", re.DOTALL)
_HOST = pattern(r"[a-zA-Z0-9][a-zA-Z0-9.-]*", re.ASCII)
# https://git-scm.com/docs/git-check-ref-format, with a single level allowed; Nix asks libgit2.
_BAD_REF = pattern(
    r"^[-/.]|^@?\Z|//|/\.|\.\.|[\x00-\x20\x7f~^:?*\[\\]|\.lock(?:/|\Z)|@\{|[/.]\Z",
)
_NO_TEXT = pattern("[\0\ud800-\udfff]")
_NUMBER = pattern(r"\+?[0-9]+", re.ASCII)
_TARBALL_ENDINGS = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.xz", ".tar.bz2", ".tar.zst")

FORGES = frozenset({"github", "gitlab", "sourcehut"})
_GIT_TRANSPORTS = {"http", "https", "ssh", "git", "file", "ftp", "ftps"}
_HG_TRANSPORTS = {"http", "https", "ssh", "file"}
_CURL_TRANSPORTS = {"http", "https", "file"}
_GIT_FLAGS = ("shallow", "submodules", "lfs", "exportIgnore", "allRefs", "verifyCommit")
_GIT_TEXTS = ("ref", "rev", "keytype", "publicKey", "publicKeys")
_NUMBERS = ("lastModified", "revCount")


def _attributes(texts: tuple[str, ...], numbers: tuple[str, ...] = (), flags: tuple[str, ...] = ()) -> dict[str, type]:
    return {**dict.fromkeys(texts, str), **dict.fromkeys(numbers, int), **dict.fromkeys(flags, bool)}


_FORGE_ATTRS = _attributes(("owner", "repo", "ref", "rev", "host", "narHash", "treeHash"), ("lastModified",))
_CURL_ATTRS = _attributes(("url", "rev", "narHash", "name"), _NUMBERS, ("unpack",))
_ATTRS = {
    "github": _FORGE_ATTRS,
    "gitlab": _FORGE_ATTRS,
    "sourcehut": _FORGE_ATTRS,
    "git": _attributes(("url", *_GIT_TEXTS, "narHash", "name", "dirtyRev", "dirtyShortRev"), _NUMBERS, _GIT_FLAGS),
    "hg": _attributes(("url", "ref", "rev", "narHash", "name"), ("revCount",)),
    "path": _attributes(("path", "rev", "narHash"), _NUMBERS),
    "tarball": _CURL_ATTRS,
    "file": _CURL_ATTRS,
    "indirect": _attributes(("id", "ref", "rev", "narHash")),
}
_REQUIRED = {
    **dict.fromkeys(FORGES, ("owner", "repo")),
    **dict.fromkeys(("git", "hg", "tarball", "file"), ("url",)),
    "path": ("path",),
    "indirect": ("id",),
}


def parse_attrs(text: str, *, flake: bool) -> dict[str, Attr]:
    """Return the canonical attributes, `type` included, of a reference in URL form; ValueError says why not."""
    if found := _ID_REF.fullmatch(text):
        return checked(_indirect(found[1].split("/")))
    if found := _PATH.fullmatch(text):
        if found[3]:
            raise ValueError(f"unexpected fragment {found[3][1:]!r}")
        query = decode_query(_legal_query(found[2] or ""))
        directory = query.pop("dir", "")
        return checked({**_path(found[1], query), "dir": directory})
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", text):
        raise ValueError("it has no scheme (a path begins with / or ./)")
    url = parse_url(text)
    query = dict(url.query)
    directory = query.pop("dir", "")
    return checked({**_from_url(url.with_(url.scheme, query), flake), "dir": directory})


def checked(attrs: Mapping[str, object]) -> dict[str, Attr]:
    """Return canonical attributes, `type` included, of an attribute set; ValueError says what is wrong with it."""
    scheme = attrs.get("type")
    if not isinstance(scheme, str) or scheme not in _ATTRS:
        raise ValueError("it has no `type`" if scheme is None else f"the type {scheme!r} is unknown")
    known, result = _ATTRS[scheme], dict[str, Attr]()
    for key, value in attrs.items():
        if key == "__final":  # an internal mark of Nix 2.26 and later
            continue
        wanted = str if key in {"type", "dir"} else known.get(key)
        if wanted is None:
            raise ValueError(f"a {scheme} reference has no attribute {key!r}")
        # Not isinstance alone: a bool is no number.
        if not isinstance(value, str | int) or type(value) is not wanted:
            raise ValueError(f"the attribute {key!r} has the wrong type")
        if isinstance(value, str):
            _check_text(key, value)
        elif value < 0:
            raise ValueError(f"the attribute {key!r} is negative")
        result[key] = value
    if not result.get("dir"):
        result.pop("dir", None)
    for key in _REQUIRED[scheme]:
        if not result.get(key):
            raise ValueError(f"the attribute {key!r} is missing")
    _check_values(scheme, result)
    return result


def unparse(attrs: Mapping[str, Attr]) -> str:
    """Return the URL of canonical attributes."""
    scheme = str(attrs["type"])
    query = {"dir": str(attrs["dir"])} if "dir" in attrs else {}
    if scheme in FORGES or scheme == "indirect":
        return _forge_url(attrs, query) if scheme in FORGES else _indirect_url(attrs, query)
    if scheme == "path":
        query |= {key: str(attrs[key]) for key in ("rev", "narHash", *_NUMBERS) if key in attrs}
        path = "/".join(encode_segment(part) for part in str(attrs["path"]).split("/"))
        return f"path:{path}{encode_query(query)}"
    url = parse_git_url(str(attrs["url"])) if scheme == "git" else parse_url(str(attrs["url"]))
    carried = {"git": _GIT_TEXTS, "hg": ("ref", "rev")}.get(scheme, ("rev", "narHash", *_NUMBERS))
    query = {**url.query, **query, **{key: str(attrs[key]) for key in carried if key in attrs}}
    if scheme == "git":
        query |= {key: str(int(attrs[key])) for key in _GIT_FLAGS if key in attrs}
    plain = scheme == "tarball" or (scheme == "git" and url.scheme == "git")
    return str(url.with_(url.scheme if plain else f"{scheme}+{url.scheme}", query))


def _from_url(url: Url, flake: bool) -> dict[str, Attr]:
    if url.scheme in FORGES:
        return _forge(url)
    if url.scheme == "flake":
        return _indirect([part for part in url.segments() if part])
    if url.scheme == "path":
        if url.authority:
            raise ValueError(f"a path has no host ({url.authority!r})")
        if any("/" in part for part in url.segments()):
            raise ValueError("a file name cannot hold a slash")
        return _path("/".join(url.segments()), url.query)
    if url.transport in _GIT_TRANSPORTS and (url.application == "git" or url.scheme == "git"):
        return _git(url)
    if url.application == "hg" and url.transport in _HG_TRANSPORTS:
        query = dict(url.query)
        named: dict[str, Attr] = {key: query.pop(key) for key in ("ref", "rev") if key in query}
        return {"type": "hg", **named, "url": str(_at_host(url).with_(url.transport, query))}
    if url.transport in _CURL_TRANSPORTS and url.application in {None, "tarball", "file"}:
        tarball = url.application == "tarball" or (url.application is None and (flake or _is_tarball(url)))
        return _curl(url, "tarball" if tarball else "file")
    raise ValueError(f"the scheme {url.scheme!r} is not supported")


def _forge(url: Url) -> dict[str, Attr]:
    parts = [part for part in url.segments() if part] if not url.host else []
    if len(parts) < 2:
        raise ValueError(f"it is not of the form {url.scheme}:OWNER/REPO")
    named: dict[str, Attr] = {}
    if len(parts) == 3 and _REV.fullmatch(parts[2]):
        named["rev"] = parts[2]
    elif len(parts) > 2:
        named["ref"] = "/".join(parts[2:])
    for key in ("ref", "rev", "host", "narHash"):
        if key in url.query:
            if key in named:
                raise ValueError(f"it names a {key} twice")
            named[key] = url.query[key]
    return {"type": url.scheme, "owner": parts[0], "repo": parts[1], **named}


def _indirect(parts: list[str]) -> dict[str, Attr]:
    attrs: dict[str, Attr] = {"type": "indirect", "id": parts[0] if parts else ""}
    if len(parts) > 3 or (len(parts) == 3 and not _REV.fullmatch(parts[2])):
        raise ValueError("it is not of the form ID[/REF][/REV]")
    if len(parts) == 3:
        attrs["rev"] = parts[2]
    if len(parts) > 1:
        attrs["rev" if len(parts) == 2 and _REV.fullmatch(parts[1]) else "ref"] = parts[1]
    return attrs


def _path(path: str, query: Mapping[str, str]) -> dict[str, Attr]:
    attrs: dict[str, Attr] = {"type": "path", "path": path}
    for key, value in query.items():
        if key in {"rev", "narHash"}:
            attrs[key] = value
        elif key in _NUMBERS and (number := _number(value)) is not None:
            attrs[key] = number
        else:
            raise ValueError(f"a path has no parameter {key!r}, or not with this value")
    return attrs


def _git(url: Url) -> dict[str, Attr]:
    attrs: dict[str, Attr] = {"type": "git"}
    query = dict(url.query)
    for key in _GIT_TEXTS:
        if key in query:
            attrs[key] = query.pop(key)
    for key in _GIT_FLAGS:
        if key in query:
            attrs[key] = query.pop(key) == "1"
    return {**attrs, "url": str(_at_host(url).with_(url.transport, query))}


def _curl(url: Url, scheme: str) -> dict[str, Attr]:
    attrs: dict[str, Attr] = {"type": scheme}
    query = dict(url.query)
    for key in ("narHash", "rev"):
        if key in query:
            attrs[key] = query.pop(key)
    for key in _NUMBERS:
        if (number := _number(query.pop(key, ""))) is not None:
            attrs[key] = number
    for key in ("url", "name", "unpack"):  # Nix drops them
        query.pop(key, None)
    return {**attrs, "url": str(_at_host(url).with_(url.transport, query))}


def _forge_url(attrs: Mapping[str, Attr], query: dict[str, str]) -> str:
    parts = [str(attrs["owner"]), str(attrs["repo"])]
    ref, rev = attrs.get("ref"), attrs.get("rev")
    if isinstance(ref, str):
        if _REV.fullmatch(ref):
            query["ref"] = ref
        else:
            parts += ref.split("/")
    if isinstance(rev, str):
        parts.append(rev)
    query |= {key: str(attrs[key]) for key in ("host", "narHash") if key in attrs}
    return f"{attrs['type']}:{'/'.join(map(encode_segment, parts))}{encode_query(query)}"


def _indirect_url(attrs: Mapping[str, Attr], query: dict[str, str]) -> str:
    parts = [encode_segment(str(attrs[key])) for key in ("id", "ref", "rev") if key in attrs]
    return f"flake:{'/'.join(parts)}{encode_query(query)}"


def _check_text(key: str, value: str) -> None:
    if _NO_TEXT.search(value):
        raise ValueError(f"the attribute {key!r} is not valid text")


def _check_values(scheme: str, attrs: dict[str, Attr]) -> None:
    """Check and canonicalise, in place, the values that Nix looks into."""
    ref, rev = attrs.get("ref"), attrs.get("rev")
    if isinstance(rev, str):
        if not (_REV if scheme in FORGES else _ANY_REV).fullmatch(rev):
            raise ValueError(f"the rev {rev!r} is not a full commit hash")
        attrs["rev"] = rev.lower()
    if isinstance(ref, str) and _BAD_REF.search(ref):
        raise ValueError(f"{ref!r} is not a valid branch or tag name")
    if scheme in FORGES:
        if ref is not None and rev is not None:
            raise ValueError("it names both a commit and a branch or tag")
        if "host" in attrs and not _HOST.fullmatch(str(attrs["host"])):
            raise ValueError(f"the host {attrs['host']!r} is not valid")
    elif scheme == "indirect":
        if not _ID.fullmatch(str(attrs["id"])):
            raise ValueError(f"{attrs['id']!r} is not a valid flake id")
    elif scheme == "path":
        attrs["path"] = re.sub(r"/+", "/", str(attrs["path"]))
    else:
        attrs["url"] = _canonical_url(scheme, attrs)


def _canonical_url(scheme: str, attrs: Mapping[str, Attr]) -> str:
    text = str(attrs["url"])
    url = _at_host(parse_git_url(text) if scheme == "git" else parse_url(text))
    known = {"git": _GIT_TRANSPORTS, "hg": _HG_TRANSPORTS}.get(scheme, _CURL_TRANSPORTS)
    if url.scheme not in known:
        raise ValueError(f"the scheme {url.scheme!r} is not supported for {scheme}")
    query = dict(url.query)
    if query.get("dir", "") == attrs.get("dir"):  # Nix before 2.24.15 keeps `dir` in both places
        query.pop("dir", None)
    return str(url.with_(url.scheme, query))


def _at_host(url: Url) -> Url:
    if url.transport != "file" and not url.host:
        raise ValueError("the URL has no host")
    return url


def _is_tarball(url: Url) -> bool:
    return url.segments()[-1].endswith(_TARBALL_ENDINGS)


def _number(text: str) -> int | None:
    if not _NUMBER.fullmatch(text) or len(text) > 21:
        return None
    number = int(text)
    return number if number < 1 << 64 else None


def _legal_query(text: str) -> str:
    parse_url(f"path:?{text}")  # the characters of a path's query are those of any URL's
    return text

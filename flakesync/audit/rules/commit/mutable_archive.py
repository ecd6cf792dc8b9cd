"""`mutable-archive`: an archive whose address may lead to other files tomorrow."""

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from flakesync.audit.rule import Answer, Context, NodeRule, Said
from flakesync.audit.shown import shown_source
from flakesync.nix.lock.node import LockNode, is_commit_id
from flakesync.nix.reference.identity import split_url
from flakesync.nix.reference.source import Origin
from flakesync.nix.reference.url import decode
from flakesync.survey.pins import is_archive

_ENDING = re.compile(r"(?:\.tar(?:\.[a-z0-9]+)?|\.tgz|\.tbz2|\.txz|\.zip)\Z")
_FORMS = {"archive": 2, "+archive": 1, "tarball": 2, "zipball": 2, "snapshot": 1, "raw": 2, "releases": 2}
"""By which words forges lead to the files of a commit, a branch or a tag, and how many parts of the path (owner and
repository) stand before them at least. These are chosen by whoever has the repository: a commit id there says nothing.
"""
_FORMS_OF_HOST = {
    "codeload.github.com": {"tar.gz": 2, "legacy.tar.gz": 2, "zip": 2, "legacy.zip": 2},
    "bitbucket.org": {"get": 2},
}
_API = re.compile(r"(?:api/v[0-9]+/)?repos/")
_GITLAB_API = re.compile(r"api/v[0-9]+/projects/.+/repository/archive(?:\.[a-z0-9.]+)?", re.DOTALL)
_STAYS = {
    # A release lies in a folder of its own; what lies beside it (`nixos/25.11/…`) may be anything.
    "releases.nixos.org": re.compile(r"(?:[^/]+/)+(?:nixos|nixpkgs|nix)-[0-9][^/]*/.+", re.DOTALL),
    "api.flakehub.com": re.compile(r"f/pinned/[^/]+/[^/]+/[^/]+/.+", re.DOTALL),
}
"""Paths whose server never changes what lies there."""

_Verdict = Literal["stays", "changes", "unknown"]


def applies(origin: Origin) -> bool:
    """Tell whether an archive is locked."""
    return is_archive(origin.locked)


def find(context: Context, node: LockNode) -> Iterator[Answer]:
    """Yield the finding; none for an address that names a commit, or that its server never changes."""
    origin = node.origin
    url = str(origin.locked.get("url", ""))
    verdict = _judge(url)
    if verdict == "stays":
        return
    # Nix notes a rev where a server said of which commit the link is that it leads to ("lockable tarballs"), and that
    # link is another address than the one that was asked. What flake.nix itself says about its commit, nobody checks.
    asked = split_url(str(origin.original.get("url", "")))
    if verdict == "unknown" and origin.rev is not None and _place(asked) != _place(split_url(url)):
        return
    yield Said(f"{shown_source(origin.locked)} names no commit: what lies there may change")


def _place(parts: tuple[str, str, str] | None) -> tuple[str, str] | None:
    return parts[:2] if parts is not None else None


def _judge(url: str) -> _Verdict:
    """Say of an address whether it names a commit, a branch or a tag, or whether it tells neither."""
    parts = split_url(url)
    if parts is None:
        return "unknown"
    host, path, query = parts
    if host in _STAYS and url.lower().startswith("https:") and _STAYS[host].fullmatch(path):
        return "stays"
    segments = _API.sub("", path, count=1).split("/") if _API.match(path) else path.split("/")
    ref = _asked_of_gitlab(query) if _GITLAB_API.fullmatch(path) else _named_ref(host, segments)
    if ref is not None:
        return "stays" if is_commit_id(ref) else "changes"
    return "stays" if any(is_commit_id(_ENDING.sub("", each)) for each in segments) else "unknown"


def _asked_of_gitlab(query: str) -> str:
    """Return the ref that GitLab's API is asked for; empty: the default branch, or which one is not plain."""
    pairs = (pair.partition("=") for pair in query.split("&"))
    refs = [decode(value) for key, _, value in pairs if decode(key) == "sha"]
    return refs[0] if len(refs) == 1 else ""


def _named_ref(host: str, segments: Sequence[str]) -> str | None:
    """Return which commit, branch or tag an address of a forge is of; None: it is in no form of a forge."""
    forms = _FORMS | _FORMS_OF_HOST.get(host, {})
    for at, word in enumerate(segments[:-1]):
        if at < forms.get(word, at + 1):
            continue
        one = len(segments) == at + 2
        match word:
            case "raw":  # Forgejo: raw/commit/REV/FILE, raw/branch/…; elsewhere raw/REF/FILE.
                return segments[at + 2] if segments[at + 1] == "commit" and not one else segments[at + 1]
            case "archive" if segments[at - 1] == "-" and not one:  # GitLab: REF/NAME.tar.gz, where any name will do.
                return "/".join(segments[at + 1 : -1])
            case "snapshot" if one:  # cgit: REF or REPOSITORY-REF.
                name = segments[at - 1].removesuffix(".git")
                return _ENDING.sub("", segments[-1]).removeprefix(f"{name}-")
            case "snapshot":
                continue
            case "releases" if segments[at + 1] != "download":
                continue
            case _:  # A ref may have slashes in it: all that follows is its name.
                return _ENDING.sub("", "/".join(segments[at + 1 :]))
    return segments[2] if host == "raw.githubusercontent.com" and len(segments) > 3 else None


RULE = NodeRule(
    id="mutable-archive",
    severity="medium",
    title="an archive that may change",
    help=(
        "The lock holds the archive's narHash, so other files are refused; but when its server puts others there, the "
        "flake can no longer be built from scratch, and nobody can tell what was locked. Use the address of a commit, "
        "a link that stays (Nix follows the `Link` header of servers that send one), or a git reference."
    ),
    applies=applies,
    find=find,
)

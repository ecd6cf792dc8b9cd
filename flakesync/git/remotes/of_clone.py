"""The remotes that a clone knows: their addresses, and the folder of refs that their branches are fetched into."""

import os
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from flakesync.git.remotes.refspecs import Refspecs, parse_refspecs
from flakesync.git.remotes.remote import is_relative
from flakesync.git.settings import AskShared, Settings, read_shared_settings
from flakesync.git.store.config import read_entries
from flakesync.git.store.objects import ObjectReader

_ALL = "refs/heads/*"
_TRACKING = "refs/remotes/"
_TAGS = "refs/tags/"
_KEYS = re.compile(r"remote\..+\.(?:url|fetch)", re.DOTALL)


class CloneRemote(NamedTuple):
    """A remote as the clone has it.

    prefix: `refs/remotes/NAME/`, None where its branches are fetched elsewhere. fetch: all that is fetched from it.
    """

    name: str
    url: str
    prefix: str | None
    fetch: Refspecs


def read_remotes(reader: ObjectReader, shared: AskShared = read_shared_settings) -> Sequence[CloneRemote]:
    """Return the remotes of a clone, `origin` first, the others as they stand in its settings.

    Addresses are as git would use them: `url.….insteadOf` is applied, and a relative path taken from the top folder.
    shared: gives what the settings say for all repositories; of many it is asked once (`functools.cache`).

    Raises: GitError(`no-git` | `git`).
    """
    urls: dict[str, str] = {}
    fetch: dict[str, list[str]] = {}
    entries, settings = read_entries(reader, _KEYS, shared)
    for key, value in entries:
        name, _, last = key.removeprefix("remote.").rpartition(".")
        if last == "url":
            urls.setdefault(name, value)  # git fetches from the first one
        else:
            fetch.setdefault(name, []).append(value)
    if not urls:
        return ()
    found = [
        CloneRemote(name, _address(reader, url, settings), _prefix(specs), parse_refspecs(specs))
        for name, url in urls.items()
        for specs in [fetch.get(name, ())]
    ]
    return sorted(found, key=lambda remote: remote.name != "origin")


def kept_as(ref: str, servers: Sequence[CloneRemote], remotes: Sequence[CloneRemote]) -> list[str]:
    """Return the refs of a clone that can hold nothing but a branch or tag (`refs/heads/main`) of a server.

    servers: those of the clone's remotes that are the server. A ref that another refspec writes too, of whichever
    remote, may hold what that one fetches: a pull request (`refs/pull/*/head:refs/remotes/origin/pr/*`), a branch of a
    fork.
    """
    places = dict.fromkeys(target for remote in servers for target in remote.fetch.targets(ref))
    return [place for place in places if is_kept(place, ref, servers, remotes)]


def is_kept(place: str, ref: str, servers: Sequence[CloneRemote], remotes: Sequence[CloneRemote]) -> bool:
    """Tell whether a ref of a clone has nothing fetched into it but this ref of the server; true for nothing at all."""
    # Tags follow what is fetched, into refs/tags/ of the clone, whichever remote that was.
    if place.startswith(_TAGS) and len(servers) != len(remotes):
        return False
    return all(remote in servers and source == ref for remote in remotes for source in remote.fetch.sources(place))


def _address(reader: ObjectReader, url: str, settings: Settings) -> str:
    url = _instead(url, settings)
    return os.path.realpath(os.path.join(reader.path, url)) if is_relative(url) else url  # noqa: PTH118


def _instead(url: str, settings: Mapping[str, str]) -> str:
    """Return the address that `url.BASE.insteadOf` makes of one; the longest beginning counts, as for git."""
    best = ""
    base = ""
    for key, value in settings.items():
        if key.startswith("url.") and key.endswith(".insteadof") and url.startswith(value) and len(value) > len(best):
            best, base = value, key[len("url.") : -len(".insteadof")]
    return base + url[len(best) :] if best else url


def _prefix(refspecs: Sequence[str]) -> str | None:
    """Return where branches go; None: not below refs/remotes (a mirror's would be the clone's own branches)."""
    for spec in refspecs:
        source, _, target = spec.removeprefix("+").partition(":")
        if source.startswith("refs/heads/") and target.startswith(_TRACKING):
            # Of a single branch too: `refs/heads/main:refs/remotes/origin/main`.
            branch = "*" if source == _ALL else source.removeprefix("refs/heads/")
            if target.endswith(f"/{branch}"):
                return target.removesuffix(branch)
    return None

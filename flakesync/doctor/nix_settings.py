"""What Nix is set to, as far as runs depend on it; its substituters are asked whether they are there."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flakesync.doctor.disk import free_rows
from flakesync.doctor.place import DoctorPlace
from flakesync.doctor.rows import DoctorRows, Rows
from flakesync.errors import FlakesyncError, plain
from flakesync.nix.program.command import Nix
from flakesync.nix.program.settings import hosts_with_tokens, read_settings
from flakesync.nix.program.substituter import with_cache
from flakesync.nix.program.trust import trust_of, user_name
from flakesync.secrets import hide_secrets

_ROW = DoctorRows("nix")
_CONNECT_S, _READ_S = 5.0, 10.0
_ASKED_AT_ONCE = 8
_MOST_SUBSTITUTERS = 32


def nix_rows(place: DoctorPlace) -> Rows:
    """Give the rows about Nix's settings; none where there is no Nix, which the programs say."""
    nix = place.nix
    if not isinstance(nix, Nix):
        return
    try:
        settings = read_settings(nix)
    except FlakesyncError as error:
        yield _ROW.error("settings", error)
        return
    yield from _features(settings)
    yield from _sandbox(settings)
    yield from _trust(settings)
    yield from _tokens(place, settings)
    yield from _substituters(place, settings)
    store = place.environ.get("NIX_STORE_DIR") or "/nix/store"
    yield from free_rows(_ROW, "room in the store", Path(store))


def _features(settings: Mapping[str, str]) -> Rows:
    have = settings.get("experimental-features", "").split()
    missing = [name for name in ("nix-command", "flakes") if name not in have]
    if missing:
        detail = f"{' and '.join(missing)} not enabled: flakesync enables them in what it runs"
        yield _ROW.ok("experimental features", detail)
    else:
        yield _ROW.ok("experimental features", "nix-command and flakes")


def _sandbox(settings: Mapping[str, str]) -> Rows:
    value = settings.get("sandbox", "")
    if value == "false":
        hint = "`sandbox = true` in nix.conf: what checks build sees this machine and the network"
        yield _ROW.warning("sandbox", "off", hint=hint)
    else:
        yield _ROW.ok("sandbox", "on" if value == "true" else value or "not known")


def _trust(settings: Mapping[str, str]) -> Rows:
    """Give the row about the daemon; without one Nix trusts whoever runs it."""
    user = user_name()
    match trust_of(settings):
        case "no-daemon":
            yield _ROW.ok("trusted user", "Nix works without a daemon: the store is this user's")
        case "trusted":
            yield _ROW.ok("trusted user", f"{user} is one: what flakes set for Nix (substituters) may be taken over")
        case "untrusted":
            yield _ROW.ok("trusted user", f"{user} is none: substituters that flakes name are ignored")
        case "refused":
            hint = "add it to `allowed-users` in nix.conf"
            yield _ROW.fails("trusted user", f"{user} may not use the daemon at all", hint=hint)


def _tokens(place: DoctorPlace, settings: Mapping[str, str]) -> Rows:
    given = [plain(host) for host in hosts_with_tokens(settings)]
    own = place.hosts.for_nix({}).get("NIX_CONFIG", "") if place.hosts is not None else ""
    added = [host for host in hosts_with_tokens(_pairs(own)) if host not in given]
    parts = [f"{', '.join(given)} in nix.conf"] if given else []
    parts += [f"{', '.join(added)} from flakesync's own tokens"] if added else []
    if parts:
        yield _ROW.ok("access tokens", "; ".join(parts))
        return
    if _asks_github(place):
        hint = "put a token into GITHUB_TOKEN: flakesync hands it to Nix"
        yield _ROW.warning("access tokens", "none: github.com answers 60 requests an hour", hint=hint)
    else:
        yield _ROW.ok("access tokens", "none, and none is needed")


def _pairs(config: str) -> dict[str, str]:
    return {
        "access-tokens": " ".join(line.partition("=")[2] for line in config.splitlines() if "access-tokens" in line)
    }


def _asks_github(place: DoctorPlace) -> bool:
    """Whether a pin or a repo is on GitHub by the scheme of Nix, which then asks GitHub's API."""
    pins = place.workspace.pins if place.workspace is not None else ()
    references = [*(pin.source for pin in pins), *(repo.url for repo in place.repos if repo.url is not None)]
    return any(reference.type == "github" for reference in references)


def _substituters(place: DoctorPlace, settings: Mapping[str, str]) -> Rows:
    places = dict.fromkeys(settings.get("substituters", "").split())
    if place.workspace is not None and place.workspace.sources is not None:
        sources = place.workspace.sources
        places = dict.fromkeys(with_cache(places, sources, without_usual=bool(place.workspace.mirrors)))
        if trust_of(settings) == "untrusted" and f"file://{sources}" not in settings.get("trusted-substituters", ""):
            detail = f"{user_name()} is no trusted user: the daemon does not take sources from {sources}"
            hint = f"`trusted-substituters = file://{sources}` in the daemon's nix.conf"
            yield _ROW.fails("cache of sources", detail, hint=hint)
    if not places:
        hint = "`substituters` in nix.conf"
        yield _ROW.warning("substituters", "none: everything that checks need is built here", hint=hint)
        return
    asked = [url for url in places if url.startswith(("http://", "https://"))][:_MOST_SUBSTITUTERS]
    if place.offline:
        yield _ROW.unseen("substituters", f"{_shown([*places])}: not asked with --offline")
        return
    with ThreadPoolExecutor(max_workers=_ASKED_AT_ONCE) as pool:
        troubles = dict(zip(asked, pool.map(_trouble, asked), strict=True))
    for url, trouble in troubles.items():
        if trouble is not None:
            detail = f"{_shown([url])} does not answer: {trouble}"
            yield _ROW.warning("substituters", detail, hint="what it has is built here, or fails where it cannot be")
    good = [url for url in places if troubles.get(url) is None]
    if good:
        yield _ROW.ok("substituters", _shown(good))


def _shown(urls: list[str]) -> str:
    return hide_secrets(plain(", ".join(urls)))


def _trouble(url: str) -> str | None:
    """Return why a binary cache does not answer; None: it does."""
    from flakesync.net.http import NoAnswerError, Web

    address = f"{url.partition('?')[0].rstrip('/')}/nix-cache-info"
    try:
        with (
            Web(connect_s=_CONNECT_S, read_s=_READ_S, as_nix=True) as web,
            web.follow("GET", address, limit_bytes=1 << 16) as answer,
        ):
            b"".join(answer.pieces)
            # A cache that wants a login is there; Nix takes that from its netrc.
            return f"status {answer.status}" if answer.status >= 400 and answer.status not in (401, 403) else None
    except NoAnswerError as error:
        return hide_secrets(plain(error.reason))

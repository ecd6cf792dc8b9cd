"""Which forge a host is, and the one credential that goes there: for its API, for git, and for Nix alike.

It comes from the environment variable that the manifest names, else from the usual one of that kind of forge; without
either, git asks the credential helpers that the user has. A token never goes to two hosts.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote, urlsplit

from flakesync.errors import FlakesyncError, plain
from flakesync.git.remotes.credentials import Credential, helpers, login_in, server_of
from flakesync.git.remotes.remote import Address, Remote, parse_remote
from flakesync.gitenv import Settings, with_settings
from flakesync.net.forge_kinds import KINDS, known_hosts, usual_api
from flakesync.workspace.model import ForgeKind, ForgeSettings, Workspace
from flakesync.workspace.settings.mirrors import Mirrors

_BESIDE = re.compile(r"^(?:api|codeload)\.")
_IN_NIX_CONFIG = re.compile(r"^\s*(?:extra-)?access-tokens\s*=\s*(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Account:
    """What is known of a host.

    host: as it is declared or known. api: base URL. user: the name that goes with the token where git asks for one.
    token: None where the environment has none. token_env: the variables that it may be in; empty: the manifest has to
    name one. ca_file: the only authority to trust, None for those of the system.
    """

    host: str
    kind: ForgeKind
    api: str
    user: str
    token: str | None = field(repr=False)
    token_env: tuple[str, ...] = ()
    ca_file: Path | None = None


class Hosts:
    """The hosts of one workspace; threads may share it."""

    def __init__(self, workspace: Workspace, environ: Mapping[str, str]) -> None:
        """environ: where the tokens are."""
        self._workspace = workspace
        self._declared = workspace.forges
        self._environ = environ
        self._mirrors = workspace.mirrors
        self._owners = _owners_of_usual_tokens(workspace)

    def account(self, host: str) -> Account:
        """Return what is known of a host (`git.example.com`, with its port where that is unusual).

        Raises: FlakesyncError(`forge-token`): the variable holds what cannot be a token.
        """
        host = self._name(host)
        settings = self._declared.get(host)
        kind = settings.kind if settings is not None else known_hosts().get(host, "none")
        names = self._token_variables(host, kind, settings)
        api = settings.api if settings is not None and settings.api is not None else usual_api(host, kind)
        ca_file = settings.ca_file if settings is not None else None
        return Account(host, kind, api, KINDS[kind].git_user, self._token(host, names), names, ca_file)

    def is_declared(self, host: str) -> bool:
        """Tell whether the manifest says in `[forges]` what a host is."""
        return self._name(host) in self._declared

    def declared(self, url: str) -> Account | None:
        """Return what the manifest says of the https server of a URL; None: it says nothing of it.

        Raises: FlakesyncError(`forge-token`), ValueError: it is no URL.
        """
        server = server_of(urlsplit(url)) or ""
        place = server.removeprefix("https://")
        return self.account(place) if place != server and self._name(place) in self._declared else None

    @property
    def mirrors(self) -> Mirrors:
        """Who is asked in place of repositories' own servers."""
        return self._mirrors

    @property
    def sources(self) -> Path | None:
        """The folder of the static cache that new sources are put into; None: there is none."""
        return self._workspace.sources

    def remote(self, url: Address) -> Remote:
        """Return the remote that is asked for an address of git, with what git needs to log in there and to trust it.

        A login that the address holds counts before the host's token, which goes over https alone. Where there is a
        mirror it is that, with what its own host wants: no login and no token of the canonical one goes there.

        Raises: GitError(`bad-url`), FlakesyncError(`forge-token`).
        """
        if isinstance(url, Remote):
            return url
        asked = self._mirrors.of(url)
        if asked is not None:
            return replace(self._logged_in(parse_remote(asked)), mirror_of=parse_remote(url).url)
        return self._logged_in(parse_remote(url))

    def _logged_in(self, remote: Remote) -> Remote:
        """Return a remote with the login and the authority of its own server."""
        web = remote.url.lower().startswith(("https://", "http://"))  # a folder may be called `//[`
        server = server_of(urlsplit(remote.url)) if web else None
        if server is None:
            return remote
        place = server.partition("://")[2]
        if server.startswith("http:"):
            return remote if remote.login else replace(remote, hint=f"a token for {place} is sent over https alone")
        account = self.account(place)
        settings = _trust(server, account)
        if remote.login is not None:
            return replace(remote, settings=(*remote.settings, *settings))
        if account.token is None:
            return replace(remote, settings=(*remote.settings, *settings), hint=_how_to_give_a_token(account, place))
        login, environment = helpers([Credential(server, account.user, account.token)])
        return replace(
            remote, settings=(*login, *settings), environment=environment, login=_token_of(account, self._environ)
        )

    def hint(self, place: str, *, by_git: bool = True) -> str | None:
        """Return what to do where the server at `place` (`HOST[:PORT]`, also of an API) lets nobody in.

        by_git: whether git asked it. None: nothing that flakesync knows of; not every server that Nix downloads from is
        a forge.
        """
        bare = _BESIDE.sub("", place)
        known = self._name(bare) in (*known_hosts(), *self._declared)
        try:
            account = self.account(bare if known else place)
        except FlakesyncError:
            return None
        if not (known or by_git):
            return None
        if account.token is None:
            return _how_to_give_a_token(account, account.host, by_git=by_git)
        return f"is {_token_of(account, self._environ)} still valid, and may it read that repository?"

    def clean(self, text: str) -> str:
        """Return `text` without the token of any host, and without control characters."""
        names = {name for facts in KINDS.values() for name in facts.token_variables}
        names |= {settings.token_env for settings in self._declared.values() if settings.token_env is not None}
        for name in names:
            token = self._environ.get(name, "").strip()
            for form in {token, quote(token, safe="")} if token else ():
                text = text.replace(form, "…")
        return plain(text)

    # ---- Nix -------------------------------------------------------------------------------------------------------

    def for_nix(self, environ: Mapping[str, str], urls: Iterable[str] = ()) -> dict[str, str]:
        """Return `environ` in which Nix, and the git that it starts, log in where flakesync does.

        git gets the same credential helpers; for `github:` and `gitlab:` inputs Nix itself gets `access-tokens`, which
        leave those alone that the user has set. urls: addresses that git may fetch from besides those of the manifest.
        """
        credentials: dict[str, Credential] = {}
        settings: list[tuple[str, str]] = []
        places = dict.fromkeys(self._with_tokens())
        given = list(urls)
        known = [*self._addresses(), *given]
        settings += self._mirrors.rewrites(known)
        for server in dict.fromkeys([*(f"https://{place}" for place in places), *self._servers(known)]):
            account = self._account_or_none(server.removeprefix("https://"))
            if account is not None:
                settings += _trust(server, account)
                if account.token is not None:
                    credentials[server] = Credential(server, account.user, account.token)
        for login, path, instead in _logins_in(given):
            settings.append((f"url.{login.server}/.insteadOf", instead))
            if credentials.setdefault(login.server, login) != login:
                # It counts before the host's own, for its repository alone: git takes what it reads last.
                credentials[login.server + path] = replace(login, server=login.server + path)
        new = [each for each in credentials.values() if environ.get(each.variables[1]) != each.secret]
        login_settings, secrets = helpers(new)
        found = {**environ, **secrets, **with_settings(environ, (*settings, *login_settings))}
        if tokens := " ".join(self._access_tokens(places, environ)):
            found["NIX_CONFIG"] = f"{environ.get('NIX_CONFIG', '')}\nextra-access-tokens = {tokens}".lstrip()
        return found

    def _addresses(self) -> Iterator[str]:
        """Give the addresses of git that the manifest names."""
        own = [repo.url.git_url() for repo in self._workspace.repos if repo.url is not None]
        own += [pin.source.git_url() for pin in self._workspace.pins]
        yield from filter(None, own)

    def _servers(self, urls: Iterable[str]) -> Iterator[str]:
        """Give the https servers of addresses, and of the mirrors that are asked in their place."""
        for url in [*urls, *self._mirrors.targets]:
            try:
                server = server_of(urlsplit(url.removeprefix("git+")))
            except ValueError:
                continue
            if server is not None and server.startswith("https:"):
                yield server

    def _with_tokens(self) -> Iterator[str]:
        """Give the hosts that have a token."""
        for host in (*self._declared, *self._owners.values()):
            account = self._account_or_none(host)
            if account is not None and account.token is not None:
                yield host

    def _access_tokens(self, hosts: Iterable[str], environ: Mapping[str, str]) -> Iterator[str]:
        known = _nix_tokens(environ)
        for host in hosts:
            account = self._account_or_none(host)
            form = KINDS[account.kind].access_tokens if account is not None else None
            # A `#` would begin a comment.
            if account is not None and form and account.token and host not in known and "#" not in account.token:
                yield form.format(host=host, token=account.token)

    # ---- the table -------------------------------------------------------------------------------------------------

    def _account_or_none(self, place: str) -> Account | None:
        """Return what is known of a host; None: its variable holds no token, which its own commands will say."""
        try:
            return self.account(place)
        except FlakesyncError:
            return None

    def _name(self, host: str) -> str:
        """Return the name under which a host is declared or known: with its port, else without."""
        bare = without_port(host)
        return host if host in self._declared or host in known_hosts() or bare not in self._declared else bare

    def _token_variables(self, host: str, kind: ForgeKind, settings: ForgeSettings | None) -> tuple[str, ...]:
        if settings is not None and settings.token_env is not None:
            return (settings.token_env,)
        if self._owners.get(kind) != host:
            return ()
        named = {each.token_env for each in self._declared.values()}
        return tuple(name for name in KINDS[kind].token_variables if name not in named)

    def _token(self, host: str, names: tuple[str, ...]) -> str | None:
        for name in names:
            token = self._environ.get(name, "").strip()
            if not token:
                continue
            if not (token.isascii() and token.isprintable()) or " " in token:
                raise FlakesyncError("forge-token", f"{host}: what {name} holds cannot be a token")
            return token
        return None


def find_token(host: str, environ: Mapping[str, str], account: Account | None) -> str | None:
    """Return the token for archives of a host: from `access-tokens` in NIX_CONFIG, else that of its account."""
    given = _nix_tokens(environ).get(host)
    if given:
        return given.removeprefix("PAT:").removeprefix("OAuth2:")
    return account.token if account is not None else None


def _nix_tokens(environ: Mapping[str, str]) -> dict[str, str]:
    """Return host → token, as `access-tokens` in NIX_CONFIG has it; the first of a host counts."""
    pairs = [pair for line in _IN_NIX_CONFIG.findall(environ.get("NIX_CONFIG", "")) for pair in line.split()]
    return {host: token for host, _, token in (pair.partition("=") for pair in reversed(pairs))}


def without_port(host: str) -> str:
    """Return the name of a host alone: `git.example.com` of `git.example.com:8443`."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() and not name.endswith(":") else host


def _owners_of_usual_tokens(workspace: Workspace) -> dict[ForgeKind, str]:
    """Return for each kind the one host that the usual variables belong to: a token never goes to two.

    The known host comes first; among hosts that are only declared there must be no choice. Where no repo lies on a host
    of a kind, and none is declared, the variables belong to the known host that a pin's source lies on, else to the one
    that the tools they are named after ask.
    """
    used = (repo.url.identity for repo in workspace.repos if repo.url is not None)
    names = [identity.host for identity in used if identity is not None and identity.host]
    known_kinds = known_hosts()
    candidates: dict[ForgeKind, list[str]] = {}
    for host in dict.fromkeys([*workspace.forges, *names]):
        settings = workspace.forges.get(host)
        kind = settings.kind if settings is not None else known_kinds.get(host)
        if kind is not None and (settings is None or settings.token_env is None):
            candidates.setdefault(kind, []).append(host)
    sources = {identity.host for pin in workspace.pins if (identity := pin.source.identity) is not None}
    owners = {kind: facts.tools_host for kind, facts in KINDS.items() if facts.tools_host is not None}
    owners |= {kind: host for host, kind in reversed(known_kinds.items()) if host in sources}
    owners = {kind: host for kind, host in owners.items() if kind not in candidates}
    for kind, found in candidates.items():
        known = [host for host in known_kinds if host in found]
        if known or len(found) == 1:
            owners[kind] = (known or found)[0]
    return owners


def _trust(server: str, account: Account) -> Settings:
    return ((f"http.{server}/.sslCAInfo", str(account.ca_file)),) if account.ca_file is not None else ()


def _token_of(account: Account, environ: Mapping[str, str]) -> str:
    name = next(name for name in account.token_env if environ.get(name, "").strip())
    return f"the token in {name}"


def _how_to_give_a_token(account: Account, place: str, *, by_git: bool = True) -> str:
    if account.token_env:
        return f"put a token for {account.host} into {' or '.join(account.token_env)}"
    table = f'[forges."{account.host}"]'
    helper = "; or give git a credential helper for it" if by_git else ""
    return f"name the variable with a token for {place}: `token-env` in {table}{helper}"


def _logins_in(urls: Iterable[str]) -> Iterator[tuple[Credential, str, str]]:
    """Give the logins that addresses hold, each with the path of the repository and how its addresses begin."""
    for url in urls:
        try:
            parts = urlsplit(url.removeprefix("git+"))
            login = login_in(parts)
        except ValueError:
            continue
        if login is not None:
            yield login, parts.path.rstrip("/"), f"{parts.scheme}://{parts.netloc}/"

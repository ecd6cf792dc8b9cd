"""Which forge a repo lies on, and which token goes there: from the host in its address and the manifest."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from flakesync.errors import plain
from flakesync.forge import forgejo, github, gitlab
from flakesync.forge.http import Client, Endpoint
from flakesync.forge.model import Forge, ForgeError, ForgeKind, Project
from flakesync.nix.flakeref import Identity, identity_of_url
from flakesync.workspace.forges import KNOWN_HOSTS
from flakesync.workspace.model import ForgeSettings, Repo, Workspace

TOKEN_VARIABLES: dict[ForgeKind, tuple[str, ...]] = {
    "github": ("GITHUB_TOKEN", "GH_TOKEN"),
    "gitlab": ("GITLAB_TOKEN",),
    "forgejo": ("FORGEJO_TOKEN", "GITEA_TOKEN"),
    "none": (),
}
"""Where a token is looked for, the first that is set, on hosts without a `token-env`."""

_APIS = {"github": "/api/v3", "gitlab": "/api/v4", "forgejo": "/api/v1", "none": ""}
_USERS = {"github": "x-access-token", "gitlab": "oauth2", "forgejo": "token", "none": "git"}

Connect = Callable[[Endpoint, Mapping[str, str]], Client]


@dataclass(frozen=True, slots=True)
class Account:
    """What is known of a host. user: the name that goes with the token where git asks for one."""

    kind: ForgeKind
    endpoint: Endpoint
    user: str


class Servers:
    """The forges of one workspace, each with one client; threads may share it."""

    def __init__(self, workspace: Workspace, environ: Mapping[str, str], *, connect: Connect = Client) -> None:
        """environ: where the tokens are. connect: makes the client of a host, for tests."""
        self._declared = workspace.forges
        self._environ = environ
        self._connect = connect
        self._owners = _owners_of_usual_tokens(_hosts(workspace), workspace.forges)
        self._forges: dict[str, Forge | None] = {}
        self._clients: list[Client] = []
        self._guard = threading.Lock()

    def close(self) -> None:
        """Close all connections."""
        with self._guard:
            for client in self._clients:
                client.close()

    def stop(self) -> None:
        """Let whoever waits for a forge's limits give up; from now on no forge is called."""
        with self._guard:
            for client in self._clients:
                client.stop()

    def for_repo(self, repo: Repo, url: str | None = None) -> tuple[Forge | None, Project]:
        """Return the forge of a repo and what the repo is called there; None: its branches are only pushed.

        url: where it is pushed to, for a repo that the manifest knows by its folder alone.

        Raises: ForgeError(`forge-token`): the variable holds what cannot be a token.
        """
        identity = _identity(repo, url)
        if identity is None or not identity.host:
            return None, Project("", identity.path if identity is not None else str(repo.path or repo.name))
        host = self._host(identity.host)
        with self._guard:
            if host not in self._forges:
                self._forges[host] = self._open(host)
            return self._forges[host], Project(_web_host(identity.host, repo, url), identity.path)

    def account(self, host: str) -> Account:
        """Return what is known of a host (`git.example.com`, with its port where that is unusual)."""
        host = self._host(host)
        settings = self._declared.get(host)
        kind = settings.kind if settings is not None else KNOWN_HOSTS.get(host, "none")
        names = self._token_variables(host, kind, settings)
        api = settings.api if settings is not None and settings.api is not None else _usual_api(host, kind)
        ca_file = settings.ca_file if settings is not None else None
        return Account(kind, Endpoint(host, api, self._token(host, names), names, ca_file), _USERS[kind])

    def clean(self, text: str) -> str:
        """Return `text` without the token of any host, and without control characters."""
        names = {name for kind in TOKEN_VARIABLES.values() for name in kind}
        names |= {settings.token_env for settings in self._declared.values() if settings.token_env is not None}
        for name in names:
            token = self._environ.get(name, "").strip()
            for form in {token, quote(token, safe="")} if token else ():
                text = text.replace(form, "…")
        return plain(text)

    def _host(self, host: str) -> str:
        """Return the name under which a host is declared or known: with its port, else without."""
        bare = _without_port(host)
        return host if host in self._declared or host in KNOWN_HOSTS or bare not in self._declared else bare

    def _open(self, host: str) -> Forge | None:
        account = self.account(host)
        token = account.endpoint.token or ""
        match account.kind:
            case "github":
                return github.GitHub(self._client(account.endpoint, github.headers(token)))
            case "gitlab":
                return gitlab.GitLab(self._client(account.endpoint, gitlab.headers(token)))
            case "forgejo":
                return forgejo.Forgejo(self._client(account.endpoint, forgejo.headers(token)))
            case "none":
                return None

    def _client(self, endpoint: Endpoint, headers: Mapping[str, str]) -> Client:
        client = self._connect(endpoint, headers)
        self._clients.append(client)
        return client

    def _token_variables(self, host: str, kind: ForgeKind, settings: ForgeSettings | None) -> tuple[str, ...]:
        if settings is not None and settings.token_env is not None:
            return (settings.token_env,)
        return TOKEN_VARIABLES[kind] if self._owners.get(kind) == host else ()

    def _token(self, host: str, names: tuple[str, ...]) -> str | None:
        for name in names:
            token = self._environ.get(name, "").strip()
            if not token:
                continue
            if not (token.isascii() and token.isprintable()) or " " in token:
                raise ForgeError("forge-token", f"{host}: what {name} holds cannot be a token")
            return token
        return None


def _hosts(workspace: Workspace) -> Iterable[str]:
    """Give every host of the workspace, declared or in use, once."""
    used = (repo.url.identity for repo in workspace.repos if repo.url is not None)
    names = [identity.host for identity in used if identity is not None and identity.host]
    return dict.fromkeys([*workspace.forges, *names])


def _owners_of_usual_tokens(hosts: Iterable[str], declared: Mapping[str, ForgeSettings]) -> dict[ForgeKind, str]:
    """Return for each kind the one host that the usual variables belong to: a token never goes to two.

    The known host comes first; among hosts that are only declared there must be no choice.
    """
    candidates: dict[ForgeKind, list[str]] = {}
    for host in hosts:
        settings = declared.get(host)
        kind = settings.kind if settings is not None else KNOWN_HOSTS.get(host)
        if kind is not None and (settings is None or settings.token_env is None):
            candidates.setdefault(kind, []).append(host)
    owners: dict[ForgeKind, str] = {}
    for kind, names in candidates.items():
        known = [host for host in KNOWN_HOSTS if host in names]
        if known or len(names) == 1:
            owners[kind] = (known or names)[0]
    return owners


def _usual_api(host: str, kind: ForgeKind) -> str:
    return "https://api.github.com" if host == "github.com" else f"https://{host}{_APIS[kind]}"


def _identity(repo: Repo, url: str | None) -> Identity | None:
    if repo.url is not None:
        return repo.url.identity
    return identity_of_url(url) if url is not None else None


def _web_host(host: str, repo: Repo, url: str | None) -> str:
    """Return the host for people: the port of an ssh server is none of its web pages'."""
    address = (repo.url.git_url() if repo.url is not None else url) or ""
    return host if address.startswith(("https:", "http:")) else _without_port(host)


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() and not name.endswith(":") else host

"""Which forge a repo lies on: from the host in its address and the manifest; each host has one client."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pkgutil import resolve_name
from urllib.parse import urlsplit

from flakesync.errors import FlakesyncError, GitError
from flakesync.forge.adapter import Adapter
from flakesync.forge.client import Client, Endpoint
from flakesync.forge.limits.limits import Waits
from flakesync.forge.model import Forge, ForgeError, OnForge, Project
from flakesync.git.remotes.credentials import server_of
from flakesync.git.remotes.remote import Address, Remote
from flakesync.net.forge_kinds import KINDS
from flakesync.nix.reference.flakeref import Identity, identity_of, identity_of_url
from flakesync.processes.stop import breakable
from flakesync.workspace.hosts import Account, Hosts, without_port
from flakesync.workspace.model import Repo, Workspace

Connect = Callable[[Endpoint, Mapping[str, str]], Client]


class Servers:
    """The forges of one workspace, each with one client; threads may share it."""

    def __init__(self, workspace: Workspace, environ: Mapping[str, str], *, connect: Connect = Client) -> None:
        """environ: where the tokens are. connect: makes the client of a host, for tests."""
        self.hosts = Hosts(workspace, environ)
        self._connect = connect
        self._forges: dict[str, Forge | None] = {}
        self._clients: list[Client] = []
        self._waits: Waits | None = None
        self._guard = threading.Lock()

    def wait_for_limits(self, waits: Waits) -> None:
        """Let calls wait for the forges' limits like this, from now on."""
        with self._guard:
            self._waits = waits
            for client in self._clients:
                client.limits.waits = waits

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

    def for_repo(self, repo: Repo, url: str | None = None) -> OnForge | None:
        """Return a repo on its forge; None: its server has no API that is known, its branches are only pushed.

        url: where it is pushed to, for a repo that the manifest knows by its folder alone.

        Raises: ForgeError(`forge-token`): the variable holds what cannot be a token.
        """
        identity, address = self._asked(repo, url)
        if identity is None or not identity.host:
            return None
        account = self.account(identity.host)
        with self._guard:
            if account.host not in self._forges:
                self._forges[account.host] = self._open(account)
            forge = self._forges[account.host]
        project = Project(_web_host(identity.host, account, address), identity.path)
        return OnForge(forge, project) if forge is not None else None

    def require_tokens(self, repos: Iterable[Repo]) -> None:
        """Look for the tokens of the repos' forges; one that is there is enough: the others then fail for themselves.

        Raises: ForgeError(`forge-token`): there is none for any of them.
        """
        lacking: dict[str, Account] = {}
        for repo in repos:
            identity, _ = self._asked(repo, None)
            account = self.account(identity.host) if identity is not None and identity.host else None
            if account is None or account.token is not None or adapter_of(account.kind) is None:
                return
            lacking[account.host] = account
        if lacking:
            names = dict.fromkeys(name for account in lacking.values() for name in account.token_env)
            tables = " and ".join(f'[forges."{host}"]' for host in lacking)
            variable = f"name the variable that holds it: `token-env` in {tables}"
            hint = f"put it into {' or '.join(names)}" if names else variable
            raise ForgeError("forge-token", f"there is no token for {' or '.join(lacking)}", hint=hint)

    def _asked(self, repo: Repo, url: str | None) -> tuple[Identity | None, str]:
        """Return which repository a repo is pushed to, and its address: its mirror's, where it has one.

        A pull request is made where the branch lies, if that is a forge at all.
        """
        own = (repo.url.git_url() if repo.url is not None else url) or ""
        mirror = self.hosts.mirrors.of(own)
        if mirror is not None:
            return identity_of({"type": "git", "url": mirror}), mirror
        if repo.url is not None:
            return repo.url.identity, own
        return (identity_of_url(url) if url is not None else None), own

    def account(self, host: str) -> Account:
        """Return what is known of a host; see Hosts. Raises: ForgeError(`forge-token`)."""
        try:
            return self.hosts.account(host)
        except FlakesyncError as error:
            raise ForgeError(error.code, error.message, hint=error.hint) from None

    def remote(self, url: Address) -> Remote:
        """Return the remote at an address of git; see Hosts. Raises: GitError(`bad-url`), ForgeError(`forge-token`)."""
        try:
            return self.hosts.remote(url)
        except GitError:
            raise
        except FlakesyncError as error:
            raise ForgeError(error.code, error.message, hint=error.hint) from None

    def clean(self, text: str) -> str:
        """Return `text` without the token of any host, and without control characters."""
        return self.hosts.clean(text)

    def clean_error(self, error: FlakesyncError) -> FlakesyncError:
        """Return an error as it may be shown: no server has repeated a token to us in it."""
        hint = self.clean(error.hint) if error.hint is not None else None
        return FlakesyncError(error.code, self.clean(error.message), hint=hint)

    def _open(self, account: Account) -> Forge | None:
        adapter = adapter_of(account.kind)
        if adapter is None:
            return None
        client = self._connect(endpoint_of(account), adapter.headers(account.token or ""))
        self._clients.append(client)
        if self._waits is not None:
            client.limits.waits = self._waits
        return adapter(client)


@contextmanager
def reading(account: Account, connect: Connect = Client) -> Iterator[Adapter | None]:
    """Give the adapter of a host to read by: without a token what everybody may read. None: no forge that is known."""
    adapter = adapter_of(account.kind)
    if adapter is None:
        yield None
        return
    client = connect(endpoint_of(account, public=True), adapter.headers(account.token or ""))
    with closing(client), breakable(lambda: client, lambda begun, _: begun.stop()):
        yield adapter(client)


def endpoint_of(account: Account, *, public: bool = False) -> Endpoint:
    """Return where the API of a host is. public: what everybody may read is asked for without a token too."""
    return Endpoint(account.host, account.api, account.token, account.token_env, account.ca_file, public)


def adapter_of(kind: str) -> type[Adapter] | None:
    """Return the class that speaks to forges of a kind; None: nothing does, branches are only pushed."""
    place = KINDS[kind].adapter
    if place is None:
        return None
    adapter: type[Adapter] = resolve_name(place)
    return adapter


def _web_host(host: str, account: Account, address: str) -> str:
    """Return the host for people: where the API is, if git is spoken to over ssh, whose port is none of the web's."""
    if address.startswith(("https:", "http:")):
        return host
    bare = without_port(host)
    api = (server_of(urlsplit(account.api)) or "").partition("://")[2]
    return api if without_port(api) == bare else bare

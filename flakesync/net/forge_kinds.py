"""The kinds of forges, one row of facts each; `docs/how-to-forge.md` adds one."""

from collections.abc import Mapping

import msgspec


class KindFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of all forges of a kind.

    adapter: its class, as `MODULE:CLASS`, imported where a repo lies on such a forge; None: branches are only pushed.
    api: where its API is below `https://HOST`. hosts: forges that need no `[forges]` table, each with the base URL of
    its API where that is another one, else None. token_variables: where a token is looked for, the first that is set,
    on hosts without a `token-env`. tools_host: the host that the tools which read these variables ask first; None:
    there are no such tools. git_user: the name that goes with the token where git asks for one. access_tokens: how Nix
    writes a token of such a host (`{host}`, `{token}`), which curl then sends to no other host; None: it does not.
    """

    adapter: str | None = None
    api: str = ""
    hosts: Mapping[str, str | None] = {}
    token_variables: tuple[str, ...] = ()
    tools_host: str | None = None
    git_user: str = "git"
    access_tokens: str | None = None


KINDS: dict[str, KindFacts] = {
    "github": KindFacts(
        adapter="flakesync.forge.github.adapter:GitHub",
        api="/api/v3",
        hosts={"github.com": "https://api.github.com"},
        token_variables=("GITHUB_TOKEN", "GH_TOKEN"),
        tools_host="github.com",
        git_user="x-access-token",
        access_tokens="{host}={token}",
    ),
    "gitlab": KindFacts(
        adapter="flakesync.forge.gitlab.adapter:GitLab",
        api="/api/v4",
        hosts={"gitlab.com": None},
        token_variables=("GITLAB_TOKEN",),
        tools_host="gitlab.com",
        git_user="oauth2",
        access_tokens="{host}=OAuth2:{token}",
    ),
    "forgejo": KindFacts(
        adapter="flakesync.forge.forgejo.adapter:Forgejo",
        api="/api/v1",
        hosts={"codeberg.org": None, "gitea.com": None},
        token_variables=("FORGEJO_TOKEN", "GITEA_TOKEN"),
        git_user="token",
    ),
    "none": KindFacts(),
}
"""The name of a kind, as `kind` in the manifest has it → its facts."""


def known_hosts() -> dict[str, str]:
    """Return host → kind of the forges that need no `[forges]` table."""
    return {host: kind for kind, facts in KINDS.items() for host in facts.hosts}


def usual_api(host: str, kind: str) -> str:
    """Return the base URL of the API that a host of a kind has where nobody says otherwise."""
    return KINDS[kind].hosts.get(host) or f"https://{host}{KINDS[kind].api}"

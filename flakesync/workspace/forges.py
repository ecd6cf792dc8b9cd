"""The tables `[forges."host"]` and `[publish]`: which forges there are besides the known ones, and how PRs look."""

import re
from pathlib import Path
from typing import cast, get_args
from urllib.parse import urlsplit

from flakesync.net.forge_kinds import KINDS, known_hosts
from flakesync.workspace import values
from flakesync.workspace.model import ForgeSettings, MergeMethod, PublishSettings
from flakesync.workspace.schema.keys import FORGE, PUBLISH, TITLE_PLACEHOLDERS
from flakesync.workspace.table import Table
from flakesync.workspace.values import bad

FORGE_KEYS = frozenset(FORGE)
PUBLISH_KEYS = frozenset(PUBLISH)

_METHODS: tuple[str, ...] = get_args(MergeMethod)
# Compiled when they are needed: most manifests declare no forge.
_HOST = r"(?!-)[a-z0-9.-]+(?::[0-9]{1,5})?|\[[0-9a-f:.]+\](?::[0-9]{1,5})?"
_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
_CREDENTIAL = r"(?:gh[pousr]|github_pat|glpat|gloas|gldt)[_-][A-Za-z0-9_-]{10,}|[0-9a-f]{40}"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def read_forge(host: str, table: Table, folder: Path) -> ForgeSettings | None:
    """Return what the table of a host says; None where it is not usable. folder: where relative files begin."""
    if not re.fullmatch(_HOST, host):
        hint = (
            f'write `[forges."{host.lower()}"]`'
            if re.fullmatch(_HOST, host.lower())
            else "for example `git.example.com`"
        )
        table.wrong("", bad(f"`{host}` is not a host name as it stands in the address of a repo", hint))
    kind = table.take("kind", _kind, known_hosts().get(host))
    if kind is None and table.lacks("kind"):
        table.wrong("", bad("needs a `kind`", f"one of {', '.join(f'`{name}`' for name in KINDS)}"))
    ca_file = table.take("ca-file", values.text, None)
    api = table.take("api", _api, None)
    token_env = table.take("token-env", _variable, None)
    if kind is None:
        return None
    where = folder / ca_file if ca_file is not None else None
    return ForgeSettings(kind=kind, api=api, token_env=token_env, ca_file=where)


def read_publish(table: Table) -> PublishSettings:
    """Return what `[publish]` says, with defaults for the rest."""
    usual = PublishSettings()
    return PublishSettings(
        labels=table.take_list("labels", values.text, usual.labels),
        draft=table.take("draft", values.flag, usual.draft),
        reviewers=table.take_list("reviewers", _reviewer, usual.reviewers),
        merge_method=cast("MergeMethod", table.take("merge-method", _method, usual.merge_method)),
        title=table.take("title", _title, usual.title),
        limit=table.take("limit", values.count, usual.limit),
    )


def _kind(value: object) -> str:
    return values.choice(value, tuple(KINDS))


def _method(value: object) -> str:
    return values.choice(value, _METHODS)


def _api(value: object) -> str:
    """Return the base URL of an API, without a final slash. A token never goes over the network in the clear."""
    word = values.text(value)
    try:
        parts = urlsplit(word)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        host = None
    if host is None or " " in word or parts.query or parts.fragment:
        raise bad(f"`{word}` is not the address of an API", "for example `https://git.example.com/api/v4`")
    if parts.username is not None:
        raise bad("must not hold a user or a password", "the token belongs into the variable that `token-env` names")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        raise bad(f"`{word}` is not an https address", "the token would go through the network unprotected")
    return word.rstrip("/")


def _variable(value: object) -> str:
    word = values.text(value)
    if re.fullmatch(_CREDENTIAL, word):
        raise bad("looks like a token", "name the environment variable that holds the token")
    if not re.fullmatch(_VARIABLE, word):
        raise bad(f"`{word}` is not the name of an environment variable", "for example `ACME_GITLAB_TOKEN`")
    return word


def _reviewer(value: object) -> str:
    word = values.text(value)
    if any(char.isspace() for char in word):
        raise bad(f"`{word}` is not the name of a user or team", "a name as on the forge, or a team as `org/team`")
    return word.removeprefix("@")


def _title(value: object) -> str:
    return values.template(value, TITLE_PLACEHOLDERS)

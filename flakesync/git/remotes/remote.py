"""Other people's repositories: what git may contact, how, and what its failures mean."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

from flakesync.errors import GitError, HostDownError, NoAnswerError
from flakesync.git import process
from flakesync.git.remotes.causes import NO_SSH_KEY, cause_in, reason_in
from flakesync.git.remotes.credentials import helpers, login_in, secrets_in, server_of
from flakesync.git.remotes.tries import host_of, note_down, note_up, require_up, stalled, stumbled, tries
from flakesync.git.values import check_ref_name
from flakesync.gitenv import Settings
from flakesync.net.wall import require_online
from flakesync.secrets import hide_secrets
from flakesync.terms import Rev

TIMEOUT_S = 30.0
"""How long a server may take to list its refs."""

_NAME = "flakesync-remote"
_PATIENCE: Settings = (("http.lowSpeedLimit", "1"), ("http.lowSpeedTime", "300"))
"""A server that says nothing for so many seconds has gone; one that checks what is pushed to it may take a while."""
_CONFIGURES = re.compile(r"HOME|XDG_CONFIG_HOME|GIT_CONFIG\w*")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)(::|://)")
_SCP = re.compile(r"(?:[^@/:\s]+@)?(?:\[[^\]/]+\]|[^@/:\s]+):")
_REDIRECT = re.compile(r"^warning: redirecting to (\S+)", re.MULTILINE)


class Listing(NamedTuple):
    """What a server says of its refs. redirect: the address that it sent git to instead; None: to no other one."""

    refs: dict[str, Rev]
    redirect: str | None


@dataclass(frozen=True, slots=True)
class Remote:
    """An address that git may contact, and how it logs in there.

    url: without password. settings: for git, while it contacts the remote. environment: the secrets that a credential
    helper among the settings reads. login: what git logs in with, for people (`the token in GITHUB_TOKEN`); None: what
    the user has. hint: what to do where that is refused; None: what holds for every server. mirror_of: the address that
    it is asked in place of, without password; None: it is asked for itself.
    """

    url: str
    settings: Settings = field(default=(), repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    login: str | None = None
    hint: str | None = None
    mirror_of: str | None = None

    @property
    def place(self) -> str:
        """The address under which the caches keep what is fetched: the same one, whoever is asked for it."""
        return self.mirror_of if self.mirror_of is not None else self.url

    @property
    def config(self) -> tuple[tuple[str, str], ...]:
        """Settings that make the remote known to one git process by the name in `NAME`, out of sight of `ps`."""
        return ((f"remote.{self.name}.url", self.url), *self.settings)

    @property
    def name(self) -> str:
        """What to call it in a git command: an address that begins with `-` cannot be taken for an option."""
        return _NAME

    def clean(self, text: str) -> str:
        """Return what git or the server said, without secrets: a server may repeat what it was sent."""
        for secret in secrets_in(self.environment):
            for form in dict.fromkeys((secret, quote(secret, safe=""))):
                text = text.replace(form, "…")
        return hide_secrets(text)


Address = str | Remote
"""What functions that contact a server take: an address, or one that has been parsed and knows how to log in."""


def parse_remote(url: Address) -> Remote:
    """Return the remote that `url` names: http(s), ssh, git, file, `user@host:path`, or a path.

    Raises: GitError(`bad-url`): a transport that runs programs, or nothing that git could contact.
    """
    if isinstance(url, Remote):
        return url
    if url.startswith("/") and "\0" not in url:
        return Remote(url)  # a folder: whatever its name holds
    shown = hide_secrets(url)
    scheme = _SCHEME.match(url)
    if url.startswith("-") or not url or re.search(r"[\x00-\x20\x7f]", url):
        raise GitError("bad-url", f"{shown!r} is not an address of a git repository")
    if scheme is None:
        scp = _SCP.match(url)
        if scp is not None and (scp[0].startswith("-") or "@-" in scp[0]):
            raise GitError("bad-url", f"{shown!r} is not an address of a git repository")
        return Remote(url if scp is not None else os.path.abspath(url))  # noqa: PTH100
    if scheme[2] == "::" or scheme[1].lower() not in process.PROTOCOLS:
        raise GitError(
            "bad-url",
            f"{shown!r}: git is not allowed to use {scheme[1]!r} here",
            hint=f"use one of {', '.join(process.PROTOCOLS)}",
        )
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        server_of(parts)
    except ValueError:
        raise GitError("bad-url", f"{shown!r} is not an address of a git repository") from None
    if host.startswith("-") or (parts.username or "").startswith("-"):
        raise GitError("bad-url", f"{shown!r} is not an address of a git repository")
    if parts.username is None:
        return Remote(url)
    who, _, place = parts.netloc.rpartition("@")
    if scheme[1].lower() not in ("http", "https"):
        return Remote(urlunsplit(parts._replace(netloc=f"{who.partition(':')[0]}@{place}")))
    return _with_login(parts, urlunsplit(parts._replace(netloc=place)), shown)


def is_relative(url: str) -> bool:
    """Tell whether git takes an address for a path that does not begin at the root."""
    return not (url.startswith("/") or _SCHEME.match(url) or _SCP.match(url))


def _with_login(parts: SplitResult, bare: str, shown: str) -> Remote:
    """Return the remote of an http(s) address that names a user. bare: the address without."""
    try:
        login, server = login_in(parts), server_of(parts)
    except ValueError as error:
        raise GitError("bad-url", f"{shown!r} is not an address of a git repository: {error}") from None
    if login is not None:
        settings, environment = helpers([login])
        return Remote(bare, settings, environment, login="the login in its address")
    # The user's own credential helpers are asked for the password, as for every address with a name alone.
    user = unquote(parts.username or "", errors="surrogateescape")
    return Remote(bare, ((f"credential.{server}.username", user),))


def ls_remote(url: Address, ref: str | None, *, timeout_s: float = TIMEOUT_S) -> Rev:
    """Return the commit that a branch, else a tag, of the repository at `url` is at (None: its HEAD).

    A ref that begins with `refs/` is taken as it is. An annotated tag gives the commit it names.

    Raises: GitError(`no-such-ref` | `access-denied` | `unreachable` | `bad-url` | `bad-ref`).
    """
    remote = parse_remote(url)
    if ref is None or ref == "HEAD":
        names = ["HEAD"]
    elif ref.startswith("refs/"):
        names = [check_ref_name(ref)]
    else:
        names = [f"refs/heads/{check_ref_name(ref)}", f"refs/tags/{ref}"]
    refs = list_refs(remote, [pattern for name in names for pattern in (name, f"{name}^{{}}")], timeout_s=timeout_s)
    for name in names:
        found = refs.get(f"{name}^{{}}") or refs.get(name)
        if found is not None:
            return found
    what = "HEAD: it is empty" if names == ["HEAD"] else f"branch or tag {ref!r}"
    raise GitError("no-such-ref", f"{hide_secrets(remote.url)} has no {what}")


def list_refs(
    remote: Remote, patterns: Sequence[str], *, symbolic: bool = False, timeout_s: float = TIMEOUT_S
) -> dict[str, Rev]:
    """Return name → object of the remote's refs that match the patterns (`git ls-remote`).

    symbolic: the ref that HEAD stands for is there too, under `HEAD@` as if it were an object.

    Raises: GitError(`access-denied` | `unreachable`).
    """
    return list_server(remote, patterns, symbolic=symbolic, timeout_s=timeout_s).refs


def list_server(
    remote: Remote, patterns: Sequence[str], *, symbolic: bool = False, timeout_s: float = TIMEOUT_S
) -> Listing:
    """Return what `list_refs` does, and where the server sent git to. Raises: GitError, as `list_refs`."""
    argv = ["ls-remote", *(["--symref"] if symbolic else []), "--", remote.name, *patterns]
    answer = run(argv, remote, timeout_s=timeout_s)
    refs: dict[str, Rev] = {}
    for line in answer.lines:
        value, _, name = line.partition("\t")
        if value.startswith("ref: "):
            refs[f"{name}@"] = Rev(value.removeprefix("ref: "))
        else:
            refs[name] = Rev(value)
    redirect = _REDIRECT.search(answer.err)
    # Where a mirror leads to says nothing of the repository that it is asked for.
    return Listing(refs, redirect[1] if redirect is not None and remote.mirror_of is None else None)


def run(
    argv: Sequence[str],
    remote: Remote,
    *,
    cwd: str | os.PathLike[str] = "/",
    timeout_s: float | None = None,
    give_up: Callable[[], bool] | None = None,
) -> process.Answer:
    """Run a git command that only reads from `remote`, again where the server stumbles.

    give_up: asked now and then whether it has fetched too much.

    Raises: GitError(`access-denied` | `unreachable` | `too-large`: `give_up`), and GitError(`git`) for what is not the
    network's fault.
    """
    for _ in tries(remote.url):
        answer = run_once(argv, remote, cwd=cwd, timeout_s=timeout_s, give_up=give_up)
        if stalled(answer) or not stumbled(remote.url, answer):
            break
    if answer.status != 0:
        raise explain(argv[0], remote, answer)
    return answer


def run_once(
    argv: Sequence[str],
    remote: Remote,
    *,
    cwd: str | os.PathLike[str] = "/",
    timeout_s: float | None = None,
    give_up: Callable[[], bool] | None = None,
) -> process.Answer:
    """Run a git command that contacts `remote` one time; that it fails is no exception.

    Raises: GitError(`unreachable`): it did not end within `timeout_s`; GitError(`offline` | `too-large`: `give_up`).
    """
    require_online(hide_secrets(remote.url), GitError)
    require_up(remote.url)
    where = os.fspath(cwd)
    try:
        answer = process.git(
            argv,
            cwd=where,
            env={**_ssh(where), **remote.environment},
            config=(*_PATIENCE, *remote.config),
            timeout_s=timeout_s,
            give_up=give_up,
            check=False,
        )
    except GitError as error:
        if error.code != "git-timeout":
            raise
        late = f"no answer within {timeout_s:g} s"
        host = host_of(remote.url)
        if host is not None:
            raise note_down(HostDownError(host, f"{host} cannot be reached: {late}"), late=True) from None
        raise GitError("unreachable", f"{hide_secrets(remote.url)}: {late}") from None
    if answer.status == 0:
        note_up(remote.url)
    return answer


def explain(command: str, remote: Remote, answer: process.Answer) -> GitError:
    """Return the error that says why `remote` could not be used."""
    error = _explain(command, remote, answer)
    if remote.mirror_of is not None and not isinstance(error, HostDownError):  # that is of all repos of the host
        instead = f"it is asked in place of {hide_secrets(remote.mirror_of)}, as [mirrors] says"
        error.hint = f"{error.hint}; {instead}" if error.hint is not None else instead
    return error


def _explain(command: str, remote: Remote, answer: process.Answer) -> GitError:
    shown = hide_secrets(remote.url)
    failed = process.failure(command, answer)
    if failed.code != "git":  # this machine, or the repository here, before any server was asked
        return failed
    if "couldn't find remote ref" in answer.err.lower():
        return GitError("no-such-ref", f"{shown}: {_reason(remote, reason_in(answer.err))}")
    host = host_of(remote.url)
    cause = cause_in(answer.err)
    if cause is None or (host is None and cause.kind == "down"):
        said = reason_in(answer.err) or failed.message.removeprefix(f"git {command}: ")
        if host is not None and (stalled(answer) or stumbled(remote.url, answer)):
            return NoAnswerError("unreachable", f"{shown}: {_reason(remote, said)}")
        code = "unreachable" if answer.status == 128 or "could not read from remote" in answer.err.lower() else "git"
        return GitError(code, f"{shown}: {_reason(remote, said)}")
    reason = _reason(remote, cause.reason)
    match cause.kind:
        case "down" if host is not None:
            return note_down(HostDownError(host, f"{host} cannot be reached: {reason}", hint=cause.hint))
        case "settings":
            return GitError("no-transport", f"{shown}: {reason}", hint=cause.hint)
        case "missing" if remote.login is None:
            return GitError("unreachable", f"{shown}: {reason}", hint="there is no repository at that address")
        case _:  # to a login that may not see a repository, forges say that there is none
            return GitError("access-denied", f"{shown}: {reason}", hint=cause.hint or _how_to_get_in(command, remote))


def _reason(remote: Remote, text: str) -> str:
    return remote.clean(text).replace(f"'{_NAME}'", hide_secrets(remote.url))


def _how_to_get_in(command: str, remote: Remote) -> str | None:
    """Return what to do where a server does not let git in, and does not say more."""
    scheme = _SCHEME.match(remote.url)
    match scheme[1].lower() if scheme is not None else "file" if remote.url.startswith("/") else "ssh":
        case "ssh":
            return NO_SSH_KEY
        case "http" | "https":
            if remote.login is not None:
                act = "push to" if command == "push" else "read"
                return f"is {remote.login} still valid, and may it {act} that repository?"
            return remote.hint or "git may not ask for a password here: give it a credential helper for that server"
    return None


def _ssh(cwd: str) -> Mapping[str, str]:
    """Return the environment that keeps ssh from asking, unless the user runs an ssh command of his own."""
    environ = frozenset((key, value) for key, value in os.environ.items() if _CONFIGURES.fullmatch(key))
    if os.environ.get("GIT_SSH_COMMAND") or os.environ.get("GIT_SSH") or _own_ssh_command(cwd, environ):
        return {}
    return {"GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=30 -oServerAliveInterval=20"}


@lru_cache(maxsize=4096)
def _own_ssh_command(cwd: str, environ: frozenset[tuple[str, str]]) -> bool:
    """Whether git's settings there name an ssh command; asked once a folder. environ: what decides which they are."""
    return process.git(["config", "--get", "core.sshCommand"], cwd=cwd, check=False).status == 0

"""Why a server could not be used, in the words of git, ssh, curl and the server itself, and what to do about each.

git's own last line is often `Could not read from remote repository`: the cause stands above it, among advice and
banners.
"""

import re
from typing import Literal, NamedTuple

from flakesync.patterns import pattern

_DEBIAN = "on Debian: apt-get install"
Kind = Literal["down", "denied", "missing", "settings"]
"""Nobody gets an answer there; the server does not let us in; it has no such repository; ssh or git does not run."""

NO_SSH_KEY = "git may not ask for a password here: load an ssh key that the server knows into an agent"
"""What to do where ssh has nothing that a server lets in."""

_NOISE = pattern(
    r"hint:|warning:|@|(?:remote:)?[\s=*-]*$|connection to \S+ closed"
    r"|please make sure you have the correct access rights|and the repository exists\.$",
    re.IGNORECASE,
)
_SAYS_NOTHING = pattern(
    r"Could not read from remote repository\.?$|the remote end hung up unexpectedly$|unable to fork$"
    r"|protocol error: bad (?:line length character|pack header)|expected flush"
)
_PREFIX = pattern(r"^(?:(?:fatal|error|ssh|remote|ERROR): *)+")
_ACCESS = pattern(r"^unable to access '[^']*': *")
_QUOTED = pattern(r"'[^']*'")
_GOES_ON = pattern(r":\n(?=\S+\[\d+: )")  # `unable to connect to h:`, and below why
_MOST = 3


class _Words(NamedTuple):
    """What is said for a cause, in lower case. hint: None: the caller knows a better one."""

    kind: Kind
    pattern: re.Pattern[str]
    hint: str | None


def _words(kind: Kind, hint: str | None, *patterns: str) -> _Words:
    return _Words(kind, pattern("|".join(patterns)), hint)


_CAUSES = (
    # The way there. A proxy first: curl says of it what it says of hosts.
    _words(
        "down",
        "the proxy wants a login: https_proxy=http://USER:PASSWORD@HOST:PORT, or git's `http.proxy`",
        "(?:connect tunnel failed, response|received http code|returned error:) 407",
        "proxy authentication required",
    ),
    _words(
        "down",
        "is the proxy right that https_proxy, http_proxy or all_proxy names, or git's `http.proxy`?",
        "resolve proxy|proxy syntax|unsupported proxy|connect tunnel failed|proxy connect aborted",
        "can't complete socks|from proxy after connect",
    ),
    _words(
        "down",
        "is that name right, and does this machine resolve names (DNS)? `--offline` asks no server",
        "(?:could not|couldn't) resolve host|unable to look up|name or service not known",
        "temporary failure in name resolution|nodename nor servname",
    ),
    _words(
        "down",
        'does this machine trust that server? `ca-file` in [forges."HOST"] or GIT_SSL_CAINFO name an authority',
        "certificate|ssl connect error|ssl_connect|tls handshake|wrong version number",
    ),
    _words(
        "down",
        None,
        "failed to connect|(?:could not|couldn't) connect|connection refused|connection timed out",
        r"operation timed out|connect to host \S+ port|no route to host|network is unreachable",
        "unable to connect to|network is down|host is down",
    ),
    # What does not even run.
    _words(
        "settings", f"install ssh ({_DEBIAN} openssh-client)", r"cannot run (?:\S*/)?ssh:|ssh: (?:command )?not found"
    ),
    _words("settings", "is the command right that GIT_SSH_COMMAND or core.sshCommand names?", "cannot run .+: "),
    _words("settings", "mend ssh's settings (~/.ssh/config)", r"bad configuration option|keyword \S+ extra arguments"),
    _words("settings", "git lacks its part for that transport", "is not a git command|unable to find remote helper"),
    # Who we are.
    _words(
        "denied",
        "the server's key is another than in known_hosts: if that is right, `ssh-keygen -R HOST`, then connect once",
        r"host identification has changed|host key for \S+ has changed",
    ),
    _words(
        "denied",
        "ssh does not know that server's key: connect once by hand, or add it to known_hosts",
        "host key verification failed|no matching host key type",
    ),
    _words(
        "denied",
        "ssh leaves out a key that others can read: `chmod 600` that file",
        r"unprotected private key|bad permissions|permissions \d+ for .* are too open",
    ),
    _words(
        "denied",
        "ssh offers more keys than the server looks at: `IdentityFile` and `IdentitiesOnly yes` for that host",
        "too many authentication failures",
    ),
    _words(
        "denied",
        NO_SSH_KEY,
        r"permission denied \(|publickey",
    ),
    _words(
        "denied",
        None,
        "could not read (?:username|password)|authentication failed|permission denied|access denied",
        r"returned error: 40[13]\b|repository not found|project you were looking for could not be found",
    ),
    _words("missing", None, "does not appear to be a git repository|not found|does not exist|returned error: 404"),
)


class Cause(NamedTuple):
    """Why a server could not be used. reason: for people. hint: None: it depends on who asked for what."""

    kind: Kind
    reason: str
    hint: str | None


def cause_in(err: str) -> Cause | None:
    """Return the cause that standard error of git names; None: none that is known."""
    lines = [(line, _QUOTED.sub("''", line.lower())) for line in _GOES_ON.sub(": ", err).splitlines()]
    ours = [(line, words) for line, words in lines if not words.startswith("remote:")]
    for kind, said, hint in _CAUSES:
        # What a server says of itself, or what a repository is called, is not about the way there.
        for line, words in lines if kind in ("denied", "missing") else ours:
            if said.search(words) is not None:
                return Cause(kind, _of_host(line) if kind == "down" else reason_in(err), hint)
    return None


def reason_in(err: str) -> str:
    """Return what git, ssh and the server have said of the cause, in one line."""
    lines = [_bare(line) for line in err.splitlines() if not _NOISE.match(line.strip())]
    telling = [line for line in lines if not _SAYS_NOTHING.match(line)]
    # ssh's last lines name the cause; above them it may have told what it tried.
    return "; ".join(dict.fromkeys(line.rstrip(".") for line in telling[-_MOST:] or lines[-1:]))


def _of_host(line: str) -> str:
    """Return a line without the address of the one repository: it is then the same for all of a host."""
    return _ACCESS.sub("", _bare(line)).rstrip(".:")


def _bare(line: str) -> str:
    return _PREFIX.sub("", line.strip())

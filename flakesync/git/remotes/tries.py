"""Servers that stumble: what is worth another try, how often, and after which pauses (those of the client for APIs)."""

import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from flakesync.errors import HostDownError
from flakesync.git import process
from flakesync.patterns import pattern
from flakesync.processes import stop

PAUSES_S = (0.5, 1.0, 2.0)
"""How long to wait before each further try."""
DOWN_FOR_S = 60.0
"""How long a server that did not recover is asked only once each time: a hundred repos must not all wait for it."""

# In the words of git, curl, its TLS libraries and ssh.
_STUMBLES = pattern(
    r"returned error: 5\d\d|\bhttp 5\d\d\b|internal server error"
    r"|connection (?:was )?reset|connection closed by|broken pipe|recv (?:failure|error)|send failure"
    r"|empty reply from server|early eof|unexpected disconnect|hung up unexpectedly"
    r"|non-properly terminated|ssl_error_syscall|unexpected eof|\bcurl (?:16|18|52|55|56|92)\b"
)
_REFUSALS = pattern(
    r"returned error: 4\d\d|\bhttp 4\d\d\b|permission denied|access denied|authentication failed"
    r"|could not read (?:user|pass)|host key verification failed|does not appear to be a git repository|\brejected\]"
)
_STALLS = pattern(r"operation too slow|\bcurl 28\b")
_SCP = pattern(r"(?:[^@/:\s]+@)?(\[[^\]/]+\]|[^@/:\s]+):")

REFUSING_FOR_S = 60.0
"""How long nobody else tries a host that cannot be reached: it costs each of many repos little, and is soon back."""
SILENT_FOR_S = 600.0
"""How long nobody else tries one that lets all wait: each of them would wait for as long as the first one has."""
LATE_TIMES = 2
"""After how many late answers in a row a host that has answered before is silent: one repository may be large."""

_answered: set[str] = set()
_late: dict[str, int] = {}
_silent: dict[str, tuple[float, HostDownError]] = {}
_down: dict[str, float] = {}
_guard = threading.Lock()


def stumbled(url: str, answer: process.Answer) -> bool:
    """Tell whether a git command failed because the server at `url`, or the way to it, did, and not by its decision."""
    if answer.status <= 0 or host_of(url) is None:
        return False
    told = f"{answer.text}\n{answer.err}".lower()
    return _STUMBLES.search(told) is not None and _REFUSALS.search(told) is None


def stalled(answer: process.Answer) -> bool:
    """Tell whether git has given up a server that said nothing for minutes: the next try would wait as long."""
    return answer.status > 0 and _STALLS.search(answer.err.lower()) is not None


def tries(url: str) -> Iterator[None]:
    """Give a turn for each try at the server of `url`, with a pause before all but the first.

    It ends after the last of PAUSES_S, or when everything is stopped; who leaves it before has had an answer.
    """
    server = host_of(url)
    with _guard:
        pauses = () if server is None or _down.get(server, 0.0) > time.monotonic() else PAUSES_S
    try:
        yield
        for pause_s in pauses:
            if not stop.pause(pause_s):
                return
            yield
    except GeneratorExit:
        with _guard:
            _down.pop(server or "", None)
        raise
    if server is not None:
        with _guard:
            _down[server] = time.monotonic() + DOWN_FOR_S


def forget() -> None:
    """Forget what is known of all hosts."""
    with _guard:
        for known in (_answered, _late, _silent, _down):
            known.clear()


def require_up(url: str) -> None:
    """Raise HostDownError while a host counts as one that cannot be reached; nothing is asked for that."""
    with _guard:
        until, error = _silent.get(host_of(url) or "", (0.0, None))
    if error is not None and until > time.monotonic():
        raise HostDownError(error.host, error.message, hint=error.hint)


def note_up(url: str) -> None:
    """Note that a host has answered, whatever it said."""
    host = host_of(url)
    if host is not None:
        with _guard:
            _answered.add(host)
            _late.pop(host, None)
            _silent.pop(host, None)


def note_down(error: HostDownError, *, late: bool = False) -> HostDownError:
    """Note that a host could not be reached, and return the error.

    late: it only did not answer in time, which says little of a host that has answered before.
    """
    with _guard:
        if late:
            _late[error.host] = _late.get(error.host, 0) + 1
        if not late or error.host not in _answered or _late[error.host] >= LATE_TIMES:
            _silent[error.host] = (time.monotonic() + (SILENT_FOR_S if late else REFUSING_FOR_S), error)
    return error


def host_of(url: str) -> str | None:
    """Return whom an address of git asks: a host, with its port; None for what lies on this machine."""
    if url.startswith("/"):
        return None
    if "://" in url:
        parts = urlsplit(url)
        return None if parts.scheme == "file" else parts.netloc.rpartition("@")[2]
    found = _SCP.match(url)
    return found[1] if found is not None else None

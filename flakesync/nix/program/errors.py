"""What `nix` has to say when it fails: long traces on stderr, made into a NixError of a few lines.

Nix ≤ 2.19 prints the error first and then the trace (with --show-trace), later versions the trace first.
"""

import re

from flakesync.errors import NixError, plain
from flakesync.patterns import pattern
from flakesync.secrets import without_secrets
from flakesync.system import cause_in

_MAX_LINES = 15
_INPUT = pattern(r"while updating the flake input '([^']+)'")
_NOISE = pattern(r"warning:|\(use '--show-trace'|• |\s+→ |\s+'[a-z+]+:")
_TOOL = pattern(
    r"fatal: |error: cannot run |ssh: |remote: |.*Permission denied \(|Host key verification|.*Could not read from"
)
_UNREACHABLE = pattern(
    r"(could not|couldn't|can't) resolve|name resolution|name or service not known|connection (refused|timed out|reset)"
    r"|network is unreachable|no route to host|failed to connect|(could not|couldn't) connect|timeout was reached"
    r"|operation timed out|resolving timed out",
    re.IGNORECASE,
)
_WALLED = (
    (
        pattern(r": (?:Couldn't|Could not) connect to server \(7\)(?: Unsupported proxy scheme for '[^'\n]*')?"),
        " (not asked with --offline)",
    ),
    (pattern(r"transport '([^'\n]*)' not allowed"), r"no server is asked over \1 with --offline"),
)
"""What curl and git say where `program/offline.py` stops them, and what is said instead."""

_REFUSED = (
    "terminal prompts disabled|could not read (Username|Password)|Authentication failed|HTTP error 40[134]"
    "|returned error: 40[13]|repository '[^']*' not found"
)
REFUSED = pattern(_REFUSED, re.IGNORECASE)
"""What git and Nix say where a server lets nobody in, or nobody that it does not know."""

_HINTS = (
    ("API rate limit", "give nix a token: `access-tokens` in nix.conf or in NIX_CONFIG"),
    (r"Permission denied \(|Host key verification", "try `ssh` to that host by hand, once"),
    (
        _REFUSED,
        "nix and git never ask here: give git a credential helper, or nix an `access-tokens` setting",
    ),
    ("cannot run ssh", "install ssh (on Debian: apt-get install openssh-client)"),
    ("this is a bug", "a bug of Nix: another version may not have it"),
)


def explain(
    stderr: str, *, status: int | None = None, secrets: frozenset[str] = frozenset(), offline: bool = False
) -> NixError:
    """Return the error for a nix that failed with `stderr`: `nix-offline`, `nix-crashed`, `nix-killed`, `nix-failed`,
    or the code of what the machine refuses (`disk-full`, `no-memory`, …).

    The message names the input, where the trace does, and has what git or ssh said beside Nix's own last words.
    status: its exit status, negative for the signal that ended it, None where it is not known. offline: whether it ran
    behind the wall of `--offline`.
    """
    # With their patterns 9 ms, and nearly no run of Nix fails.
    from flakesync.nix.program.crash import crash_of, without_frames
    from flakesync.nix.program.hints import hint_in

    text = plain(without_secrets(stderr, secrets))
    stopped = False
    for walled, words in _WALLED if offline else ():
        text, count = walled.subn(words, text)
        stopped = stopped or count > 0
    lines = text.splitlines()
    inputs = _INPUT.findall(text)
    crash = crash_of(lines, status, f" while it locked the input {max(inputs, key=len)}" if inputs else "")
    if crash is not None:
        return crash
    lines = without_frames(lines)
    said = _last_error(lines) or [line.strip() for line in lines if line.strip()][-3:] or ["it failed without a word"]
    tools = [line.strip() for line in lines if _TOOL.match(line)]
    where = f"nix cannot lock the input {max(inputs, key=len)}" if inputs else "nix failed"
    rest = list(dict.fromkeys(line for line in [*said[1:], *tools] if line.strip()))
    if len(rest) >= _MAX_LINES:
        rest = [*rest[: _MAX_LINES - 2], "…"]
    message = "\n  ".join([f"{where}: {said[0]}", *rest])
    # Retries are warnings and the last word may be about a ref that was never fetched, so all of stderr is asked.
    if stopped:
        return NixError("nix-offline", message, hint="run without --offline")
    if (cause := cause_in(text)) is not None:
        return NixError(cause.code, message, hint=cause.hint)
    if _UNREACHABLE.search(text):
        return NixError("nix-offline", message, hint="the network, or that server, is out of reach; try again later")
    hint = next((hint for pattern, hint in _HINTS if re.search(pattern, text, re.IGNORECASE)), None)
    return NixError("nix-failed", message, hint=hint or hint_in(text))


def _last_error(lines: list[str]) -> list[str]:
    """Return the last `error:` with text and what belongs to it, up to the trace."""
    start = None
    for number, line in enumerate(lines):
        if re.match(r"\s*error: *\S", line):
            start = number
    if start is None:
        return []
    block = [lines[start].strip().removeprefix("error:").strip()]
    for line in lines[start + 1 :]:
        if line.lstrip().startswith("…"):
            break
        if line.strip() and not _NOISE.match(line):
            block.append(line.rstrip())
    return block

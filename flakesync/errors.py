"""Every error raised on purpose: a code, a sentence, a hint.

`cli` is the one place that turns an error into text and an exit status. What a workspace command can
go on without (one repo that fails, one bad lock) is a value, not an exception, by the time it gets there.
"""

import re

EXIT_OK = 0
EXIT_FINDINGS = 1
EXIT_CANNOT_RUN = 2
EXIT_BUG = 3
EXIT_WAITING = 4
EXIT_INTERRUPTED = 130

_CONTROL = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]"  # colours, cursor movements
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # window titles, links
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
)


_UNDECODED = re.compile("[\ud800-\udfff]")


def plain(text: str) -> str:
    """Return `text` without control sequences: what comes from a lock, a repo or a tool is shown through this.

    Line feeds and tabs stay; escape sequences, other control characters and bidirectional overrides go. A byte of a
    file's name that is no UTF-8 is shown as `\\xff`: it could not be written.
    """
    return _UNDECODED.sub(lambda found: f"\\x{ord(found[0]) & 0xFF:02x}", _CONTROL.sub("", text))


class FlakesyncError(Exception):
    """Work that could not be done, with all that a person needs to mend it.

    code: stable kebab-case id, shown as `error[code]: …`.
    hint: what to do about it, or None.
    """

    def __init__(self, code: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = plain(message)
        self.hint = plain(hint) if hint is not None else None


class ManifestError(FlakesyncError):
    """workspace.toml cannot be used: syntax, keys, values, or what it points to."""


class FlakeRefError(FlakesyncError):
    """A flake reference that Nix would not accept either."""


class LockError(FlakesyncError):
    """A flake.lock that cannot be used.

    file: where the lock was read. place: the key path in it (`nodes.lib.locked.rev`), or None for the whole file.
    """

    def __init__(
        self, code: str, message: str, *, file: str, place: str | None = None, hint: str | None = None
    ) -> None:
        where = f"{file}: {place}" if place else file
        super().__init__(code, f"{where}: {message}", hint=hint)
        self.file = file
        self.place = place


class GitError(FlakesyncError):
    """git, or a repository, did not do what was asked."""


class HostDownError(GitError):
    """A server that answers nobody, whatever is asked: code `unreachable`. host: as in its addresses, with its port."""

    def __init__(self, host: str, message: str) -> None:
        hint = f"is {host} up, and reachable from here? `--offline` asks no server"
        super().__init__("unreachable", message, hint=hint)
        self.host = host


class NixError(FlakesyncError):
    """nix is missing, too old, or failed."""


def as_error(error: FlakesyncError | OSError) -> FlakesyncError:
    """Return an error as one of ours: what the system refuses (a full disk, a folder that went away) has code `os`."""
    if isinstance(error, FlakesyncError):
        return error
    where = f"{error.filename}: " if error.filename else ""
    return FlakesyncError("os", f"{where}{error.strerror or error}")


class SyncError(FlakesyncError):
    """One repo's bump could not be carried out; its dependents are skipped."""

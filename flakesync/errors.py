"""Every error raised on purpose: a code, a sentence, a hint.

`cli` is the one place that turns an error into text and an exit status. What a workspace command can
go on without (one repo that fails, one bad lock) is a value, not an exception, by the time it gets there.
"""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager

from flakesync.patterns import pattern
from flakesync.secrets import hide_secrets, secrets_of, without_secrets
from flakesync.system import cause_of

EXIT_OK = 0
EXIT_FINDINGS = 1
EXIT_CANNOT_RUN = 2
EXIT_BUG = 3
EXIT_WAITING = 4
EXIT_INTERRUPTED = 130

INTERRUPTED = frozenset({"interrupted", "git-interrupted", "nix-interrupted"})
"""Codes of errors that say nothing of a repo or a server: the run was told to stop."""

_CONTROL = pattern(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]"  # colours, cursor movements
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # window titles, links
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
)


_UNDECODED = pattern("[\ud800-\udfff]")
_QUOTED_BYTE = pattern(r"\\udc([89a-f][0-9a-f])")
"""Such a byte in the words of `repr`."""


def plain(text: str) -> str:
    """Return `text` without control sequences: what comes from a lock, a repo or a tool is shown through this.

    Line feeds and tabs stay; escape sequences, other control characters and bidirectional overrides go. A byte of a
    file's name that is no UTF-8 is shown as `\\xff`: it could not be written.
    """
    if not (text.isascii() and text.isprintable()):  # most texts are, and have nothing to take away
        text = escaped(without_controls(text))
    return _QUOTED_BYTE.sub(r"\\x\1", text) if "\\udc" in text else text


def without_controls(text: str) -> str:
    """Return `text` without control sequences; bytes that are no UTF-8 stay what they are."""
    return _CONTROL.sub("", text)


def escaped(text: str) -> str:
    """Return `text` with each byte that is no UTF-8 as `\\xff`; nothing else changes."""
    return _UNDECODED.sub(lambda found: f"\\x{ord(found[0]) & 0xFF:02x}", text) if not text.isascii() else text


class FlakesyncError(Exception):
    """Work that could not be done, with all that a person needs to mend it.

    code: stable kebab-case id, shown as `error[code]: …`.
    hint: what to do about it, or None.
    """

    def __init__(self, code: str, message: str, *, hint: str | None = None) -> None:
        self.message = hide_secrets(plain(message))
        super().__init__(self.message)
        self.code = code
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


class NoAnswerError(GitError):
    """A server that failed before it had answered, and may answer tomorrow: code `unreachable`."""


class HostDownError(NoAnswerError):
    """A server that answers nobody, whatever is asked: code `unreachable`. host: as in its addresses, with its port."""

    def __init__(self, host: str, message: str, *, hint: str | None = None) -> None:
        """Make the error. hint: where more is known than that nobody answers."""
        usual = f"is {host} up, and reachable from here? `--offline` asks no server"
        super().__init__("unreachable", message, hint=hint or usual)
        self.host = host


class CacheError(GitError):
    """A folder of flakesync's own cannot be used, so no repo can be mirrored: code `cache` or `disk-full`."""


class NixError(FlakesyncError):
    """nix is missing, too old, or failed."""


class BugError(FlakesyncError):
    """What nobody foresaw in the work on one repo: code `bug`. exception: what was raised, with its traceback."""

    def __init__(self, exception: Exception) -> None:
        """Make the sentence about it."""
        super().__init__("bug", unforeseen(exception), hint="please report it, with what FLAKESYNC_DEBUG=1 prints")
        self.exception = exception


class RepoError(Exception):
    """An exception that is none of ours, and the repo that it came of, where work is done for all repos in one go.

    Whoever called can do the work again without that repo.
    """

    def __init__(self, repo: str, exception: Exception) -> None:
        """repo: its name."""
        super().__init__(f"{repo}: {exception}")
        self.repo = repo
        self.exception = exception


BUGS: list[BugError] = []
"""Every bug that was met since the program began, from whichever thread: wherever its error ends up, and be it in a
note, the exit status says that there was one."""


def as_error(error: Exception) -> FlakesyncError:
    """Return any exception as one of ours, so that what goes wrong in one repo ends the work on that repo alone.

    What the machine refuses (a full disk, no more threads) has the code of `cause_of`; what nobody foresaw is a
    BugError, and is among BUGS from then on.
    """
    match error:
        case FlakesyncError():
            return error
        case RepoError(exception=exception):
            return as_error(exception)
        case _ if (cause := cause_of(error)) is not None:
            return FlakesyncError(cause.code, cause.message, hint=cause.hint)
        case _:
            bug = BugError(error)
            BUGS.append(bug)
            return bug


def within(repo: str) -> AbstractContextManager[None]:
    """Say of which repo an exception is that none of ours is. Raises: RepoError."""
    return _Within(repo)


class _Within:
    """The context of `within`: a generator takes three times as long, for each of thousands of repos."""

    __slots__ = ("_repo",)

    def __init__(self, repo: str) -> None:
        self._repo = repo

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, FlakesyncError | RepoError):
            raise RepoError(self._repo, error) from error


def unforeseen(error: BaseException) -> str:
    """Return the sentence about an exception that nobody foresaw."""
    text = str(error)
    said = plain(f"this should not have happened: {type(error).__name__}{f': {text}' if text else ''}")
    return without_secrets(said, secrets_of(os.environ))  # people are asked to report it


def first_of(errors: Sequence[FlakesyncError], *, hint: str | None = None) -> FlakesyncError:
    """Return one error for several that say the same to a person, or nearly. hint: where the first has none."""
    first = errors[0]
    others = {error.message for error in errors} - {first.message}
    more = f" (and {len(others)} more)" if others else ""
    return FlakesyncError(first.code, first.message + more, hint=first.hint or hint)


class SyncError(FlakesyncError):
    """One repo's bump could not be carried out; its dependents are skipped."""

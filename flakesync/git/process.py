"""Run the git program: no hooks, no prompts, no inherited GIT_* state, a process group of its own.

GitPython starts the process (imported when first needed: it costs as much as reading a thousand locks). Waiting,
timeouts and ending the whole group are those of all child processes, as git's own children (ssh, a credential helper)
end with it.
"""

import contextlib
import os
import re
import select
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

import msgspec

from flakesync.errors import FlakesyncError, GitError, plain
from flakesync.git.failures import no_env, no_git, not_started, of_machine
from flakesync.gitenv import with_settings
from flakesync.net.wall import is_offline
from flakesync.processes import child
from flakesync.secrets import hide_secrets

if TYPE_CHECKING:
    from flakesync.processes.child import Popen

PROTOCOLS = ("http", "https", "ssh", "git", "file")
"""Transports that are used; `ext::` and others run what the address says."""

_KEEP = re.compile(
    r"GIT_(?:SSH|SSH_COMMAND|SSH_VARIANT|SSL_.*|CONFIG_.*|PROXY.*|HTTP_.*|ASKPASS|EXEC_PATH|AUTHOR_.*|COMMITTER_.*|PYTHON_.*)"
)
SETTINGS: Mapping[str, str] = {
    "core.hookspath": "/dev/null",
    "core.fsmonitor": "false",
    # Mirrors are bare, and are only ever opened by their own path.
    "safe.barerepository": "all",
}
"""What counts before all settings of system, user and repository."""
_FLAGS = tuple(part for key, value in SETTINGS.items() for part in ("-c", f"{key}={value}"))
_EXCEPTION = re.compile(r"git config --global --add safe\.directory .*")

_ROOT = "/"
_PIECE_BYTES = 1 << 16
_SILENCE_S = 1800.0
"""How long git may take for the next piece of a stream: the last resort where something in it never ends."""


class Answer(msgspec.Struct, frozen=True):
    """What a git process said. status: exit status. err: standard error, without secrets and control characters.

    folder: the repository that it worked in; empty: none.
    """

    status: int
    out: bytes
    err: str
    folder: str = ""

    @property
    def text(self) -> str:
        """Standard output as text."""
        return self.out.decode("utf-8", "surrogateescape")

    @property
    def lines(self) -> list[str]:
        """Standard output, line by line; a name in it may hold what only Unicode takes for the end of a line."""
        return self.text.removesuffix("\n").split("\n") if self.out else []


def git(
    argv: Sequence[str],
    *,
    cwd: str | Path = "/",
    data: bytes | None = None,
    env: Mapping[str, str] | None = None,
    config: Sequence[tuple[str, str]] = (),
    timeout_s: float | None = None,
    give_up: Callable[[], bool] | None = None,
    check: bool = True,
) -> Answer:
    """Run `git ARGV` in `cwd`, whatever its name holds, and return its answer.

    data: what it reads on standard input (None: it is closed). config: settings that must not be seen in the list of
    processes; they are handed over in the environment. timeout_s: None waits for as long as it takes. give_up: asked
    now and then whether it has done too much.

    Raises: GitError(`no-git` | `git-settings` | `git-timeout` | `git-interrupted`), GitError(`too-large`) where
    `give_up` says so, and GitError(`git`) with git's own words, or what the machine refuses, when `check` and it fails.
    """
    extra = {**_quiet_environment(), **(env or {}), **with_settings(os.environ, config)}
    try:
        with _named(argv):
            begin = partial(_start, argv, cwd, extra, reads=data is not None)
            ended = child.run(begin, data=data, timeout_s=timeout_s, give_up=give_up)
    except TimeoutError:
        raise GitError("git-timeout", f"git {argv[0]} did not end within {timeout_s:g} s") from None
    except child.GaveUpError:
        raise GitError("too-large", f"git {argv[0]} was given up: it was getting too large") from None
    folder = os.fspath(cwd) if os.fspath(cwd) != _ROOT else ""
    answer = Answer(ended.status, ended.out, _words(ended.err), folder)
    if answer.status != 0:
        error = failure(argv[0], answer)
        if check or error.code == "git-settings":  # then it is an answer to no question
            raise error
    return answer


def stream(
    argv: Sequence[str], *, cwd: str | Path = "/", env: Mapping[str, str] | None = None, data: bytes | None = None
) -> Iterator[bytes]:
    """Run `git ARGV` in `cwd` and give its output in pieces; leaving early ends it.

    data: what it reads on standard input, beside its output (None: it is closed).

    Raises: GitError(`no-git` | `git-interrupted`), GitError(`git-timeout`) if the next piece does not come for half an
    hour, and GitError(`git`) after the last piece if it fails.
    """
    extra = {**_quiet_environment(), **(env or {})}
    told: list[bytes] = []
    with _named(argv), child.started(partial(_start, argv, cwd, extra, reads=data is not None)) as process:
        out, err = process.stdout, process.stderr
        if out is None or err is None:
            raise GitError("git", "git has ended before it began")
        # Read beside the output: git would wait for ever with a full pipe of errors that nobody empties.
        errors = threading.Thread(target=lambda: told.append(err.read()), daemon=True)
        errors.start()
        if data is not None and process.stdin is not None:
            threading.Thread(target=_feed, args=(process.stdin, data), daemon=True).start()
        while piece := _next_piece(out, argv):
            yield piece
        status = process.wait()
        errors.join()
    if status != 0:
        raise failure(_command(argv), Answer(status, b"", _words(b"".join(told)), os.fspath(cwd)))


def _feed(inlet: IO[bytes], data: bytes) -> None:
    """Write all of `data`; what a git that has ended does not read is lost."""
    with contextlib.suppress(OSError, ValueError), inlet:
        inlet.write(data)


def _next_piece(out: IO[bytes], argv: Sequence[str]) -> bytes:
    ready = select.poll()  # `select` takes no descriptor above 1023
    ready.register(out, select.POLLIN)
    if not ready.poll(_SILENCE_S * 1000):
        raise GitError("git-timeout", f"git {_command(argv)} has said nothing for {_SILENCE_S:g} s")
    return os.read(out.fileno(), _PIECE_BYTES)


@contextmanager
def _named(argv: Sequence[str]) -> Iterator[None]:
    """Say which git command was interrupted."""
    try:
        yield
    except FlakesyncError as error:
        if error.code != "interrupted":
            raise
        raise GitError("git-interrupted", f"git {_command(argv)} was interrupted") from None


def _words(err: bytes) -> str:
    return hide_secrets(plain(err.decode("utf-8", "surrogateescape"))).strip()


def failure(command: str, answer: Answer) -> GitError:
    """Return the error for a git command that failed: git's last words, which name the cause."""
    if (of_here := of_machine(command, answer.err, answer.folder)) is not None:
        return of_here
    lines = [line for line in answer.err.splitlines() if line.strip() and not line.startswith("hint:")]
    told = [line for line in lines if line.startswith(("fatal:", "error:"))] or lines[-3:]
    reason = "; ".join(re.sub(r"^(?:fatal|error): ", "", line) for line in told) or f"exit status {answer.status}"
    if (advice := _EXCEPTION.search(answer.err)) is not None:
        return GitError("dubious-ownership", f"git {command}: {reason}", hint=f"if you trust it: {advice[0].strip()}")
    return GitError("git", f"git {command}: {reason}")


def _command(argv: Sequence[str]) -> str:
    return next((word for word in argv if not word.startswith("-") and "=" not in word), "git")


def _start(argv: Sequence[str], cwd: str | Path, extra: Mapping[str, str], *, reads: bool) -> "Popen[bytes]":
    """Start git, with pipes. Raises: GitError(`no-git` | `git`)."""
    if shutil.which("git") is None:
        raise no_git()
    try:
        from git.cmd import Git
        from git.exc import GitCommandNotFound
    except ImportError as error:
        raise not_started(error) from None
    # GitPython expands `~` and `$NAME` in the folder that it is given, and stays where it is if that cannot be entered:
    # git would run in another repository. So GitPython gets the root folder only; git's own -C takes a name literally.
    place = ["-C", str(Path(cwd).absolute())] if os.fspath(cwd) != _ROOT else []
    try:
        # AutoInterrupt would end the process when it is garbage: it is ours to end, so it is taken out of it.
        started = Git(_ROOT).execute(
            [*_unset(extra), "git", *place, *_FLAGS, *argv],
            istream=child.PIPE if reads else None,
            as_process=True,
            shell=False,
            env=extra,
            start_new_session=True,
        )
    except (GitCommandNotFound, OSError) as error:
        raise not_started(error) from None
    process, started.proc = started.proc, None
    if process is None:
        raise GitError("git", "git has ended before it began")
    return process


def _unset(ours: Mapping[str, str]) -> list[str]:
    """Return the words before `git` that take inherited state away: GitPython only adds to the environment.

    Raises: GitError(`no-env`).
    """
    inherited = [name for name in os.environ if name.startswith("GIT_") and name not in ours]
    names = [name for name in inherited if not _KEEP.fullmatch(name)]
    if names and shutil.which("env") is None:
        raise no_env(names)
    return ["env", *(part for name in sorted(names) for part in ("-u", name))] if names else []


def _quiet_environment() -> dict[str, str]:
    allowed = os.environ.get("GIT_ALLOW_PROTOCOL")
    # Behind the wall of --offline git has no way out, also where it would fetch what a partial clone lacks.
    known = () if is_offline() else PROTOCOLS
    protocols = [name for name in known if allowed is None or name in allowed.split(":")]
    return {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": ":".join(protocols),
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GCM_INTERACTIVE": "never",
        "SSH_ASKPASS": "",
        "SSH_ASKPASS_REQUIRE": "never",
    }
